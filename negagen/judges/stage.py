"""Judges of truth behind the draw: each negative is looked at once more, and kept, doubted or refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, repeat, tee
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from negagen.seeding import key_of
from negagen.types import Negative, Rejection, Result

if TYPE_CHECKING:
    from negagen.batch.spec import NegatorLike

_BATCH: Final = 256
_REFUSED: Final = "refused by a judge"


class Case(NamedTuple):
    """A negative to judge: `row` tells which cases are of one caption, `image` is a path, bytes, or a struct of both
    (None where there is none).
    """

    row: int
    caption: str
    siblings: Sequence[str]
    negative: Negative
    image: Any


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge says: the score to record (None: it could not judge), the negative's new weight, and, if it is no
    negative, why. `note` is for the row's `reason`: what kept the judge from judging well.
    """

    score: float | None
    weight: float
    refusal: str = ""
    note: str = ""


class Judge(Protocol):
    """A further check of truth: `negagen.judges.nli.NliJudge`, `negagen.judges.image_text.ImageTextJudge`."""

    name: str
    """Names the score."""

    @property
    def config(self) -> Mapping[str, object]:
        """All that fixes its opinions, as JSON values."""
        ...

    def __call__(self, cases: Sequence[Case]) -> list[Opinion]:
        """An opinion a case, in order."""
        ...


class JudgedNegator:
    """A negator whose negatives pass judges: what one refuses is left out, and counted with its reason.

    Negatives that are refused are not replaced: `status` then is partial or none.
    """

    def __init__(self, negator: NegatorLike, judges: Sequence[Judge]) -> None:
        self.negator = negator
        self.judges = tuple(judges)

    def __repr__(self) -> str:
        return f"JudgedNegator({self.negator!r}, {list(self.judges)!r})"

    @cached_property
    def config(self) -> dict[str, object]:
        """The negator's, and each judge's under its name."""
        return {**self.negator.config, "judges": {judge.name: dict(judge.config) for judge in self.judges}}

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the negator's and with what fixes the judges' opinions."""
        return f"{key_of(self.negator.fingerprint, sorted(self.config.items(), key=str)):016x}"

    def pipe(
        self,
        texts: Iterable[str | None],
        keys: Iterable[Any] | None = None,
        *,
        siblings: Iterable[Sequence[str]] | None = None,
        groups: Iterable[Any] | None = None,
        images: Iterable[Any] | None = None,
    ) -> Iterator[Result]:
        """As the negator's; `images` has a picture a text: a path, bytes, a struct `{"bytes", "path"}`, or None."""
        beside: Iterable[Sequence[str]] = repeat(())
        if siblings is not None:
            siblings, beside = tee(siblings)
        shown: Iterable[Any] = repeat(None) if images is None else images
        more: dict[str, Any] = {}
        if images is not None and getattr(self.negator, "seeing", False):
            more["images"], shown = tee(images)
        results = self.negator.pipe(texts, keys, siblings=siblings, groups=groups, **more)
        rows = zip(results, beside, shown, strict=False)
        while batch := list(islice(rows, _BATCH)):
            yield from self._judged(batch)

    def _judged(self, batch: Sequence[tuple[Result, Sequence[str], Any]]) -> list[Result]:
        results = [result for result, _, _ in batch]
        for judge in self.judges:
            cases = [
                Case(row, result.text or "", batch[row][1], negative, batch[row][2])
                for row, result in enumerate(results)
                for negative in result.negatives
            ]
            said: defaultdict[int, list[tuple[Negative, Opinion]]] = defaultdict(list)
            for case, opinion in zip(cases, judge(cases), strict=True):
                said[case.row].append((case.negative, opinion))
            for row, opinions in said.items():
                results[row] = _after(results[row], judge.name, opinions)
        return results


def _after(result: Result, name: str, opinions: Sequence[tuple[Negative, Opinion]]) -> Result:
    """The result when a judge has said what it thinks of each of its negatives."""
    kept = tuple(
        replace(
            negative,
            weight=opinion.weight,
            scores=negative.scores if opinion.score is None else {**negative.scores, name: opinion.score},
        )
        for negative, opinion in opinions
        if not opinion.refusal
    )
    refused = tuple(
        Rejection(negative.text, negative.rule, negative.category, opinion.refusal)
        for negative, opinion in opinions
        if opinion.refusal
    )
    status, reason = result.status, result.reason
    if refused:
        status = "partial" if kept else "none"
        reason = reason or _REFUSED
    reason = reason or next((opinion.note for _, opinion in opinions if opinion.note), "")
    return replace(result, negatives=kept, rejected=(*result.rejected, *refused), status=status, reason=reason)


def load_judges(
    *, nli: str | Path | None = None, image_text: str | Path | None = None, device: str = "auto"
) -> list[Judge]:
    """The judges that lie at these paths, in the order in which they judge.

    Raises `ModelError` for a path that holds no such model, or a device that is not there.
    """
    judges: list[Judge] = []
    if nli is not None:
        from negagen.judges.nli import NliJudge

        judges.append(NliJudge(nli, device=device))
    if image_text is not None:
        from negagen.judges.image_text import ImageTextJudge

        judges.append(ImageTextJudge(image_text, device=device))
    return judges
