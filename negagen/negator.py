"""The core: a caption in, checked hard negatives out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from negagen import __version__
from negagen.balance.blinder import Blinder, Gathered
from negagen.balance.model import BlindModel, bundled_model, load_model
from negagen.balance.scoring import GapWeights, Scorer, Selector
from negagen.balance.selection import BLINDNESS, POLICIES
from negagen.drawing import Drawing
from negagen.finding import Finder
from negagen.lexicon import Lexicon, load
from negagen.parsing import DEFAULT_PIPELINE, Parser, load_parser
from negagen.parsing.remembered import Remembered
from negagen.pools import Pools
from negagen.proposing import Proposer
from negagen.rows import Reader, in_batches
from negagen.ruleset import Rule, choose_rules, fingerprint
from negagen.seeding import key_of
from negagen.taking import Taking
from negagen.types import Result

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
        categories = [categories] if isinstance(categories, str) else categories
        self._arguments = {
            "k": k, "seed": seed, "rules": rules, "categories": categories, "pipeline": pipeline, "epoch": epoch,
            "explain": explain, "blindness": blindness, "model": model, "scorer": scorer, "pool": pool,
        }  # fmt: skip
        self.k, self.seed, self.epoch, self.pooled = k, seed, epoch, pool
        self.categories = None if categories is None else tuple(categories)
        self.lexicon: Lexicon = load()
        self.rules = choose_rules(rules, categories)
        self.parser: Parser | Remembered = load_parser(pipeline, self.lexicon)
        self.blindness = blindness
        self._model = model
        self._scorer = scorer
        self._proposer: Proposer | None = None
        policy = POLICIES.get(blindness, POLICIES["balanced"])
        self.blinder = Blinder(self.lexicon, self.rules, replace(policy, pool=pool) if pool else policy)
        self._finder = Finder(self.lexicon, self.rules, seed, explain=explain)
        self._reader = Reader(self.parser, self._finder, seed)
        self._pools = Pools(self._reader, self.blinder.policy.pool)

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
        other = self._without("model", "config", "fingerprint", "_selector", "_way")
        other._model = model
        other._arguments = {**self._arguments, "model": model}
        return other

    def parsing_by(self, parser: Parser | Remembered, *, positives: bool = True) -> Negator:
        """This negator with another parser of the same pipeline, such as one that remembers; without `positives` it
        makes negatives alone, the same ones.
        """
        other = self._without("_way")
        other.parser = parser
        other._finder = self._finder if positives else self._finder.without_positives()
        other._reader = Reader(parser, other._finder, self.seed)
        other._pools = Pools(other._reader, self.blinder.policy.pool)
        return other

    def proposing_by(self, proposer: Proposer) -> Negator:
        """This negator with candidates of `proposer` beside its rules', or in their place."""
        other = self._without("config", "fingerprint", "_way")
        other._proposer = proposer
        known = {rule.category for rule in self.rules if rule.makes == "negatives"}
        added = [rule for rule in proposer.rules if rule.makes == "negatives" and rule.category not in known]
        other.blinder = Blinder(self.lexicon, (*self.rules, *added), self.blinder.policy)
        return other

    def _without(self, *derived: str) -> Negator:
        """A copy that works these out anew."""
        other = object.__new__(Negator)
        other.__dict__.update((name, value) for name, value in self.__dict__.items() if name not in derived)
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
    def _way(self) -> Taking | Drawing:
        """How negatives come about, which is what `blindness` is about."""
        if self.blindness == "off":
            return Taking(self._reader, self._proposer, self.k, self.pooled or self.k)
        return Drawing(
            lexicon=self.lexicon,
            finder=self._finder,
            pools=self._pools,
            blinder=self.blinder,
            model=self.model,
            selector=self._selector,
            proposer=self._proposer,
            k=self.k,
            whole=bool(self.pooled),
        )

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
        for batch in in_batches(texts, keys, siblings, groups, batch_size, images):
            yield from self._way.results(batch, epoch)

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
        for batch in in_batches(texts, None, siblings, groups, batch_size):
            pools = self._pools.gather(batch, self.epoch, keep=keep)
            yield [pool.gathered for pool in pools if pool is not None]


def _build(arguments: dict[str, Any]) -> Negator:
    return Negator(**arguments)
