from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from negagen.train import metrics
from tests.cli.conftest import Ran
from tests.train import small, tiny

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("finetune")
    tiny.clip(path / "clip")
    small.write(path / "negatives.parquet")
    return path


def arguments(folder: Path, name: str, **changes: Any) -> list[object]:
    """A short run; options by name, in `changes` None leaves one out."""
    options: dict[str, Any] = {
        "model": folder / "clip", "output": folder / name, "cache": folder / "cache", "held-out": "0.2", "workers": 0,
        "device": "cpu",
    } | changes  # fmt: skip
    given: list[object] = [options.pop("negatives", folder / "negatives.parquet")]
    settings = small.QUICK | options.pop("settings", {}) if "recipe.toml" not in str(options.get("recipe")) else {}
    for name, value in options.items():
        given += [] if value is None else [f"--{name}", value]
    return ["finetune", *given, *(part for key, value in settings.items() for part in ("--set", f"{key}={value}"))]


def test_from_negatives_to_a_model(run: Run, folder: Path) -> None:
    ran = run(*arguments(folder, "run", recipe="clove", settings={"optimizer.warmup": "1"}))
    assert ran.code == 0, ran.err
    assert "own negatives, held out" in ran.out
    assert "patched at alpha 0.6 (given)" in ran.out
    assert f"Written to {folder / 'run' / 'model'}" in ran.out
    assert "step 6 of 6: loss" in ran.err
    assert "images/s" in ran.err
    for name in ("config.json", "recipe.toml", "metrics.jsonl", "report.json", "model/config.json", "tuned/README.md"):
        assert (folder / "run" / name).exists(), name
    # The recipe as it was resolved runs again, to the same losses.
    again = run(*arguments(folder, "again", recipe=folder / "run" / "recipe.toml"), "--json", "-q")
    assert again.code == 0, again.err
    assert json.loads(again.out)["patching"]["alpha"] == 0.6
    one, two = (metrics.read_metrics(folder / name) for name in ("run", "again"))
    assert [record["loss"] for record in one] == [record["loss"] for record in two]


def test_resume(run: Run, folder: Path) -> None:
    assert run(*arguments(folder, "resumed")).code == 0
    assert "--resume latest" in run(*arguments(folder, "resumed")).err
    ran = run(*arguments(folder, "resumed", resume="latest", settings={"optimizer.lr": "1e-2"}))
    assert ran.code == 2
    assert "optimizer.lr: 0.001 in the run, 0.01 now" in ran.err
    assert run(*arguments(folder, "resumed", resume="latest"), "--chunk", 4).code == 0


def test_benchmarks_before_and_after(run: Run, folder: Path) -> None:
    benchmark(folder)
    ran = run(*arguments(folder, "measured", eval=f"generic:{folder / 'pairs.parquet'}"))
    assert ran.code == 0, ran.err
    report = json.loads((folder / "measured" / "report.json").read_text())
    assert set(report["measured"]["tuned"]["benchmarks"]["scores"]) == {"pairs"}
    assert "pairs" in ran.out


def test_tensorboard(run: Run, folder: Path) -> None:
    pytest.importorskip("tensorboard", reason="an extra")
    assert run(*arguments(folder, "board", log="tensorboard")).code == 0
    assert list((folder / "board" / "tensorboard").glob("events*"))


def benchmark(folder: Path) -> None:
    rows = [
        {
            "image": row["image"],
            "positives": [row["caption"]],
            "negatives": [one["text"] for one in row["negatives"]],
            "category": "swap_att",
        }
        for row in small.rows(pictures=10)
        if row["negatives"]
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "pairs.parquet")


def without(folder: Path, *columns: str) -> Path:
    path = folder / f"without-{'-'.join(columns)}.parquet"
    pq.write_table(pq.read_table(folder / "negatives.parquet").drop_columns(list(columns)), path)
    return path


def other_captions(folder: Path) -> Path:
    table = pq.read_table(folder / "negatives.parquet")
    others = pa.array([f"something else, number {n}" for n in range(table.num_rows)])
    place = table.schema.get_field_index("caption")
    pq.write_table(table.set_column(place, "caption", others), folder / "others.parquet")
    return folder / "others.parquet"


