"""The components of the bundled spaCy pipeline: `negagen_tagger` and `negagen_lemmatizer`.

spaCy finds them through the `spacy_factories` entry points, so that `spacy.load` of the pipeline's folder
works wherever negagen is installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from spacy.language import Language
from spacy.tokens import Doc

from negagen.errors import ResourceError
from negagen.parsing.coarse import coarse_tags, lemma
from negagen.parsing.network import Network, Weights

COMPONENT: Final = "negagen_tagger"
LEMMATIZER: Final = "negagen_lemmatizer"
WEIGHTS_FILE: Final = "weights.npz"
_MAX_TYPES: Final = 100_000


class WindowTagger:
    """spaCy component that sets `token.tag_` (Penn Treebank) and `token.pos_` (universal)."""

    def __init__(self, name: str = COMPONENT) -> None:
        self.name = name
        self._network: Network | None = None

    @property
    def weights(self) -> Weights:
        """The trained weights. Raises ResourceError before any are loaded."""
        return self._loaded().weights

    def use(self, weights: Weights) -> None:
        """Tag with these weights from now on."""
        self._network = Network(weights)

    def _loaded(self) -> Network:
        if self._network is None:
            raise ResourceError(
                f"the pipeline component {self.name!r} has no weights; load the pipeline that negagen ships "
                "(spacy.load of negagen/parsing/model) rather than adding the component to another one"
            )
        return self._network

    def __call__(self, doc: Doc) -> Doc:
        """Set the tags of one Doc."""
        self._annotate([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 256) -> Iterator[Doc]:
        """Set the tags of a stream of Docs, `batch_size` at a time; the tags do not depend on it."""
        docs = iter(stream)
        while batch := list(islice(docs, batch_size)):
            self._annotate(batch)
            yield from batch

    def _annotate(self, docs: list[Doc]) -> None:
        network = self._loaded()
        if len(network) > _MAX_TYPES:
            network.forget()
        words = [[token for token in doc if not token.is_space] for doc in docs]
        types = np.array([network.type_id(token.text) for tokens in words for token in tokens], np.intp)
        found = network.predict(types, np.array([len(tokens) for tokens in words], np.intp)).tolist()
        at = 0
        for doc, tokens in zip(docs, words, strict=True):
            tags = [network.tags[i] for i in found[at : at + len(tokens)]]
            at += len(tokens)
            if len(tokens) < len(doc):
                for token in doc:
                    if token.is_space:
                        token.tag_, token.pos_ = "_SP", "SPACE"
            pos = coarse_tags([token.lower_ for token in tokens], tags)
            for token, tag, coarse in zip(tokens, tags, pos, strict=True):
                token.tag_ = tag
                token.pos_ = coarse

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Return the weights as bytes."""
        return self.weights.to_bytes()

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> WindowTagger:
        """Take the weights from what `to_bytes` gave."""
        self.use(Weights.from_bytes(data))
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the weights into the folder `path`."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / WEIGHTS_FILE).write_bytes(self.weights.to_bytes())

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> WindowTagger:
        """Read the weights from the folder `path`. Raises ResourceError naming the file."""
        file = Path(path) / WEIGHTS_FILE
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ResourceError(
                f"{file}: cannot read the weights of the bundled tagger ({error.strerror}); reinstall negagen"
            ) from error
        return self.from_bytes(data)


class RuleLemmatizer:
    """spaCy component that sets `token.lemma_` from form and tag; it needs the tags set before."""

    def __init__(self, name: str = LEMMATIZER) -> None:
        self.name = name

    def __call__(self, doc: Doc) -> Doc:
        """Set the lemmas of one Doc."""
        for token in doc:
            token.lemma_ = lemma(token.text, token.tag_)
        return doc


@Language.factory(COMPONENT, assigns=["token.tag", "token.pos"])
def create_tagger(nlp: Language, name: str) -> WindowTagger:  # noqa: ARG001  spaCy calls it so
    """Make an empty tagger; spaCy then loads its weights."""
    return WindowTagger(name)


@Language.factory(LEMMATIZER, assigns=["token.lemma"], requires=["token.tag"])
def create_lemmatizer(nlp: Language, name: str) -> RuleLemmatizer:  # noqa: ARG001  spaCy calls it so
    """Make the lemmatizer."""
    return RuleLemmatizer(name)
