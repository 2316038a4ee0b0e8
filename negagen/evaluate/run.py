"""Evaluating: models times benchmarks, one model in memory at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

import numpy as np

from negagen.errors import DataError, InputError
from negagen.evaluate.benchmarks import open_benchmark
from negagen.evaluate.comclip import ComClip, read_boxes
from negagen.evaluate.compare import codes_of
from negagen.evaluate.controls import BLIND, Control, controls_of, counted, strongest
from negagen.evaluate.encode import Encoder, Progress
from negagen.evaluate.intervals import interval
from negagen.evaluate.items import Benchmark, Choices, Retrieval, sampled
from negagen.evaluate.pictures import Decoded, Folders
from negagen.evaluate.report import Evaluated, Report, Result, Score
from negagen.evaluate.scored import Scored
from negagen.evaluate.scoring import score
from negagen.ruleset import nearest

if TYPE_CHECKING:
    from negagen.train.models import ContrastiveModel

Model: TypeAlias = "ContrastiveModel | Path | str | Callable[[], ContrastiveModel]"
Method = Literal["plain", "comclip"]

_MOST_CATEGORIES = 400
"""Beyond so many, such as ImageNet's classes, a score for each says little and costs much."""


def evaluate(
    models: Model | Mapping[str, Model],
    benchmarks: Sequence[str | Benchmark],
    *,
    root: Path | str | None = None,
    images: Path | str | Sequence[Path | str] = (),
    batch_size: int = 256,
    device: str = "auto",
    cache: Path | str | None = None,
    controls: bool | Sequence[str] = True,
    lm: Path | str | None = None,
    lm_limit: int | None = 2000,
    limit: int | None = None,
    method: Method = "plain",
    boxes: Path | str | None = None,
    seed: int = 0,
    decoded: Decoded | None = None,
    on_progress: Callable[[str, str, str, int, int], None] | None = None,
) -> Report:
    """Score models on benchmarks.

    Args:
        models: a loaded model, a folder or name as `negagen.train.models.load` takes, a function that makes one when
            its turn comes, or several by name: each is in memory alone, and decoded pictures are shared.
        benchmarks: names or opened benchmarks; see `open_benchmark`.
        root: the folder below which the known benchmarks' files lie.
        images: folders of pictures, beside those that lie with the benchmarks.
        batch_size: pictures a forward pass.
        device: where models that are loaded here run; "auto" is a GPU where there is one.
        cache: a folder for features by model, or None.
        controls: whether blind judges are asked too, or which (see `negagen.evaluate.controls`).
        lm: a folder with a causal language model, a further judge, which scores `lm_limit` pairs a benchmark.
        method: "plain", cosines of whole pictures and texts; or "comclip", by the parts that a text speaks of (see
            `negagen.evaluate.comclip`), in benchmarks of single questions.
        boxes: a JSON file of boxes for "comclip"; without it, a grid.
        limit: items of each benchmark, a sample that `seed` fixes; None for all.
        decoded: pictures that an earlier call decoded, kept for the next one.
        on_progress: called with model, benchmark, what is encoded, how many are done and how many there are.

    Raises:
        DataError: a benchmark that is unknown or missing, holds nothing to score, or whose pictures are all missing;
            two benchmarks of one name.
        ModelError: a folder that holds no contrastive model, or one without a text tower.
        ResourceError: the GPU's memory is too small, or a package for the controls is missing.
    """
    named = _named(models)
    opened = open_all(benchmarks, root, limit, seed)
    given = (images,) if isinstance(images, str | Path) else tuple(images)
    folders = Folders([*map(Path, given), *(Path(folder) for one in opened.values() for folder in one.folders)])
    if method not in get_args(Method):
        raise DataError(f"no method is named {method!r}{nearest(method, get_args(Method))}")
    known = None if boxes is None else read_boxes(Path(boxes))
    judges = BLIND if controls is True else tuple(controls or ())
    if decoded is None and len(named) > 1:
        decoded = Decoded()
    evaluated: list[Evaluated] = []
    blind: dict[str, tuple[Control, ...]] = {}
    asked: dict[str, Benchmark] = {}
    for name, source in named.items():
        began = time.perf_counter()
        encoder = Encoder(
            _loaded(source, device),
            folders,
            cache=None if cache is None else Path(cache),
            batch_size=batch_size,
            decoded=decoded,
        )
        parts = ComClip(encoder, known) if method == "comclip" else None
        results: dict[str, Result] = {}
        for label, benchmark in opened.items():
            encoder.on_progress = _telling(on_progress, name, label)
            scores, part, skipped, notes = score(benchmark, encoder, parts)
            asked.setdefault(label, part)
            if label not in blind:
                blind[label] = _controls(part, judges, lm, lm_limit, seed)
            results[label] = summarised(part, scores, skipped, notes, blind[label], seed=seed)
        encoder.store.save()
        path = str(source) if isinstance(source, str | Path) else ""
        seconds = time.perf_counter() - began
        evaluated.append(Evaluated(name, path, encoder.fingerprint, results, seconds, dict(encoder.encoded)))
        del encoder, parts
    settings = {
        "benchmarks": [one if isinstance(one, str) else one.name for one in benchmarks],
        "root": None if root is None else str(root),
        "images": [str(one) for one in given],
        "limit": limit,
        "method": method,
        "boxes": None if boxes is None else str(boxes),
        "seed": seed,
        "blind": list(judges),
        "lm": None if lm is None else str(lm),
    }
    return Report(tuple(evaluated), blind, settings, asked, folders.folders)


