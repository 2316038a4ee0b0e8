"""Operations: each proposes edits of a parsed caption, lazily, in an order fixed by its random stream.

An operation knows nothing of truth or taste beyond the classes it draws from; the checks judge what it proposes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from negagen.lexicon import Lexicon
from negagen.ops.absence import DenyAbsent
from negagen.ops.actions import ReplaceAction
from negagen.ops.add import AddAttribute, AddObject
from negagen.ops.affirm import Affirm
from negagen.ops.attributes import ReplaceAttribute
from negagen.ops.count import ReplaceCount
from negagen.ops.count_swap import SwapCounts
from negagen.ops.negate import NegateObject, NegateRelation, NegateVerb
from negagen.ops.objects import ReplaceObject
from negagen.ops.paraphrase import ConverseRelation, ReorderConjuncts
from negagen.ops.pattern import ReplacePattern
from negagen.ops.relations import ReplaceRelation
from negagen.ops.shuffle import ShuffleNgrams, ShuffleWithinClass
from negagen.ops.swap import SwapAttributes, SwapObjects, SwapPhrases
from negagen.ops.synonyms import AdjectiveSynonym, FixedSynonym, NounSynonym, VerbSynonym
from negagen.ops.voice import ChangeTense, ChangeVoice
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse

if TYPE_CHECKING:
    from negagen.ruleset import Rule

__all__ = ["OPERATIONS", "Operation"]


class Operation(Protocol):
    """Proposes edits. What it proposes depends on the arguments alone.

    `needs` is what a caption must have for anything to come of it; the operation is not asked otherwise.
    """

    needs: ClassVar[Needs]

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        """Candidates in random order, the same for the same `stream`; may be endless only in principle."""
        ...


OPERATIONS: Final[Mapping[tuple[str, str], Callable[[Rule, Lexicon], Operation]]] = MappingProxyType(
    {
        ("swap", "object"): SwapObjects,
        ("swap", "phrase"): SwapPhrases,
        ("swap", "attribute"): SwapAttributes,
        ("swap", "count"): SwapCounts,
        ("replace", "object"): ReplaceObject,
        ("replace", "attribute"): ReplaceAttribute,
        ("replace", "relation"): ReplaceRelation,
        ("replace", "action"): ReplaceAction,
        ("replace", "count"): ReplaceCount,
        ("replace", "pattern"): ReplacePattern,
        ("add", "object"): AddObject,
        ("add", "attribute"): AddAttribute,
        ("negate", "verb"): NegateVerb,
        ("negate", "object"): NegateObject,
        ("negate", "relation"): NegateRelation,
        ("negate", "denial"): Affirm,
        ("shuffle", "ngram"): ShuffleNgrams,
        ("shuffle", "class"): ShuffleWithinClass,
        ("paraphrase", "object"): NounSynonym,
        ("paraphrase", "attribute"): AdjectiveSynonym,
        ("paraphrase", "action"): VerbSynonym,
        ("paraphrase", "phrase"): FixedSynonym,
        ("paraphrase", "conjunct"): ReorderConjuncts,
        ("paraphrase", "converse"): ConverseRelation,
        ("paraphrase", "voice"): ChangeVoice,
        ("paraphrase", "tense"): ChangeTense,
        ("paraphrase", "absence"): DenyAbsent,
    }
)
"""Every (op, role) a rule may name."""
