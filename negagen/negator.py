"""The core: a caption in, checked hard negatives out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Final, NamedTuple

from negagen import __version__
from negagen.balance.blinder import Blinder, Choice, Gathered, Option, fold_of
from negagen.balance.model import BlindModel, bundled_model, load_model
from negagen.balance.scoring import GapWeights, Scorer, Selector
from negagen.balance.selection import BLINDNESS, POLICIES
from negagen.errors import RuleError
from negagen.finding import Finder, Found
from negagen.lexicon import Lexicon, load
from negagen.parsing import DEFAULT_PIPELINE, Parser, load_parser
from negagen.parsing.remembered import Remembered
from negagen.proposing import Case, Proposed, Proposer
from negagen.realise import realise
from negagen.ruleset import Rule, fingerprint, load_rules, nearest
from negagen.screen import unusable
from negagen.seeding import Stream, key_of
from negagen.types import (
    CATEGORIES,
    POSITIVE_CATEGORIES,
    Parse,
    Result,
)

MOST_POOLED: Final = 256
"""Candidates of a caption at most, in a pool."""


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
        self._finder = Finder(self.lexicon, self.rules, seed, explain=explain)
        self.blindness = blindness
        self._model = model
        self._scorer = scorer
        self._kept: dict[_Row, _Pool] = {}
        self._proposer: Proposer | None = None
        policy = POLICIES.get(blindness, POLICIES["balanced"])
        self.blinder = Blinder(self.lexicon, self.rules, replace(policy, pool=pool) if pool else policy)

    def __reduce__(self) -> tuple[Any, ...]:
        # Parser and lexicon are made anew where the negator is unpickled: Spark, datasets and worker processes do.
        if self._proposer is not None:
            raise TypeError("a negator with a proposer stays in its process: what it may ask is decided in one place")
        return _build, (self._arguments,)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items() if value is not None)
        beside = "" if self._proposer is None else f".proposing_by({self._proposer!r})"
        return f"Negator({given}){beside}"

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
        other._finder = self._finder if positives else self._finder.without_positives()
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
                        else self._negate(self._begun(row, parses), self._stream(row, epoch))
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
            yield [gathered for gathered, _ in found]

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

    def _begun(self, row: _Row, parses: Mapping[str | None, Parse]) -> Found:
        beside = [parses[other] for other in row.siblings if other != row.text and other in parses]
        return self._finder.begin(parses[row.text], beside)

    def _negate(self, found: Found, stream: Stream) -> Result:
        """The first k candidates that pass the checks."""
        self._finder.take(found, stream, self.pooled or self.k)
        return self._closed(found, stream, "")

    def _closed(self, found: Found, stream: Stream, note: str) -> Result:
        """The result of what was taken; `note` says what failed."""
        self._finder.reword(found, stream)
        if len(found.negatives) >= self.k:
            return found.result("ok", note)
        reason = "too few edits apply" if found.parse.phrases else "no noun phrase found"
        return found.result("partial" if found.negatives else "none", _noted(reason, note))

    def _proposed(self, batch: Sequence[_Row], epoch: int, proposer: Proposer) -> Iterator[Result]:
        """With blindness off: the rules' first candidates and the proposer's, as its mode has them share."""
        parses, finder, want = self._parses(batch), self._finder, self.pooled or self.k
        begun = {n: self._begun(row, parses) for n, row in enumerate(batch) if row.text in parses}
        streams = {n: self._stream(batch[n], epoch) for n in begun}
        if proposer.mode == "fill":
            for n, found in begun.items():
                finder.take(found, streams[n], want)
        asked = [
            _Asked(found, streams[n], self.k - len(found.negatives), batch[n].image)
            for n, found in begun.items()
            if len(found.negatives) < self.k
        ]
        proposed = {id(each.found): said for each, said in zip(asked, self._ask(proposer, asked), strict=True)}
        for n, row in enumerate(batch):
            if n not in begun:
                yield _error(row.text)
                continue
            found, said = begun[n], proposed.get(id(begun[n]), Proposed())
            first = (want + 1) // 2 if proposer.mode == "mix" else 0
            self._file_until(want, found, said.options[:first])
            if proposer.mode == "mix":
                finder.take(found, streams[n], want)
            self._file_until(want, found, said.options[first:])
            yield self._closed(found, streams[n], said.note)

    def _ask(self, proposer: Proposer, asked: Sequence[_Asked]) -> list[Proposed]:
        """What the proposer has for these captions; its positives and refusals are filed with what was found."""
        cases = []
        for found, stream, wanted, image in asked:
            if proposer.mode == "fill":
                self._finder.reword(found, stream)
            reworded = max(0, self._finder.most_positives - len(found.positives))
            cases.append(Case(found.parse, found.context, stream, wanted, reworded, image))
        out = proposer.propose(cases)
        for each, said in zip(asked, out, strict=True):
            each.found.rejected += said.rejected
            for option in said.positives:
                self._finder.file(each.found, option, {})
        return out

    def _file_until(self, want: int, found: Found, options: Sequence[Option]) -> None:
        for option in options:
            if len(found.negatives) >= want:
                return
            self._finder.file(found, option, {})

    def _gather(self, row: _Row, parses: Mapping[str | None, Parse], epoch: int) -> _Pool:
        """Up to `policy.pool` candidates that pass the checks, categories taking turns."""
        stream, found = self._stream(row, epoch), self._begun(row, parses)
        options = self._finder.gather(found, stream, self.blinder.policy.pool)
        group = row.text if row.group is None else row.group
        return Gathered(found.parse, options, stream.bits(), fold_of(group)), found

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
            ((parse, options, _, _), found), choices, note = next(made)
            for choice in choices:
                scores = {"lm_gap": choice.lm_gap, "blind": choice.blind}
                if choice.scorer is not None:
                    scores["scorer"] = choice.scorer
                if self.pooled:
                    scores["draw"] = choice.draw
                option = options[choice.number]
                if choice.forced:
                    option = option._replace(verdict=replace(option.verdict, weight=option.verdict.weight / 2))
                self._finder.file(found, option, scores)
            self._finder.reword(found, self._stream(row, epoch))
            if len(found.negatives) >= self.k:
                yield found.result("ok", note)
                continue
            reason = "no noun phrase found"
            if options:
                reason = "the rest would give itself away" if len(options) >= self.k else "too few edits apply"
            elif parse.phrases:
                reason = "too few edits apply"
            yield found.result("partial" if found.negatives else "none", _noted(reason, note))

    def _choices(self, pools: Sequence[_Pool]) -> Sequence[list[Choice]]:
        """What is drawn from each pool."""
        gathered = [each for each, _ in pools]
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
            out = [(gathered._replace(options=()), found) for gathered, found in out]
            choices = [[] for _ in out]
            for _, found in out:
                found.rejected.clear()
        short = [n for n, each in enumerate(choices) if proposer.mode != "fill" or len(each) < self.k]
        asked = [
            _Asked(
                out[n][1],
                self._stream(rows[n], epoch),
                self.k - len(choices[n]) if proposer.mode == "fill" else self.k,
                rows[n].image,
            )
            for n in short
        ]
        for n, said in zip(short, self._ask(proposer, asked), strict=True):
            gathered, found = out[n]
            # The rules' own come first, so that their noise stays what it was.
            options = {option.candidate.splices: option for option in gathered.options}
            for option in said.options:
                options.setdefault(option.candidate.splices, option)
            out[n] = gathered._replace(options=(*options.values(),)), found
            notes[n] = said.note
        for n, each in zip(short, self._choices([out[n] for n in short]), strict=True):
            choices[n] = each
        return out, choices, notes


class _Row(NamedTuple):
    text: str | None
    key: object
    siblings: Sequence[str]
    group: object
    image: Any = None


_Pool = tuple[Gathered, Found]


class _Asked(NamedTuple):
    """A caption that a proposer is asked about, `wanted` negatives short."""

    found: Found
    stream: Stream
    wanted: int
    image: Any


def _kept_as(row: _Row) -> _Row:
    """What two rows have in common that are the same caption of the same picture."""
    return _Row(row.text, None, tuple(row.siblings), row.text if row.group is None else row.group)


def _noted(reason: str, note: str) -> str:
    """The rules' own reason, and what failed besides."""
    return f"{reason}; {note}" if note else reason


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
