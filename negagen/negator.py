"""The core: a caption in, checked hard negatives out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Final, NamedTuple

from rapidfuzz.distance import Levenshtein

from negagen import __version__
from negagen.balance.blinder import Blinder, Choice, Gathered, Option, fold_of
from negagen.balance.model import BlindModel, bundled_model, load_model
from negagen.balance.scoring import GapWeights, Scorer, Selector
from negagen.balance.selection import BLINDNESS, POLICIES
from negagen.checks import KEEP, Context, check_surface, context_of, judge
from negagen.checks.surface import fold
from negagen.errors import RuleError
from negagen.lexicon import Lexicon, load
from negagen.parsing import DEFAULT_PIPELINE, Parser, load_parser
from negagen.parsing.remembered import Remembered
from negagen.proposing import Case, Proposed, Proposer
from negagen.realise import realise
from negagen.ruleset import Rule, fingerprint, load_rules, nearest
from negagen.screen import unusable
from negagen.seeding import Stream, key_of
from negagen.turns import Schedule, Turn
from negagen.types import (
    CATEGORIES,
    POSITIVE_CATEGORIES,
    Candidate,
    Negative,
    Parse,
    Rejection,
    Result,
    Status,
)

MOST_POOLED: Final = 256
"""Candidates of a caption at most, in a pool."""

_MAX_POSITIVES: Final = 2
# These hardly ever have a counterpart that takes away what they add: one each is enough to draw from.
_ONE_SIDED: Final = frozenset(["negate", "replace_count", "add_obj", "add_att"])


class Negator:
    """Writes up to `k` hard negatives of a caption.

    >>> Negator(k=4, seed=0)("A brown dog chases a white cat").negatives

    What comes out is a function of (seed, caption, key, epoch) and the rules, the lexicon and the pipeline: batch
    size, order and number of processes do not matter. Categories take turns in an order drawn for each caption, so
    that k negatives are of as many kinds as the caption allows.

    Args:
        k: negatives wanted a caption, 1 to 64.
        seed: any integer.
        rules: rule files or directories, or `Rule`s; None for those that negagen ships.
        categories: keep only rules of these (see `negagen.types.CATEGORIES`); this also switches on rules that
            are off by default.
        pipeline: "bundled", an installed spaCy pipeline's name, or a pipeline directory.
        epoch: changes all draws; for new negatives every epoch.
        explain: fill in the text of rejected candidates, which costs time.
        blindness: "off" takes the first candidates that pass the checks; "balanced" and "strict" draw from a pool of
            them, so that texts alone do not tell negatives from captions, and rather give fewer than k.
        model: what "balanced" and "strict" draw by, a file of `negagen fit`; None for the model that negagen ships.
        scorer: a causal language model (a folder or .gguf file) whose gaps the draw balances too, or a `Scorer` of your
            own. `model` must be fitted with it: `negagen fit --scorer`.
        pool: give up to so many checked candidates a caption in place of k negatives, for draws of k elsewhere
            (`negagen.data.HardNegatives`); 0 for none. Their score "draw" is the log weight that such a draw goes by.

    Raises:
        ValueError: k or pool out of range; a model or scorer with blindness off.
        RuleError: a rule file or category that is wrong.
        PipelineError: a pipeline that is missing or has no tagger.
        ModelError: a model file that is missing or none (when it is first used).
    """

    def __init__(
        self,
        *,
        k: int = 4,
        seed: int = 0,
        rules: Sequence[str | Path | Rule] | str | Path | None = None,
        categories: Sequence[str] | str | None = None,
        pipeline: str = DEFAULT_PIPELINE,
        epoch: int = 0,
        explain: bool = False,
        blindness: str = "balanced",
        model: str | Path | None = None,
        scorer: str | Path | Scorer | None = None,
        pool: int = 0,
    ) -> None:
        if not isinstance(k, int) or not 1 <= k <= 64:
            raise ValueError(f"k must be a whole number from 1 to 64, got {k!r}")
        if not isinstance(pool, int) or not (pool == 0 or k <= pool <= MOST_POOLED):
            raise ValueError(f"pool must be 0, or a whole number from k to {MOST_POOLED}, got {pool!r} (k is {k})")
        if not isinstance(seed, int):
            raise ValueError(f"seed must be a whole number, got {seed!r}")
        if blindness not in BLINDNESS:
            raise ValueError(f"blindness must be one of {', '.join(BLINDNESS)}, got {blindness!r}")
        if scorer is not None and blindness == "off":
            raise ValueError("a scorer needs blindness balanced or strict: with off nothing is drawn")
        if model is not None and blindness == "off":
            raise ValueError(
                f"model {str(model)!r} needs blindness balanced or strict: with off nothing is drawn by it"
            )
        rules = [rules] if isinstance(rules, str | Path | Rule) else rules
        categories = [categories] if isinstance(categories, str) else categories
        self._arguments = {
            "k": k, "seed": seed, "rules": rules, "categories": categories, "pipeline": pipeline, "epoch": epoch,
            "explain": explain, "blindness": blindness, "model": model, "scorer": scorer, "pool": pool,
        }  # fmt: skip
        self.k, self.seed, self.epoch, self.pooled = k, seed, epoch, pool
        self.categories = None if categories is None else tuple(categories)
        self.lexicon: Lexicon = load()
        self.rules = _selected(_resolved(rules), categories)
        self.parser: Parser | Remembered = load_parser(pipeline, self.lexicon)
        self._explain = explain
        self._schedule = Schedule(self.rules, self.lexicon, seed)
        # Drawn from first: replacements that are made either way.
        self._two_way = Schedule(self.rules, self.lexicon.two_way(), seed)
        self.blindness = blindness
        self._model = model
        self._scorer = scorer
        self._kept: dict[_Row, _Pool] = {}
        self._most_positives = _MAX_POSITIVES
        self._proposer: Proposer | None = None
        policy = POLICIES.get(blindness, POLICIES["balanced"])
        self.blinder = Blinder(self.lexicon, self.rules, replace(policy, pool=pool) if pool else policy)

    def __reduce__(self) -> tuple[Any, ...]:
        # Parser and lexicon are made anew where the negator is unpickled: Spark, datasets and worker processes do.
        return _build, (self._arguments,)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items() if value is not None)
        return f"Negator({given})"

    def drawing_by(self, model: str | Path) -> Negator:
        """This negator with the model of another file; it takes over what `gathered` was to keep."""
        other = object.__new__(Negator)
        of_model = ("model", "config", "fingerprint", "_selector")
        other.__dict__.update((name, value) for name, value in self.__dict__.items() if name not in of_model)
        other._model = model
        other._arguments = {**self._arguments, "model": model}
        return other

    def parsing_by(self, parser: Parser | Remembered, *, positives: bool = True) -> Negator:
        """This negator with another parser of the same pipeline, such as one that remembers; without `positives` it
        makes negatives alone, the same ones.
        """
        other = object.__new__(Negator)
        other.__dict__.update(self.__dict__)
        other.parser = parser
        other._most_positives = self._most_positives if positives else 0
        return other

    def proposing_by(self, proposer: Proposer) -> Negator:
        """This negator with candidates of `proposer` beside its rules', or in their place."""
        other = object.__new__(Negator)
        of_proposer = ("config", "fingerprint")
        other.__dict__.update((name, value) for name, value in self.__dict__.items() if name not in of_proposer)
        other._proposer = proposer
        known = {rule.category for rule in self.rules if rule.makes == "negatives"}
        added = [rule for rule in proposer.rules if rule.makes == "negatives" and rule.category not in known]
        other.blinder = Blinder(self.lexicon, (*self.rules, *added), self.blinder.policy)
        return other

    @property
    def seeing(self) -> bool:
        """Whether `pipe` makes use of pictures."""
        return self._proposer is not None and self._proposer.seeing

    @cached_property
    def model(self) -> BlindModel:
        """The blindness model in use. Raises `ModelError` for a file that is none."""
        return bundled_model() if self._model is None else load_model(self._model)

    @cached_property
    def scorer(self) -> Scorer | None:
        """The language model in use beside the blindness model. Raises `ModelError` for a path that holds none."""
        if not isinstance(self._scorer, str | Path):
            return self._scorer
        from negagen.judges.causal import CausalScorer

        return CausalScorer(self._scorer)

    @cached_property
    def _selector(self) -> Selector | None:
        if self.scorer is None:
            return None
        where = "the bundled model" if self._model is None else str(self._model)
        weights = GapWeights.of_json(self.model.about.get("scorer"), self.scorer.fingerprint, where)
        return Selector(self.scorer, weights, self.blinder.policy)

    @cached_property
    def config(self) -> dict[str, Any]:
        """All that fixes the output, as JSON values."""
        return {
            "k": self.k,
            "seed": self.seed,
            "epoch": self.epoch,
            "rules": {rule.name: rule.weight for rule in self.rules},
            "rules_fingerprint": fingerprint(self.rules),
            "pipeline": self.parser.name,
            "pipeline_version": self.parser.version,
            "lexicon": self.lexicon.fingerprint,
            "blindness": self.blindness,
            "model": "" if self.blindness == "off" else self.model.fingerprint,
            "scorer": "" if self._selector is None else self._selector.fingerprint,
            "pool": self.pooled,
            "version": __version__,
            **({} if self._proposer is None else {"language_model": dict(self._proposer.config)}),
        }

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the output may."""
        return f"{key_of(sorted(self.config.items())):016x}"

    def __call__(
        self, text: str | None, key: object = None, epoch: int | None = None, siblings: Sequence[str] = ()
    ) -> Result:
        """The result for one caption; see `pipe`."""
        return next(self.pipe([text], [key], epoch=epoch, siblings=[siblings]))

    def pipe(
        self,
        texts: Iterable[str | None],
        keys: Iterable[object] | None = None,
        batch_size: int = 512,
        epoch: int | None = None,
        siblings: Iterable[Sequence[str]] | None = None,
        groups: Iterable[object] | None = None,
        images: Iterable[Any] | None = None,
    ) -> Iterator[Result]:
        """Results in order, parsed in batches: many times faster than one call a caption.

        A key tells apart rows of equal text that shall get different draws. `epoch` overrides the negator's own.
        `siblings` gives, for each text, the other captions of the same picture: no negative is made that one of them
        supports. `groups` names each text's picture, for a blindness model that was fitted with these names: it then
        judges a caption by what it learned from other pictures. None stands for the caption itself. `images` are for
        a proposer that looks at them.
        """
        if isinstance(texts, str):
            raise TypeError("pipe() takes captions, not one caption: call the negator itself, or pass a list")
        epoch = self.epoch if epoch is None else epoch
        for batch in self._batches(texts, keys, siblings, groups, batch_size, images):
            if self.blindness == "off" and self._proposer is not None:
                yield from self._proposed(batch, epoch, self._proposer)
            elif self.blindness == "off":
                parses = self._parses(batch)
                for row in batch:
                    parse = parses.get(row.text)
                    yield (
                        _error(row.text)
                        if parse is None
                        else self._negate(parse, self._stream(row, epoch), row, parses)
                    )
            else:
                yield from self._balanced(batch, epoch)

    def gathered(
        self,
        texts: Iterable[str | None],
        groups: Iterable[object] | None = None,
        siblings: Iterable[Sequence[str]] | None = None,
        batch_size: int = 512,
        keep: bool = False,
    ) -> Iterator[list[Gathered]]:
        """Batches of captions with the options that their negatives are drawn from, for fitting a model.

        With `keep` they stay in memory, about 10 kB a caption, until `pipe` comes to the same caption with the same
        siblings and no key: it then need not find them again.
        """
        for batch in self._batches(texts, None, siblings, groups, batch_size):
            parses = self._parses(batch)
            usable = [row for row in batch if row.text in parses]
            found = [self._gather(row, parses, self.epoch) for row in usable]
            if keep:
                self._kept.update(zip(map(_kept_as, usable), found, strict=True))
            yield [gathered for gathered, _, _ in found]

    def option_text(self, batch: Sequence[Gathered]) -> Callable[[int], str]:
        """Gives the text of an option by its number among all of the batch."""
        flat = [(gathered.parse, option.candidate) for gathered in batch for option in gathered.options]

        def text(number: int) -> str:
            parse, candidate = flat[number]
            return realise(self.lexicon, parse, candidate.splices, articles=candidate.operation != "shuffle")[1]

        return text

    def _batches(
        self,
        texts: Iterable[str | None],
        keys: Iterable[object] | None,
        siblings: Iterable[Sequence[str]] | None,
        groups: Iterable[object] | None,
        size: int,
        images: Iterable[Any] | None = None,
    ) -> Iterator[list[_Row]]:
        nothing: Sequence[str] = ()
        columns = (
            texts,
            repeat(None) if keys is None else keys,
            repeat(nothing) if siblings is None else siblings,
            repeat(None) if groups is None else groups,
        )
        rows = map(_Row, *columns) if images is None else map(_Row, *columns, images)
        while batch := list(islice(rows, size)):
            yield batch

    def _parses(self, batch: Sequence[_Row]) -> dict[str | None, Parse]:
        """Each usable text of the batch, siblings included, parsed once."""
        texts = dict.fromkeys(row.text for row in batch)
        for row in batch:
            texts.update(dict.fromkeys(row.siblings))
        usable = [text for text in texts if text is not None and not unusable(text)]
        return dict(zip(usable, self.parser.parse(usable), strict=True))

    def _stream(self, row: _Row, epoch: int) -> Stream:
        parts = (self.seed, epoch, row.text) if row.key is None else (self.seed, epoch, row.text, row.key)
        return Stream(key_of(*parts))

    def _context(self, parse: Parse, row: _Row, parses: Mapping[str | None, Parse]) -> Context:
        beside = [parses[other] for other in row.siblings if other != row.text and other in parses]
        return context_of(self.lexicon, parse, beside)

    def _negate(self, parse: Parse, stream: Stream, row: _Row, parses: Mapping[str | None, Parse]) -> Result:
        """The first k candidates that pass the checks, categories taking turns."""
        context = self._context(parse, row, parses)
        found = _Found()
        self._take(found, parse, stream, context)
        return self._closed(found, parse, stream, context, "")

    def _take(self, found: _Found, parse: Parse, stream: Stream, context: Context) -> None:
        """Fill up with the rules' candidates that pass the checks."""
        folded = fold(parse.text)
        turns: Iterable[Turn] = self._schedule.turns(parse, stream)
        while turns:
            remaining = []
            for turn in turns:
                for active, candidate in turn:
                    verdict = judge(parse, candidate, context)
                    if verdict.kind == "reject":
                        found.rejected.append(self._rejection(parse, active.rule, candidate, verdict.reason))
                    elif self._emit(found, parse, folded, context, Option(active.rule, candidate, verdict), {}):
                        remaining.append(turn)
                        break
                if len(found.negatives) == (self.pooled or self.k):
                    return
            turns = remaining

    def _closed(self, found: _Found, parse: Parse, stream: Stream, context: Context, note: str) -> Result:
        """The result of what was taken; `note` says what failed."""
        self._positives(found, parse, fold(parse.text), context, stream)
        if len(found.negatives) >= self.k:
            return found.result(parse.text, "ok", note)
        reason = note or ("too few edits apply" if parse.phrases else "no noun phrase found")
        return found.result(parse.text, "partial" if found.negatives else "none", reason)

    def _proposed(self, batch: Sequence[_Row], epoch: int, proposer: Proposer) -> Iterator[Result]:
        """With blindness off: the rules' first candidates and the proposer's, as its mode has them share."""
        parses = self._parses(batch)
        begun: dict[int, _Begun] = {}
        for number, row in enumerate(batch):
            if row.text in parses:
                parse = parses[row.text]
                begun[number] = _Begun(parse, _Found(), self._context(parse, row, parses), self._stream(row, epoch))
        want = self.pooled or self.k
        if proposer.mode == "fill":
            for parse, found, context, stream, _ in begun.values():
                self._take(found, parse, stream, context)
        short = [number for number, each in begun.items() if len(each.found.negatives) < self.k]
        said = self._ask(proposer, [begun[number] for number in short], [batch[number] for number in short])
        proposed = dict(zip(short, said, strict=True))
        for number, row in enumerate(batch):
            if number not in begun:
                yield _error(row.text)
                continue
            parse, found, context, stream, _ = begun[number]
            its = proposed.get(number, Proposed())
            options = list(its.options)
            if proposer.mode == "mix":
                first, options = options[: (want + 1) // 2], options[(want + 1) // 2 :]
                self._emit_until(want, found, parse, context, first)
                self._take(found, parse, stream, context)
            self._emit_until(want, found, parse, context, options)
            yield self._closed(found, parse, stream, context, its.note)

    def _ask(self, proposer: Proposer, begun: Sequence[_Begun], rows: Sequence[_Row]) -> list[Proposed]:
        """What the proposer has for these captions; its positives and refusals are filed with what was found."""
        cases = []
        for (parse, found, context, stream, short), row in zip(begun, rows, strict=True):
            if proposer.mode == "fill":
                self._positives(found, parse, fold(parse.text), context, stream)
            wanted = self.k - len(found.negatives) if short < 0 else short
            reworded = max(0, self._most_positives - len(found.positives))
            cases.append(Case(parse, context, stream, wanted, reworded, row.image))
        out = proposer.propose(cases)
        for (parse, found, context, _, _), proposed in zip(begun, out, strict=True):
            found.rejected += proposed.rejected
            for option in proposed.positives:
                self._emit(found, parse, fold(parse.text), context, option, {})
        return out

    def _emit_until(self, want: int, found: _Found, parse: Parse, context: Context, options: Sequence[Option]) -> None:
        for option in options:
            if len(found.negatives) >= want:
                return
            self._emit(found, parse, fold(parse.text), context, option, {})

    def _gather(self, row: _Row, parses: Mapping[str | None, Parse], epoch: int) -> _Pool:
        """Up to `policy.pool` candidates that pass the checks, categories taking turns."""
        parse = parses[row.text]
        stream = self._stream(row, epoch)
        context = self._context(parse, row, parses)
        found = _Found()
        options: list[Option] = []
        positives: list[Option] = []
        self._collect(self._two_way, parse, stream, context, found, options, positives)
        if all(option.rule.category in _ONE_SIDED for option in options):
            self._collect(self._schedule, parse, stream, context, found, options, positives, last_resort=True)
        for option in positives[: self._most_positives]:
            self._emit(found, parse, fold(parse.text), context, option, {})
        group = row.text if row.group is None else row.group
        return Gathered(parse, options, stream.bits(), fold_of(group)), found, context

    def _collect(
        self,
        schedule: Schedule,
        parse: Parse,
        stream: Stream,
        context: Context,
        found: _Found,
        options: list[Option],
        positives: list[Option],
        *,
        last_resort: bool = False,
    ) -> None:
        """Add the schedule's candidates to `options` until they are as many as the policy wants."""
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
                    options.append(option)
                    if active.rule.category not in _ONE_SIDED:
                        remaining.append(turn)
                    break
                if len(options) == self.blinder.policy.pool:
                    return
            turns = remaining

    def _pools(self, batch: Sequence[_Row], epoch: int) -> list[_Pool | None]:
        """What each caption's negatives are drawn from; None for one that cannot be used."""
        kept = [
            self._kept.pop(_kept_as(row), None) if self._kept and row.key is None and epoch == self.epoch else None
            for row in batch
        ]
        parses = self._parses([row for row, pool in zip(batch, kept, strict=True) if pool is None])
        return [
            pool or (self._gather(row, parses, epoch) if row.text in parses else None)
            for row, pool in zip(batch, kept, strict=True)
        ]

    def _balanced(self, batch: Sequence[_Row], epoch: int) -> Iterator[Result]:
        """Negatives drawn from each caption's pool by the blindness model."""
        pools = self._pools(batch, epoch)
        ready = [pool for pool in pools if pool is not None]
        drawn = self._choices(ready)
        notes: Sequence[str] = ("",) * len(ready)
        if self._proposer is not None:
            rows = [row for row, pool in zip(batch, pools, strict=True) if pool is not None]
            ready, drawn, notes = self._joined(self._proposer, rows, ready, drawn, epoch)
        made = iter(zip(ready, drawn, notes, strict=True))
        for row, known in zip(batch, pools, strict=True):
            if known is None:
                yield _error(row.text)
                continue
            pool, choices, note = next(made)
            (parse, options, _, _), found, context = pool
            folded = fold(parse.text)
            for choice in choices:
                scores = {"lm_gap": choice.lm_gap, "blind": choice.blind}
                if choice.scorer is not None:
                    scores["scorer"] = choice.scorer
                if self.pooled:
                    scores["draw"] = choice.draw
                option = options[choice.number]
                if choice.forced:
                    option = option._replace(verdict=replace(option.verdict, weight=option.verdict.weight / 2))
                self._emit(found, parse, folded, context, option, scores)
            self._positives(found, parse, folded, context, self._stream(row, epoch))
            if len(found.negatives) >= self.k:
                yield found.result(parse.text, "ok", note)
                continue
            reason = "no noun phrase found"
            if options:
                reason = "the rest would give itself away" if len(options) >= self.k else "too few edits apply"
            elif parse.phrases:
                reason = "too few edits apply"
            yield found.result(parse.text, "partial" if found.negatives else "none", note or reason)

    def _choices(self, pools: Sequence[_Pool]) -> Sequence[list[Choice]]:
        """What is drawn from each pool."""
        gathered = [each for each, _, _ in pools]
        rescore = None if self._selector is None else partial(self._selector, text=self.option_text(gathered))
        if self.pooled:
            return self.blinder.weigh(gathered, self.model, rescore)
        return self.blinder.choose(gathered, self.model, self.k, rescore)

    def _joined(
        self,
        proposer: Proposer,
        rows: Sequence[_Row],
        pools: Sequence[_Pool],
        drawn: Sequence[list[Choice]],
        epoch: int,
    ) -> tuple[list[_Pool], list[list[Choice]], list[str]]:
        """Pools, draws and notes after the proposer was asked for the captions that its mode is about.

        A pool that it added to is drawn from anew, with the same noise for what was there before.
        """
        out, choices, notes = list(pools), list(drawn), [""] * len(pools)
        if proposer.mode == "only":
            out = [(gathered._replace(options=()), found, context) for gathered, found, context in out]
            choices = [[] for _ in out]
            for _, found, _ in out:
                found.rejected.clear()
        short = [n for n, each in enumerate(choices) if proposer.mode != "fill" or len(each) < self.k]
        begun = [
            _Begun(out[n][0].parse, out[n][1], out[n][2], self._stream(rows[n], epoch), self.k - len(choices[n]))
            for n in short
        ]
        for n, proposed in zip(short, self._ask(proposer, begun, [rows[n] for n in short]), strict=True):
            gathered, found, context = out[n]
            seen = {option.candidate.splices for option in gathered.options}
            new = [option for option in proposed.options if option.candidate.splices not in seen]
            out[n] = gathered._replace(options=(*gathered.options, *new)), found, context
            notes[n] = proposed.note
        for n, each in zip(short, self._choices([out[n] for n in short]), strict=True):
            choices[n] = each
        return out, choices, notes

    def _positives(self, found: _Found, parse: Parse, folded: str, context: Context, stream: Stream) -> None:
        """Fill up with the rewordings that leave the caption true, kinds taking turns; once."""
        if found.reworded or len(found.positives) >= self._most_positives:
            return
        found.reworded = True
        turns: Iterable[Turn] = self._schedule.positives(parse, stream)
        while turns:
            remaining = []
            for turn in turns:
                for active, candidate in turn:
                    verdict = judge(parse, candidate, context)
                    emitted = len(found.positives)
                    if verdict.kind == "reject":
                        found.rejected.append(self._rejection(parse, active.rule, candidate, verdict.reason))
                        continue
                    self._emit(found, parse, folded, context, Option(active.rule, candidate, verdict), {})
                    if len(found.positives) == self._most_positives:
                        return
                    if len(found.positives) > emitted:
                        remaining.append(turn)
                        break
            turns = remaining

    def _emit(
        self,
        found: _Found,
        parse: Parse,
        folded: str,
        context: Context,
        option: Option,
        scores: Mapping[str, float],
    ) -> bool:
        """Realise an option and file it; whether a negative came of it."""
        rule, candidate, verdict, _, generator = option
        edits, text = realise(self.lexicon, parse, candidate.splices, articles=candidate.operation != "shuffle")
        surface = check_surface(folded, text, context)
        if surface is not KEEP:
            found.rejected.append(self._rejection(parse, rule, candidate, surface.reason))
            return False
        similarity = Levenshtein.normalized_similarity(parse.text, text)
        negative = Negative(
            text, rule.name, rule.category, edits, {"similarity": similarity, **scores}, generator, verdict.weight
        )
        if verdict.kind == "positive":
            if len(found.positives) < self._most_positives:
                found.positives.append(negative)
            return False
        found.negatives.append(negative)
        return True

    def _rejection(self, parse: Parse, rule: Rule, candidate: Candidate, reason: str) -> Rejection:
        text = realise(self.lexicon, parse, candidate.splices)[1] if self._explain else ""
        return Rejection(text, rule.name, rule.category, reason)


class _Row(NamedTuple):
    text: str | None
    key: object
    siblings: Sequence[str]
    group: object
    image: Any = None


@dataclass(slots=True)
class _Found:
    """What has come of a caption so far."""

    negatives: list[Negative] = field(default_factory=list)
    positives: list[Negative] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    reworded: bool = False

    def result(self, text: str, status: Status, reason: str) -> Result:
        return Result(text, tuple(self.negatives), tuple(self.positives), tuple(self.rejected), status, reason)


_Pool = tuple[Gathered, _Found, Context]


class _Begun(NamedTuple):
    """A caption that a proposer may be asked for; `short` of so many negatives, or -1: count those found."""

    parse: Parse
    found: _Found
    context: Context
    stream: Stream
    short: int = -1


def _kept_as(row: _Row) -> _Row:
    """What two rows have in common that are the same caption of the same picture."""
    return _Row(row.text, None, tuple(row.siblings), row.text if row.group is None else row.group)


def _error(text: str | None) -> Result:
    return Result(text, (), (), (), "error", unusable(text))


def _build(arguments: dict[str, Any]) -> Negator:
    return Negator(**arguments)


def _resolved(rules: Sequence[str | Path | Rule] | None) -> tuple[Rule, ...]:
    if rules is None:
        return load_rules()
    ready = tuple(rule for rule in rules if isinstance(rule, Rule))
    paths = [rule for rule in rules if not isinstance(rule, Rule)]
    return (*ready, *load_rules(paths)) if paths or not ready else ready


def _selected(rules: Sequence[Rule], categories: Sequence[str] | None) -> tuple[Rule, ...]:
    if categories is None:
        chosen = tuple(rule for rule in rules if rule.enabled)
    else:
        for category in categories:
            known = (*CATEGORIES, *POSITIVE_CATEGORIES)
            if category not in known:
                raise RuleError(f"no such category {category!r}{nearest(category, known)}")
        chosen = tuple(rule for rule in rules if rule.category in categories)
    if not chosen:
        raise RuleError("no rule is left: every rule is switched off or of another category")
    return chosen
