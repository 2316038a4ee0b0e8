"""Whether a model's word contradicts what it stands for.

Rules draw words from classes that exclude one another, so that the checks need only ask what they may have in common. A
model draws from all of English. Here its words are held to what the lexicon says of both; where it says nothing, a
negative weighs less; where the caption would stay true, or may, it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from lemminflect import getAllLemmas

from negagen.checks import Context
from negagen.checks.lexical import HOLDS, NEAR, TOGETHER
from negagen.lexicon import Entry, Lexicon, family_of
from negagen.lexicon.general import load_general
from negagen.llm.people import is_agent, people_of
from negagen.llm.words import compound_of
from negagen.ops.context import subject_of
from negagen.types import Candidate, Parse, Verdict

LIKELY: Final = 0.8
"""The weight, at most, of a thing of which only its name says that it is another."""

UNSURE: Final = 0.5
"""The weight, at most, of what may well be false but of which nothing says so."""

GENERAL: Final = Verdict("reject", "too general: it fits what stands there")
THE_SAME: Final = Verdict("reject", "may be the same person")
SAME_BEAST: Final = Verdict("reject", "may be the same animal")
NOBODY: Final = Verdict("reject", "not known to be another one")
UNSEEN: Final = Verdict("reject", "no thing that a picture shows")
SAID: Final = Verdict("reject", "already in the caption, as another part of speech")
LIGHT: Final = Verdict("reject", "true of nearly whoever does something")
GO_TOGETHER: Final = Verdict("reject", "the actions may go together")
OPINION: Final = Verdict("reject", "a matter of opinion, or said of anything")

_SURE: Final = Verdict("keep")
_WORK: Final = "person.work"  # told by their dress at most: a waiter may well bake
_ABSTRACT: Final = ("ness", "ism", "hood", "ship", "ment", "tion", "sion", "ance", "ence", "ity")
_BESIDE: Final = frozenset("with near by beside nearby and or alongside around".split()) | {"next to", "close to"}
_INSTRUMENTS: Final = ("scope", "meter", "graph", "phone", "copter", "tron")
_PLACES: Final = frozenset(["place", "building", "nature", "event"])  # a farm is in a field
_UNBOUNDED: Final = _PLACES | {"person"}


def contrary(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """The verdict on the new word beside the old one: a "keep" of the weight that it deserves at most, or a reject."""
    lexicon, old, new = context.lexicon, candidate.old, candidate.new
    if candidate.role == "object":
        if not {new, new.rpartition(" ")[2]}.isdisjoint(_spoken(parse, candidate)):
            return SAID
        verdict = _thing(lexicon, old, new)
        return replace(verdict, weight=min(verdict.weight, _beside(lexicon, parse, candidate)))
    if candidate.role == "attribute":
        return _attribute(lexicon, old, new)
    if candidate.role == "action":
        return SAID if new in _spoken(parse, candidate) else _action(lexicon, parse, candidate)
    return _relation(lexicon, old, new) if candidate.role == "relation" else _SURE


def vouched(one: Entry | None, other: Entry | None) -> bool:
    """Whether the lexicon puts one of the two in the place of the other."""
    if one is None or other is None:
        return False
    return other.lemma in one.replacements or one.lemma in other.replacements


def _spoken(parse: Parse, candidate: Candidate) -> set[str]:
    """The words of the caption beside the span, in whatever form, and who does what it says is done."""
    start, stop, _ = candidate.splices[0]
    words: set[str] = set()
    for index, token in enumerate(parse.tokens):
        if start <= index < stop or not token.text.isalpha():
            continue
        read = getAllLemmas(token.lower)
        words.update(token.lower if lemma is None else lemma for lemmas in read.values() for lemma in lemmas)
        words.add(token.lemma)
        for verb in read.get("VERB", ()):
            words.update(_doers(verb))
    words.update(name for token in parse.tokens[start:stop] for name in _doers(token.lemma))
    return words


def _doers(verb: str) -> Iterator[str]:
    yield from (f"{verb}er", f"{verb}r", f"{verb}or", f"{verb}{verb[-1:]}er")


def _thing(lexicon: Lexicon, old: str, new: str) -> Verdict:
    general = load_general()
    one, other = lexicon.noun(old), lexicon.noun(new)
    before, after = people_of(lexicon, old, new)
    trades = before is not None and after is not None and before.trade and after.trade
    if vouched(one, other) and not (trades and one is not None and _WORK in one.classes):
        return _SURE
    was, last = _head(old, one), _head(new, other)
    if last in general.anything or last in general.vague or was in general.vague:
        return GENERAL
    if lexicon.alike(old, new) or _of_a_name(old, new):
        return NEAR
    if last in general.alike.get(was, ()) or was in general.alike.get(last, ()):
        return NEAR
    family = family_of(one)
    if before is not None and after is not None:
        if before.contradicts(after):
            return _SURE
        return Verdict("keep", weight=UNSURE) if trades else THE_SAME
    if family == "animal" and (last in general.animals or (after is not None and after.whoever)):
        return SAME_BEAST
    if family_of(other) == "animal" and was in general.animals:
        return SAME_BEAST
    if other is None and (before is not None or family == "animal") and not _is_lifeless(lexicon, last):
        return NOBODY
    if any(word in general.unseen and (e is None or not e.classes) for word, e in ((was, one), (last, other))):
        return UNSEEN
    if family in general.families.get(last, ()):
        return GENERAL
    if was in general.families and (other is None or family_of(other) in general.families[was]):
        return GENERAL
    if other is None and _abstract(last):
        return UNSEEN
    if last in general.materials and family in general.made:
        return GENERAL
    return Verdict("keep", weight=_weight(one, other, was, last))


def _head(noun: str, entry: Entry | None) -> str:
    """What the lists know a noun by: itself, or its last word where the lexicon has it not ("kitchen appliance")."""
    return noun if entry is not None else noun.rpartition(" ")[2]


def _of_a_name(old: str, new: str) -> bool:
    """Whether one of the two is the other with a word before it: a guard dog is a dog."""
    return old.endswith(f" {new}") or new.endswith(f" {old}")


def _is_lifeless(lexicon: Lexicon, word: str) -> bool:
    """Whether a noun that the lexicon lacks names a thing, by its last part: people and animals end in anything."""
    if word in load_general().lifeless or word.endswith(_INSTRUMENTS):
        return True
    compound = compound_of(lexicon, word)
    if compound is None or is_agent(word):
        return False
    return family_of(lexicon.noun(compound.last)) not in ("person", "animal")


def _weight(one: Entry | None, other: Entry | None, was: str, last: str) -> float:
    """How sure it is that two things are two: those of a class exclude one another, as do a car and a cat."""
    if one is None and other is None:
        return UNSURE  # a gearbox, a transmission
    if other is None and (was in load_general().broad or "VERB" in getAllLemmas(last)):
        return UNSURE  # a drop, a mount: more often done than seen
    if one is None or other is None or not (family_of(one) and family_of(other)):
        return UNSURE if (family_of(one) or family_of(other)) in _UNBOUNDED else LIKELY
    if _shared(one, other):
        return 1.0
    if family_of(one) in _PLACES and family_of(other) in _PLACES:
        return UNSURE
    if frozenset((family_of(one), family_of(other))) in load_general().holds:
        return UNSURE
    return LIKELY if family_of(one) == family_of(other) != "animal" else 1.0


def _beside(lexicon: Lexicon, parse: Parse, candidate: Candidate) -> float:
    """How sure it is that things of two kinds are not both there: a man with a laptop may have a dog too."""
    one, other = lexicon.noun(candidate.old), lexicon.noun(candidate.new)
    places = {r.name for r in parse.relations if r.object == candidate.sites[0] and r.name}
    if vouched(one, other) or not places or family_of(one) in ("", family_of(other)) or not family_of(other):
        return 1.0
    return UNSURE if places & _BESIDE else LIKELY


def _shared(one: Entry, other: Entry) -> bool:
    return any(name in other.classes and not name.endswith((".any", ".generic")) for name in one.classes)


def _abstract(word: str) -> bool:
    return word.endswith(_ABSTRACT) and word not in load_general().seen


def _attribute(lexicon: Lexicon, old: str, new: str) -> Verdict:
    general = load_general()
    one, other = lexicon.attribute(old), lexicon.attribute(new)
    if other is None and not general.opinion.isdisjoint(new.split(" ")):
        return OPINION
    if one is None and other is None:
        doing = [word.endswith("ing") and "VERB" in getAllLemmas(word) for word in (old, new)]
        return Verdict("keep", weight=UNSURE) if doing[0] == doing[1] else TOGETHER
    if one is None or other is None:
        return _shade(lexicon, old, new)
    if old in other.excluded:
        return NEAR
    if not one.names.isdisjoint(other.names):
        return _SURE if vouched(one, other) else Verdict("keep", weight=UNSURE)  # red, colorful
    alone = any(name in one.names and another in other.names for name, another in general.alone)
    return Verdict("keep", weight=UNSURE) if alone else TOGETHER


def _shade(lexicon: Lexicon, old: str, new: str) -> Verdict:
    """Of two attributes of which the lexicon lacks one, by its last word: "light blue" is blue."""
    one, other = lexicon.attribute(old.rpartition(" ")[2]), lexicon.attribute(new.rpartition(" ")[2])
    if one is None or other is None or one.names.isdisjoint(other.names):
        return TOGETHER  # a rickety bus may be red
    near = one.lemma == other.lemma or one.lemma in other.excluded or other.lemma in one.excluded
    return NEAR if near else Verdict("keep", weight=LIKELY)


def _action(lexicon: Lexicon, parse: Parse, candidate: Candidate) -> Verdict:
    general, old, new = load_general(), candidate.old, candidate.new
    one, other = lexicon.action(old), lexicon.action(new)
    if one is not None and other is not None and old in other.excluded:
        return NEAR
    if one is not None and other is not None and _exclusive(parse, candidate, one, other):
        return _SURE
    lemmas = {new}.union(*getAllLemmas(new).values())
    if old in general.light or not general.light.isdisjoint(lemmas):
        return LIGHT
    kinds = [{kind for kind, verbs in general.together.items() if verb in verbs} for verb in (old, new)]
    pairs = {frozenset((this, that)) for this in kinds[0] for that in kinds[1]}
    unlike = bool(pairs) and kinds[0].isdisjoint(kinds[1]) and general.apart.isdisjoint(pairs)
    return GO_TOGETHER if unlike else Verdict("keep", weight=UNSURE)


def _exclusive(parse: Parse, candidate: Candidate, one: Entry, other: Entry) -> bool:
    """Whether two verbs stand in a class of contraries that suits who does it, and what to or where."""
    at = candidate.splices[0].start
    relation = parse.relations[candidate.relation] if candidate.relation >= 0 else None
    subject = subject_of(parse, relation, at)
    thing = None if relation is None else parse.phrases[relation.object].entry
    transitive = relation is not None and relation.kind == "verb"
    preposition = "" if relation is None else relation.name
    for sense in one.senses:
        if sense.frame != ("transitive" if transitive else "intransitive"):
            continue
        if subject is not None and not sense.suits_subject(subject):
            continue
        if not (sense.suits(thing) if transitive else sense.stands_before(preposition, thing)):
            continue
        known = other.lemma in sense.replacements or any(each.classes == sense.classes for each in other.senses)
        if known and other.lemma not in sense.excluded:
            return True
    return False


def _relation(lexicon: Lexicon, old: str, new: str) -> Verdict:
    before, after = lexicon.relation(old), lexicon.relation(new)
    if before is None or after is None:
        return Verdict("keep", weight=UNSURE)
    if new in before.replacements or old in after.replacements:
        return _SURE
    either = before.entails | before.overlaps | after.entails | after.overlaps
    return HOLDS if old in either or new in either else Verdict("keep", weight=UNSURE)
