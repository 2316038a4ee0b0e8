"""The first attack: what a judge sees that reads no words, only their number, case, marks, spacing and articles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from negagen.audit.linear import crossfit
from negagen.audit.pairs import Pairs

FEATURES = {
    "words": r"\S+",
    "capitals": r"\p{Lu}",
    "capital at the start": r"^\s*[^\p{L}]*\p{Lu}",
    "capital inside": r"\s\p{Lu}",
    "digits": r"\d",
    "not ASCII": r"[^\x00-\x7f]",
    "full stops": r"\.",
    "full stop at the end": r"\.\s*$",
    "commas": r",",
    "quotes": r"[\"“”]",
    "apostrophes": r"['’]",
    "hyphens": r"[-–—]",
    "brackets": r"[()\[\]]",
    "question or exclamation marks": r"[!?]",
    "other marks": r"[:;/&#*%$+=@_~`|<>]",
    "space at the start": r"^\s",
    "space at the end": r"\s$",
    "two spaces": r"\s\s",
    "space before a mark": r"\s[.,;:!?)']",
    "no space after a mark": r"[.,;:!?]\p{L}",
    "a": r"(?i)\ba\b",
    "an": r"(?i)\ban\b",
    "the": r"(?i)\bthe\b",
    "a or an at the start": r"(?i)^\s*an?\b",
    "the at the start": r"(?i)^\s*the\b",
    "other determiners": r"(?i)\b(?:this|that|these|those|some|any|each|every|another|his|her|its|their)\b",
    "a before a vowel": r"(?i)\ba\s+[aeio]",
    "an before a consonant": r"(?i)\ban\s+[b-df-gj-np-tv-z]",
    "two articles in a row": r"(?i)\b(?:an?|the)\s+(?:an?|the)\b",
    "short words": r"\b\p{L}{1,3}\b",
    "long words": r"\b\p{L}{8,}\b",
    "plural endings": r"(?i)[^s]s\b",
}
"""Names of the features and the patterns (RE2) that they count, beside the length in characters."""


def features(texts: Sequence[str]) -> NDArray[np.float64]:
    """Float64 [N, F]: how often each pattern occurs, and the lengths, also squared and as logarithms."""
    column = pa.array(texts, pa.large_string())
    counts = [pc.count_substring_regex(column, pattern).to_numpy(zero_copy_only=False) for pattern in FEATURES.values()]
    characters = pc.utf8_length(column).to_numpy(zero_copy_only=False)
    words = counts[0]
    # Squares let the judge prefer a usual length to a shorter and a longer one.
    lengths = [
        characters,
        characters**2 / 50,
        np.log1p(characters),
        words**2 / 10,
        np.log1p(words),
        characters / (1 + words),
    ]
    return np.column_stack([*counts, *lengths]).astype(np.float64)


def gaps(pairs: Pairs, folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Score gaps, float64 [N], of a cross-fitted logistic regression on differences of `features`."""
    difference = features(pairs.captions)[pairs.caption_of] - features(pairs.negatives)
    # Not centred: a mean difference is just what gives a generator away.
    scale = np.sqrt((difference**2).mean(axis=0))
    difference /= np.where(scale > 0, scale, 1)
    return crossfit(difference, folds)
