import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import quality


def negative(text: str, category: str, start: int, end: int, old: str, new: str) -> dict[str, Any]:
    edits = [{"start": start, "end": end, "old": old, "new": new}]
    return {"text": text, "rule": f"rule_{category}", "category": category, "edits": edits}


CAPTION = "a dog on a bench"
GOOD = [
    negative("a cat on a bench", "replace_obj", 2, 5, "dog", "cat"),
    negative("a dog under a bench", "replace_rel", 6, 8, "on", "under"),
    negative("a wet dog on a bench", "add_att", 2, 2, "", "wet "),
    negative("a dog on a table", "replace_obj", 11, 16, "bench", "table"),
]
BAD = [
    negative("an dog on a bench", "replace_att", 0, 1, "a", "an"),
    negative("a dogs on a bench", "replace_obj", 2, 5, "dog", "dogs"),
    negative("A Dog, on a bench", "negate", 0, 5, "a dog", "A Dog"),
    negative("a cat in a park", "replace_obj", 0, 16, CAPTION, "a cat in a park"),
    negative("a cat in a park", "replace_obj", 0, 16, CAPTION, "a cat in a park"),
    negative("a zyx on a bench", "replace_obj", 2, 5, "dog", "zyx"),
]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    rows = [
        {"caption": CAPTION, "image_id": 1, "negatives": GOOD, "status": "ok", "reason": ""},
        {"caption": CAPTION, "image_id": 1, "negatives": BAD, "status": "ok", "reason": ""},
        {
            "caption": "A cat in a park.",
            "image_id": 1,
            "negatives": [],
            "status": "none",
            "reason": "no rule",
        },
        {"caption": None, "image_id": 2, "negatives": [], "status": "error", "reason": "null"},
    ]
    path = tmp_path / "negatives.parquet"
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"negagen.version": "0.1.0"})
    pq.write_table(table, path)
    return path


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    texts = ["a dog on a bench", "a cat in a park", "two dogs under a table", "a wet cat in a park"]
    path = tmp_path / "reference.parquet"
    pq.write_table(pa.table({"caption": texts * 3}), path)
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["quality", *map(str, arguments)])
    quality.main()


def test_counts_every_fault(output: Path, reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result_path = tmp_path / "results" / "quality.json"
    run(monkeypatch, output, "--reference", reference, "--output", result_path)
    result = json.loads(result_path.read_text())
    hits = {name: (values["hits"], values["of"]) for name, values in result["measures"].items()}
    assert hits["one_negative"] == (2, 4)
    assert hits["four_of_two_categories"] == (2, 4)
    assert hits["article"] == (1, 10)
    assert hits["number"] == (1, 10)
    assert hits["case"] == (1, 10)
    assert hits["spacing"] == (0, 10)
    assert hits["unseen_new_words"][0] == 1
    assert hits["duplicate_among_k"] == (1, 10)
    assert hits["equals_caption"] == (1, 10)
    assert hits["equals_sibling"] == (2, 10)
    assert hits["edits_do_not_reproduce"] == (1, 10)
    assert result["categories"]["replace_obj"] == 6
    assert result["reasons"] == {"no rule": 1, "null": 1}
    assert CAPTION not in result_path.read_text()
    assert result["made_by"] == {"version": "0.1.0"}


def test_sample_shows_siblings_and_is_fixed_by_its_seed(
    output: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = []
    for _ in range(2):
        run(monkeypatch, output, "--sample", 2, "--seed", 3)
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]
    assert "replace_obj: 2 of 6" in printed[0]
    assert "      A cat in a park." in printed[0]


def test_faults_are_shown_with_their_captions(
    output: Path,
    reference: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(monkeypatch, output, "--reference", reference, "--output", tmp_path / "q.json", "--faults", 5)
    assert "article: an dog: a dog on a bench -> an dog on a bench" in capsys.readouterr().out


def test_a_file_without_negatives_is_refused(reference: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="negagen generate"):
        run(monkeypatch, reference)


def test_a_broken_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "broken.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(SystemExit, match="not a readable Parquet file"):
        run(monkeypatch, path)
