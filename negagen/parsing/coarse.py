"""Universal parts of speech and lemmas from words and their Penn Treebank tags."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from lemminflect import getLemma

_COARSE: Final = {
    "ADD": "X", "AFX": "X", "CC": "CCONJ", "CD": "NUM", "DT": "DET", "EX": "PRON", "FW": "X", "GW": "X",
    "IN": "ADP", "JJ": "ADJ", "JJR": "ADJ", "JJS": "ADJ", "LS": "X", "MD": "AUX", "NN": "NOUN", "NNS": "NOUN",
    "NNP": "PROPN", "NNPS": "PROPN", "PDT": "DET", "POS": "PART", "PRP": "PRON", "PRP$": "PRON", "RB": "ADV",
    "RBR": "ADV", "RBS": "ADV", "RP": "ADP", "SYM": "SYM", "$": "SYM", "#": "SYM", "TO": "PART", "UH": "INTJ",
    "VB": "VERB", "VBD": "VERB", "VBG": "VERB", "VBN": "VERB", "VBP": "VERB", "VBZ": "VERB", "WDT": "PRON",
    "WP": "PRON", "WP$": "PRON", "WRB": "SCONJ", "XX": "X",
}  # fmt: skip
_BE: Final = frozenset("be am is are was were been being 's 're 'm".split())
_HAVE: Final = frozenset("have has had having 've 'd".split())
_DO: Final = frozenset("do does did".split())
_SUBORDINATORS: Final = frozenset("while if because although though whether unless that until whilst".split())
_POINTING: Final = frozenset("this that these those".split())
_IN_NOUN_PHRASE: Final = ("N", "J", "CD", "VBG", "VBN", "POS")

_CONTRACTED: Final = {
    ("n't", "RB"): "not", ("'s", "VBZ"): "be", ("'re", "VBP"): "be", ("'m", "VBP"): "be",
    ("'ve", "VBP"): "have", ("'ll", "MD"): "will", ("ca", "MD"): "can", ("wo", "MD"): "will",
    ("an", "DT"): "a",
}  # fmt: skip
# words that lemminflect's tables lack or treat as some other word
_EXCEPTIONS: Final = {
    ("skis", "NNS"): "ski", ("people", "NNS"): "people", ("glasses", "NNS"): "glasses",
    ("clothes", "NNS"): "clothes", ("pants", "NNS"): "pants", ("jeans", "NNS"): "jeans",
    ("left", "VBN"): "leave", ("lay", "VBD"): "lie", ("lies", "VBZ"): "lie", ("lit", "VBN"): "light",
    ("fries", "NNS"): "fry", ("dishes", "NNS"): "dish",
}  # fmt: skip
_UPOS: Final = {"NN": "NOUN", "JJ": "ADJ", "RB": "ADV", "VB": "VERB", "MD": "AUX"}


def coarse_tags(lowers: list[str], tags: list[str]) -> list[str]:
    """Return the universal part of speech of each word, from lower-case words and Penn tags of one text."""
    coarse = [_COARSE.get(tag, "PUNCT") for tag in tags]
    for i, (word, tag) in enumerate(zip(lowers, tags, strict=True)):
        if tag[:2] == "VB":
            perfect = word in _HAVE and _leads_to(tags, i, ("VBN",))
            supported = word in _DO and _leads_to(tags, i, ("VB", "VBP"))
            if word in _BE or perfect or supported:
                coarse[i] = "AUX"
        elif tag == "IN" and word in _SUBORDINATORS:
            coarse[i] = "SCONJ"
        elif tag == "DT" and word in _POINTING:
            following = tags[i + 1] if i + 1 < len(tags) else ""
            if not following.startswith(_IN_NOUN_PHRASE):
                coarse[i] = "PRON"
        elif tag == "RB" and word in ("not", "n't"):
            coarse[i] = "PART"
    return coarse


def _leads_to(tags: list[str], i: int, wanted: tuple[str, ...]) -> bool:
    """Whether the next verb comes right after, adverbs and a subject pronoun aside, and is of that form."""
    for tag in tags[i + 1 : i + 4]:
        if tag in wanted:
            return True
        if tag not in ("RB", "PRP"):
            return False
    return False


@lru_cache(maxsize=50_000)
def lemma(word: str, tag: str) -> str:
    """Return the lemma: lower-case, except that names keep their spelling. White space is its own lemma."""
    if tag in ("NNP", "NNPS", "_SP"):
        return word
    lower = word.lower()
    known = _CONTRACTED.get((lower, tag)) or _EXCEPTIONS.get((lower, tag))
    if known is not None:
        return known
    upos = _UPOS.get(tag[:2])
    inflected = tag not in ("NN", "JJ", "RB", "VB", "VBP") or lower in ("am", "are")
    if upos is None or not inflected:
        return lower
    found: tuple[str, ...] = getLemma(lower, upos=upos)
    return found[0] if found else lower
