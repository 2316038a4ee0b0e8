"""When a request is sent again, and after how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from negagen.seeding import Stream, key_of

TRANSIENT: Final = frozenset([408, 425, 429, 500, 502, 503, 504, 529])
"""Statuses after which the same request may succeed. Every other error's status is final."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How often and after how long: `attempts` in all, pauses doubling from `first` to `longest` seconds.

    A pause is multiplied by a draw from [0.5, 1.5), so that requests that failed together do not come back together.
    A server's Retry-After takes the place of a shorter pause; more than `patience` seconds are not waited for.
    """

    attempts: int = 5
    first: float = 0.5
    longest: float = 30.0
    patience: float = 600.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be 1 or more, not {self.attempts}")

    def pause(self, attempt: int, *key: object) -> float:
        """Seconds before the try after `attempt` (0 is the first), fixed by `key`."""
        drawn = Stream(key_of("retry", attempt, *key)).bits() / (1 << 64)
        doubled: float = self.first * 2**attempt
        return min(self.longest, doubled) * (0.5 + drawn)


def retry_after(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110, 10.2.3); 0 without a usable one."""
    if not header:
        return 0.0
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
