"""Measures of a text's surface: articles, case, spacing, and whether an edit record is true.

Each takes the caption where it must tell what the edit broke from what was broken before.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from benchmarks.reference import SENTENCE_END, TOKEN, Reference

_ARTICLE = re.compile(r"\b(an?)\s+([^\W_][\w'’]*)", re.IGNORECASE)
_CLOSING_GAP = re.compile(r"\s+(?:[,;:!?.](?!\d)|['’](?:s|re|t|ve|ll)\b)")
_MISSING_GAP = re.compile(
    r"[,;:!?)](?=[^\W\d_])|(?<=[^\W\d_]{2})\.(?=[^\W\d_])|(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)"
)
_WIDE_GAP = re.compile(r"\s\s+")

# A letter is a poor guide to a sound in few words, and these are the ones captions use.
_SOUNDS_LIKE_CONSONANT = re.compile(
    r"(?:uni(?=[cfloqstv])|use|usu|usa|util|uten|uku|ura|uro|eu|ewe|one|once|ouija|u$|ufo)", re.IGNORECASE
)
_SOUNDS_LIKE_VOWEL = re.compile(
    r"(?:hour|honest|honor|honour|heir|x-?ray|8|11$|18$|[fhlmnrsx]$|mri|suv|lcd|nfl|nba|ssd|mp3|hdtv|x$)",
    re.IGNORECASE,
)
_OPENING = " \"'“‘"
_EITHER = re.compile(r"(?:herb|historic|hotel|sub$)", re.IGNORECASE)


def article_of(word: str, reference: Reference) -> str | None:
    """ "a" or "an", as people write it before `word`; None where they write either."""
    if _EITHER.match(word) or (word.isupper() and len(word) <= 3 and word[0] in "FHLMNRSX"):
        return None  # letters may be spelled out or read as a word
    if _SOUNDS_LIKE_CONSONANT.match(word):
        return "a"
    if _SOUNDS_LIKE_VOWEL.match(word):
        return "an"
    seen = reference.articles.get(word.lower(), Counter())
    if seen.total() >= 5:
        if seen["a"] >= 0.8 * seen.total():
            return "a"
        if seen["an"] >= 0.8 * seen.total():
            return "an"
        return None
    return "an" if word[0].lower() in "aeiouàáâäéèêëíóöúü" else "a"


def article_errors(text: str, reference: Reference) -> list[str]:
    """Every "a" or "an" of `text` that does not fit the word after it, with that word."""
    return [
        f"{article} {word}"
        for article, word in _ARTICLE.findall(text)
        if article_of(word, reference) not in (None, article.lower())
    ]


def case_errors(caption: str, text: str, reference: Reference) -> list[str]:
    """What of the case is broken in `text` that was not so in `caption`.

    A sentence begins as the caption's does; a capital stands inside only where the caption has it inside
    too, or people write the word so; a name keeps its capital. Captions in capitals stay in capitals.
    """
    letters = [char for char in caption if char.isalpha()]
    if len(letters) > 3 and all(map(str.isupper, letters)):
        return [] if text == text.upper() else ["lower case in a caption of capitals"]
    errors = []
    first, now = caption.lstrip(_OPENING)[:1], text.lstrip(_OPENING)[:1]
    if first.isalpha() and now.isalpha() and first.isupper() != now.isupper() and not reference.name(_first(text)):
        errors.append("first letter")
    before, after = _inside(caption), _inside(text)
    if sum(word[0].isupper() for word in before) > len(before) / 2:
        return errors  # Title Case: no word tells anything
    errors += [
        f"capital inside: {word}" for word in after - before if word[0].isupper() and not reference.name(word.lower())
    ]
    errors += [
        f"capital lost: {word}"
        for word in before - after
        if word[0].isupper() and after[word.lower()] > before[word.lower()]
    ]
    return errors


def spacing_errors(caption: str, text: str) -> list[str]:
    """Double spaces, gaps before punctuation, missing gaps, and changed ends that `caption` does not have."""
    errors = [
        name
        for name, pattern in (
            ("double space", _WIDE_GAP),
            ("space before", _CLOSING_GAP),
            ("no space", _MISSING_GAP),
        )
        if len(pattern.findall(text)) > len(pattern.findall(caption))
    ]
    for name, strip in (("start", str.lstrip), ("end", str.rstrip)):
        if len(text) - len(strip(text)) != len(caption) - len(strip(caption)):
            errors.append(f"space at the {name}")
    return errors


def joined_words(caption: str, edits: Sequence[Mapping[str, object]]) -> list[str]:
    """Edits that glue a new word to its neighbour: a letter on both sides of a seam that was no seam."""
    errors = []
    for edit in edits:
        start, end, new = int(str(edit["start"])), int(str(edit["end"])), str(edit["new"])
        left, right = caption[:start][-1:], caption[end:][:1]
        inner_left, inner_right = caption[start : start + 1], caption[end - 1 : end] if end else ""
        if new:
            broken = (left.isalnum() and new[0].isalnum() and not (inner_left.isalnum() and start < end)) or (
                new[-1].isalnum() and right.isalnum() and not (inner_right.isalnum() and start < end)
            )
        else:
            broken = left.isalnum() and right.isalnum() and not (inner_left.isalnum() and inner_right.isalnum())
        if broken:
            errors.append(f"{left}|{new}|{right}")
    return errors


def apply_edits(caption: str, edits: Sequence[Mapping[str, object]]) -> str | None:
    """`caption` with `edits` done, or None if they overlap, stand out of order, or misquote it."""
    parts, done = [], 0
    for edit in edits:
        start, end = int(str(edit["start"])), int(str(edit["end"]))
        if start < done or end < start or caption[start:end] != edit["old"]:
            return None
        parts += [caption[done:start], str(edit["new"])]
        done = end
    return "".join(parts) + caption[done:]


def fold(text: str) -> str:
    """`text` without what does not make it another caption: case, punctuation and spacing."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def new_words(caption: str, text: str) -> set[str]:
    """Lower-case words of `text` that `caption` lacks; articles and numbers are not counted."""
    known = {token.lower() for token in TOKEN.findall(caption)}
    words = {token.lower() for token in TOKEN.findall(text)}
    return {word for word in words - known if word[0].isalpha() and word not in ("a", "an")}


def _first(text: str) -> str:
    found = TOKEN.search(text.lstrip(_OPENING))
    return found.group().lower() if found else ""


def _inside(text: str) -> Counter[str]:
    """Words that do not begin a sentence, as written."""
    tokens = TOKEN.findall(text)
    return Counter(
        token
        for before, token in pairwise(tokens)
        if token[0].isalpha() and before not in SENTENCE_END and before not in _OPENING
    )
