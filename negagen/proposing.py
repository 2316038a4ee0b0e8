"""Candidates from elsewhere than the rules: what a `Negator` asks of whoever makes them.

The negator realises them, draws among them and keeps their edits on record, exactly as with its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from negagen.balance.blinder import Option
from negagen.checks import Context
from negagen.ruleset import Rule
from negagen.seeding import Stream
from negagen.types import Parse, Rejection

Mode = Literal["fill", "mix", "only"]
MODES: tuple[Mode, ...] = ("fill", "mix", "only")
"""Ask where the rules fell short of k; ask always, beside the rules; ask always, in place of the rules."""


class Case(NamedTuple):
    """A caption to propose for. `stream` fixes all draws; `wanted` is how many negatives it still lacks, `reworded` how
    many positives it has room for.
    """

    parse: Parse
    context: Context
    stream: Stream
    wanted: int
    reworded: int
    image: Any = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """What has come of a case: options that passed the checks, best first, and what did not.

    `note` says why there is no more, if something failed; it is added to the row's reason.
    """

    options: Sequence[Option] = ()
    positives: Sequence[Option] = ()
    rejected: Sequence[Rejection] = ()
    note: str = ""


class Proposer(Protocol):
    """Proposes candidates for captions."""

    @property
    def mode(self) -> Mode:
        """For which captions it is asked."""
        ...

    @property
    def seeing(self) -> bool:
        """Whether it looks at pictures."""
        ...

    @property
    def rules(self) -> Sequence[Rule]:
        """Those that its options name: a category that no other rule has is drawn from with their weights."""
        ...

    @property
    def config(self) -> Mapping[str, object]:
        """All that fixes what it proposes, as JSON values."""
        ...

    def propose(self, cases: Sequence[Case]) -> list[Proposed]:
        """What comes of each case, in order. What comes of one does not depend on the others."""
        ...
