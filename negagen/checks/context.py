"""What the checks know beside the parse and the candidate."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from negagen.lexicon import Lexicon
from negagen.lexicon.company import Beside
from negagen.types import Parse, Verdict

KEEP: Final = Verdict("keep")
DENIED: Final = Verdict("reject", "under a negation of the caption")


@dataclass(slots=True)
class SiblingFacts:
    """What the sibling captions say: lemmas of things and verbs, (attribute, noun), (subject, verb, preposition,
    object), (low, high, noun) for counts, and what they deny.
    """

    nouns: set[str] = field(default_factory=set)
    verbs: set[str] = field(default_factory=set)
    attributes: set[tuple[str, str]] = field(default_factory=set)
    relations: set[tuple[str, str, str, str]] = field(default_factory=set)
    counts: set[tuple[int, int, str]] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    denied_verbs: set[str] = field(default_factory=set)

    def add(self, other: SiblingFacts) -> None:
        """Take over what another caption says."""
        self.nouns |= other.nouns
        self.verbs |= other.verbs
        self.attributes |= other.attributes
        self.relations |= other.relations
        self.counts |= other.counts
        self.denied |= other.denied
        self.denied_verbs |= other.denied_verbs


@dataclass(frozen=True, slots=True)
class Context:
    """What a caption's candidates have in common.

    `named` are the lemmas of its phrases and its words, `plain` tells that it has no idioms, units or names that an
    edit might tear, and `taken` holds the folded texts that a further negative must differ from. `siblings` are the
    parses of the other captions of the same picture; `facts` holds what they say once a check has asked for it,
    and `beside` likewise the caption's own words, with their places and what captions name beside them.
    """

    lexicon: Lexicon
    named: Set[str]
    plain: bool = False
    taken: set[str] = field(default_factory=set)
    siblings: Sequence[Parse] = ()
    facts: list[SiblingFacts] = field(default_factory=list)
    beside: list[list[tuple[int, Beside]]] = field(default_factory=list)


def context_of(lexicon: Lexicon, parse: Parse, siblings: Sequence[Parse] = ()) -> Context:
    """The context for the candidates of one caption."""
    inner = parse.text[1:]
    plain = inner == inner.lower() and not parse.units and "M" not in parse.codes
    return Context(lexicon, parse.words.union([phrase.lemma for phrase in parse.phrases]), plain, siblings=siblings)
