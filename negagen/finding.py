"""What the rules find in one caption: candidates that pass the checks, realised and filed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rapidfuzz.distance import Levenshtein

from negagen.balance.blinder import Gathered, Option
from negagen.checks import KEEP, UNLIKELY, Context, check_surface, context_of, is_unlikely, judge
from negagen.checks.surface import fold
from negagen.lexicon import Lexicon
from negagen.realise import realise
from negagen.ruleset import Rule
from negagen.seeding import Stream
from negagen.turns import Schedule, Turn
from negagen.types import Candidate, Edit, Negative, Parse, Rejection, Result, Status

MOST_POSITIVES: Final = 2
"""Hard positives of a caption at most."""

# These hardly ever have a counterpart that takes away what they add: one each is enough to draw from.
_ONE_SIDED: Final = frozenset(["negate", "replace_count", "add_obj", "add_att"])


@dataclass(slots=True)
class Found:
    """A caption and what has come of it so far; `reworded` once the rules were asked for positives."""

    parse: Parse
    context: Context
    folded: str
    negatives: list[Negative] = field(default_factory=list)
    positives: list[Negative] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    reworded: bool = False

    def result(self, k: int, reason: str, note: str = "") -> Result:
        """What was found, as the caption's result: `reason` says why it is less than `k`, `note` what failed."""
        status: Status = "ok" if len(self.negatives) >= k else "partial" if self.negatives else "none"
        said = [note] if status == "ok" else [reason, note]
        return Result(
            self.parse.text,
            tuple(self.negatives),
            tuple(self.positives),
            tuple(self.rejected),
            status,
            "; ".join(filter(None, said)),
        )


