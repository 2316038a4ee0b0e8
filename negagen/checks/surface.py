"""Texts that are no different: equal to the caption, or to another negative of it."""

from __future__ import annotations

import re
from typing import Final

from negagen.checks.context import KEEP, Context
from negagen.types import Verdict

_EQUAL: Final = Verdict("reject", "equal to the caption after folding")
_DUPLICATE: Final = Verdict("reject", "a duplicate")
_FOLDED: Final = re.compile(r"[\W_]+")
_LOWER: Final = bytes(range(128)).lower() + bytes(128)
_DROPPED: Final = bytes(code for code in range(128) if not chr(code).isalnum())


def fold(text: str) -> str:
    """`text` without case, white space and punctuation."""
    if text.isascii():  # by far the fastest way
        return text.encode().translate(_LOWER, _DROPPED).decode()
    return _FOLDED.sub("", text).casefold()


def check_surface(caption: str, text: str, context: Context) -> Verdict:
    """Judge the realised text against the folded caption and what was emitted; remembers it when it is new."""
    folded = fold(text)
    if folded == caption:
        return _EQUAL
    if folded in context.taken:
        return _DUPLICATE
    context.taken.add(folded)
    return KEEP
