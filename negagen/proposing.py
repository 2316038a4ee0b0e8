"""Candidates from elsewhere than the rules: what a `Negator` asks of whoever makes them.

The negator realises them, draws among them and keeps their edits on record, exactly as with its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from negagen.balance.blinder import Option
from negagen.checks import Context
from negagen.finding import Finder
from negagen.rows import Begun
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
    def positives(self) -> bool:
        """Whether it is asked about captions with room for positives, too, whatever its mode."""
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


class Asked(NamedTuple):
    """A caption that a proposer is asked about, `wanted` negatives short."""

    begun: Begun
    wanted: int


def ask(proposer: Proposer, finder: Finder, asked: Sequence[Asked]) -> list[Proposed]:
    """What the proposer has for these captions; its positives and refusals are filed with what was found.

    It is not asked about a caption that lacks nothing. The rules reword first: it gives what they leave room for.
    """
    out, cases = [Proposed()] * len(asked), dict[int, Case]()
    for n, ((row, found, stream), wanted) in enumerate(asked):
        if proposer.positives or (proposer.mode == "fill" and wanted > 0):
            finder.reword(found, stream)
        reworded = max(0, finder.most_positives - len(found.positives))
        if wanted > 0 or (proposer.positives and reworded):
            cases[n] = Case(found.parse, found.context, stream, max(0, wanted), reworded, row.image)
    for n, said in zip(cases, proposer.propose([*cases.values()]), strict=True):
        out[n] = said
        found = asked[n].begun.found
        found.rejected += said.rejected
        for option in said.positives:
            finder.file(found, option, {})
    return out
