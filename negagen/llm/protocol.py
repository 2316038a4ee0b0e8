"""What a language model is to negagen: something that answers requests. Values and a protocol, nothing imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, runtime_checkable

CHARACTERS_A_TOKEN: Final = 2
"""A cautious guess for where nothing counts tokens: English has four, other languages fewer."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model, with all that its answer may depend on."""

    messages: tuple[Message, ...]
    schema: Mapping[str, Any] | None
    """JSON schema of the answer. A back end that can enforces it; an answer may be prose all the same."""
    max_tokens: int
    """The most tokens of the answer."""
    temperature: float
    """0 is greedy."""
    seed: int
    image: bytes | None = None
    """A PNG, JPEG, GIF or WebP file, for servers that see."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said, as it said it, and what that cost."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    finish: str
    """"stop" where the model ended of itself, "length" where `max_tokens` cut it, or a server's own word."""

    @property
    def tokens(self) -> int:
        """Of prompt and answer."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request has no answer. It is written into rows and never holds the key or the caption.

    One that is `alone` lies in the request itself, as a prompt that is too long, and says nothing of others.
    """

    reason: str
    alone: bool = False


@runtime_checkable
class Backend(Protocol):
    """A model behind one door: local or a server's.

    `name` stands in fingerprints, in a negative's `generator` and in the cache's keys. Used as a context manager by
    `contextlib.closing`.
    """

    @property
    def name(self) -> str:
        """Which model, by which way; never a key, never an absolute path."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether it says the same to the same request, so that to ask again is of no use."""
        ...

    def parameters(self) -> Mapping[str, Any]:
        """What changes answers beside the request (model, dtype, quantisation): JSON values, for the cache's keys."""
        ...

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
        """Each request's index with its answer or failure, as they come: any order, each index once.

        Raises:
            LanguageModelError: no request can be answered (wrong model name, refused key, unreachable server). What
                was yielded before stands.
        """
        ...

    def close(self) -> None:
        """Let go of connections or memory. Calling it twice does no harm."""
        ...
