"""Relations: converse, symmetry, contraries."""

from __future__ import annotations

import pytest

from negagen.lexicon import Lexicon, load


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return load()


def test_converse_leads_back(lexicon: Lexicon) -> None:
    """The converse of a converse is the relation or another name of it."""
    for name, entry in lexicon.relations.items():
        if entry.converse is None:
            continue
        converse = lexicon.relation(entry.converse)
        assert converse is not None, name
        assert converse.converse is not None, (name, entry.converse)
        assert converse.converse == name or name in lexicon.relations[converse.converse].overlaps, name


def test_symmetric_relations_are_their_own_converse(lexicon: Lexicon) -> None:
    for name, entry in lexicon.relations.items():
        assert entry.symmetric == (entry.converse == name)
    for name in ("next to", "near", "beside"):
        assert lexicon.relations[name].symmetric


def test_contraries_neither_follow_nor_overlap(lexicon: Lexicon) -> None:
    for name, entry in lexicon.relations.items():
        for sense in entry.senses:
            for other in sense.replacements:
                assert other in lexicon.relations, (name, other)
                assert other not in sense.entails | sense.overlaps
                assert not lexicon.relations[other].viewpoint
                assert name not in lexicon.relations[other].entails


def test_viewpoint_relations_are_left_alone(lexicon: Lexicon) -> None:
    left = lexicon.relation("to the left of")
    assert left is not None
    assert left.viewpoint
    assert left.converse == "to the right of"
    assert left.replacements == ()


@pytest.mark.parametrize(
    ("name", "noun", "offered", "refused"),
    [
        ("on", "table", "under", "on top of"),
        ("under", "table", "on", "beneath"),
        ("in front of", "car", "behind", "near"),
        ("behind", "car", "in front of", "next to"),
        ("with", "hat", "without", "wearing"),
        ("next to", "car", "far from", "near"),
        ("down", "hill", "up", "across"),
        ("down", "street", "across", "up"),
        ("in", "car", "outside", "inside"),
    ],
)
def test_contraries(lexicon: Lexicon, name: str, noun: str, offered: str, refused: str) -> None:
    words, cumulative = lexicon.contraries(name, lexicon.noun(noun))
    assert offered in words
    assert refused not in words
    assert len(words) == len(cumulative)


@pytest.mark.parametrize(
    ("name", "noun"), [("in", "shirt"), ("on", "day"), ("at", "night"), ("of", "dog"), ("on", "wall")]
)
def test_what_no_contrary_fits(lexicon: Lexicon, name: str, noun: str) -> None:
    assert lexicon.contraries(name, lexicon.noun(noun)) == ((), ())


def test_an_unknown_relation(lexicon: Lexicon) -> None:
    assert lexicon.relation("betwixt") is None
    assert lexicon.contraries("betwixt", None) == ((), ())
