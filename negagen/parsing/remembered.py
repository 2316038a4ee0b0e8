"""Parses that are kept for the next time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from negagen.parsing.parser import Parser
from negagen.types import Parse


class Remembered:
    """A parser that keeps the parses of the `size` texts used last.

    `hits` and `misses` count texts that were there, and that were not.
    """

    def __init__(self, parser: Parser | Remembered, size: int) -> None:
        self.name: str = parser.name
        self.version: str = parser.version
        self.hits = self.misses = 0
        self._parser, self._size = parser, size
        self._kept: OrderedDict[str, Parse] = OrderedDict()

    def parse(self, texts: Sequence[str]) -> list[Parse]:
        """One parse a text, in order."""
        kept = self._kept
        new = [text for text in dict.fromkeys(texts) if text not in kept]
        made = dict(zip(new, self._parser.parse(new), strict=True)) if new else {}
        self.misses += len(new)
        self.hits += len(texts) - len(new)
        out = []
        for text in texts:
            parse = made.get(text)
            if parse is None:
                parse = kept[text]
                kept.move_to_end(text)
            out.append(parse)
        kept.update(made)
        while len(kept) > self._size:
            kept.popitem(last=False)
        return out
