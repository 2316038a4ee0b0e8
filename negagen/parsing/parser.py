"""Captions to parses, by the bundled pipeline's fast path or by any other spaCy pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol

import spacy
from spacy.language import Language

from negagen.errors import PipelineError
from negagen.lexicon import Lexicon
from negagen.parsing.codes import is_treebank_tag
from negagen.parsing.grammar import parse_tokens
from negagen.parsing.tagger import BundledTagger
from negagen.parsing.vocabulary import Vocabulary
from negagen.types import Parse, Token

DEFAULT_PIPELINE: Final = "bundled"
BUNDLED_PATH: Final = Path(__file__).parent / "model"
# Components that no rule reads; a pipeline's own tagging rate is what is left.
_UNUSED: Final = ("parser", "ner", "lemmatizer", "attribute_ruler", "senter", "textcat", "entity_linker")

Tagged = tuple[list[int], list[Token]]


class Tagger(Protocol):
    """Gives each text its (start offsets, tokens), white space left out."""

    def tag(self, texts: Sequence[str]) -> list[Tagged]: ...


class SpacyTagger:
    """Any spaCy pipeline that sets Penn Treebank tags, through its Docs."""

    def __init__(self, nlp: Language, vocabulary: Vocabulary) -> None:
        self._nlp = nlp
        self._vocabulary = vocabulary

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        """Raises `PipelineError` when the pipeline leaves words untagged or uses other tags."""
        token = self._vocabulary.token
        tagged: list[Tagged] = []
        with self._nlp.memory_zone():  # else the vocabulary would keep every odd word for ever
            for doc in self._nlp.pipe(texts, batch_size=256):
                words = [word for word in doc if not word.is_space]
                for word in words:
                    if not is_treebank_tag(word.tag_):
                        raise PipelineError(
                            f"pipeline {self._nlp.meta.get('name', '?')!r} tags {word.text!r} as {word.tag_!r}; "
                            "negagen needs English Penn Treebank tags (token.tag_), as en_core_web_sm sets them"
                        )
                tagged.append(([word.idx for word in words], [token(word.text, word.tag_) for word in words]))
        return tagged


class Parser:
    """Captions to `Parse`s. `name` and `version` say which pipeline tags them."""

    def __init__(self, tagger: Tagger, lexicon: Lexicon, name: str, version: str) -> None:
        self._tagger = tagger
        self._lexicon = lexicon
        self.name = name
        self.version = version

    def parse(self, texts: Sequence[str]) -> list[Parse]:
        """One parse a text, in order."""
        lexicon = self._lexicon
        return [
            parse_tokens(text, tokens, starts, lexicon)
            for text, (starts, tokens) in zip(texts, self._tagger.tag(texts), strict=True)
        ]


@cache
def load_parser(pipeline: str, lexicon: Lexicon) -> Parser:
    """The parser of "bundled", an installed spaCy pipeline's name, or a pipeline directory.

    Raises `PipelineError` when it cannot be loaded or has nothing that tags.
    """
    vocabulary = Vocabulary(lexicon)
    bundled = pipeline == DEFAULT_PIPELINE
    path = str(BUNDLED_PATH) if bundled else pipeline
    nlp = _load(path)
    tagger: Tagger = BundledTagger(nlp, vocabulary.token) if bundled else SpacyTagger(nlp, vocabulary)
    version = f"{nlp.meta.get('lang', '?')}_{nlp.meta.get('name', '?')} {nlp.meta.get('version', '?')}"
    return Parser(tagger, lexicon, pipeline if bundled else Path(pipeline).name, f"{version} {_digest(nlp)}")


def _load(path: str) -> Language:
    try:
        nlp = spacy.load(path, exclude=_UNUSED)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).splitlines()[0] if str(error) else repr(error)
        raise PipelineError(
            f"cannot load the spaCy pipeline {path!r}: {reason}\n"
            "Expected 'bundled', the name of an installed pipeline (en_core_web_sm), or a pipeline directory."
        ) from error
    if not {"tagger", "transformer", "morphologizer", "negagen_tagger"} & set(nlp.pipe_names):
        raise PipelineError(
            f"the spaCy pipeline {path!r} has no tagger (components: {', '.join(nlp.pipe_names) or 'none'}); "
            "negagen reads token.tag_"
        )
    return nlp


def _digest(nlp: Language) -> str:
    """Changes when the weights change: pipelines of one name and version may still differ."""
    digest = hashlib.blake2b(digest_size=6)
    root = Path(nlp.path) if nlp.path else None
    for path in sorted(root.rglob("*")) if root is not None else ():
        if path.is_file():
            digest.update(path.relative_to(str(root)).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()
