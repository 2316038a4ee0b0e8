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
_OF_WOMEN: Final = frozenset(
    "dress dresses gown gowns skirt skirts bikini bikinis heels blouse tutu tutus sundress pregnant bra leotard".split()
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


def clothes_another_sex(parse: Parse, number: int, new: str) -> bool:
    """Whether `new` in the place of phrase `number` puts a man into women's clothes.

    A picture may show that, but hardly one that the caption was written for. Where a woman is named the clothes may be
    hers, unless they are said to be on whom `new` replaces.
    """
    worn = [r for r in parse.relations if r.subject == number and (r.name == "in" or (r.verb >= 0 and not r.name))]
    if new in _MASCULINE and any(parse.phrases[r.object].lemma in _OF_WOMEN for r in worn):
        return True
    others = [phrase.lemma for n, phrase in enumerate(parse.phrases) if n != number]
    if not _FEMININE.isdisjoint(others):
        return False
    if new in _MASCULINE:
        return not _OF_WOMEN.isdisjoint(parse.words)
    return new in _OF_WOMEN and not _MASCULINE.isdisjoint(others)