def summarised(
    benchmark: Benchmark,
    scores: Mapping[str, Scored],
    skipped: Mapping[str, int],
    notes: Mapping[str, int],
    controls: Sequence[Control] = (),
    *,
    seed: int = 0,
) -> Result:
    """The scores of `negagen.evaluate.scoring.score`, with intervals, by category, and where wording misleads."""
    scored = dict(scores)
    if (blind := strongest(controls)) is not None:
        misled = {one for one, right in zip(blind.ids, blind.right.tolist(), strict=True) if right < 0.5}
        against = _some(scored[benchmark.headline], [one in misled for one in scored[benchmark.headline].ids])
        if len(against):
            scored[f"{benchmark.headline}{AGAINST}"] = against
    summary: dict[str, Score] = {}
    categories: dict[str, dict[str, Score]] = {}
    inside = {}
    for name, one in scored.items():
        macro = _is_macro(benchmark, name) and any(one.categories)
        inside[name] = _inside(benchmark, one) if macro else np.ones(len(one), bool)
        summary[name] = _score(_some(one, inside[name].tolist()), macro=macro, seed=seed)
        if isinstance(benchmark, Retrieval) and name.startswith("R@"):
            continue  # its two parts are scores of their own
        categories[name] = _by_category(one, seed)
        if macro and name == benchmark.headline:
            summary[f"{name}, all items alike"] = _score(one, macro=False, seed=seed)
        elif name == benchmark.headline and len(categories[name]) > 1:
            summary[f"{name}, mean of categories"] = _score(one, macro=True, seed=seed)
    every = Counter(benchmark.skipped) + Counter(skipped)
    asked = len(benchmark.items) if isinstance(benchmark, Choices) else len(benchmark.images)
    return Result(
        benchmark.name, benchmark.role, benchmark.headline, _is_macro(benchmark, benchmark.headline), summary,
        {name: own for name, own in categories.items() if own}, benchmark.found, asked, benchmark.limited, dict(every),
        dict(Counter(benchmark.notes) + Counter(notes)), scored, inside,
    )  # fmt: skip


AGAINST = " against the text"
"""After a headline's name: its score over those items in which the strongest blind judge prefers a false text."""


def _is_macro(benchmark: Benchmark, name: str) -> bool:
    if isinstance(benchmark, Choices):
        return benchmark.macro and not name.startswith("all of a ") and not name.endswith(AGAINST)
    return isinstance(benchmark, Retrieval) and name.startswith("R@")


def _inside(benchmark: Benchmark, scored: Scored) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if isinstance(benchmark, Choices):
        return counted(scored.categories, benchmark)
    return np.ones(len(scored), bool)


def _by_category(scored: Scored, seed: int) -> dict[str, Score]:
    places: dict[str, list[int]] = {}
    for place, category in enumerate(scored.categories):
        if category:
            places.setdefault(category, []).append(place)
    if len(places) > _MOST_CATEGORIES:
        return {}
    return {category: _score(_at(scored, own), macro=False, seed=seed) for category, own in sorted(places.items())}


def _score(scored: Scored, *, macro: bool, seed: int) -> Score:
    strata = codes_of(scored.categories) if macro else None
    found = interval(scored.right, codes_of(scored.groups), strata, seed=seed)
    weights = np.ones(len(scored)) if strata is None else 1 / np.bincount(strata)[strata]
    chance = float(np.average(scored.chance, weights=weights)) if len(scored) else float("nan")
    return Score(found.value, found.low, found.high, len(scored), int(scored.tied.sum()), chance)


def _some(scored: Scored, chosen: Sequence[bool]) -> Scored:
    return scored if all(chosen) else _at(scored, [place for place, own in enumerate(chosen) if own])


def _at(scored: Scored, places: Sequence[int]) -> Scored:
    index = np.array(places, np.int64)
    return Scored(
        [scored.ids[place] for place in places], [scored.categories[place] for place in places],
        [scored.groups[place] for place in places], scored.right[index], scored.tied[index], scored.margin[index],
        scored.chance[index],
    )  # fmt: skip


def _named(models: Model | Mapping[str, Model]) -> dict[str, Model]:
    if isinstance(models, Mapping):
        if not models:
            raise InputError("no model to evaluate.")
        return dict(models)
    name = (Path(models).name or str(models)) if isinstance(models, str | Path) else "model"
    return {name: models}


def _loaded(source: Model, device: str) -> ContrastiveModel:
    if not isinstance(source, str | Path):
        # A model is a function too, as every torch module.
        return cast("ContrastiveModel", source if hasattr(source, "encode_images") else source())
    import torch

    from negagen.train.models import load

    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return load(source, device=chosen)


def open_all(
    benchmarks: Sequence[str | Benchmark], root: Path | str | None, limit: int | None = None, seed: int = 0
) -> dict[str, Benchmark]:
    """Benchmarks by name, each as `evaluate` takes it; raises `DataError` as it does for these."""
    if not benchmarks:
        raise DataError("no benchmark to evaluate on; `negagen evaluate --list` shows them.")
    opened: dict[str, Benchmark] = {}
    for one in benchmarks:
        found: Benchmark = open_benchmark(one, root) if isinstance(one, str) else one
        if found.name in opened:
            raise DataError(
                f"two benchmarks are named {found.name!r}: give one of the files a name, as in generic:NAME=FILE."
            )
        opened[found.name] = sampled(found, limit, seed)
    return opened


def _controls(
    benchmark: Benchmark, judges: Sequence[str], lm: Path | str | None, lm_limit: int | None, seed: int
) -> tuple[Control, ...]:
    if not isinstance(benchmark, Choices) or not (judges or lm):
        return ()
    return controls_of(benchmark, judges, lm=lm, lm_limit=lm_limit, seed=seed)


def _telling(on_progress: Callable[[str, str, str, int, int], None] | None, model: str, benchmark: str) -> Progress:
    if on_progress is None:
        return lambda *_: None
    return lambda what, done, whole: on_progress(model, benchmark, what, done, whole)
