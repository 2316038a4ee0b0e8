"""Splices become edits: articles, capitals, spacing, agreement."""

import pytest

from negagen.lexicon import load
from negagen.parsing import load_parser
from negagen.realise import agreement, apply_edits, noun_form, realise, verb_form
from negagen.types import Parse, Splice

LEXICON = load()
PARSER = load_parser("bundled", LEXICON)


def parse(text: str) -> Parse:
    return PARSER.parse([text])[0]


def made(text: str, *splices: tuple[int, int, str]) -> str:
    edits, result = realise(LEXICON, parse(text), tuple(Splice(*splice) for splice in splices))
    assert apply_edits(text, edits) == result
    return result


@pytest.mark.parametrize(
    ("text", "splice", "expected"),
    [
        ("A dog on a mat.", (1, 2, "elephant"), "An elephant on a mat."),
        ("An owl on a mat.", (1, 2, "dog"), "A dog on a mat."),
        ("a dog  on an  old mat", (4, 5, "new"), "a dog  on a  new mat"),
        ("Dogs on a mat", (0, 1, "cats"), "Cats on a mat"),
        ("DOG ON A MAT", (3, 4, "ottoman"), "DOG ON AN OTTOMAN"),
        ("The TV on a mat", (1, 2, "laptop"), "The laptop on a mat"),
        ("STOP sign on a pole", (0, 2, "bench"), "Bench on a pole"),
        ("A Red Bus", (1, 2, "blue"), "A Blue Bus"),
        ("a red bus", (2, 2, "and orange"), "a red and orange bus"),
        ("a bus", (1, 1, "orange"), "an orange bus"),
        ("a big bus , parked", (1, 2, ""), "a bus , parked"),
        ("a cat .", (2, 2, "and a dog"), "a cat and a dog ."),
        ("a dog's bed", (1, 2, "owl"), "an owl's bed"),
        ("A Man Sits On A Bench", (5, 6, "picnic table"), "A Man Sits On A Picnic Table"),  # a title, word by word
        ("A Man Sits On A Bench", (1, 2, "couple of men"), "A Couple Of Men Sits On A Bench"),
        ("A Man Sits on a Bench", (1, 2, "couple of men"), "A Couple of Men Sits on a Bench"),
        ("A Man Sits on a Bench", (3, 4, "next to"), "A Man Sits Next to a Bench"),
        ("A Man Sits on a Bench", (6, 6, "and a dog"), "A Man Sits on a Bench And a Dog"),
        ("Cat on a Red Bench", (4, 5, "picnic table"), "Cat on a Red Picnic Table"),
        ("A man in New York", (1, 2, "police officer"), "A police officer in New York"),  # no title
        ("A MAN ON A BENCH", (4, 5, "picnic table"), "A MAN ON A PICNIC TABLE"),
        ("a hour-long show", (1, 2, "year"), "a year-long show"),
    ],
)
def test_a_splice_leaves_the_rest_alone(text: str, splice: tuple[int, int, str], expected: str) -> None:
    assert made(text, splice) == expected


def test_two_splices_and_their_articles() -> None:
    assert made("A dog and an owl", (1, 2, "owl"), (4, 5, "dog")) == "An owl and a dog"


@pytest.mark.parametrize(
    ("lemma", "plural", "form"),
    [
        ("man", True, "men"), ("knife", True, "knives"), ("sheep", True, "sheep"), ("bus", True, "buses"),
        ("fire hydrant", True, "fire hydrants"), ("child", True, "children"), ("dog", False, "dog"),
    ],
)  # fmt: skip
def test_noun_forms(lemma: str, plural: bool, form: str) -> None:
    assert noun_form(LEXICON, lemma, plural=plural) == form


def test_plural_only_nouns_have_no_singular() -> None:
    assert noun_form(LEXICON, "scissors", plural=False) is None


@pytest.mark.parametrize(
    ("lemma", "tag", "form"),
    [
        ("ride", "VBG", "riding"),
        ("lie", "VBG", "lying"),
        ("carry", "VBZ", "carries"),
        ("sit", "VBD", "sat"),
        ("run", "VBP", "run"),
    ],
)
def test_verb_forms(lemma: str, tag: str, form: str) -> None:
    assert verb_form(LEXICON, lemma, tag) == form


@pytest.mark.parametrize(
    ("text", "plural", "verb"),
    [
        ("A dog is sleeping on a bed", True, "are"),
        ("Two dogs are sleeping on a bed", False, "is"),
        ("A man in a hat rides a horse", True, "ride"),
        ("A dog that has a bone", True, "have"),
        ("Two men watch a game", False, "watches"),
    ],
)
def test_the_verb_follows_its_subject(text: str, plural: bool, verb: str) -> None:
    found = agreement(LEXICON, parse(text), 0, plural=plural)
    assert found is not None
    assert [splice.text for splice in found] == [verb]


def test_no_verb_no_change() -> None:
    assert agreement(LEXICON, parse("A dog sleeping on a bed"), 0, plural=True) == []
    assert agreement(LEXICON, parse("A dog slept on a bed"), 0, plural=True) == []


def test_a_coordinated_subject_is_left_alone() -> None:
    assert agreement(LEXICON, parse("A man and a woman are on a bench"), 0, plural=True) is None
