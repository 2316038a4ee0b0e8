"""What a run may spend: tokens or requests, never exceeded by what can be known beforehand.

A request counts once, however often a back end has to try it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from negagen.errors import InputError
from negagen.llm.protocol import CHARACTERS_A_TOKEN, Request

SPENT: Final = "language model: the budget is spent"
"""The reason of rows that were not asked about any more."""

_FORMAT: Final = re.compile(r"(\d[\d_,]*)\s*(tokens|requests)")
_TOKENS_A_MESSAGE: Final = 12
_TOKENS_A_PICTURE: Final = 3_000


@dataclass(frozen=True, slots=True)
class Budget:
    """`amount` of `unit` at most."""

    amount: int
    unit: Literal["tokens", "requests"]

    def __str__(self) -> str:
        return f"{self.amount}{self.unit}"

    @classmethod
    def of(cls, text: str) -> Budget:
        """The budget that "200000tokens" or "500 requests" names. Raises `InputError` for anything else."""
        match = _FORMAT.fullmatch(text.strip())
        if match is None:
            raise InputError(f"--llm-budget {text}: expected a number with its unit, 200000tokens or 500requests.")
        unit: Literal["tokens", "requests"] = "tokens" if match[2] == "tokens" else "requests"
        return cls(int(re.sub(r"[_,]", "", match[1])), unit)


class Purse:
    """A budget while it is spent. `requests` and `tokens` were spent before; None for no limit.

    A request is let through if it fits even at its dearest, beside those that are under way.
    """

    def __init__(self, budget: Budget | None, requests: int = 0, tokens: int = 0) -> None:
        self._budget = budget
        self._requests, self._tokens = requests, tokens
        self._reserved = 0

    def take(self, request: Request) -> bool:
        """Reserve what the request may cost; False if that is more than is left."""
        if self._budget is None:
            return True
        cost = self._cost(request)
        spent = self._tokens if self._budget.unit == "tokens" else self._requests
        if spent + self._reserved + cost > self._budget.amount:
            return False
        self._reserved += cost
        return True

    def settle(self, request: Request, tokens: int | None) -> None:
        """What a request that was let through has cost; None for one that failed, which counts at its dearest."""
        if self._budget is None:
            return
        self._reserved -= self._cost(request)
        self._requests += 1
        self._tokens += dearest(request) if tokens is None else tokens

    def _cost(self, request: Request) -> int:
        return 1 if self._budget is None or self._budget.unit == "requests" else dearest(request)


def dearest(request: Request) -> int:
    """The tokens of prompt and answer at most, by a cautious guess of how many characters make a token."""
    letters = sum(len(message.content) for message in request.messages)
    picture = 0 if request.image is None else _TOKENS_A_PICTURE
    prompt = -(-letters // CHARACTERS_A_TOKEN) + _TOKENS_A_MESSAGE * len(request.messages) + picture
    return prompt + request.max_tokens
