"""Negatives drawn from pools of candidates, so that texts alone do not tell them from captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from negagen.balance.blinder import Blinder, Choice
from negagen.balance.model import BlindModel
from negagen.balance.scoring import Selector
from negagen.finding import Finder, option_texts
from negagen.lexicon import Lexicon
from negagen.pools import Pooled, Pools
from negagen.proposing import Asked, Proposed, Proposer, ask
from negagen.rows import Row
from negagen.types import Result


@dataclass(frozen=True, slots=True)
class Drawing:
    """The way of blindness "balanced" and "strict": k negatives of each caption's pool, drawn by a blindness model.

    With `whole` the pool itself is given, with what a draw goes by. A proposer's candidates join the pools, as its mode
    has them share with the rules'.
    """

    lexicon: Lexicon
    finder: Finder
    pools: Pools
    blinder: Blinder
    model: BlindModel
    selector: Selector | None
    proposer: Proposer | None
    k: int
    whole: bool

    def results(self, batch: Sequence[Row], epoch: int) -> Iterator[Result]:
        """The result of each row."""
        pools = self.pools.take(batch, epoch)
        ready = [pool for pool in pools if pool is not None]
        drawn: Sequence[list[Choice]] = self._drawn(ready)
        notes: Sequence[str] = ("",) * len(ready)
        if self.proposer is not None:
            ready, drawn, notes = self._joined(self.proposer, ready, drawn)
        made = iter(zip(ready, drawn, notes, strict=True))
        for row, pool in zip(batch, pools, strict=True):
            yield row.unused() if pool is None else self._result(*next(made))

    def _drawn(self, pools: Sequence[Pooled]) -> Sequence[list[Choice]]:
        """What is drawn from each pool."""
        gathered = [pool.gathered for pool in pools]
        rescore = None
        if self.selector is not None:
            rescore = partial(self.selector, text=option_texts(self.lexicon, gathered))
        if self.whole:
            return self.blinder.weigh(gathered, self.model, rescore)
        return self.blinder.choose(gathered, self.model, self.k, rescore)

    def _joined(
        self, proposer: Proposer, pools: Sequence[Pooled], drawn: Sequence[list[Choice]]
    ) -> tuple[list[Pooled], list[list[Choice]], list[str]]:
        """Pools, draws and notes after the proposer was asked for the captions that its mode is about.

        A pool that it added to is drawn from anew, with the same noise for what was there before.
        """
        out, choices, notes = list(pools), list(drawn), [""] * len(pools)
        if proposer.mode == "only":
            out = [Pooled(begun, gathered._replace(options=())) for begun, gathered in out]
            choices = [[] for _ in out]
            for begun, _ in out:
                begun.found.rejected.clear()
        wanted = [self.k - len(each) if proposer.mode == "fill" else self.k for each in choices]
        short = [n for n, lacking in enumerate(wanted) if lacking > 0]
        asked = [Asked(pool.begun, lacking) for pool, lacking in zip(out, wanted, strict=True)]
        for n, said in enumerate(ask(proposer, self.finder, asked)):
            out[n] = _with_options(out[n], said)
            notes[n] = said.note
        for n, each in zip(short, self._drawn([out[n] for n in short]), strict=True):
            choices[n] = each
        return out, choices, notes

    def _result(self, pool: Pooled, choices: Sequence[Choice], note: str) -> Result:
        (_, found, stream), (parse, options, _, _) = pool
        for choice in choices:
            scores = {"lm_gap": choice.lm_gap, "blind": choice.blind}
            if choice.scorer is not None:
                scores["scorer"] = choice.scorer
            if self.whole:
                scores["draw"] = choice.draw
            option = options[choice.number]
            if choice.forced:
                option = option._replace(verdict=replace(option.verdict, weight=option.verdict.weight / 2))
            self.finder.file(found, option, scores)
        self.finder.reword(found, stream)
        reason = "too few edits apply" if options or parse.phrases else "no noun phrase found"
        if len(options) >= self.k:
            reason = "the rest would give itself away"
        return found.result(self.k, reason, note)


def _with_options(pool: Pooled, proposed: Proposed) -> Pooled:
    """The pool with what was proposed; the rules' own come first, so that their noise stays what it was."""
    options = {option.candidate.splices: option for option in pool.gathered.options}
    for option in proposed.options:
        options.setdefault(option.candidate.splices, option)
    return pool._replace(gathered=pool.gathered._replace(options=(*options.values(),)))
