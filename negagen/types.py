"""The values that pass through negagen: what a caption is parsed into, and what is made of it.

All are immutable. Offsets are Python string indices (code points) into the source caption. Those that are made
by the dozen for every caption are named tuples, which cost half of a frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any, Literal, NamedTuple

from negagen.lexicon import Entry, NumberEntry, Unit

Status = Literal["ok", "partial", "none", "error"]

CATEGORIES = (
    "swap_obj",
    "swap_att",
    "swap_role",
    "replace_obj",
    "replace_att",
    "replace_rel",
    "replace_count",
    "add_obj",
    "add_att",
    "negate",
    "shuffle",
)
"""The field's names for what an edit does (SugarCrepe's seven, and four beside them)."""

POSITIVE_CATEGORIES = ("paraphrase",)
"""What an edit does that is made to leave the caption true."""


Opening = tuple[tuple[str, ...], Unit]
"""A multi-word unit and the lower-case tokens that it is made of."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word form with its tag and what the lexicon knows of it.

    Tokens are interned and shared between captions; where one stands is in `Parse.starts`.
    `tag` is a Penn Treebank tag, `code` its one-letter class (see `negagen.parsing.codes`). `entry` is the
    word as a noun or a verb, `attribute` as a modifier of a noun, `number` as a number or quantifier; `opens`
    are the multi-word units that may begin here, by their second token, longest first. `title` tells that the word
    has one capital, its first letter ("Red", not "TV" and not "iPad"), `article` that it is "a" or "an".
    """

    text: str
    lower: str
    tag: str
    lemma: str
    code: str
    entry: Entry | None = None
    attribute: Entry | None = None
    number: NumberEntry | None = None
    opens: Mapping[str, tuple[Opening, ...]] | None = None
    title: bool = False
    article: bool = False


class Needs(IntFlag):
    """What a caption must have for an operation to apply."""

    NOTHING = 0
    ATTRIBUTES = 1
    RELATIONS = 2
    VERBS = 4


class Phrase(NamedTuple):
    """A base noun phrase: the tokens `[start, stop)`, and the roles in it as token indices.

    `head` is the last token of the head unit, which begins at `unit` ("fire hydrant", "tennis player").
    `lemma` is the unit's lemma where the lexicon knows the unit, else the head's; `compound` tells that it
    does not. `attributes` are the modifiers before the unit; `quantity` (a number or quantifier) and
    `determiner` are indices or -1.
    """

    start: int
    stop: int
    determiner: int
    quantity: int
    attributes: tuple[int, ...]
    unit: int
    head: int
    lemma: str
    plural: bool
    compound: bool
    entry: Entry | None
    family: str

    @property
    def animate(self) -> bool:
        """Whether the head names a person or an animal."""
        return self.family in ("person", "animal")


class Relation(NamedTuple):
    """What stands between two phrases: `subject` and `object` index `Parse.phrases`.

    `verb` is the token index of the main verb or -1, `finite` whether it or its auxiliary agrees with the
    subject. `name` is the preposition ("in front of") or "", standing at tokens `[start, stop)`. `kind` is
    "coordination", "preposition", "verb", "verb+preposition" or "copula".
    """

    subject: int
    object: int
    kind: str
    verb: int
    finite: bool
    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Parse:
    """A caption taken apart.

    `starts[i]` is the offset of `tokens[i]`, and `codes` has a letter a token. `units` maps the first token of
    each multi-word unit to (the token past its end, the unit). `finite` maps a phrase to the token of the
    finite verb that agrees with it in number, or to -1 where there is one but the grammar cannot tell which.
    `words` are the tokens in lower case, `memo` is where the checks keep what they have made of the caption.
    """

    text: str
    tokens: list[Token]
    starts: list[int]
    codes: str
    units: Mapping[int, tuple[int, Unit]]
    phrases: tuple[Phrase, ...]
    relations: tuple[Relation, ...]
    finite: Mapping[int, int]
    words: frozenset[str]
    memo: list[Any] = field(default_factory=list, repr=False, compare=False)

    def end(self, index: int) -> int:
        """Offset just past token `index`."""
        return self.starts[index] + len(self.tokens[index].text)


class Splice(NamedTuple):
    """Put `text` in the place of tokens `[start, stop)`: "" removes them, `start == stop` inserts before them."""

    start: int
    stop: int
    text: str


class Candidate(NamedTuple):
    """What an operation proposes, before realisation repairs it and the checks judge it.

    `splices` are disjoint and in order. `operation` and `role` say what was done to what; `old` and `new` are
    the lemmas that were exchanged or replaced ("" where there is none), and `sites` the indices of the
    phrases concerned. `relation` indexes `Parse.relations`, or is -1.
    """

    splices: tuple[Splice, ...]
    operation: str
    role: str
    old: str
    new: str
    sites: tuple[int, ...]
    relation: int = -1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of a candidate: "keep", "reject", or "positive" when the edit leaves the caption true.

    `weight`, in [0, 1], is how sure it is: 1 for a negative that contradicts the caption, less where the picture
    might show it as well.
    """

    kind: Literal["keep", "reject", "positive"]
    reason: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace `old`, which stands at `[start, end)` of the source caption, by `new`."""

    start: int
    end: int
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Negative:
    """A caption that one small edit made false (or, among `Result.positives`, left true).

    `edits` are disjoint, in order, and give `text` when applied to the source caption.
    `scores` are named floats; see `docs/output.md` for each. `weight`, in [0, 1], is the confidence that a negative
    is false of the picture (of a positive: that it is true).
    """

    text: str
    rule: str
    category: str
    edits: tuple[Edit, ...]
    scores: Mapping[str, float] = field(default_factory=dict)
    generator: str = "rules"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate that a check refused, and why."""

    text: str
    rule: str
    category: str
    reason: str


@dataclass(frozen=True, slots=True)
class Result:
    """All that came of one caption.

    `status` is "ok" (as many negatives as asked for), "partial" (fewer), "none" (none, see `reason`) or
    "error" (the caption cannot be used, see `reason`).
    """

    text: str | None
    negatives: tuple[Negative, ...]
    positives: tuple[Negative, ...]
    rejected: tuple[Rejection, ...]
    status: Status
    reason: str = ""
