"""Which captions can be worked on at all."""

from __future__ import annotations

import re
from typing import Final

MAX_CHARACTERS: Final = 4000
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_LETTERS: Final = re.compile(r"[^\W\d_]")


def unusable(text: str | None) -> str:
    """The reason why `text` cannot be used as an English caption; "" when it can.

    Emoji, accents and typing errors are fine. Mostly non-Latin text is not, nor are control characters other
    than tab and line breaks, lone surrogates, or more than 4,000 characters.
    """
    if text is None:
        return "null caption"
    if not isinstance(text, str):
        raise TypeError(f"a caption is a string or None, got {type(text).__name__}")
    if text.isascii() and text.isprintable() and 0 < len(text) <= MAX_CHARACTERS and not text.isspace():
        return "" if _LETTERS.search(text) else "no words"
    if not text.strip():
        return "empty caption"
    if len(text) > MAX_CHARACTERS:
        return f"caption longer than {MAX_CHARACTERS} characters"
    if _CONTROL.search(text):
        return "control characters"
    letters = _LETTERS.findall(text)
    if not letters:
        return "no words"
    if sum(letter <= "\u024f" for letter in letters) * 2 < len(letters):
        return "not English"
    return ""
