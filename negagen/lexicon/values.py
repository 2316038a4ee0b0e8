"""What the lexicon knows of a word, a number, a relation and a multi-word unit."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_CONTACT = frozenset(["on", "in", "at", "under", "atop", "inside", "upon", "over", "across", "through"])


@dataclass(frozen=True, slots=True)
class Entry:
    """A noun, attribute or action as captions use it.

    ``replacements`` are lemmas of the same class that a picture of this word almost never fits,
    most frequent in captions first; ``cumulative`` holds the running sum of their sampling weights
    (for ``bisect``), so ``cumulative[-1]`` is the total. Both are empty when nothing may stand in.
    ``excluded`` are lemmas that may never stand in, this one included; ``group`` are those near in meaning.

    Attributes and actions have one `senses` entry a class, each with its own constraints and replacements
    ("walk" of legs, "walk" a dog); draw from a sense that fits. The entry itself unites them.
    """

    lemma: str
    kind: str
    classes: tuple[str, ...]
    group: frozenset[str]
    excluded: frozenset[str]
    replacements: tuple[str, ...]
    cumulative: tuple[int, ...]
    frequency: int
    forms: Mapping[str, str]
    mass: bool = False
    countable: bool = True
    plural_only: bool = False
    scene: bool = False
    offered: bool = True
    frame: str = ""
    applies: frozenset[str] = frozenset()
    avoids: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()
    never_subjects: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    senses: tuple["Entry", ...] = ()

    def suits(self, noun: "Entry | None") -> bool:
        """Whether this sense goes with `noun`: the head of an attribute, the object of an action.

        An unknown noun (None) suits only what goes with anything.
        """
        return _suits(self.applies, self.avoids, noun)

    def suits_subject(self, noun: "Entry | None") -> bool:
        """Whether `noun` can do this action."""
        return _suits(self.subjects, self.never_subjects, noun)

    def takes(self, preposition: str) -> bool:
        """Whether `preposition` may follow this action and its replacements.

        For a noun: whether captions put it after "in", "on" or "at"; other words always do.
        """
        if self.kind == "noun" and preposition not in ("in", "on", "at"):
            return True
        return not self.prepositions or preposition in self.prepositions

    def attribute_sense(self, head: "Entry | None") -> "Entry | None":
        """The sense of this attribute before the noun `head` that has most replacements, or None."""
        return _richest(sense for sense in self.senses if sense.suits(head))

    def action_sense(
        self,
        *,
        transitive: bool,
        subject: "Entry | None",
        object: "Entry | None" = None,  # noqa: A002 (the grammatical term)
        preposition: str = "",
    ) -> "Entry | None":
        """The sense of this action that fits its surroundings and has most replacements, or None.

        `object` is the direct object of a transitive action, or that of the `preposition` after an
        intransitive one (`preposition` is "" at the end of a clause). An unknown subject is taken for a person,
        an unknown object fits only what is not choosy.
        """
        frame = "transitive" if transitive else "intransitive"
        return _richest(
            sense
            for sense in self.senses
            if sense.frame == frame
            and (sense.suits_subject(subject) if subject else not sense.subjects or "person" in sense.subjects)
            and (sense.suits(object) if transitive else sense.stands_before(preposition, object))
        )

    def stands_before(self, preposition: str, object: "Entry | None") -> bool:  # noqa: A002
        """Whether this intransitive sense may stand before `preposition` ("" at the end of a clause) and its `object`.

        What a verb avoids ("run" and furniture) it avoids on and in, not beside.
        """
        if not preposition:
            return not self.applies
        if not self.takes(preposition):
            return False
        if preposition not in _CONTACT:
            return _suits(self.applies, frozenset(), object)
        return self.suits(object) and (object is not None or not self.avoids)


def _richest(senses: Iterable[Entry]) -> Entry | None:
    return max(senses, key=lambda sense: len(sense.replacements), default=None)


def _suits(applies: frozenset[str], avoids: frozenset[str], noun: Entry | None) -> bool:
    if noun is None:
        return not applies
    return (not applies or not applies.isdisjoint(noun.names)) and avoids.isdisjoint(noun.names)


@dataclass(frozen=True, slots=True)
class NumberEntry:
    """A count expression: the true counts it fits are ``low`` to ``high``, both inclusive.

    ``value`` is None for a vague expression. ``replacements`` have ranges that do not meet this one.
    """

    word: str
    value: int | None
    low: int
    high: int
    vague: bool
    plural: bool
    digits: bool
    replacements: tuple[str, ...]
    cumulative: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RelationEntry:
    """A relation between two things, named by its words ("in front of").

    ``converse`` holds of (b, a) exactly when this holds of (a, b); ``entails`` are relations that hold
    with it, ``overlaps`` those that may; ``replacements`` contradict it. ``viewpoint`` marks relations that
    turn round with the viewer (left, right) and are never offered. Which replacements make sense depends
    on the object: `Lexicon.contraries` picks among the `senses` and knows what each relation can be said of
    (``objects``).
    """

    name: str
    words: tuple[str, ...]
    kind: str
    symmetric: bool
    converse: str | None
    entails: frozenset[str]
    overlaps: frozenset[str]
    replacements: tuple[str, ...]
    cumulative: tuple[int, ...]
    viewpoint: bool
    frequency: int
    applies: frozenset[str] = frozenset()
    avoids: frozenset[str] = frozenset()
    objects: frozenset[str] = frozenset()
    senses: tuple["RelationEntry", ...] = ()

    def suits(self, noun: Entry | None) -> bool:
        """Whether this sense of the relation may be replaced before `noun`, its object."""
        return _suits(self.applies, self.avoids, noun)

    def may_precede(self, noun: Entry | None) -> bool:
        """Whether the relation may be offered before `noun`."""
        return _suits(self.objects, frozenset(), noun)


def family_of(entry: Entry | None) -> str:
    """What the first class of a word begins with ("animal" of "animal.pet"); "" for an unknown word."""
    return entry.classes[0].partition(".")[0] if entry is not None and entry.classes else ""


def families_of(entry: Entry) -> frozenset[str]:
    """What all classes of a word begin with."""
    return frozenset(name.partition(".")[0] for name in entry.classes)


@dataclass(frozen=True, slots=True)
class Unit:
    """Words that stand or fall together; ``kind`` is noun, attribute, relation, count or idiom."""

    words: tuple[str, ...]
    kind: str
    lemma: str
