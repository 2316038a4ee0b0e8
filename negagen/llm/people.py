"""Who may be whom: what a word says of a person, and whether another word may be said of the same one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from lemminflect import getAllLemmas

from negagen.lexicon import Lexicon, family_of
from negagen.lexicon.general import load_general

_TRADES: Final = frozenset(["person.work", "person.rider", "person.athlete", "person.baseball", "person.outdoor"])
_ANYONES: Final = frozenset(
    ["person.traveller", "person.parent", "person.spouse", "person.sibling", "person.offspring"]
)
_ANYBODY: Final = frozenset(["person.any", "person.group", "person.single"])
_AGENT: Final = re.compile(r".{3,}(?:er|or|ist|ian|eer|ant|ent|ess|ee|man|woman|boy|girl|person|mate|holder|hand)")
_BY_CHANCE: Final = frozenset(
    "human superhuman subhuman shaman talisman caiman cayman ottoman doberman birman brahman highboy lowboy".split()
)
"""What ends in "-man" or "-boy" and names no man, nor a woman."""


@dataclass(frozen=True, slots=True)
class Person:
    """What a noun says of whom it names: `trade` where others exclude it, `whoever` where it fits any person."""

    sex: Literal["male", "female", ""] = ""
    age: Literal["child", "adult", ""] = ""
    trade: bool = False
    whoever: bool = False

    def contradicts(self, other: Person) -> bool:
        """Whether no person is both, by sex or age."""
        return _differ(self.sex, other.sex) or _differ(self.age, other.age)


def people_of(lexicon: Lexicon, old: str, new: str) -> tuple[Person | None, Person | None]:
    """Whom two nouns name; None for one that names nobody.

    A noun that no list has is somebody, by its ending ("-er", "-man"), only where the other one surely is: rather than
    take a tailor for no person, take a heater for one.
    """
    before, after = person_of(lexicon, old), person_of(lexicon, new)
    if after is not None and before is None:
        before = _by_ending(lexicon, old)
    elif before is not None and after is None:
        after = _by_ending(lexicon, new)
    return before, after


def person_of(lexicon: Lexicon, lemma: str) -> Person | None:
    """What the noun says of a person; None for one that is none, so far as the lexicon and general.toml know."""
    general, entry, last = load_general(), lexicon.noun(lemma), lemma.rpartition(" ")[2]
    ours = {last, last.replace("-", "")}
    whoever = not ours.isdisjoint(general.anybody)
    anyones = not ours.isdisjoint(general.anyones)
    trade = not ours.isdisjoint(general.trades)
    told = last if general.disguises.isdisjoint(lemma.split()[:-1]) else ""
    sex, age = _sex(told), _age(told)
    classes = frozenset[str]() if entry is None else frozenset(entry.classes)
    person = family_of(entry) == "person"
    if not (person or whoever or anyones or trade or sex or age):
        return None
    whoever = whoever or (person and not sex and not age and not classes.isdisjoint(_ANYBODY))
    trade = (trade or not classes.isdisjoint(_TRADES)) and not anyones and classes.isdisjoint(_ANYONES)
    return Person(sex, age, trade and not whoever, whoever)


def _by_ending(lexicon: Lexicon, lemma: str) -> Person | None:
    last = lemma.rpartition(" ")[2]
    someone = lexicon.noun(lemma) is None and is_agent(last) and "NOUN" in getAllLemmas(last)
    return Person(trade=True) if someone else None


def is_agent(word: str) -> bool:
    """Whether a word ends as the names of people do who do something ("-er", "-ist", "-man")."""
    return _AGENT.fullmatch(word) is not None


def _sex(word: str) -> Literal["male", "female", ""]:
    general = load_general()
    if word in general.female or word.endswith(("woman", "girl", "lady", "mother", "daughter", "sister")):
        return "female"
    if word in general.male or word.endswith(("father", "brother")):
        return "male"
    return "male" if word.endswith(("man", "boy")) and _ends_as_said(word) else ""


def _age(word: str) -> Literal["child", "adult", ""]:
    """Of a girl, not known: many a woman is called so."""
    general = load_general()
    if word in general.child:
        return "child"
    return "adult" if word in general.adult or (word.endswith("man") and _ends_as_said(word)) else ""


def _ends_as_said(word: str) -> bool:
    """Whether a word in "-man" or "-boy" names a man, a woman ("-woman") or a boy: a chairman may be anyone."""
    return word not in _BY_CHANCE and word not in load_general().anyones


def _differ(one: str, other: str) -> bool:
    return bool(one) and bool(other) and one != other
