"""A pool, its pictures and a model in; the candidates that are hard for that model out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from negagen.atomic import written_aside
from negagen.data.difficulty import Feedback
from negagen.data.feedback_file import save_feedback
from negagen.data.layouts import Inputs
from negagen.data.prepared import Tell
from negagen.data.preparing import prepare
from negagen.data.tokens import HuggingFaceTokenizer
from negagen.data.trainingset import TrainingSet
from negagen.mining.checking import check_pool
from negagen.mining.keeping import Keep, judge
from negagen.mining.plot import plot
from negagen.mining.similarities import Scorer
from negagen.mining.summary import Mined, by_category, by_share, tally
from negagen.mining.writing import Part, write
from negagen.outputs import check_outputs

_DEFAULT = Keep()


def mine(
    scorer: Scorer | Callable[[], Scorer],
    inputs: Inputs,
    output: Path,
    keep: Keep = _DEFAULT,
    *,
    cache: Path,
    max_bad: float = 0.01,
    feedback: Path | None = None,
    picture: Path | None = None,
    overwrite: bool = True,
    tell: Tell | None = None,
    told: str = "",
) -> Mined:
    """Score every candidate of a pool with a model and write the pool with those that `keep` says.

    A function that makes the scorer is called once all else is known to be right, and so loads no model for nothing.
    `inputs.files` is one Parquet file with a column `negatives`, as `negagen generate` writes it, best with `--pool`.
    One row is written for each of its rows. `cache` holds pixels and tokens, which `negagen finetune` uses too, and
    what the model said, so that other rules for keeping need it no more. `feedback` is a file to write all margins to,
    for a curriculum on the pool itself to begin with, `picture` an SVG of what fools the model. `tell` hears of
    progress; `told` is what the footer calls the model.

    Raises:
        InputError, DataError: a file, column or picture that cannot be used, or too many that cannot.
        OutputError: `output`, `feedback` or `picture` is an input or another of them, exists and `overwrite` is not
            given, or cannot be written; or `cache` cannot.
        ResourceError: a batch does not fit into the GPU's memory.
    """
    read = [Path(path) for path in (*inputs.files, *([] if inputs.images is None else [inputs.images]))]
    check_outputs({"-o": output, "--feedback": feedback, "--plot": picture}, read, overwrite=overwrite)
    pool = check_pool(inputs)
    scorer = scorer if isinstance(scorer, Scorer) else scorer()
    model = scorer.model
    prepared = prepare(
        inputs, HuggingFaceTokenizer(model.tokenizer, model.context_length), model.view, cache=cache,
        workers=scorer.workers, max_bad=max_bad, tell=tell,
    )  # fmt: skip
    found = scorer(prepared, cache, tell)
    data, tokens = prepared.data, prepared.tokens
    # A candidate with its caption's own tokens ties by definition, whatever is kept.
    cut = np.where(tokens.same_negatives, np.float32(np.nan), found.negatives)
    negatives, positives = (
        Part(choices, similarities, judge(found.captions, similarities, choices, keep))
        for choices, similarities in ((data.negatives, cut), (data.positives, found.positives))
    )
    scored = np.zeros(len(data) + 1, bool)
    scored[prepared.rows] = ~np.isnan(found.captions[prepared.rows])
    about = {
        "model": told, "weights": found.weights, "half": scorer.half, "fools": keep.fools,
        "hardest": keep.hardest, "below": keep.below, "quota": keep.quota,
    }  # fmt: skip
    full = write(pool, output, data, scored, negatives, positives, keep, {"mined": about})
    if feedback is not None:
        _save(feedback, data, negatives.judged.margins, found.captions)
    fooled = np.zeros(len(data), bool)
    fooled[data.negatives.owners()[negatives.judged.fools]] = True
    mined = Mined(
        rows=pool.rows,
        unscored=pool.rows - int(scored.sum()),
        fooled=int(fooled.sum()),
        full=int(full.sum()),
        candidates=len(data.negatives),
        negatives=tally(negatives.judged),
        positives=tally(positives.judged),
        categories=by_category(negatives.judged, data.negatives.kinds),
        negatives_at=by_share(negatives.judged, found.captions[data.negatives.owners()]),
        positives_at=by_share(positives.judged, found.captions[data.positives.owners()]),
        notes=prepared.notes,
    )
    if picture is not None:
        with written_aside(picture) as aside:
            aside.write_text(plot(mined, keep.below), encoding="utf-8")
    return mined


def _save(path: Path, data: TrainingSet, margins: NDArray[np.float32], captions: NDArray[np.float32]) -> None:
    said = Feedback(len(margins))
    said.margins[:], said.captions[:] = margins, captions[data.negatives.owners()]
    save_feedback(path, data, said)
