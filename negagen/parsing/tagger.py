"""The fast path of the bundled pipeline: many texts to tokens without making spaCy Docs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from spacy.language import Language

from negagen.errors import PipelineError
from negagen.parsing.component import COMPONENT, WindowTagger
from negagen.parsing.network import Network

T = TypeVar("T")

BLOCK: Final = 256
"""Texts tagged at once: enough to hide numpy's overhead, few enough to stay in the processor's cache."""

MAX_CHUNKS: Final = 60_000
"""Chunks, and with them word types, kept before all is forgotten: a type takes 1.3 kB."""

MAX_TOKENS: Final = 150_000
_CHUNK = re.compile(r"\S+")
_Integers = npt.NDArray[np.intp]


class BundledTagger(Generic[T]):
    """Gives each text the tokens and tags that the bundled pipeline's Doc has, white space left out.

    `nlp` is the loaded bundled pipeline, `make_token` makes the caller's token from a word and its tag; it is
    called once per pair, and the token is shared from then on. spaCy's tokenizer treats what stands between
    white space on its own (emoticons, quotes aside), so each such chunk is tokenised once and remembered. Memory is
    bounded. Not for use from several threads at once. Raises PipelineError when `nlp` lacks the bundled tagger.
    """

    def __init__(self, nlp: Language, make_token: Callable[[str, str], T]) -> None:
        component = nlp.get_pipe(COMPONENT) if COMPONENT in nlp.pipe_names else None
        if not isinstance(component, WindowTagger):
            raise PipelineError(
                f"the pipeline has no {COMPONENT!r} component (it has: "
                f"{', '.join(nlp.pipe_names) or 'none'}); "
                "load the pipeline that negagen ships, negagen/parsing/model"
            )
        network = Network(component.weights)
        self._chunks = _Chunks(nlp, network)
        self._tokens: _Tokens[T] = _Tokens(network, make_token)
        self._network = network

    def tag(self, texts: Sequence[str]) -> list[tuple[list[int], list[T]]]:
        """Return per text the start offsets of its tokens and the tokens. Texts do not affect each other."""
        tagged: list[tuple[list[int], list[T]]] = []
        for at in range(0, len(texts), BLOCK):
            if len(self._chunks) > MAX_CHUNKS or len(self._tokens) > MAX_TOKENS:
                self._chunks.forget()
                self._tokens.clear()
            tagged.extend(self._block(texts[at : at + BLOCK]))
        return tagged

    def _block(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[T]]]:
        flat: list[int] = []
        per_text: list[int] = []
        look_up = self._chunks.__getitem__
        for text in texts:
            parts = text.split()
            flat.extend(map(look_up, parts))
            per_text.append(len(parts))
        chunks = np.array(flat, np.intp)
        places = self._places(texts, chunks, np.array(per_text, np.intp))
        index = self._chunks
        counts = index.counts[chunks]
        ends = np.cumsum(counts)
        size = int(ends[-1]) if len(ends) else 0
        within = np.arange(size) + np.repeat(index.firsts[chunks] - (ends - counts), counts)
        types = index.types[within]
        starts = (index.offsets[within] + np.repeat(places, counts)).tolist()
        text_ends = np.concatenate([[0], ends])[np.cumsum([0, *per_text])]
        tags = self._network.predict(types, np.diff(text_ends))
        tokens = list(map(self._tokens.__getitem__, (types * 64 + tags).tolist()))
        bounds = text_ends.tolist()
        return ((starts[a:b], tokens[a:b]) for a, b in pairwise(bounds))

    def _places(self, texts: Sequence[str], chunks: _Integers, per_text: _Integers) -> _Integers:
        """Return where each chunk begins in its text."""
        steps = self._chunks.lengths[chunks] + 1
        ends = np.cumsum(steps)
        text_ends = np.concatenate([[0], ends])[np.cumsum(per_text)]
        text_starts = np.concatenate([[0], text_ends[:-1]])
        places: _Integers = ends - steps - np.repeat(text_starts, per_text)
        # one blank between chunks and none around them accounts for every character; the rest is looked at
        sizes = np.fromiter(map(len, texts), np.intp, len(texts))
        odd = np.flatnonzero((text_ends - text_starts - 1 != sizes) & (per_text > 0))
        first = np.cumsum(per_text) - per_text
        for row in odd.tolist():
            found = [match.start() for match in _CHUNK.finditer(texts[row])]
            places[first[row] : first[row] + per_text[row]] = found
        return places


class _Chunks(dict[str, int]):
    """Numbers chunks of text as they come, and keeps what the tokenizer makes of each.

    Chunk c has `counts[c]` tokens; they stand in `types` and `offsets` from `firsts[c]` on.
    """

    def __init__(self, nlp: Language, network: Network) -> None:
        super().__init__()
        self._nlp = nlp
        self._exceptions = frozenset(getattr(nlp.tokenizer, "rules", ()))
        self._network = network
        self.forget()

    def forget(self) -> None:
        self.clear()
        self._network.forget()
        self.counts = np.zeros(4096, np.intp)
        self.firsts = np.zeros(4096, np.intp)
        self.lengths = np.zeros(4096, np.intp)
        self.types = np.zeros(8192, np.intp)
        self.offsets = np.zeros(8192, np.intp)
        self._tokens = 0

    def _split(self, chunk: str) -> list[tuple[int, str]]:
        # No prefix, suffix or infix rule of English splits plain letters, only listed exceptions do, and a full stop
        # or comma after a small letter is a token of its own.
        word, stop = (chunk[:-1], chunk[-1]) if chunk[-1] in ".," else (chunk, "")
        plain = word.isascii() and word.isalpha() and chunk not in self._exceptions
        if plain and not stop:
            return [(0, word)]
        if plain and word[-1].islower() and word not in self._exceptions:
            return [(0, word), (len(word), stop)]
        # The zone gives back what the vocabulary would keep of every odd word for ever.
        with self._nlp.memory_zone():
            return [(token.idx, token.text) for token in self._nlp.tokenizer(chunk) if not token.is_space]

    def __missing__(self, chunk: str) -> int:
        words = self._split(chunk)
        number = self[chunk] = len(self)
        if number == len(self.counts):
            for name in ("counts", "firsts", "lengths"):
                setattr(self, name, np.concatenate([getattr(self, name), np.zeros(number, np.intp)]))
        if self._tokens + len(words) > len(self.types):
            more = np.zeros(len(self.types) + len(words), np.intp)
            self.types = np.concatenate([self.types, more])
            self.offsets = np.concatenate([self.offsets, more])
        self.counts[number] = len(words)
        self.firsts[number] = self._tokens
        self.lengths[number] = len(chunk)
        for offset, word in words:
            self.types[self._tokens] = self._network.type_id(word)
            self.offsets[self._tokens] = offset
            self._tokens += 1
        return number


class _Tokens(dict[int, T], Generic[T]):
    """The caller's tokens by 64 * word type + tag."""

    def __init__(self, network: Network, make_token: Callable[[str, str], T]) -> None:
        super().__init__()
        self._network = network
        self._make_token = make_token

    def __missing__(self, key: int) -> T:
        token = self[key] = self._make_token(self._network.word(key >> 6), self._network.tags[key & 63])
        return token
