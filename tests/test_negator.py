"""The core end to end on single captions: shape, determinism, statuses."""

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from negagen import Negator
from negagen.checks.surface import fold
from negagen.errors import PipelineError, RuleError
from negagen.realise import apply_edits
from negagen.ruleset import TEMPLATE
from negagen.types import Result
from tests.strategies import captions

NEGATOR = Negator(k=4, seed=0, blindness="off")
CAPTION = "A brown dog chases a white cat across the wooden bridge"


def texts(result: Result) -> list[str]:
    return [negative.text for negative in result.negatives]


def test_four_negatives_of_several_categories() -> None:
    result = NEGATOR(CAPTION)
    assert result.status == "ok"
    assert len(set(texts(result))) == 4
    assert len({negative.category for negative in result.negatives}) >= 2


@settings(max_examples=300, deadline=None)
@given(st.one_of(captions(), st.text(max_size=60)))
def test_any_text_gives_a_sound_result(text: str) -> None:
    result = NEGATOR(text)
    seen = {fold(text)}
    for negative in (*result.negatives, *result.positives):
        assert apply_edits(text, negative.edits) == negative.text
        assert all(text[edit.start : edit.end] == edit.old for edit in negative.edits)
        assert fold(negative.text) not in seen
        seen.add(fold(negative.text))
        assert (
            negative.text[: len(negative.text) - len(negative.text.lstrip())] == text[: len(text) - len(text.lstrip())]
        )
        assert ("  " in negative.text) <= ("  " in text)
    assert len(result.negatives) <= 4
    assert (result.status == "ok") == (len(result.negatives) == 4)
    assert bool(result.reason) == (result.status != "ok")


@settings(max_examples=20, deadline=None)
@given(st.lists(captions(), min_size=1, max_size=12), st.integers(1, 5))
def test_neither_batch_nor_order_matters(batch: list[str], size: int) -> None:
    forward = [texts(result) for result in NEGATOR.pipe(batch, batch_size=size)]
    backward = [texts(result) for result in NEGATOR.pipe(batch[::-1])][::-1]
    assert forward == backward == [texts(NEGATOR(text)) for text in batch]


def test_seed_epoch_and_key_change_the_draw() -> None:
    other = Negator(k=4, seed=1, blindness="off")
    base = texts(NEGATOR(CAPTION))
    assert texts(NEGATOR(CAPTION)) == base
    assert texts(other(CAPTION)) != base
    assert texts(NEGATOR(CAPTION, epoch=1)) != base
    assert texts(NEGATOR(CAPTION, key=1)) != texts(NEGATOR(CAPTION, key=2))


def test_fingerprint_follows_the_configuration() -> None:
    assert Negator(k=4, seed=0, blindness="off").fingerprint == NEGATOR.fingerprint
    assert Negator(k=3, seed=0).fingerprint != NEGATOR.fingerprint
    assert Negator(k=4, seed=0, categories=["negate"]).fingerprint != NEGATOR.fingerprint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "null caption"),
        ("", "empty caption"),
        (" \t\n", "empty caption"),
        ("12 34 !!", "no words"),
        ("a dog " * 1000, "longer than 4000 characters"),
        ("a dog\x00 on a mat", "control characters"),
        ("一只狗在沙发上睡觉", "not English"),
    ],
)
def test_unusable_captions_say_why(text: str | None, reason: str) -> None:
    result = NEGATOR(text)
    assert result.status == "error"
    assert reason in result.reason
    assert not result.negatives


def test_emoji_and_accents_are_fine() -> None:
    assert NEGATOR("A dog \U0001f436 at a café next to a red car").negatives


def test_a_category_alone() -> None:
    result = Negator(k=4, categories=["replace_att"])(CAPTION)
    assert {negative.category for negative in result.negatives} == {"replace_att"}


def test_shuffles_are_off_unless_asked_for() -> None:
    assert "shuffle" not in {rule.category for rule in NEGATOR.rules}
    shuffled = Negator(k=2, categories=["shuffle"])("A red bus on a busy street")
    assert all(sorted(t.lower().split()) == sorted("a red bus on a busy street".split()) for t in texts(shuffled))
    assert len(shuffled.negatives) == 2


def test_explain_fills_in_what_was_refused() -> None:
    result = Negator(k=64, explain=True, blindness="off")("Two dogs next to a cat and five black birds")
    assert result.rejected
    assert all(rejection.text and rejection.reason for rejection in result.rejected)


def test_wrong_arguments_are_explained() -> None:
    with pytest.raises(ValueError, match="from 1 to 64"):
        Negator(k=0)
    with pytest.raises(ValueError, match=r"model 'm\.npz' needs blindness"):
        Negator(blindness="off", model="m.npz")
    with pytest.raises(RuleError, match="did you mean 'swap_obj'"):
        Negator(categories=["swap_object"])
    with pytest.raises(PipelineError, match="cannot load the spaCy pipeline 'no_such_pipeline'"):
        Negator(pipeline="no_such_pipeline")


def test_a_negator_travels_between_processes() -> None:
    copy = pickle.loads(pickle.dumps(NEGATOR))
    assert copy.fingerprint == NEGATOR.fingerprint
    assert texts(copy(CAPTION)) == texts(NEGATOR(CAPTION))


def test_one_rule_file_and_one_category_need_no_list(tmp_path: Path) -> None:
    path = tmp_path / "rule.toml"
    path.write_text(TEMPLATE.replace("{name}", "weather-word"), encoding="utf-8")
    assert len(Negator(rules=str(path)).rules) == 1
    assert {rule.category for rule in Negator(categories="negate").rules} == {"negate"}


def test_a_misspelt_class_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rule.toml"
    wrong = TEMPLATE.replace("{name}", "weather-word").replace("[rule.unless]", '[rule.unless]\nfamilies = ["animall"]')
    path.write_text(wrong, encoding="utf-8")
    with pytest.raises(RuleError, match="no such class or family 'animall'; did you mean 'animal'"):
        Negator(rules=path)


def test_misuse_from_python_is_explained() -> None:
    with pytest.raises(TypeError, match="captions, not one caption"):
        next(NEGATOR.pipe("A red car"))
    with pytest.raises(TypeError, match="a caption is a string or None, got int"):
        NEGATOR(5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="whole number"):
        Negator(k="a")  # type: ignore[arg-type]
