"""Replacement of attributes: only contraries, and only what the noun can be."""

import pytest

from tests.ops.proposals import LEXICON, assert_fluent, candidates, rule_of, texts


@pytest.mark.parametrize(
    ("rule", "caption", "may", "never"),
    [
        ("replace-colour", "A purple bowl beside a lamp", {"An orange bowl beside a lamp"}, {"A bowl beside a lamp"}),
        ("replace-colour", "The bus is yellow", {"The bus is blue"}, {"The bus is wet"}),
        ("replace-colour", "An orange kite", {"A blue kite", "A green kite"}, {"An blue kite", "A red kite"}),
        ("replace-material", "A bowl on a metal shelf", {"A bowl on a wooden shelf"}, {"A bowl on a red shelf"}),
        ("replace-size", "A tall tower", {"A short tower"}, {"A high tower", "A big tower"}),
        ("replace-state", "An aged man", {"A young man"}, {"A middle man"}),
        ("replace-state", "An empty street", {"A crowded street"}, {"A full street", "An crowded street"}),
    ],
)
def test_a_contrary_of_the_class(rule: str, caption: str, may: set[str], never: set[str]) -> None:
    made = texts(rule, caption)
    assert may <= made
    assert not never & made
    assert_fluent(caption, made)


@pytest.mark.parametrize(
    ("rule", "caption"),
    [
        ("replace-colour", "A kite above a bus"),
        ("replace-colour", "A wooden kite"),
        ("replace-colour", "An orange and a plate"),
        ("replace-colour", "Oranges in a bowl"),
        ("replace-material", "A red kite"),
        ("replace-state", "A young banana"),
        ("replace-state", "A middle aged woman"),
        ("replace-state", "Church aged women"),
        ("synonym-attribute", "A middle aged woman"),
        ("synonym-attribute", "An aged woman"),
        ("swap-attributes", "A middle aged man and a young woman"),
    ],
)
def test_silent_where_no_attribute_of_the_class_stands(rule: str, caption: str) -> None:
    assert texts(rule, caption) == set()


def test_no_near_shade_is_ever_drawn() -> None:
    for candidate in candidates("replace-colour", "A red bus beside a blue gate"):
        old = LEXICON.attribute(candidate.old)
        assert old is not None
        assert candidate.new not in old.excluded
    assert not {"crimson", "maroon", "scarlet"} & {c.new for c in candidates("replace-colour", "A red bus")}


def test_a_sense_follows_the_noun() -> None:
    assert {c.new for c in candidates("replace-state", "A young cow")} >= {"old"}
    assert {c.new for c in candidates("replace-size", "A short man")} == {"tall"}
    assert "tall" not in {c.new for c in candidates("replace-size", "A girl with short hair")}
    assert "A girl with long hair" in texts("replace-size", "A girl with short hair")


def test_hair_has_the_colours_of_hair() -> None:
    drawn = {c.new for c in candidates("replace-colour", "A woman with blond hair")}
    assert drawn
    assert not drawn & {"green", "purple", "orange"}


def test_every_attribute_of_the_caption_has_its_turn() -> None:
    sites = {c.splices[0].start for c in candidates("replace-colour", "A red bus, a blue car and a green boat")}
    assert len(sites) == 3


def test_a_rules_own_words() -> None:
    rule = rule_of("replace", "attribute", "replace_att", words={"sunny": ("overcast",)})
    assert texts(rule, "A sunny beach with red kites") == {"An overcast beach with red kites"}
