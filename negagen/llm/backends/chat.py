"""The chat-completions format of OpenAI and of all servers that follow it: what is sent, what comes back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from negagen.llm.backends.retrying import TRANSIENT
from negagen.llm.protocol import CHARACTERS_A_TOKEN, Answer, Failure, Request

Format = Literal["json_schema", "unbounded", "json_object", "none"]
FORMATS: Final[tuple[Format, ...]] = ("unbounded", "json_schema", "json_object", "none")
"""What a new schema begins with, the first of those that the server took of others."""
_IMAGES: Final = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
_TEMPLATE: Final = ("chat_template_kwargs", "enable_thinking")
_WORD: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_BOUNDS: Final = (
    "minLength", "maxLength", "pattern", "minimum", "maximum", "minItems", "maxItems", "uniqueItems",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dialect:
    """How much of the format a server takes. It starts with all, and `without` takes away what an error names."""

    answer_format: Format = "json_schema"
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: bool = True
    seed: bool = True
    template: bool = True

    def without(self, refusal: Refusal) -> Dialect | None:
        """The dialect that leaves out what `refusal` names; None if it names nothing that can be left out."""
        if self.limit == "max_tokens" and refusal.names("max_completion_tokens", "max_tokens"):
            return replace(self, limit="max_completion_tokens")
        if self.temperature and refusal.parameter == "temperature":
            return replace(self, temperature=False)
        if self.seed and refusal.parameter == "seed":
            return replace(self, seed=False)
        if self.template and refusal.names(*_TEMPLATE):
            return replace(self, template=False)
        if self.answer_format == "json_schema" and refusal.names(*_BOUNDS):
            # OpenAI's strict schemas know no lengths and ranges, at times.
            return replace(self, answer_format="unbounded")
        return self.looser() if refusal.names("response_format", "json_schema", "json_object") else None

    def looser(self) -> Dialect | None:
        """The dialect with the next looser kind of format; None if it asks for none already."""
        if self.answer_format == "none":
            return None
        return replace(self, answer_format="none" if self.answer_format == "json_object" else "json_object")

    def lacks(self) -> tuple[str, ...]:
        """What was taken away and changes answers, in words."""
        return (
            *(("lengths and ranges in a JSON schema",) if self.answer_format == "unbounded" else ()),
            *(("response_format with a JSON schema",) if self.answer_format == "json_object" else ()),
            *(("response_format",) if self.answer_format == "none" else ()),
            *(() if self.temperature else ("temperature",)),
            *(() if self.seed else ("seed",)),
            *(() if self.template else ("chat_template_kwargs (enable_thinking)",)),
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer with an error's status. `message` may repeat the prompt: it is looked at, never shown or stored."""

    status: int
    code: str
    parameter: str
    message: str

    @property
    def passing(self) -> bool:
        """Whether the same request may be answered later."""
        return self.status in TRANSIENT and self.code != "insufficient_quota"

    def names(self, *fields: str) -> bool:
        """Whether it is about one of these fields of the request."""
        return self.parameter in fields or any(field in self.message for field in fields)

    def is_about(self, model: str) -> bool:
        """Whether it is about the model's name."""
        named = any(f"{mark}{model}{mark}" in self.message for mark in "'`\"")
        return named or self.parameter == "model" or "model_not_found" in self.code

    def __str__(self) -> str:
        return f"HTTP {self.status}" + (f" ({self.code})" if self.code else "")


def payload(model: str, request: Request, dialect: Dialect) -> dict[str, Any]:
    """The body of a request in `dialect`."""
    messages: list[dict[str, Any]] = [
        {"role": message.role, "content": message.content} for message in request.messages
    ]
    if request.image is not None:
        last = max(n for n, message in enumerate(request.messages) if message.role == "user")
        url = f"data:image/{image_kind(request.image)};base64,{base64.b64encode(request.image).decode()}"
        picture = {"type": "image_url", "image_url": {"url": url}}
        messages[last]["content"] = [picture, {"type": "text", "text": messages[last]["content"]}]
    body: dict[str, Any] = {"model": model, "messages": messages, dialect.limit: request.max_tokens, "stream": False}
    if dialect.temperature:
        body["temperature"] = request.temperature
    if dialect.seed:
        # Servers read a signed integer of 64 bits, some of 32.
        body["seed"] = request.seed & 0x7FFFFFFF
    if dialect.template:
        # Templates that do not think of it ignore it; others would spend the answer's tokens on thoughts.
        body["chat_template_kwargs"] = {"enable_thinking": False}
    if request.schema is not None:
        if dialect.answer_format in ("json_schema", "unbounded"):
            wanted = dict(request.schema) if dialect.answer_format == "json_schema" else unbounded(request.schema)
            schema = {"name": "answer", "strict": True, "schema": wanted}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif dialect.answer_format == "json_object":
            body["response_format"] = {"type": "json_object"}
    return body


def unbounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema without lengths, ranges and patterns."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {name: unbounded(inner) for name, inner in value.items()}
        elif key not in _BOUNDS:
            out[key] = unbounded(value) if isinstance(value, Mapping) else value
    return out


def image_kind(image: bytes) -> str | None:
    """The image's format by its first bytes; None if it is none that servers read."""
    return next((kind for begin, kind in _IMAGES.items() if image.startswith(begin)), None)


def read(body: bytes, request: Request) -> Answer | Failure | None:
    """The answer in the body of a response with status 200; None if that is no chat completion, or not a whole one.

    Where a server tells no usage that is a number, a token is counted for every `CHARACTERS_A_TOKEN` characters.
    """
    try:
        told = json.loads(body)
        choice = told["choices"][0]
        message = choice["message"]
        text = message.get("content") or ""
        if not isinstance(text, str):
            return None
        # JSON may hold half a character, which no file can.
        text = text.encode("utf-8", "replace").decode()
        finish = str(choice.get("finish_reason") or "stop")
        finish = finish if _WORD.match(finish) else "stop"
        letters = sum(len(each.content) for each in request.messages)
        asked = _count(told.get("usage"), "prompt_tokens", letters)
        said = _count(told.get("usage"), "completion_tokens", len(text))
        if not text and finish != "length":
            return Failure(f"the server's answer is empty ({'refusal' if message.get('refusal') else finish})")
        return Answer(text, asked, said, finish)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _count(usage: object, name: str, letters: int) -> int:
    """The tokens that a server says it counted, or a guess by so many characters where it says nothing usable."""
    told = usage.get(name) if isinstance(usage, Mapping) else None
    if isinstance(told, int | float) and not isinstance(told, bool) and 0 < told < 1 << 40:
        return int(told)
    return -(-letters // CHARACTERS_A_TOKEN)


def refusal_of(status: int, body: bytes) -> Refusal:
    """What a response with an error's status says, of whichever shape."""
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        told = body.decode("utf-8", "replace")
    inner = told.get("error", told) if isinstance(told, Mapping) else told
    if not isinstance(inner, Mapping):
        return Refusal(status, "", "", str(inner))
    code, parameter = (inner.get(key) for key in ("code", "param"))
    code = code if isinstance(code, str) else inner.get("type")
    message = inner.get("message") or inner.get("detail") or ""
    shown = code if isinstance(code, str) and _WORD.match(code) else ""
    return Refusal(status, shown, parameter if isinstance(parameter, str) else "", str(message))
