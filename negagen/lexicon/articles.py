"""Which indefinite article a word takes, by its first sound."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NUMERAL = re.compile(r"\d[\d,]*")
_LONE_LETTER = re.compile(r"[a-z](?:$|[-.&\d])")
_CONSONANTS = re.compile(r"[b-df-hj-np-tv-xz]{2,}\d*$")
_CAPITALS = re.compile(r"[A-Z]{2,4}s?\d*$")
_AROUND = "\"'()[]{}`“”‘’.,;:!?"


@dataclass(frozen=True, slots=True)
class Articles:
    """Where the sound of a word departs from its spelling; `known` are words never spelled out."""

    a_words: frozenset[str]
    an_words: frozenset[str]
    a_prefixes: tuple[str, ...]
    an_prefixes: tuple[str, ...]
    vowel_letters: frozenset[str]
    known: Mapping[str, int]

    def __call__(self, word: str) -> str:
        """``"a"`` or ``"an"`` before `word`, whose capitals matter ("an XKL", but "a red")."""
        word = word.strip(_AROUND)
        if not word:
            return "a"
        lower = word.lower().replace("’", "'")
        head = lower.partition("-")[0].removesuffix("'s")
        for form in (lower, head):
            if form in self.a_words:
                return "a"
            if form in self.an_words:
                return "an"
        if numeral := _NUMERAL.match(lower):
            return _numeral_article(numeral[0])
        if _LONE_LETTER.match(lower) or self._is_spelled_out(word.partition("-")[0], head):
            return "an" if lower[0] in self.vowel_letters else "a"
        if lower.startswith(self.an_prefixes):
            return "an"
        if lower.startswith(self.a_prefixes):
            return "a"
        return "an" if lower[0] in "aeiouàáâäåèéêëíîïóôöúü" else "a"

    def _is_spelled_out(self, word: str, head: str) -> bool:
        """Letters are read one by one in words without vowels and in short unknown capitals."""
        if head in self.known:
            return False
        return _CONSONANTS.match(head) is not None or _CAPITALS.match(word) is not None


def _numeral_article(numeral: str) -> str:
    """Eight, eleven and eighteen begin with a vowel; a bare "1800" is read in pairs, "1,800" is not."""
    digits = numeral.replace(",", "")
    paired = len(digits) == 4 and "," not in numeral
    leading = digits[:2] if paired else digits[: len(digits) % 3 or 3]
    return "an" if leading[0] == "8" or leading in ("11", "18") else "a"
