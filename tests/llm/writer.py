"""A writer for `faults.FaultyServer`: it reads the question as a model would and answers as it is told to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.llm.faults import Plan, Reply, question, said

WORDS = {
    "thing": ["zebra", "piano", "man", "dog", "boy", "kite", "bus"],
    "quality": ["blue", "white", "green", "small"],
    "position": ["under", "in front of", "next to"],
    "action": ["holding", "riding", "standing"],
    "number": ["nine", "twelve"],
}
"""What it writes for each kind of span."""

_SPAN = re.compile(r"^(\d+)\. (\".*\") \((\w+)\)$", re.MULTILINE)


def spans_of(body: dict[str, Any]) -> list[tuple[int, str, str]]:
    """Number, words and kind of each span that a request asks about."""
    return [(int(n), json.loads(span), kind) for n, span, kind in _SPAN.findall(question(body))]


def caption_of(body: dict[str, Any]) -> str:
    """The caption that a request is about."""
    first = question(body).partition("\n")[0]
    return str(json.loads(first.removeprefix("Caption: ").removeprefix("A: ")))


def is_verdict(body: dict[str, Any]) -> bool:
    """Whether a request asks for a verdict on two sentences."""
    return question(body).startswith("A: ")


def edits_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What it would write: for each span a word of its kind, fixed by the span."""
    return [
        {"span": n, "replacement": WORDS[kind][len(span) % len(WORDS[kind])], "why_false": "other", "plausible": True}
        for n, span, kind in spans_of(body)
    ]


def text_of(body: dict[str, Any]) -> str:
    """The whole answer to a request, as JSON; to the first word, a word."""
    if not (is_verdict(body) or spans_of(body)):
        return "yes"
    return json.dumps({"both": False} if is_verdict(body) else {"edits": edits_of(body)})


def write(before: int, body: dict[str, Any]) -> Reply:
    """The plan of a writer without faults."""
    return said(text_of(body))


def writing(change: Callable[[str], str]) -> Plan:
    """The plan of a writer whose answers are changed."""
    return lambda before, body: said(change(text_of(body)) if spans_of(body) or is_verdict(body) else "yes")
