"""Texts that are no different: equal to the caption, or to another negative of it."""

from __future__ import annotations

import re
from typing import Final

from negagen.checks.context import KEEP, Context
from negagen.types import Verdict

_EQUAL: Final = Verdict("reject", "equal to the caption after folding")
_DUPLICATE: Final = Verdict("reject", "a duplicate")
_FOLDED: Final = re.compile(r"[\W_]+")
_ASCII: Final = {code: chr(code).lower() if chr(code).isalnum() else None for code in range(128)}


def fold(text: str) -> str:
    """`text` without case, white space and punctuation."""
    return text.translate(_ASCII) if text.isascii() else _FOLDED.sub("", text).casefold()


def check_surface(caption: str, text: str, context: Context) -> Verdict:
    """Judge the realised text against the folded caption and what was emitted; remembers it when it is new."""
    folded = fold(text)
    if folded == caption:
        return _EQUAL
    if folded in context.taken:
        return _DUPLICATE
    context.taken.add(folded)
    return KEEP
