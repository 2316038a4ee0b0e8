"""Noun phrases and relations over tags."""

import pytest

from negagen.lexicon import load
from negagen.parsing import load_parser
from negagen.parsing.grammar import UNKNOWN
from negagen.types import Parse

LEXICON = load()
PARSER = load_parser("bundled", LEXICON)


def parse(text: str) -> Parse:
    return PARSER.parse([text])[0]


def phrase_texts(found: Parse) -> list[str]:
    return [found.text[found.starts[p.start] : found.end(p.stop - 1)] for p in found.phrases]


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("A brown dog chases a white cat", ["A brown dog", "a white cat"]),
        ("two dogs playing with a frisbee", ["two dogs", "a frisbee"]),
        ("A man riding a horse on the beach", ["A man", "a horse", "the beach"]),
        ("A red and white bus", ["A red and white bus"]),
        ("a large, brown dog", ["a large, brown dog"]),
        ("a very old wooden table", ["a very old wooden table"]),
        ("A cat in front of a TV", ["A cat", "a TV"]),
        ("People riding horses", ["People", "horses"]),
        ("A fire hydrant next to the street", ["A fire hydrant", "the street"]),
        ("the man's hat", ["the man", "'s hat"]),
        ("A multi-colored kite", ["A multi-colored kite"]),
        ("a couple of boats near a pier", ["a couple of boats", "a pier"]),
    ],
)
def test_phrases(text: str, phrases: list[str]) -> None:
    assert phrase_texts(parse(text)) == phrases


def test_roles_within_a_phrase() -> None:
    found = parse("Three small brown dogs on a grassy field")
    dogs = found.phrases[0]
    assert found.tokens[dogs.quantity].text == "Three"
    assert [found.tokens[i].text for i in dogs.attributes] == ["small", "brown"]
    assert (dogs.lemma, dogs.plural, dogs.family) == ("dog", True, "animal")


def test_a_unit_is_one_head() -> None:
    hydrant = parse("a red fire hydrant").phrases[0]
    assert hydrant.lemma == "fire hydrant"
    assert not hydrant.compound


@pytest.mark.parametrize(
    ("text", "kinds", "names"),
    [
        ("A dog chasing a cat", ["verb"], [""]),
        ("A dog next to a cat", ["preposition"], ["next to"]),
        ("A dog sleeping under a table", ["verb+preposition"], ["under"]),
        ("A dog is on a table", ["preposition"], ["on"]),
        ("A dog, a cat and a bird", ["coordination", "coordination"], ["", ""]),
    ],
)
def test_relations(text: str, kinds: list[str], names: list[str]) -> None:
    relations = parse(text).relations
    assert [relation.kind for relation in relations] == kinds
    assert [relation.name for relation in relations] == names


def test_a_finite_verb_finds_its_subject_across_a_preposition() -> None:
    found = parse("A man in a hat rides a horse")
    verb = found.relations[-1]
    assert (verb.subject, verb.object) == (0, 2)
    assert found.tokens[found.finite[0]].text == "rides"


def test_pronouns_are_no_phrases() -> None:
    assert phrase_texts(parse("It is behind them")) == []


@pytest.mark.parametrize("text", ["", " ", "...", "and", "the", "\t"])
def test_nothing_in_nothing_out(text: str) -> None:
    assert parse(text).phrases == ()


@pytest.mark.parametrize(
    ("text", "subject", "verb"),
    [
        ("A dog lies on a bed while a man reads", 2, "reads"),
        ("There is a cat on a bed", 0, "is"),
        ("A man that is holding a cat", 0, "is"),
        ("A man in a hat who rides a horse", 1, "rides"),
    ],
)
def test_finite_verbs(text: str, subject: int, verb: str) -> None:
    found = parse(text)
    assert found.tokens[found.finite[subject]].text == verb


def test_a_verb_out_of_reach_is_marked_unknown() -> None:
    assert parse("A player gets ready to serve").finite[0] == UNKNOWN


def test_a_clause_with_a_participle_keeps_its_subject() -> None:
    found = parse("A man sits on a bench while holding a cat")
    holding = found.relations[-1]
    assert (holding.subject, holding.object) == (0, 2)
    assert found.tokens[holding.verb].text == "holding"


def test_an_edit_never_begins_inside_a_hyphenated_word() -> None:
    kitchen = parse("A country-style kitchen").phrases[0]
    assert parse("A country-style kitchen").tokens[kitchen.unit].text in ("country", "kitchen")
