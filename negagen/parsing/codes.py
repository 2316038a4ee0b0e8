"""One letter a token: the alphabet that the phrase grammar is written in.

D determiner, possessive pronoun     S possessive marker ('s)
C number or quantifier               c its further words ("a couple of")
J adjective                          j its further words ("black and white")
N common noun                        u earlier words of a noun unit ("fire" in "fire hydrant")
M proper noun                        O pronoun, existential there
V finite or bare verb                B form of be            X modal, do, have as auxiliary
G -ing form                          E past participle       T "to"
I preposition, particle              i its further words ("in front of")
A conjunction and / or               , comma                 . any other punctuation
R adverb, not                        W wh-word, "that"       H hyphen
K conjunction that opens a clause ("while", "as")
Z part of an idiom that no edit may enter                    F anything else
"""

from __future__ import annotations

_BY_TAG = {
    "DT": "D", "PDT": "D", "PRP$": "D", "WP$": "D", "POS": "S", "CD": "C",
    "JJ": "J", "JJR": "J", "JJS": "J", "NN": "N", "NNS": "N", "NNP": "M", "NNPS": "M",
    "PRP": "O", "EX": "O", "VB": "V", "VBP": "V", "VBZ": "V", "VBD": "V", "VBG": "G", "VBN": "E",
    "MD": "X", "TO": "T", "IN": "I", "RP": "I", "CC": "A", ",": ",", "RB": "R", "RBR": "R", "RBS": "R",
    "WDT": "W", "WP": "W", "WRB": "W", "HYPH": "H", ".": ".", ":": ".", "-LRB-": ".", "-RRB-": ".",
    "``": ".", "''": ".", "NFP": ".",
}  # fmt: skip

_BE = frozenset("be is are was were am been being 's 're 'm isn aren wasn weren".split())
_AUXILIARY = frozenset("do does did".split())
_CLAUSE = frozenset("while as because if though although whereas unless until since once".split())
_TAGS = frozenset(_BY_TAG) | frozenset(["FW", "UH", "SYM", "LS", "ADD", "AFX", "$", "XX", "GW", "_SP", "#"])


def is_treebank_tag(tag: str) -> bool:
    """Whether `tag` belongs to the Penn Treebank set that the grammar understands."""
    return tag in _TAGS


def code_of(lower: str, tag: str, *, is_number: bool) -> str:
    """The letter for a word form (lower case) with its Penn Treebank tag."""
    if tag[:2] == "VB":
        if lower in _BE:
            return "B"
        if lower in _AUXILIARY:
            return "X"
    elif is_number and tag in ("CD", "DT", "PDT", "JJ"):
        return "C"
    elif tag == "CC" and lower not in ("and", "or", "&"):
        return "F"
    elif tag == "IN" and (lower == "that" or lower in _CLAUSE):
        return "W" if lower == "that" else "K"
    return _BY_TAG.get(tag, "F")
