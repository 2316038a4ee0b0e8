"""Proposals become splices of their slot, in a form that fits, or are refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from negagen.checks import context_of
from negagen.lexicon import load
from negagen.llm.doubting import at_home, judged, verified
from negagen.llm.slots import Proposal, Slot, slots_of
from negagen.llm.splicing import Refusal, candidates
from negagen.parsing import load_parser
from negagen.realise import realise
from negagen.types import Parse, Verdict

LEXICON = load()
PARSER = load_parser("bundled", LEXICON)


def slot_at(text: str, span: str, *, positive: bool = False) -> tuple[Parse, Slot]:
    parse = PARSER.parse([text])[0]
    return parse, next(slot for slot in slots_of(LEXICON, parse, positive=positive) if slot.span == span)


def made(text: str, span: str, replacement: str, *, positive: bool = False, plausible: bool = True) -> str:
    """The caption with the replacement in it, or why there is none."""
    parse, slot = slot_at(text, span, positive=positive)
    (said,) = candidates(LEXICON, PARSER, [(parse, slot, Proposal(replacement, "", plausible))])
    return said.reason if isinstance(said, Refusal) else realise(LEXICON, parse, said.splices)[1]


@pytest.mark.parametrize(
    ("text", "span", "replacement", "result"),
    [
        ("A dog on a bench", "dog", "elephant", "An elephant on a bench"),  # the article follows
        ("A dog on a bench", "dog", "a fox", "A fox on a bench"),  # one article is enough
        ("A dog on a bench", "dog", "Fox.", "A fox on a bench"),
        ("Dogs on a bench", "Dogs", "cat", "Cats on a bench"),  # number and capital are kept
        ("Two dogs on a bench", "dogs", "fox", "Two foxes on a bench"),
        ("A dog on a bench", "dog", "wolves", "A wolf on a bench"),
        ("A brown dog on a bench", "dog", "brown cat", "A brown cat on a bench"),  # repeats what stands before it
        ("A brown dog on a bench", "brown", "white dog", "A white dog on a bench"),  # and after it
        ("A dog by a fire hydrant", "fire hydrant", "traffic light", "A dog by a traffic light"),
        ("A man is riding a horse", "riding", "feeds", "A man is feeding a horse"),
        ("A man rides a horse", "rides", "feeding", "A man feeds a horse"),
        ("A cat under a table", "under", "on", "A cat on a table"),
        ("Two dogs on a bench", "Two", "five", "Five dogs on a bench"),
        ("A woman with her dog", "dog", "gearbox", "A woman with her gearbox"),  # which the lexicon does not know
        ("A woman with her dog", "dog", "multimeter", "A woman with her multimeter"),  # nor any list: by its parts
        ("Two dogs on a bench", "dogs", "smartwatch", "Two smartwatches on a bench"),
        ("A dog on a bench", "dog", "treehouses", "A treehouse on a bench"),
        ("A woman with her dog", "dog", "selfie", "A woman with her selfie"),  # captions have it, dictionaries not
        ("A DOG ON A BENCH", "DOG", "FOX", "A FOX ON A BENCH"),
        ("A red bus  parked,\there ", "red", "blue", "A blue bus  parked,\there "),  # the rest byte for byte
        ("A man and his dog", "man", "woman", "A woman and her dog"),  # pronouns follow
    ],
)
def test_a_replacement_is_made_to_fit(text: str, span: str, replacement: str, result: str) -> None:
    assert made(text, span, replacement) == result


@pytest.mark.parametrize(
    ("span", "replacement", "reason"),
    [
        ("dog", "", "model: nothing, or no words"),
        ("dog", "???", "model: nothing, or no words"),
        ("dog", "<b>cat</b>", "model: nothing, or no words"),
        ("dog", "cat; drop", "model: nothing, or no words"),
        ("dog", "cat\nIgnore the above", "model: longer than a span"),
        ("dog", "A brown cat sits on a bench in a park", "model: longer than a span"),
        ("dog", "x" * 500, "model: longer than a span"),
        ("dog", "Dog", "model: what stands there already"),
        ("dog", "the dog", "model: what stands there already"),
        ("dog", "Barack Obama", "model: a proper name"),
        ("dog", "quickly", "model: no noun, or more than one"),
        ("dog", "cat on mat", "model: no noun, or more than one"),
        ("brown", "with", "model: no attribute"),
        ("brown", "cat", "model: no attribute"),
        ("chasing", "purple", "model: no verb"),
        ("near", "quickly", "model: no known preposition"),
        ("dog", "water", "model: cannot be said there"),  # "a brown water"
        ("cat", "xqzjw", "model: no known word"),
        ("cat", "blorfing", "model: no known word"),
        ("cat", "thetable", "model: no known word"),
        ("cat", "redcar", "model: no known word"),
        ("cat", "jumping", "model: no noun, or more than one"),
        ("cat", "sitting", "model: no noun, or more than one"),
        ("cat", "red", "model: no noun, or more than one"),
        ("cat", "nice", "model: no noun, or more than one"),
        ("cat", "s", "model: no noun, or more than one"),
        ("tree", "treehouse", "A brown dog chasing a cat near a treehouse"),
        ("brown", "browner", "model: what stands there already"),
        ("chasing", "xqzjwing", "model: no known word"),
    ],
)
def test_a_replacement_is_refused(span: str, replacement: str, reason: str) -> None:
    assert made("A brown dog chasing a cat near a tree", span, replacement) == reason


@pytest.mark.parametrize(
    ("text", "span", "replacement", "reason"),
    [
        ("A yellow bus stops near a house", "stops", "kicks", "model: cannot be said there"),
        ("A cat sleeps on a couch", "sleeps", "flies", "model: cannot be said there"),
        ("A man in a red shirt", "red", "wooden", "model: cannot be said there"),
        ("A man feeding a horse", "feeding", "eating", "model: captions do not say so there"),
        ("A fluffy dog on a bench", "dog", "train", "model: cannot be said there"),
        ("A man in a hat is wearing sunglasses", "wearing", "sitting", "model: cannot be said there"),
        ("A man stands near a bench", "stands", "carries", "model: cannot be said there"),
        ("A man with a phone on a street", "phone", "smartwatch", "A man with a smartwatch on a street"),
        ("A man with a watch on a street", "watch", "smartwatch", "model: a kind of what stands there"),
        ("A photo of a house", "house", "treehouse", "model: a kind of what stands there"),
    ],
)
def test_what_cannot_be_is_refused_where_captions_tell(text: str, span: str, replacement: str, reason: str) -> None:
    assert made(text, span, replacement) == reason


def test_what_the_model_finds_implausible_is_refused() -> None:
    assert made("A dog on a bench", "dog", "fox", plausible=False) == "model: implausible, it says itself"


def test_what_the_model_was_shown_is_refused() -> None:
    parse, slot = slot_at("A dog on a bench", "dog")
    (said,) = candidates(LEXICON, PARSER, [(parse, slot, Proposal("fox", echoes=True))])
    assert said == Refusal("model: repeats an exemplar")


@given(st.text(max_size=60))
def test_whatever_is_proposed_changes_its_span_alone(replacement: str) -> None:
    text = "A brown dog chasing a cat near a tree"
    parse, slot = slot_at(text, "cat")
    (said,) = candidates(LEXICON, PARSER, [(parse, slot, Proposal(replacement))])
    if isinstance(said, Refusal):
        return
    edits, new = realise(LEXICON, parse, said.splices)
    assert new.startswith("A brown dog chasing a")
    assert new.endswith(" near a tree")
    assert all(edit.end > 19 and edit.start < 26 for edit in edits)
    assert "\n" not in new


def verdict(text: str, span: str, replacement: str, *, positive: bool = False) -> Verdict:
    parse, slot = slot_at(text, span, positive=positive)
    (said,) = candidates(LEXICON, PARSER, [(parse, slot, Proposal(replacement))])
    assert not isinstance(said, Refusal), said
    return judged(parse, said, context_of(LEXICON, parse))


def test_the_checks_are_those_of_the_rules() -> None:
    assert verdict("A dog on a bench", "dog", "cat").kind == "keep"
    assert verdict("A dog on a bench", "dog", "puppy").reason == "synonym, hypernym, hyponym or near shade"
    assert verdict("A dog on a bench near a cat", "dog", "cat").reason == "already in the caption"
    assert verdict("Five dogs on a bench", "Five", "two").kind == "reject"


def test_words_that_the_lexicon_does_not_know_weigh_less() -> None:
    assert verdict("A dog on a bench", "dog", "gearbox").weight == 0.8
    assert verdict("A dog on a bench", "dog", "cat").weight == 1.0
    assert verdict("A memorial bench", "memorial", "rickety").weight == 0.5


@pytest.mark.parametrize(
    ("text", "span", "replacement", "home"),
    [
        ("A zebra walking in a field", "field", "moose", False),
        ("Two men standing in a room", "room", "mop", False),
        ("A cup on a shelf", "shelf", "zebra", False),
        ("A cup on a shelf", "shelf", "table", True),  # captions say so
        ("A bird sitting on a branch", "branch", "scarecrow", True),  # which the lexicon does not know
        ("A sheep walking along a field", "sheep", "moose", True),  # of a kind
        ("A man eating a sandwich", "sandwich", "mango", True),
        ("A big red bus on a street", "red", "green", True),
    ],
)
def test_a_thing_is_at_home_with_its_like_or_where_captions_put_it(
    text: str, span: str, replacement: str, home: bool
) -> None:
    parse, slot = slot_at(text, span)
    (said,) = candidates(LEXICON, PARSER, [(parse, slot, Proposal(replacement))])
    assert not isinstance(said, Refusal), said
    assert at_home(LEXICON, parse, said) is home


def test_a_rewording_must_not_be_a_contrary() -> None:
    assert verdict("A man on a couch", "couch", "sofa", positive=True).kind == "positive"
    assert verdict("A red bus", "red", "blue", positive=True).kind == "reject"
    assert verdict("A dog on a couch", "dog", "cat", positive=True).kind == "reject"


def test_a_second_opinion() -> None:
    keep, positive = Verdict("keep", weight=0.5), Verdict("positive", weight=0.6)
    assert verified(keep, both=True).kind == "reject"
    assert verified(keep, both=False).weight == 0.9
    assert verified(positive, both=False).kind == "reject"
    assert verified(positive, both=True).weight == 0.9
