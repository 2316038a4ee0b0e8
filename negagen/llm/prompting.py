"""From slots to messages: templates and exemplars are files beside this module, in `prompts`.

A conversation is the template's system block, exemplars as turns, then the question; blocks that "seen" and "positive"
lack are those of "negative". All that does not depend on the question stands first, and there are only `ROTATIONS`
orders of the exemplars, so that a server may keep what it made of these beginnings. Captions go in as JSON strings:
what a caption says cannot leave its quotation marks.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from negagen.errors import LanguageModelError
from negagen.llm.protocol import Message
from negagen.llm.slots import Slot
from negagen.seeding import Stream, key_of

ROTATIONS: Final = 4
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {"object": "thing", "attribute": "quality", "relation": "position", "action": "action", "count": "number"}
)
"""What a role is called in prompts."""

_EXEMPLARS: Final = "exemplars.toml"
_SHOWN_AS: Final = {"seen": "negative"}
_BASE: Final = MappingProxyType({"seen": ("negative",), "positive": ("negative",)})


@dataclass(frozen=True, slots=True)
class Shown:
    """A span of an exemplar, as templates read slots."""

    span: str
    role: str


class Prompt:
    """One of the prompts: "negative", "seen" (with a picture), "positive" or "verify".

    `version` is what the file says of itself, `hash` changes with every character of template and exemplars.

    Raises `LanguageModelError` if jinja2 is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            import jinja2
        except ImportError as error:
            raise LanguageModelError(
                "--llm needs jinja2 and the back ends' packages: pip install 'negagen[llm]'"
            ) from error
        folder = files("negagen.llm.prompts")
        sources = [(folder / f"{each}.jinja").read_text(encoding="utf-8") for each in (*_BASE.get(name, ()), name)]
        exemplars = (folder / _EXEMPLARS).read_text(encoding="utf-8")
        environment = jinja2.Environment(
            undefined=jinja2.StrictUndefined, autoescape=False, keep_trailing_newline=False
        )
        environment.filters["quoted"] = _quoted
        document = tomllib.loads(exemplars)
        self.name = name
        self.hash = blake2b("\x1f".join((*sources, exemplars)).encode(), digest_size=8).hexdigest()
        self._templates = [environment.from_string(source) for source in sources]
        self._shown: int = document["shown"]
        self._exemplars: list[Mapping[str, Any]] = document[_SHOWN_AS.get(name, name)]
        self._things = _things(self._exemplars)
        self._beginnings: dict[int, tuple[Message, ...]] = {}
        self.version = self._block("version", {})

    def messages(self, seed: int, rotation: int, **question: Any) -> tuple[Message, ...]:
        """The conversation that ends with this question; `rotation` counts from 0 to `ROTATIONS` - 1."""
        return (*self._beginning(seed, rotation), Message("user", self._block("user", question)))

    def echoes(self, slot: Slot, replacement: str) -> bool:
        """Whether a replacement is a thing out of the exemplars: small models repeat these wherever they are asked.

        Numbers, qualities and places, and other names of a thing, are too few for such a repetition to say anything.
        """
        words = replacement.lower().split()
        asked = slot.role == "object" and not slot.positive
        return asked and bool(words) and words[-1].removesuffix("s") in self._things

    def _beginning(self, seed: int, rotation: int) -> tuple[Message, ...]:
        key = key_of("exemplars", self.name, seed, rotation)
        if key not in self._beginnings:
            turns = [Message("system", self._block("system", {}))]
            for exemplar in Stream(key).shuffled(self._exemplars)[: self._shown]:
                shown = _as_shown(exemplar)
                turns.append(Message("user", self._block("user", shown)))
                turns.append(Message("assistant", self._block("assistant", shown)))
            self._beginnings[key] = tuple(turns)
        return self._beginnings[key]

    def _block(self, name: str, values: Mapping[str, Any]) -> str:
        template = next(each for each in reversed(self._templates) if name in each.blocks)
        context = template.new_context({"kinds": KINDS, **values})
        return "".join(template.blocks[name](context)).strip()


@cache
def prompt(name: str) -> Prompt:
    """The prompt of that name, read once."""
    return Prompt(name)


def question_of(slots: Sequence[Slot]) -> dict[str, Any]:
    """What the templates of replacements ask about: slots of one caption."""
    return {"caption": slots[0].text, "slots": slots}


def edits_schema(spans: int, *, reasons: bool) -> dict[str, Any]:
    """The JSON schema of an answer about so many spans, an edit each.

    `reasons` asks for `why_false`, which nothing reads but whoever looks at answers: a model that says why first thinks
    of what a replacement must do.
    """
    properties: dict[str, Any] = {
        "span": {"type": "integer", "minimum": 1, "maximum": spans},
        "replacement": {"type": "string", "maxLength": 60},
        **({"why_false": {"type": "string", "maxLength": 120}} if reasons else {}),
        "plausible": {"type": "boolean"},
    }
    edit = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"edits": {"type": "array", "items": edit, "maxItems": spans}},
        "required": ["edits"],
        "additionalProperties": False,
    }


BOTH_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"both": {"type": "boolean"}},
    "required": ["both"],
    "additionalProperties": False,
}
"""The JSON schema of a verifying answer."""


def _as_shown(exemplar: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = dict(exemplar)
    if "spans" in exemplar:
        out["slots"] = [Shown(span, role) for span, role in exemplar["spans"]]
        out["edits"] = [{"why_false": "", "plausible": True, **edit} for edit in exemplar["edits"]]
    return out


def _things(exemplars: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """What the exemplars put in the place of things, in lower case, without a plural's "s"."""
    return frozenset(
        str(edit["replacement"]).lower().removesuffix("s")
        for exemplar in exemplars
        for edit in exemplar.get("edits", ())
        if exemplar["spans"][edit["span"] - 1][1] == "object"
    )


def _quoted(value: object) -> str:
    """JSON as a prompt has it: nothing is escaped that is only not ASCII."""
    return json.dumps(value, ensure_ascii=False)
