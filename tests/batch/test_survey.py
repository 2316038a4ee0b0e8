from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from negagen.batch import Job, generate
from negagen.batch.survey import read_contents
from negagen.errors import InputError
from tests.batch.files import captions, write_parquet
from tests.batch.standin import spec


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job([write_parquet(tmp_path / "in.parquet", 230)], tmp_path / "out.parquet", spec())


def test_the_counts_are_those_of_the_run(job: Job) -> None:
    report = generate(job)
    contents = read_contents(job.output)
    assert contents.layout == "rows"
    assert contents.rows == 230
    assert contents.counts == report.counts
    assert contents.metadata["fingerprint"] == report.fingerprint


def test_flat(job: Job) -> None:
    report = generate(replace(job, flat=True))
    contents = read_contents(job.output, 2)
    assert contents.layout == "flat"
    assert contents.counts == report.counts
    assert contents.samples[0]["caption"] == captions(1)[0]
    assert contents.samples[0]["negatives"][0]["rule"] == "swap"


def test_without_a_footer_the_rows_are_counted(job: Job) -> None:
    report = generate(job)
    pq.write_table(pq.read_table(job.output).replace_schema_metadata(None), job.output)
    contents = read_contents(job.output)
    assert contents.metadata == {}
    assert replace(report.counts, rejected=contents.counts.rejected) == contents.counts


def test_samples_are_spread_over_rows_with_negatives(job: Job) -> None:
    generate(job)
    samples = read_contents(job.output, 4).samples
    texts = captions(230)
    # 57 is a row without a negative, so the next one stands in.
    assert [sample["caption"] for sample in samples] == [texts[row] for row in (0, 58, 115, 172)]
    scores = samples[0]["negatives"][0]["scores"]
    assert {name: score for name, score in scores.items() if score is not None} == {"similarity": float(len(texts[0]))}
    assert len(read_contents(job.output, 1000).samples) < 230


def test_other_files(job: Job, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a file of negatives: it lacks the columns negatives, .*: id, caption"):
        read_contents(Path(job.inputs[0]))
    with pytest.raises(InputError, match="no such file"):
        read_contents(tmp_path / "nowhere.parquet")
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_contents(tmp_path / "text.parquet")
