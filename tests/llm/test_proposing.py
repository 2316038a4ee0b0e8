"""Candidates from elsewhere beside the rules': what a negator makes of a proposer, whoever it is."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from negagen import Negator
from negagen.balance.blinder import Option
from negagen.judges.stage import JudgedNegator
from negagen.llm.asking import RULES
from negagen.proposing import Case, Mode, Proposed
from negagen.ruleset import Rule
from negagen.types import Candidate, Rejection, Result, Splice, Verdict

TEXT = "A brown dog is chasing a white cat near a tree"
COW = Candidate((Splice(2, 3, "cow"),), "replace", "object", "dog", "cow", (0,))
KEEP = Verdict("keep")


@dataclass(frozen=True)
class Cow:
    """Proposes a cow for the third word, twice."""

    mode: Mode = "fill"
    note: str = ""
    seeing: bool = False
    unlikely: bool = False
    positives: bool = False
    rules: Sequence[Rule] = (RULES["object"],)
    config: Mapping[str, object] = field(default_factory=lambda: {"name": "cow"})
    asked: list[Case] = field(default_factory=list)

    def propose(self, cases: Sequence[Case]) -> list[Proposed]:
        self.asked.extend(cases)
        options = [Option(RULES["object"], COW, KEEP, unlikely=self.unlikely, generator="cow")] * 2
        rejection = Rejection("", "llm-object", "replace_obj", "of its own")
        return [Proposed(options, (), [rejection], self.note) for _ in cases]


def cows(result: Result) -> list[str]:
    return [each.text for each in result.negatives if each.generator == "cow"]


@pytest.mark.parametrize("mode", ["mix", "only"])
@pytest.mark.parametrize("blindness", ["off", "balanced"])
def test_what_is_proposed_is_drawn_once_and_recorded(mode: Mode, blindness: str) -> None:
    drawn = []
    for seed in range(6):
        proposer = Cow(mode)
        rules = Negator(k=8, blindness=blindness, categories=["replace_obj"], seed=seed)
        (result,) = rules.proposing_by(proposer).pipe([TEXT])
        drawn.append(cows(result))
        assert [each.reason for each in result.rejected].count("of its own") == 1
        assert mode == "mix" or all(each.generator == "cow" for each in result.negatives)
        assert [case.wanted for case in proposer.asked] == [8]
    assert ["A brown cow is chasing a white cat near a tree"] in drawn
    assert all(len(each) <= 1 for each in drawn)


@pytest.mark.parametrize("unlikely", [False, True])
def test_what_is_unlikely_comes_after_the_rules(unlikely: bool) -> None:
    proposer = Cow("mix", unlikely=unlikely)
    (few,) = Negator(k=2, blindness="off").proposing_by(proposer).pipe([TEXT])
    assert bool(cows(few)) is not unlikely
    (many,) = Negator(k=64, blindness="off").proposing_by(proposer).pipe([TEXT])
    assert len(cows(many)) == 1


def test_rows_that_have_enough_are_not_asked_about() -> None:
    proposer = Cow("fill")
    texts = [TEXT, "A dog"]
    results = list(Negator(k=2, blindness="off").proposing_by(proposer).pipe(texts))
    assert [case.parse.text for case in proposer.asked] == [
        text
        for text, result in zip(texts, Negator(k=2, blindness="off").pipe(texts), strict=True)
        if result.status != "ok"
    ]
    assert results[0] == next(Negator(k=2, blindness="off").pipe([TEXT]))


@pytest.mark.parametrize("blindness", ["off", "balanced"])
def test_what_failed_is_added_to_the_row_s_reason(blindness: str) -> None:
    negator = Negator(k=1, blindness=blindness).proposing_by(Cow("mix", note="it failed"))
    (result,) = negator.pipe([TEXT])
    assert (result.status, result.reason) == ("ok", "it failed")
    (result,) = Negator(k=64, blindness=blindness).proposing_by(Cow("mix", note="it failed")).pipe([TEXT])
    assert result.status == "partial"
    assert (result.reason or "").endswith("; it failed")
    assert (result.reason or "").startswith(("too few edits apply", "the rest would give itself away"))
    (result,) = negator.pipe([""])
    assert (result.status, result.reason) == ("error", "empty caption")


def test_without_a_proposer_nothing_changes() -> None:
    assert "language_model" not in Negator().config
    one, other = Negator().proposing_by(Cow()), Negator().proposing_by(Cow(config={"name": "another"}))
    assert len({Negator().fingerprint, one.fingerprint, other.fingerprint}) == 3
    assert one.config["language_model"] == {"name": "cow"}


def test_a_proposer_does_not_get_lost_on_the_way_to_another_process() -> None:
    with pytest.raises(TypeError, match="stays in its process"):
        pickle.dumps(Negator().proposing_by(Cow()))
    assert "Cow(" in repr(Negator().proposing_by(Cow()))


@pytest.mark.parametrize("seeing", [True, False])
def test_pictures_pass_judges_only_to_who_sees(seeing: bool) -> None:
    class Shown:
        fingerprint = "x"
        config: Mapping[str, object] = {}

        def __init__(self) -> None:
            self.seeing = seeing
            self.images: list[Any] = []

        def pipe(self, texts: Iterable[str | None], keys: Any = None, **more: Any) -> Iterator[Result]:
            self.images += list(more.get("images", ()))
            yield from (Result(text, (), (), (), "none") for text in texts)

    negator = Shown()
    assert len(list(JudgedNegator(negator, []).pipe(["a", "b"], images=["1", "2"]))) == 2
    assert negator.images == (["1", "2"] if seeing else [])
