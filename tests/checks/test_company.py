"""What is odd beside the rest of its caption: what is refused, what passes, and when it serves all the same."""

import pytest

from negagen import Negator
from negagen.checks import UNLIKELY, context_of, is_unlikely
from negagen.lexicon.company import Beside, Company
from negagen.types import Candidate, Splice
from tests.ops.proposals import LEXICON, candidates, parse


def unlikely(caption: str, phrase: int, role: str, new: str) -> bool:
    """The head of a phrase, or of its first attribute, replaced by `new`."""
    parsed = parse(caption)
    site = parsed.phrases[phrase]
    start, stop = (site.unit, site.stop) if role == "object" else (site.attributes[0], site.attributes[0] + 1)
    old = site.lemma if role == "object" else parsed.tokens[start].lower
    candidate = Candidate((Splice(start, stop, new),), "replace", role, old, new, (phrase,))
    return is_unlikely(parsed, candidate, context_of(LEXICON, parsed))


@pytest.mark.parametrize(
    ("caption", "phrase", "refused", "passes"),
    [
        ("A girl is surfing in deep water", 1, "grass", "ocean"),  # the place of what is done
        ("A runway by an airport", 1, "park", "hotel"),
        ("A cat with a black paw", 0, "bird", "dog"),  # a part that the other does not have
        ("A girl rides a wave on her surfboard", 2, "skateboard", "board"),
        ("A black horse beside a fence", 0, "zebra", "cow"),  # what is said of it
        ("An oven in a small kitchen", 1, "bathroom", "office"),
        ("A girl in a small kitchen", 0, "elephant", "boy"),  # people do what they like
        ("A girl with a laptop", 0, "horse", "lady"),
    ],
)
def test_things(caption: str, phrase: int, refused: str, passes: str) -> None:
    assert unlikely(caption, phrase, "object", refused)
    assert not unlikely(caption, phrase, "object", passes)


@pytest.mark.parametrize(
    ("caption", "refused", "passes"),
    [("A small toothbrush by a cup", "large", "tiny"), ("A glass vase by a door", "paper", "metal")],
)
def test_attributes(caption: str, refused: str, passes: str) -> None:
    assert unlikely(caption, 0, "attribute", refused)
    assert not unlikely(caption, 0, "attribute", passes)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [("A glass table by a wooden bench", True), ("A white plate on a wooden table", False)],
)
def test_exchanged_attributes(caption: str, expected: bool) -> None:
    parsed = parse(caption)
    (candidate,) = candidates("swap-attributes", caption, 1)
    assert is_unlikely(parsed, candidate, context_of(LEXICON, parsed)) is expected


def test_what_is_expected_by_chance_and_by_the_old_word() -> None:
    company = Company(1000, {"cat": 100, "dog": 100, "emu": 5}, {})
    assert company.shuns(Beside(80, {"cat": 3}), "cat", "dog")  # eight by chance, and none
    assert not company.shuns(Beside(80, {"cat": 3, "dog": 1}), "cat", "dog")
    assert not company.shuns(Beside(70, {"cat": 3}), "cat", "dog")  # seven by chance say nothing
    assert company.shuns(Beside(10, {"cat": 5}), "cat", "dog")  # five, were it as much at home as the cat
    assert not company.shuns(Beside(80, {"cat": 5}), "cat", "emu")
    assert not company.shuns(Beside(80, {"cat": 5}), "cat", "gnu")


def test_what_is_unlikely_comes_last_and_only_as_far_as_it_is_wanted() -> None:
    caption = "An oven in a small kitchen"
    parsed = parse(caption)
    context = context_of(LEXICON, parsed)
    odd = {c.new for c in candidates("replace-object", caption) if is_unlikely(parsed, c, context)}
    all_of_them = Negator(k=64, blindness="off", categories="replace_obj")(caption).negatives
    late = [negative.edits[-1].new in odd for negative in all_of_them]
    assert True in late
    assert False in late
    assert late == sorted(late)
    few = [Negator(k=2, blindness="off", categories="replace_obj", seed=seed)(caption) for seed in range(8)]
    assert not odd & {negative.edits[-1].new for result in few for negative in result.negatives}
    assert UNLIKELY in {rejection.reason for result in few for rejection in result.rejected}


def test_the_draw_would_rather_not() -> None:
    """Of the same candidates, measured alike, an unlikely one is drawn less."""
    negator = Negator(k=4)
    (gathered,) = next(iter(negator.gathered(["An oven in a small kitchen"])))
    assert {True, False} == {option.unlikely for option in gathered.options}
    plain = gathered._replace(options=[option._replace(unlikely=False) for option in gathered.options])
    weighed, before = (
        {choice.number: choice.draw for choice in negator.blinder.weigh([each], negator.model)[0]}
        for each in (gathered, plain)
    )
    for number in weighed.keys() & before.keys():
        assert (weighed[number] < before[number]) is gathered.options[number].unlikely
