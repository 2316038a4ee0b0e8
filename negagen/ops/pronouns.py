"""Pronouns that follow a person whose gender an edit changes."""

from __future__ import annotations

from typing import Final

from negagen.types import Parse, Splice

_MASCULINE: Final = frozenset(
    "man men boy guy gentleman gentlemen male father dad grandfather grandpa husband son brother uncle nephew king "
    "prince groom businessman fisherman policeman fireman cowboy mailman salesman sportsman waiter actor monk".split()
)
_FEMININE: Final = frozenset(
    "woman women girl lady female mother mom grandmother grandma wife daughter sister aunt niece queen princess "
    "bride businesswoman policewoman cowgirl waitress actress nun bridesmaid ballerina".split()
)
_TO_FEMININE: Final = {"he": "she", "his": "her", "him": "her", "himself": "herself"}
_TO_MASCULINE: Final = {"she": "he", "her": "his", "hers": "his", "herself": "himself"}


def pronoun_splices(parse: Parse, new: str) -> list[Splice] | None:
    """The pronouns to exchange when the person that a caption speaks of becomes `new`.

    Returns None when the caption's pronouns may mean another person, so that no edit is safe.
    """
    if new in _FEMININE:
        table = _TO_FEMININE
    elif new in _MASCULINE:
        table = _TO_MASCULINE
    else:
        return []
    found = [i for i, code in enumerate(parse.codes) if code in "OD" and parse.tokens[i].lower in table]
    if not found:
        return []
    if sum(other.family == "person" for other in parse.phrases) > 1:
        return None
    splices = []
    for index in found:
        token = parse.tokens[index]
        # "her" is both the object ("him") and the possessive ("his").
        pronoun = "him" if token.lower == "her" and token.tag == "PRP" else table[token.lower]
        splices.append(Splice(index, index + 1, pronoun))
    return splices
