"""Feedback as a Parquet file: a row for each candidate that a model was asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from negagen.atomic import written_aside
from negagen.batch import schema as schemas
from negagen.batch.opening import explained
from negagen.data.difficulty import Feedback
from negagen.data.trainingset import TrainingSet
from negagen.errors import DataError

SCHEMA: Final = pa.schema(
    {
        "row": pa.int64(),
        "candidate": pa.int32(),
        "text": pa.large_string(),
        "margin": pa.float32(),
        "caption_similarity": pa.float32(),
        "epoch": pa.int32(),
    }
)
"""`row`: of the file of negatives, counted through all files; `candidate`: its place among those of the row that have a
text; the others as in `Feedback`."""

_ROWS: Final = 1 << 16
_COMPARED: Final = 1000
_OF: Final = "feedback_of"


def save_feedback(path: Path, data: TrainingSet, feedback: Feedback) -> int:
    """Write what is known of the negatives of `data`; gives how many rows that is. Raises `OutputError`."""
    seen = np.flatnonzero(feedback.seen)
    owners, starts = data.negatives.owners(), data.negatives.offsets
    # Names of files need not be Unicode; footers are.
    schema = SCHEMA.with_metadata(schemas.footer({_OF: data.source.encode(errors="replace").decode()}))
    with written_aside(path) as aside, pq.ParquetWriter(str(aside), schema, compression="zstd") as writer:
        for start in range(0, len(seen), _ROWS):
            some = seen[start : start + _ROWS]
            rows = owners[some]
            columns: dict[str, Any] = {
                "row": data.numbers[rows],
                "candidate": some - starts[rows],
                "text": data.texts.take(data.negatives.texts[some]),
                "margin": feedback.margins[some],
                "caption_similarity": feedback.captions[some],
                "epoch": feedback.epochs[some],
            }
            writer.write_table(pa.table(columns, schema))
    return len(seen)


def check_feedback(path: Path) -> None:
    """Raise `InputError` if `path` cannot be read, `DataError` if it is no feedback; looks at its columns alone."""
    with explained(path):
        names = pq.read_schema(path).names
    if not set(SCHEMA.names) <= set(names):
        raise DataError(f"{path} is no feedback: it has the columns {', '.join(names)}.")


def load_feedback(path: Path, data: TrainingSet, *, anew: bool = False) -> Feedback:
    """What `save_feedback` wrote of the same negatives; those of rows that `data` leaves out are passed over.

    With `anew` all of it counts as said just before epoch 0, whatever its epochs.

    Raises:
        InputError: `path` cannot be read.
        DataError: it is no such file, or of other negatives.
    """
    check_feedback(path)
    with explained(path):
        table = pq.read_table(path, columns=SCHEMA.names)
    values = {name: table[name].to_numpy() for name in SCHEMA.names if name != "text"}
    row_of = np.full(max(int(data.numbers.max(initial=-1)), int(values["row"].max(initial=-1))) + 1, -1, np.int64)
    row_of[data.numbers] = np.arange(len(data))
    rows = row_of[values["row"]]
    known = np.flatnonzero(rows >= 0)
    rows, places = rows[known], values["candidate"][known]
    if (places >= data.negatives.counts[rows]).any():
        raise DataError(_others(path, data))
    found = data.negatives.offsets[rows] + places
    _check_texts(path, data, table, known, found)
    feedback = Feedback(len(data.negatives))
    epochs = np.full(len(known), -1) if anew else values["epoch"][known]
    for epoch in np.unique(epochs).tolist():
        some = epochs == epoch
        margins, captions = (values[name][known][some] for name in ("margin", "caption_similarity"))
        feedback.feed(found[some][:, None], margins[:, None], captions, epoch)
    return feedback


def _check_texts(
    path: Path, data: TrainingSet, table: pa.Table, known: NDArray[np.int64], found: NDArray[np.int64]
) -> None:
    looked = slice(None, None, max(1, len(known) // _COMPARED))
    theirs = table["text"].take(pa.array(known[looked])).to_pylist()
    if theirs != data.texts.take(data.negatives.texts[found[looked]]):
        raise DataError(_others(path, data))


def _others(path: Path, data: TrainingSet) -> str:
    of = schemas.read_footer(pq.read_schema(path).metadata).get(_OF)
    known = f"it is of {of}. Train on that file" if of and of != data.source else "train on the file that it is of"
    return (
        f"{path} speaks of other negatives than those of {data.source}: {known}, or give the feedback on this very one."
    )