def paths(folder: Path) -> Path:
    rows = [{**row, "image": row["image"]["path"]} for row in small.rows(pictures=10)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "paths.parquet")
    return folder / "paths.parquet"


def damaged(folder: Path) -> Path:
    rows = [{**row, "image": {"bytes": b"no picture", "path": row["image"]["path"]}} for row in small.rows(pictures=10)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "damaged.parquet")
    return folder / "damaged.parquet"


def broken_model(folder: Path, missing: str) -> Path:
    path = folder / f"without-{missing}"
    shutil.copytree(folder / "clip", path)
    for file in path.glob(missing):
        file.unlink()
    return path


def not_a_clip(folder: Path) -> Path:
    (folder / "bert").mkdir()
    (folder / "bert" / "config.json").write_text('{"model_type": "bert"}')
    return folder / "bert"


WRONG: dict[str, tuple[Callable[[Path], dict[str, Any]], list[str]]] = {
    "no file": (lambda folder: {"negatives": folder / "nowhere.parquet"}, ["nowhere.parquet", "no such file"]),
    "no captions": (lambda folder: {"negatives": without(folder, "caption")}, ["caption", "--caption-column"]),
    "no negatives": (lambda folder: {"negatives": without(folder, "negatives")}, ["no negatives", "negagen generate"]),
    "no images": (lambda folder: {"negatives": without(folder, "image", "image_id")}, ["--image-column"]),
    "no image column": (lambda folder: {"image-column": "photo"}, ["photo"]),
    "images not found": (
        lambda folder: {"negatives": paths(folder), "images": folder / "clip"}, ["no images found", "--images"],
    ),
    "images damaged": (lambda folder: {"negatives": damaged(folder)}, ["10 of 10 pictures", "--max-bad"]),
    "other captions": (lambda folder: {"negatives": other_captions(folder)}, ["other captions", "negagen generate"]),
    "no model": (lambda folder: {"model": folder / "clap"}, ["clap", "save_pretrained"]),
    "not a CLIP": (lambda folder: {"model": not_a_clip(folder)}, ["'bert'", "CLIPModel"]),
    "no tokenizer": (lambda folder: {"model": broken_model(folder, "tokenizer*")}, ["tokenizer is missing"]),
    "no recipe": (lambda _: {"recipe": "neglip"}, ["did you mean 'negclip'"]),
    "misspelt key": (lambda _: {"settings": {"optimizer.lrr": "1"}}, ["'lrr'; did you mean 'optimizer.lr'"]),
    "misspelt table": (lambda _: {"settings": {"optimiser.lr": "1"}}, ["did you mean 'optimizer.lr'"]),
    "wrong value": (lambda _: {"settings": {"optimizer.lr": "fast"}}, ["optimizer.lr", "number"]),
    "wrong device": (lambda _: {"device": "cuda:7"}, ["--device", "GPU"]),
    "no such device": (lambda _: {"device": "gpu"}, ["--device", "gpu"]),
    "no benchmark": (lambda _: {"eval": "sugarcrape"}, ["sugarcrepe"]),
    "no such log": (lambda _: {"log": "tensorbord"}, ["did you mean 'tensorboard'"]),
    "nothing to resume": (lambda _: {"resume": "latest"}, ["no run to resume"]),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_before_the_first_step(run: Run, folder: Path, case: str) -> None:
    changes, wanted = WRONG[case]
    ran = run(*arguments(folder, "wrong", **changes(folder)))
    assert ran.code == 2, ran.err
    for text in wanted:
        assert text in ran.err
    assert not (folder / "wrong").exists(), "nothing may be left behind"


def test_a_setting_without_a_value(run: Run, folder: Path) -> None:
    ran = run(*arguments(folder, "wrong"), "--set", "optimizer.lr")
    assert ran.code == 2
    assert "KEY=VALUE" in ran.err


def test_help_needs_no_torch() -> None:
    code = (
        "import sys\nfrom negagen.cli import main\n"
        "for line in (['--help'], ['finetune', '--help'], ['patch', '--help'], ['--version']):\n"
        "    try:\n        main(line)\n    except SystemExit:\n        pass\n"
        "assert not {'torch', 'transformers', 'numpy', 'pyarrow'} & set(sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "torchrun" in ran.stdout
