"""Where a phrase stands, who does what, and whether captions put another noun there."""

from __future__ import annotations

from typing import Final

from negagen.lexicon import Entry, Lexicon, NumberEntry, families_of
from negagen.lexicon.selection import Selection
from negagen.types import Parse, Relation

_BROAD: Final = frozenset(["ground", "coat", "texture", "cooking", "light", "cut", "setting"])
_MAX_PAIRS: Final = 50_000
_DOES: dict[tuple[str, str], bool] = {}  # who can do what; the lexicon is one and immutable, so this may outlive all


def number_of(lexicon: Lexicon, parse: Parse, index: int) -> NumberEntry | None:
    """The number or quantifier at token `index`, which may open a unit of several words ("a couple of")."""
    unit = parse.units.get(index)
    return lexicon.number(unit[1].lemma) if unit is not None else parse.tokens[index].number


def verb_and_preposition(parse: Parse, relation: Relation) -> tuple[str, str]:
    """The verb (lemma) and preposition that `relation` puts before its object, each "" where there is none."""
    return (parse.tokens[relation.verb].lemma if relation.verb >= 0 else ""), relation.name


def subject_of(parse: Parse, relation: Relation | None, verb: int) -> Entry | None:
    """The noun that does what the verb at token `verb` says, of which `relation` tells; None where it is not known."""
    if relation is not None:
        return parse.phrases[relation.subject].entry
    before = [phrase for phrase in parse.phrases if phrase.stop <= verb]
    return before[-1].entry if before else None


def is_idiomatic(selection: Selection, parse: Parse, number: int, new: Entry) -> bool:
    """Whether captions put `new` where phrase `number` stands: after that verb and preposition, and see `accepts`."""
    return accepts(parse, number, new) and all(
        selection.allows(*verb_and_preposition(parse, relation), new.lemma)
        for relation in parse.relations
        if relation.object == number and relation.kind != "coordination"
    )


def is_described(selection: Selection, parse: Parse, number: int, new: Entry) -> bool:
    """Whether captions say of `new` what the phrase's attributes say ("sheer", "lush").

    Only of attributes that no class settles, or one too broad for it: the rest is left to `accepts`.
    """
    for index in parse.phrases[number].attributes:
        token = parse.tokens[index]
        if token.attribute is not None and _BROAD.isdisjoint(families_of(token.attribute)):
            continue
        seen = selection.allows_attribute(token.lower, new.lemma)
        if seen is False or (seen is None and token.attribute is None):
            return False
    return True


def accepts(parse: Parse, number: int, new: Entry) -> bool:
    """Whether the attributes of phrase `number` can be said of `new`, and `new` can do what the phrase does."""
    old = parse.phrases[number].entry
    for index in parse.phrases[number].attributes:
        attribute = parse.tokens[index].attribute
        if attribute is not None and _can_be(old, attribute) and not _can_be(new, attribute):
            return False
    return does(parse, number, new)


def does(parse: Parse, number: int, new: Entry) -> bool:
    """Whether `new` can do what the phrase does, so far as that can be said of the phrase itself."""
    old = parse.phrases[number].entry
    for relation in parse.relations:
        if relation.subject == number and relation.verb >= 0:
            verb = parse.tokens[relation.verb].entry
            if verb is not None and old is not None and _can_do(old, verb) and not _can_do(new, verb):
                return False
    return True


def _can_be(noun: Entry | None, attribute: Entry) -> bool:
    return any(sense.suits(noun) for sense in attribute.senses)


def _can_do(noun: Entry, verb: Entry) -> bool:
    pair = (noun.lemma, verb.lemma)
    found = _DOES.get(pair)
    if found is None:
        if len(_DOES) >= _MAX_PAIRS:
            _DOES.clear()
        found = _DOES[pair] = any(sense.suits_subject(noun) for sense in verb.senses)
    return found
