"""Whose turn it is: the rules in an order drawn for each caption, and their candidates as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from negagen.errors import RuleError
from negagen.lexicon import Lexicon
from negagen.ops import OPERATIONS, Operation
from negagen.ruleset import Rule, nearest
from negagen.seeding import Stream, key_of
from negagen.types import Candidate, Needs, Parse

_ORDERS: Final = 1024  # precomputed weighted orders, one of which each caption draws
_POSITIVES: Final = key_of("positives")
_ATTRIBUTES, _RELATIONS, _VERBS = int(Needs.ATTRIBUTES), int(Needs.RELATIONS), int(Needs.VERBS)


class Active(NamedTuple):
    """A rule ready for work: its operation, the key of its random streams, and its exceptions."""

    rule: Rule
    operation: Operation
    key: int
    before: frozenset[str]
    after: frozenset[str]
    words: frozenset[str]
    guarded: bool
    needs: int


Turn = Iterator[tuple[Active, Candidate]]
"""The candidates of one category's rules, made as they are asked for."""

Category = tuple[Active, ...]
"""The rules of one category, in the order of their turns."""


class Schedule:
    """Gives each caption its rules' turns: categories in weighted random order, and within one its rules likewise.

    Raises `RuleError` for a rule whose classes the lexicon does not have.
    """

    def __init__(self, rules: Sequence[Rule], lexicon: Lexicon, seed: int) -> None:
        self._orders = _orders([_activate(rule, lexicon) for rule in rules if rule.makes == "negatives"], seed)
        self._left: dict[int, list[list[Category]]] = {}
        # An operation that names `cues` is silent in a caption without one of them.
        self._positives = [_activate(rule, lexicon) for rule in rules if rule.makes == "positives"]
        self._cues: list[frozenset[str] | None] = [getattr(a.operation, "cues", None) for a in self._positives]
        weights = [max(1, round(active.rule.weight * 1000)) for active in self._positives]
        orders = Stream(key_of("positives", seed))
        self._kinds = [_weighted_order(orders, range(len(weights)), weights) for _ in range(_ORDERS if weights else 0)]

    def turns(self, parse: Parse, stream: Stream) -> Iterator[Turn]:
        """A turn for each category, without the rules that the caption gives nothing to do."""
        lacking = _lacking(parse)
        orders = self._left.get(lacking)
        if orders is None:
            orders = self._left[lacking] = _without(self._orders, lacking)
        for category in orders[stream.below(_ORDERS)]:
            yield _turn(parse, category, stream)

    def positives(self, parse: Parse, stream: Stream) -> Iterator[Turn]:
        """A turn for each rule that makes positives, in weighted random order; `stream` is not drawn from."""
        if not self._kinds:
            return
        lacking = _lacking(parse)
        for number in self._kinds[stream.fork(_POSITIVES).below(_ORDERS)]:
            active = self._positives[number]
            cues = self._cues[number]
            if not active.needs & lacking and (cues is None or not cues.isdisjoint(parse.words)):
                yield _turn(parse, (active,), stream)


def _turn(parse: Parse, category: Category, stream: Stream) -> Turn:
    for rule in category:
        for candidate in rule.operation.propose(parse, stream.fork(rule.key)):
            if not (rule.guarded and _excepted(parse, candidate, rule)):
                yield rule, candidate


def _activate(rule: Rule, lexicon: Lexicon) -> Active:
    if rule.op != "shuffle":
        _check_names(rule, lexicon)
    operation = OPERATIONS[rule.op, rule.role](rule, lexicon)
    unless = rule.unless
    before, after, words = frozenset(unless.before), frozenset(unless.after), frozenset(unless.words)
    return Active(
        rule, operation, key_of(rule.name), before, after, words, bool(before or after or words), int(operation.needs)
    )


def _lacking(parse: Parse) -> int:
    """The needs of operations that the caption does not meet."""
    codes = parse.codes
    lacking = 0 if any(phrase.attributes for phrase in parse.phrases) or "BJ" in codes else _ATTRIBUTES
    if not parse.relations:
        lacking |= _RELATIONS
    return lacking if "V" in codes or "G" in codes else lacking | _VERBS


def _check_names(rule: Rule, lexicon: Lexicon) -> None:
    """Raise `RuleError` for a class or family that the lexicon does not have."""
    for name in (*rule.target.classes, *rule.target.families, *rule.unless.families):
        if name not in lexicon.class_names:
            raise RuleError(
                f"{rule.path}: rule {rule.name!r}: no such class or family {name!r}{nearest(name, lexicon.class_names)}"
            )


def _excepted(parse: Parse, candidate: Candidate, active: Active) -> bool:
    if candidate.old in active.words:
        return True
    for splice in candidate.splices:
        if splice.stop < len(parse.tokens) and parse.tokens[splice.stop].lower in active.before:
            return True
        if splice.start and parse.tokens[splice.start - 1].lower in active.after:
            return True
    return False


def _orders(rules: Sequence[Active], seed: int) -> list[list[Category]]:
    """Weighted random orders: categories, and within each its rules, heavier ones earlier."""
    by_category: dict[str, list[int]] = {}
    for index, rule in enumerate(rules):
        by_category.setdefault(rule.rule.category, []).append(index)
    weights = [max(1, round(rule.rule.weight * 1000)) for rule in rules]
    groups = list(by_category.values())
    totals = [sum(weights[i] for i in group) for group in groups]
    stream = Stream(key_of("orders", seed))
    return [
        [
            tuple([rules[i] for i in _weighted_order(stream, groups[g], weights)])
            for g in _weighted_order(stream, range(len(groups)), totals)
        ]
        for _ in range(_ORDERS)
    ]


def _without(orders: Sequence[Sequence[Category]], lacking: int) -> list[list[Category]]:
    """`orders` without the rules that need what is lacking; categories of no other rules fall away."""
    made: dict[tuple[int, ...], Category] = {}  # each once: a thousand orders have few different ones

    def left(category: Category) -> Category:
        rules = tuple([rule for rule in category if not rule.needs & lacking])
        return made.setdefault(tuple([rule.key for rule in rules]), rules)

    return [[rules for rules in map(left, order) if rules] for order in orders]


def _weighted_order(stream: Stream, items: Sequence[int], weights: Sequence[int]) -> list[int]:
    left, order = list(items), []
    while left:
        running, total = [], 0
        for item in left:
            total += weights[item]
            running.append(total)
        order.append(left.pop(stream.weighted(running)))
    return order
