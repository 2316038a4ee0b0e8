import pytest

from benchmarks.reference import Reference
from benchmarks.surface import (
    apply_edits,
    article_errors,
    article_of,
    case_errors,
    fold,
    joined_words,
    new_words,
    spacing_errors,
)

REFERENCE = Reference.of(["An orange cat in a Paris street, on a TV, in Paris", "a dog", "an owl on a TV"] * 3)


@pytest.mark.parametrize(
    ("word", "article"),
    [
        ("dog", "a"), ("owl", "an"), ("hour", "an"), ("honest", "an"), ("house", "a"), ("uniform", "a"),
        ("unicorn", "a"), ("unicycle", "a"), ("uninvited", "an"), ("unmade", "an"), ("umbrella", "an"),
        ("used", "a"), ("usual", "a"), ("ukulele", "a"), ("European", "a"), ("one", "a"), ("once", "a"),
        ("onion", "an"), ("x-ray", "an"), ("8", "an"), ("80", "an"), ("11", "an"), ("18", "an"), ("12", "a"),
        ("SUV", None), ("herb", None), ("eucalyptus", "a"), ("urban", "an"), ("user", "a"), ("usher", "an"),
        ("unidentified", "an"), ("unique", "a"), ("union", "a"), ("unit", "a"), ("university", "a"),
        ("uneven", "an"), ("hamburger", "a"), ("led", "a"), ("lcd", "an"), ("oven", "an"),
        ("unimpressed", "an"),
    ],
)  # fmt: skip
def test_article_of(word: str, article: str | None) -> None:
    assert article_of(word, REFERENCE) == article


def test_people_decide_where_they_agree() -> None:
    reference = Reference.of(["a oddword here"] * 5)
    assert article_of("oddword", reference) == "a"


def test_article_errors_are_found_anywhere() -> None:
    assert article_errors("A owl and an dog near an owl and a dog", REFERENCE) == ["A owl", "an dog"]


@pytest.mark.parametrize(
    ("caption", "text", "broken"),
    [
        ("A dog runs", "A cat runs", False),
        ("A dog runs", "a cat runs", True),
        ("dog runs", "Cat runs", True),
        ("Dogs near cats", "Cats near Dogs", True),
        ("Dogs near cats", "Cats near dogs", False),
        ("Paris in the rain", "Rain in Paris", False),
        ("a man in Paris", "a man in paris", True),
        ("2 dogs run", "Three dogs run", False),
        ("A dog. A cat.", "A cat. A dog.", False),
        ("A DOG RUNS", "A CAT RUNS", False),
        ("A DOG RUNS", "A cat RUNS", True),
        ("A Man Rides A Horse", "A Man Rides A Cow", False),
    ],
)
def test_case(caption: str, text: str, broken: bool) -> None:
    assert bool(case_errors(caption, text, REFERENCE)) is broken


@pytest.mark.parametrize(
    ("caption", "text", "broken"),
    [
        ("a dog.", "a cat.", False),
        ("a dog.", "a cat .", True),
        ("a dog .", "a cat .", False),
        ("a  dog", "a  cat", False),
        ("a dog", "a  cat", True),
        ("a dog, wet", "a cat,wet", True),
        ("a dog's tail", "a cat 's tail", True),
        ("a dog ", "a cat", True),
        ("a dog", " a cat", True),
        ("a dog at 4:30", "a cat at 4:30", False),
    ],
)
def test_spacing(caption: str, text: str, broken: bool) -> None:
    assert bool(spacing_errors(caption, text)) is broken


@pytest.mark.parametrize(
    ("start", "end", "new", "joined"),
    [
        (2, 5, "cat", False),  # a [dog] runs
        (1, 5, "cat", True),  # a[ dog] runs
        (2, 6, "cat", True),  # a [dog ]runs
        (2, 6, "", False),
        (1, 6, "", True),
        (2, 2, "wet ", False),
        (2, 2, "wet", True),
        (3, 5, "uck", False),  # the inside of a word
        (5, 5, "s", True),
    ],
)
def test_joined_words(start: int, end: int, new: str, joined: bool) -> None:
    caption = "a dog runs"
    edit = {"start": start, "end": end, "old": caption[start:end], "new": new}
    assert bool(joined_words(caption, [edit])) is joined


def test_edits_apply_by_offset() -> None:
    edits = [
        {"start": 0, "end": 1, "old": "A", "new": "Two"},
        {"start": 2, "end": 5, "old": "dog", "new": "dogs"},
    ]
    assert apply_edits("A dog runs", edits) == "Two dogs runs"


@pytest.mark.parametrize(
    "edits",
    [
        [{"start": 2, "end": 5, "old": "cat", "new": "cow"}],
        [{"start": 2, "end": 5, "old": "dog", "new": "cow"}, {"start": 4, "end": 5, "old": "g", "new": "t"}],
        [{"start": 5, "end": 2, "old": "", "new": "cow"}],
    ],
)
def test_untrue_edits_do_not_apply(edits: list[dict[str, object]]) -> None:
    assert apply_edits("A dog runs", edits) is None


def test_fold_leaves_only_words() -> None:
    assert fold("A  dog, running. ") == fold("a dog running")
    assert fold("a dog") != fold("a cat")


def test_new_words_are_those_the_caption_lacks() -> None:
    assert new_words("A dog runs", "An owl Runs by 2") == {"owl", "by"}