class Finder:
    """Runs rules over captions. With `explain` it fills in the text of rejected candidates, which costs time;
    `most_positives` are filed of a caption.
    """

    def __init__(self, lexicon: Lexicon, rules: Sequence[Rule], seed: int, *, explain: bool) -> None:
        self._lexicon = lexicon
        self._explain = explain
        self._schedule = Schedule(rules, lexicon, seed)
        # Drawn from first: replacements that are made either way.
        self._two_way = Schedule(rules, lexicon.two_way(), seed)
        self.most_positives = MOST_POSITIVES

    def without_positives(self) -> Finder:
        """This finder, which files negatives alone."""
        other = object.__new__(Finder)
        other.__dict__.update(self.__dict__)
        other.most_positives = 0
        return other

    def begin(self, parse: Parse, siblings: Sequence[Parse]) -> Found:
        """Nothing found yet; `siblings` are the other captions of the picture."""
        return Found(parse, context_of(self._lexicon, parse, siblings), fold(parse.text))

    def take(self, found: Found, stream: Stream, want: int) -> None:
        """File the first candidates that pass the checks, categories taking turns, until negatives are `want`.

        Unlikely ones come last, where there are no others or none of a second category.
        """
        parse, context = found.parse, found.context
        unlikely: list[Option] = []
        turns: Iterable[Turn] = self._schedule.turns(parse, stream)
        while turns:
            remaining = []
            for turn in turns:
                for active, candidate in turn:
                    verdict = judge(parse, candidate, context)
                    if verdict.kind == "reject":
                        found.rejected.append(self._rejection(parse, active.rule, candidate, verdict.reason))
                    elif verdict.kind == "keep" and is_unlikely(parse, candidate, context):
                        unlikely.append(Option(active.rule, candidate, verdict))
                    elif self.file(found, Option(active.rule, candidate, verdict), {}):
                        remaining.append(turn)
                        break
                if len(found.negatives) == want:
                    break
            turns = remaining if len(found.negatives) < want else ()
        kinds = {negative.category for negative in found.negatives}
        others = [option for option in unlikely if option.rule.category not in kinds]
        if len(kinds) == 1 and len(found.negatives) == want > 1 and others:
            found.negatives.pop()  # of two kinds where the caption allows it
            unlikely = others
        for option in unlikely:
            if len(found.negatives) < want:
                self.file(found, option, {})
            else:
                found.rejected.append(self._rejection(parse, option.rule, option.candidate, UNLIKELY))

    def gather(self, found: Found, stream: Stream, most: int) -> list[Option]:
        """Up to `most` candidates that pass the checks, categories taking turns; positives among them are filed."""
        options: list[Option] = []
        positives: list[Option] = []
        self._collect(self._two_way, found, stream, most, options, positives)
        if all(option.rule.category in _ONE_SIDED for option in options):
            self._collect(self._schedule, found, stream, most, options, positives, last_resort=True)
        for option in positives[: self.most_positives]:
            self.file(found, option, {})
        return options

    def _collect(
        self,
        schedule: Schedule,
        found: Found,
        stream: Stream,
        most: int,
        options: list[Option],
        positives: list[Option],
        *,
        last_resort: bool = False,
    ) -> None:
        """Add the schedule's candidates to `options` until they are `most`."""
        parse, context = found.parse, found.context
        seen = {option.candidate.splices for option in (*options, *positives)}
        turns: Iterable[Turn] = schedule.turns(parse, stream)
        while turns:
            remaining = []
            for turn in turns:
                for active, candidate in turn:
                    if candidate.splices in seen:
                        continue
                    verdict = judge(parse, candidate, context)
                    if verdict.kind == "reject":
                        found.rejected.append(self._rejection(parse, active.rule, candidate, verdict.reason))
                        continue
                    seen.add(candidate.splices)
                    option = Option(active.rule, candidate, verdict, last_resort)
                    if verdict.kind == "positive":
                        positives.append(option)
                        continue
                    options.append(option._replace(unlikely=is_unlikely(parse, candidate, context)))
                    if active.rule.category not in _ONE_SIDED:
                        remaining.append(turn)
                    break
                if len(options) == most:
                    return
            turns = remaining

    def reword(self, found: Found, stream: Stream) -> None:
        """Fill up with the rewordings that leave the caption true, kinds taking turns; once."""
        if found.reworded or len(found.positives) >= self.most_positives:
            return
        found.reworded = True
        parse, context = found.parse, found.context
        turns: Iterable[Turn] = self._schedule.positives(parse, stream)
        while turns:
            remaining = []
            for turn in turns:
                for active, candidate in turn:
                    verdict = judge(parse, candidate, context)
                    filed = len(found.positives)
                    if verdict.kind == "reject":
                        found.rejected.append(self._rejection(parse, active.rule, candidate, verdict.reason))
                        continue
                    self.file(found, Option(active.rule, candidate, verdict), {})
                    if len(found.positives) == self.most_positives:
                        return
                    if len(found.positives) > filed:
                        remaining.append(turn)
                        break
            turns = remaining

    def file(self, found: Found, option: Option, scores: Mapping[str, float]) -> bool:
        """Realise an option and file it; whether a negative came of it."""
        rule, candidate, verdict, generator = option.rule, option.candidate, option.verdict, option.generator
        parse = found.parse
        edits, text = _realised(self._lexicon, parse, candidate)
        surface = check_surface(found.folded, text, found.context)
        if surface is not KEEP:
            found.rejected.append(self._rejection(parse, rule, candidate, surface.reason))
            return False
        similarity = Levenshtein.normalized_similarity(parse.text, text)
        negative = Negative(
            text, rule.name, rule.category, edits, {"similarity": similarity, **scores}, generator, verdict.weight
        )
        if verdict.kind == "positive":
            if len(found.positives) < self.most_positives:
                found.positives.append(negative)
            return False
        found.negatives.append(negative)
        return True

    def _rejection(self, parse: Parse, rule: Rule, candidate: Candidate, reason: str) -> Rejection:
        text = realise(self._lexicon, parse, candidate.splices)[1] if self._explain else ""
        return Rejection(text, rule.name, rule.category, reason)


def option_texts(lexicon: Lexicon, batch: Sequence[Gathered]) -> Callable[[int], str]:
    """Gives the text of an option by its number among all of the batch."""
    flat = [(gathered.parse, option.candidate) for gathered in batch for option in gathered.options]

    def text(number: int) -> str:
        parse, candidate = flat[number]
        return _realised(lexicon, parse, candidate)[1]

    return text


def _realised(lexicon: Lexicon, parse: Parse, candidate: Candidate) -> tuple[tuple[Edit, ...], str]:
    # Words in no order have no articles to agree with.
    return realise(lexicon, parse, candidate.splices, articles=candidate.operation != "shuffle")


__all__ = ["MOST_POSITIVES", "Finder", "Found", "option_texts"]
