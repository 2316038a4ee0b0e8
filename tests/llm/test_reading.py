"""Answers as models give them: JSON, nearly JSON, half of it, prose."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from negagen.llm.reading import read_both, read_edits
from negagen.llm.slots import Proposal

ONE = '{"span": 1, "replacement": "cat", "why_false": "no dog", "plausible": true}'
TWO = '{"span": 2, "replacement": "blue", "why_false": "", "plausible": false}'
CAT = Proposal("cat", "no dog")
BLUE = Proposal("blue", "", plausible=False)


def test_what_was_asked_for() -> None:
    reading = read_edits(f'{{"edits": [{ONE}, {TWO}]}}', 2)
    assert reading.state == "json"
    assert reading.proposals == {0: (CAT,), 1: (BLUE,)}


@pytest.mark.parametrize(
    "text",
    [
        f'Sure! Here are the edits:\n```json\n{{"edits": [{ONE}]}}\n```\nLet me know if you need more.',
        f'{{"edits": [{ONE}, {{"span": 2, "replacement": "bl',  # cut off
        f'{{"edits": [{ONE}',
        f"The answer is {ONE}.",
        '{"edits": [{"span": 1, "replacement": "cat", "why_false": "no dog", "plausible": true,},]}',
        "{'edits': [{'span': 1, 'replacement': 'cat', 'why_false': 'no dog', 'plausible': True}]}",
        f'{{"edits": [{ONE}]}}{{"edits": [',
    ],
)
def test_json_is_found_in_what_is_none(text: str) -> None:
    reading = read_edits(text, 2)
    assert reading.state == "salvaged"
    assert reading.proposals == {0: (CAT,)}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would replace the dog by a cat.",
        "{",
        '{"edits": "none"}',
        '{"edits": [{"span": 3, "replacement": "cat"}]}',  # no such span
        f'{{"edits": [{{"span": "{"1" * 5000}", "replacement": "cat"}}]}}',
        f'{{"edits": [{{"span": {"1" * 5000}, "replacement": "cat"}}]}}',
        '{"edits": [{"span": "\u00b2", "replacement": "cat"}]}',  # a digit that is no number
        '{"edits": [{"span": 1, "replacement": ["cat"]}]}',
        '{"edits": [{"span": true, "replacement": "cat"}]}',
        '{"answer": 42}',
        "[1, 2, 3]",
        "null",
        "[" * 5000,
        '{"a":' * 5000,
    ],
)
def test_nothing_to_be_read(text: str) -> None:
    assert read_edits(text, 2).state == "unreadable"
    assert read_edits(text, 2).proposals == {}


@pytest.mark.parametrize(
    "text",
    ['{"edits": []}', '{"edits": [{"span": 1, "replacement": null}]}', '{"edits": [{"span": 1, "replacement": ""}]}'],
)
def test_abstaining_is_an_answer(text: str) -> None:
    reading = read_edits(text, 1)
    assert (reading.state, dict(reading.proposals)) == ("json", {})


def test_one_span_need_not_be_numbered_and_numbers_may_be_words() -> None:
    assert read_edits('{"replacement": "cat", "why_false": "no dog"}', 1).proposals == {0: (CAT,)}
    assert read_edits('[{"span": "1", "replacement": "cat", "why_false": "no dog"}]', 2).proposals == {0: (CAT,)}
    assert read_edits('{"replacement": "cat"}', 2).state == "unreadable"


def test_what_cannot_be_used_is_passed_over_beside_what_can() -> None:
    reading = read_edits(f'{{"edits": [{ONE}, {{"span": 9, "replacement": "x"}}, 7]}}', 2)
    assert (reading.state, len(reading.proposals)) == ("json", 1)


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ('{"both": true}', True),
        ('{"both": false}', False),
        ('```\n{"both": "no"}\n```', False),
        ("Yes, both can be true.", True),
        ("no", False),
        ("Possibly.", None),
        ('{"both": "perhaps"}', None),
        ("", None),
    ],
)
def test_verdicts(text: str, both: bool | None) -> None:
    assert read_both(text) is both


def test_drafts_of_a_model_that_thinks_aloud_are_no_answers() -> None:
    draft, said = (json.dumps({"edits": [{"span": 1, "replacement": word}]}) for word in ("cat", "fox"))
    reading = read_edits(f"<think>Perhaps {draft}? No.</think>\n\n{said}", 1)
    assert (reading.state, reading.proposals[0][0].replacement) == ("json", "fox")
    assert read_edits(f"<think>Perhaps {draft}", 1).state == "unreadable"
    assert read_both("<think>true?</think> no") is False


@given(st.text() | st.text(alphabet='{}[]",:0123\\nabtrue ') | st.recursive(
    st.none() | st.booleans() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["edits", "span", "replacement", "x"]), inner),
).map(json.dumps))  # fmt: skip
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    reading = read_edits(text, 2)
    assert set(reading.proposals) <= {0, 1}
    assert all(isinstance(each.replacement, str) for said in reading.proposals.values() for each in said)
    assert read_both(text) in (True, False, None)
