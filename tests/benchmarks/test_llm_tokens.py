from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from benchmarks.llm_tokens import KINDS, _changed, _judged, _through
from negagen import Negator
from negagen.llm.protocol import Answer
from negagen.llm.slots import Slot, slots_of

CAPTIONS = ["A brown dog chases a white cat across the grass", "Two men ride horses on a beach"]


@pytest.fixture(scope="module")
def slots() -> list[Slot]:
    rules = Negator()
    (parse,) = rules.parser.parse([CAPTIONS[0]])
    return slots_of(rules.lexicon, parse)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (CAPTIONS[0].replace("dog", "horse"), ("dog", "horse")),
        (CAPTIONS[0].replace("white", "very dark"), ("white", "very dark")),
        (CAPTIONS[0], "the caption as it was"),
        (CAPTIONS[0].replace("dog", "horse").replace("white", "black"), "changed elsewhere, or in several places"),
        ("A cat sleeps", "changed elsewhere, or in several places"),
    ],
)
def test_the_slot_that_a_sentence_changed(slots: list[Slot], written: str, found: object) -> None:
    result = _changed(slots, json.dumps({"caption": written}))
    assert (result if isinstance(result, str) else (result[0].span, result[1])) == found


def test_answers_that_cannot_be_read(slots: list[Slot]) -> None:
    for answer in ("", "A red dog", '{"caption": 3}', '["a"]', "{}"):
        assert _changed(slots, answer) == "its answer cannot be read"


def test_tokens_are_laid_to_what_was_accepted() -> None:
    said = {
        "span": json.dumps({"edits": [{"span": n, "replacement": "giraffe"} for n in (1, 2, 3, 4)]}),
        "sentence": json.dumps({"caption": CAPTIONS[0].replace("dog", "giraffe")}),
    }
    for kind in KINDS:
        asked = _through(kind, CAPTIONS)[0].requests
        assert len(asked) == 2
        stored = [
            {"request": asdict(request), "answer": asdict(Answer(said[kind], 100, 20, "stop"))} for request in asked
        ]
        found = _judged(kind, CAPTIONS, stored)
        assert found["accepted"] >= 1
        assert found["requests_without_answer"] == 0
        assert found["tokens_per_accepted"] == round(240 / found["accepted"], 1)
        if kind == "sentence":
            assert found["accepted"] == 1
            assert found["refused"] == {"changed elsewhere, or in several places": 1}
        changed = [{**stored[0], "request": asdict(replace(asked[0], messages=asked[0].messages[:1]))}]
        assert _judged(kind, CAPTIONS, changed)["requests_without_answer"] == 2


def test_as_many_requests_are_written_down_as_there_are_captions() -> None:
    # More than the unreadable answers in a row that end a run.
    captions = [f"{caption} {n} times" for n in range(20) for caption in CAPTIONS]
    assert len(_through("span", captions)[0].requests) == len(captions)
