"""Prompts: files with versions, exemplars by lot, captions that cannot leave their quotation marks."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from negagen.lexicon import load
from negagen.llm.prompting import KINDS, ROTATIONS, edits_schema, prompt, question_of
from negagen.llm.reading import read_both, read_edits
from negagen.llm.slots import CATEGORY_OF, Slot, slots_of
from negagen.llm.splicing import Refusal, candidates
from negagen.parsing import load_parser

NAMES = ("negative", "seen", "positive", "verify")
LEXICON = load()
PARSER = load_parser("bundled", LEXICON)
EXEMPLARS = tomllib.loads((files("negagen.llm.prompts") / "exemplars.toml").read_text())


def slot(text: str = "A dog on a bench", start: int = 2, end: int = 5) -> Slot:
    return Slot(text, start, end, "replace_obj", "object", 1, 2, "dog")


@pytest.mark.parametrize("name", NAMES)
def test_a_prompt_has_a_version_and_a_hash(name: str) -> None:
    assert prompt(name).version == "2"
    assert len(prompt(name).hash) == 16
    assert len({prompt(each).hash for each in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", ["negative", "seen", "positive"])
def test_what_does_not_depend_on_the_question_comes_first(name: str) -> None:
    one = prompt(name).messages(3, 1, **question_of([slot()]))
    other = prompt(name).messages(3, 1, **question_of([slot("Two cats", 4, 8)]))
    assert one[:-1] == other[:-1]
    assert [message.role for message in one] == ["system", *["user", "assistant"] * EXEMPLARS["shown"], "user"]
    assert one[-1].content == 'Caption: "A dog on a bench"\n1. "dog" (thing)'


def test_exemplars_are_drawn_by_seed_and_rotation() -> None:
    def shown(seed: int, rotation: int) -> tuple[str, ...]:
        return tuple(
            message.content for message in prompt("negative").messages(seed, rotation, **question_of([slot()]))
        )

    assert shown(0, 0) == shown(0, 0)
    assert len({shown(0, rotation) for rotation in range(ROTATIONS)}) == ROTATIONS
    assert shown(0, 0) != shown(1, 0)


@pytest.mark.parametrize("exemplar", EXEMPLARS["negative"] + EXEMPLARS["positive"], ids=lambda e: e["caption"][:20])
def test_exemplars_ask_for_spans_and_answer_with_what_passes(exemplar: dict[str, object]) -> None:
    text, spans, edits = exemplar["caption"], exemplar["spans"], exemplar["edits"]
    assert isinstance(text, str)
    assert isinstance(spans, list)
    assert isinstance(edits, list)
    for span, role in spans:
        assert span in text
        assert role in CATEGORY_OF
    positive = exemplar in EXEMPLARS["positive"]
    parse = PARSER.parse([text])[0]
    slots = {each.span: each for each in slots_of(LEXICON, parse, positive=positive)}
    turn = prompt("positive" if positive else "negative")._block(
        "assistant", {"edits": [{"why_false": "", "plausible": True, **edit} for edit in edits]}
    )
    reading = read_edits(turn, len(spans))
    assert reading.state == "json"
    assert len(reading.proposals) == len(edits)
    for number, said in reading.proposals.items():
        asked = slots.get(spans[number][0])
        if asked is not None:
            (made,) = candidates(LEXICON, PARSER, [(parse, asked, said[0])])
            assert not isinstance(made, Refusal), (said, made)


def test_things_out_of_the_exemplars_are_known_again() -> None:
    for echo in ("juggler", "Nurses", "a shed"):
        assert prompt("negative").echoes(slot(), echo)
    for other in ("cat", "", "juggling", "five", "crowded"):
        assert not prompt("negative").echoes(slot(), other)
    rewording = Slot("A couch", 2, 7, "paraphrase", "object", 1, 2, "couch")
    assert not prompt("positive").echoes(rewording, "sofa")
    assert not prompt("verify").echoes(slot(), "nurse")


def test_an_exemplar_of_each_kind_abstains_somewhere() -> None:
    for name in ("negative", "positive"):
        assert any(len(each["edits"]) < len(each["spans"]) for each in EXEMPLARS[name])
    assert {each["both"] for each in EXEMPLARS["verify"]} == {True, False}


def test_verdicts_are_shown_as_they_are_read() -> None:
    for both in (True, False):
        assert read_both(prompt("verify")._block("assistant", {"both": both})) is both


@given(st.text(min_size=1))
def test_a_caption_cannot_leave_its_quotation_marks(text: str) -> None:
    for name in ("negative", "positive"):
        asked = prompt(name).messages(0, 0, **question_of([slot(text, 0, len(text))]))[-1].content
        first, second = asked.split("\n")
        assert json.loads(first.removeprefix("Caption: ")) == text
        assert json.loads(second.removeprefix("1. ").removesuffix(f" ({KINDS['object']})")) == text


def test_the_schema_is_strict() -> None:
    schema = edits_schema(3, reasons=True)
    edit = schema["properties"]["edits"]["items"]
    assert edit["required"] == ["span", "replacement", "why_false", "plausible"]
    assert edit["properties"]["span"]["maximum"] == 3
    assert "why_false" not in edits_schema(3, reasons=False)["properties"]["edits"]["items"]["properties"]
