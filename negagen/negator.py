"""The core: a caption in, checked hard negatives out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, repeat
from pathlib import Path
from typing import Any, Final

from rapidfuzz.distance import Levenshtein

from negagen import __version__
from negagen.checks import KEEP, check_surface, context_of, judge
from negagen.checks.surface import fold
from negagen.errors import RuleError
from negagen.lexicon import Lexicon, load
from negagen.parsing import DEFAULT_PIPELINE, Parser, load_parser
from negagen.realise import realise
from negagen.ruleset import Rule, fingerprint, load_rules, nearest
from negagen.screen import unusable
from negagen.seeding import Stream, key_of
from negagen.turns import Schedule, Turn
from negagen.types import CATEGORIES, Candidate, Negative, Parse, Rejection, Result, Status

_MAX_POSITIVES: Final = 2


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

    Raises:
        ValueError: k out of range.
        RuleError: a rule file or category that is wrong.
        PipelineError: a pipeline that is missing or has no tagger.
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
    ) -> None:
        if not isinstance(k, int) or not 1 <= k <= 64:
            raise ValueError(f"k must be a whole number from 1 to 64, got {k!r}")
        if not isinstance(seed, int):
            raise ValueError(f"seed must be a whole number, got {seed!r}")
        rules = [rules] if isinstance(rules, str | Path | Rule) else rules
        categories = [categories] if isinstance(categories, str) else categories
        self._arguments = {
            "k": k, "seed": seed, "rules": rules, "categories": categories, "pipeline": pipeline, "epoch": epoch,
            "explain": explain,
        }  # fmt: skip
        self.k, self.seed, self.epoch = k, seed, epoch
        self.lexicon: Lexicon = load()
        self.rules = _selected(_resolved(rules), categories)
        self.parser: Parser = load_parser(pipeline, self.lexicon)
        self._explain = explain
        self._schedule = Schedule(self.rules, self.lexicon, seed)

    def __reduce__(self) -> tuple[Any, ...]:
        # Parser and lexicon are made anew where the negator is unpickled: Spark, datasets and worker processes do.
        return _build, (self._arguments,)

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self._arguments.items() if value is not None)
        return f"Negator({given})"

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
            "version": __version__,
        }

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever the output may."""
        return f"{key_of(sorted(self.config.items())):016x}"

    def __call__(self, text: str | None, key: object = None, epoch: int | None = None) -> Result:
        """The result for one caption; see `pipe`."""
        return next(self.pipe([text], [key], epoch=epoch))

    def pipe(
        self,
        texts: Iterable[str | None],
        keys: Iterable[object] | None = None,
        batch_size: int = 512,
        epoch: int | None = None,
        siblings: Iterable[Sequence[str]] | None = None,
    ) -> Iterator[Result]:
        """Results in order, parsed in batches: many times faster than one call a caption.

        A key tells apart rows of equal text that shall get different draws. `epoch` overrides the negator's own.
        `siblings` gives, for each text, the other captions of the same picture: no negative is made that one of them
        supports.
        """
        if isinstance(texts, str):
            raise TypeError("pipe() takes captions, not one caption: call the negator itself, or pass a list")
        epoch = self.epoch if epoch is None else epoch
        rows = iter(
            zip(
                texts,
                keys if keys is not None else repeat(None),
                siblings if siblings is not None else repeat(()),
                strict=False,
            )
        )
        while batch := list(islice(rows, batch_size)):
            parses = self._parses(batch)
            for text, key, others in batch:
                parse = parses.get(text)
                if parse is None:
                    yield Result(text, (), (), (), "error", unusable(text))
                else:
                    beside = [parses[other] for other in others if other != text and other in parses]
                    yield self._negate(parse, key, epoch, beside)

    def _parses(self, batch: Sequence[tuple[str | None, object, Sequence[str]]]) -> dict[str | None, Parse]:
        """Each usable text of the batch, siblings included, parsed once."""
        texts = dict.fromkeys(text for text, _, _ in batch)
        for _, _, others in batch:
            texts.update(dict.fromkeys(others))
        usable = [text for text in texts if text is not None and not unusable(text)]
        return dict(zip(usable, self.parser.parse(usable), strict=True))

    def _negate(self, parse: Parse, key: object, epoch: int, siblings: Sequence[Parse]) -> Result:
        parts = (self.seed, epoch, parse.text) if key is None else (self.seed, epoch, parse.text, key)
        stream = Stream(key_of(*parts))
        context = context_of(self.lexicon, parse, siblings)
        folded = fold(parse.text)
        negatives: list[Negative] = []
        positives: list[Negative] = []
        rejected: list[Rejection] = []
        # Categories take turns; within one, its rules come in their order and a rule's candidates one after another.
        turns: Iterable[Turn] = self._schedule.turns(parse, stream)
        while turns:
            remaining = []
            for turn in turns:
                for active, candidate in turn:
                    rule = active.rule
                    verdict = judge(parse, candidate, context)
                    if verdict.kind == "reject":
                        rejected.append(self._rejection(parse, rule, candidate, verdict.reason))
                        continue
                    edits, text = realise(
                        self.lexicon, parse, candidate.splices, articles=candidate.operation != "shuffle"
                    )
                    surface = check_surface(folded, text, context)
                    if surface is not KEEP:
                        rejected.append(self._rejection(parse, rule, candidate, surface.reason))
                        continue
                    scores = {"similarity": Levenshtein.normalized_similarity(parse.text, text)}
                    negative = Negative(text, rule.name, rule.category, edits, scores, weight=verdict.weight)
                    if verdict.kind == "positive":
                        if len(positives) < _MAX_POSITIVES:
                            positives.append(negative)
                        continue
                    negatives.append(negative)
                    remaining.append(turn)
                    break
                if len(negatives) == self.k:
                    return Result(parse.text, tuple(negatives), tuple(positives), tuple(rejected), "ok")
            turns = remaining
        status: Status = "partial" if negatives else "none"
        reason = "too few edits apply" if parse.phrases else "no noun phrase found"
        return Result(parse.text, tuple(negatives), tuple(positives), tuple(rejected), status, reason)

    def _rejection(self, parse: Parse, rule: Rule, candidate: Candidate, reason: str) -> Rejection:
        text = realise(self.lexicon, parse, candidate.splices)[1] if self._explain else ""
        return Rejection(text, rule.name, rule.category, reason)


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
            if category not in CATEGORIES:
                raise RuleError(f"no such category {category!r}{nearest(category, CATEGORIES)}")
        chosen = tuple(rule for rule in rules if rule.category in categories)
    if not chosen:
        raise RuleError("no rule is left: every rule is switched off or of another category")
    return chosen
