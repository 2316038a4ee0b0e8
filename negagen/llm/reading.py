"""Reading answers: JSON as it was asked for, or what of it can be found in prose, fences and halves.

What is read is data, never text to act on: a span's number, a replacement, two words about it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from negagen.llm.slots import Proposal

State = Literal["json", "salvaged", "unreadable"]
"""Whether an answer was JSON as asked for, had JSON somewhere in it, or nothing that could be used."""

_MOST_CHARACTERS: Final = 20_000
_MOST_DIGITS: Final = 9
"""Python reads no numbers of thousands of digits."""
_OBJECT: Final = re.compile(r"\{[^{}]*\}")
_COMMA: Final = re.compile(r",\s*(?=[\]}])")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer proposes for each span, by its number from 0."""

    state: State
    proposals: Mapping[int, tuple[Proposal, ...]]


def read_edits(text: str, spans: int) -> Reading:
    """Read an answer about so many spans.

    An answer about one span need not number it. Unknown keys are passed over; what lacks a replacement is ignored, and
    an empty or null one is an abstention.
    """
    whole, found = _found(text)
    proposals: dict[int, list[Proposal]] = {}
    said = False
    for item in found:
        if item.get("edits") == []:
            said = True
            continue
        replacement, span = item.get("replacement", item), _span(item, spans)
        if replacement is None or replacement == "":
            said = True
        elif span is not None and isinstance(replacement, str):
            reason = item.get("why_false")
            plausible = _truth(item.get("plausible")) is not False
            proposal = Proposal(replacement, reason if isinstance(reason, str) else "", plausible)
            proposals.setdefault(span, []).append(proposal)
    if not proposals and not said:
        return Reading("unreadable", {})
    return Reading("json" if whole else "salvaged", {n: tuple(each) for n, each in proposals.items()})


def read_both(text: str) -> bool | None:
    """What a verifying answer says of both sentences; None where it says nothing that can be read.

    A plain "yes" or "no" at its start counts.
    """
    for item in _found(text)[1]:
        said = _truth(item.get("both"))
        if said is not None:
            return said
    word = re.match(r"\W*(yes|no|true|false)\b", _thought_out(text).lower())
    return None if word is None else word.group(1) in ("yes", "true")


def _found(text: str) -> tuple[bool, list[dict[str, Any]]]:
    """Whether the text is one JSON value and nothing else, and the innermost objects with something to say."""
    text = _thought_out(text).strip()[:_MOST_CHARACTERS]
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False, list(_objects(text))
    return isinstance(value, dict | list), list(_flat(value))


def _thought_out(text: str) -> str:
    """What comes after a model has thought aloud, which it marks: drafts are no answers; "" if it never ended."""
    before, mark, after = text.rpartition("</think>")
    return after if mark else before + after.partition("<think>")[0]


def _flat(value: Any) -> Iterator[dict[str, Any]]:
    """The objects that an answer's value consists of: itself, those of its list, or of its list of edits."""
    if isinstance(value, dict):
        edits = value.get("edits")
        if isinstance(edits, list) and edits:
            yield from _flat(edits)
        elif isinstance(edits, dict):
            yield edits
        else:
            yield value
    elif isinstance(value, list):
        yield from (item if isinstance(item, dict) else {} for item in value)


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Whole objects in a text that is not JSON as a whole: fenced, wrapped in prose, or cut off in the middle."""
    at = 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            match = _OBJECT.match(text, at)
            value = None if match is None else _lenient(match.group())
            at = at + 1 if match is None else match.end()
        if isinstance(value, dict):
            yield from _flat(value)


def _lenient(text: str) -> Any:
    """An object with trailing commas, single quotes or Python's constants; None if it is none of these."""
    text = _COMMA.sub("", text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(re.sub(r"\b(true|false|null)\b", lambda m: _PYTHON[m.group()], text))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


_PYTHON: Final[Mapping[str, str]] = {"true": "True", "false": "False", "null": "None"}


def _span(item: Mapping[str, Any], spans: int) -> int | None:
    """The span an item is about, from 0."""
    number = item.get("span")
    if isinstance(number, str) and number.strip().isdecimal():
        number = int(number.strip()[:_MOST_DIGITS])
    if isinstance(number, int) and not isinstance(number, bool):
        return number - 1 if 1 <= number <= spans else None
    return 0 if number is None and spans == 1 else None


def _truth(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "yes": True, "false": False, "no": False}.get(value.strip().lower())
    return None
