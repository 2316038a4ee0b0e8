"""The whole way in about a minute on a CPU: draw, generate negatives, fine-tune with and without them, measure.

    python -m examples.scenes.demo
    python -m examples.scenes.demo --steps 800 --recipe negclip --output out/demo

The model it starts from, `examples/scenes/tiny`, was made by `examples.scenes.pretrain` without negatives: it finds
pictures by their captions, and does not tell "a cup on a book" from "a cup behind a book". The scores are computed on
scenes that no model saw, with captions whose truth is known; the likelier of two texts is true as often as not, so that
reading without looking gives 50%. A minute is too short for large differences: docs/scenes.md has the experiment.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import torch
from transformers.utils import logging

from examples.scenes.asking import make_exam, training_captions
from examples.scenes.encode import Questions, load
from examples.scenes.make import table
from negagen.data import Inputs
from negagen.train.loop import Job, Progress, finetune
from negagen.train.recipe import load_recipe

BASE: Final = Path(__file__).parent / "tiny"
SIDE: Final = 80
# Title, and the keys that lead to the score.
SHOWN: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("which look is whose (swap_att)", ("accuracy", "swap_att")),
    ("which thing is where (swap_obj)", ("accuracy", "swap_obj")),
    ("one word wrong: thing (replace_obj)", ("accuracy", "replace_obj")),
    ("one word wrong: look (replace_att)", ("accuracy", "replace_att")),
    ("one word wrong: on, under, in (replace_rel)", ("accuracy", "replace_rel")),
    ("one word wrong: number (replace_count)", ("accuracy", "replace_count")),
    ("looks never seen on that thing (held out)", ("held_out",)),
    ("both wordings above the false one", ("consistent_mean",)),
    ("retrieval, R@1 of 200 pictures", ("retrieval",)),
)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--recipe", default="negagen")
    parser.add_argument("--output", type=Path, default=Path("out/demo"))
    given = parser.parse_args()
    began = time.monotonic()
    torch.set_num_threads(1)  # such small tensors gain little by more, and lose much where cores are shared
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    shutil.rmtree(given.output, ignore_errors=True)
    given.output.mkdir(parents=True)

    # A part of the world that the model was not trained on, and negatives of its captions.
    scenes, negatives = given.output / "scenes.parquet", given.output / "negatives.parquet"
    pq.write_table(table(given.images, start=2_000_000, siblings=1, side=SIDE), scenes, compression="zstd")
    print(f"{given.images} pictures with a caption each: {scenes}")
    command = [sys.executable, "-m", "negagen", "generate", str(scenes), "-o", str(negatives), "--quiet"]
    subprocess.run(command, check=True)
    row = pq.read_table(negatives, columns=["caption", "negatives"]).slice(0, 1).to_pylist()[0]
    print(f"negatives: {negatives}\n  {row['caption']}")
    for negative in row["negatives"]:
        print(f"  not: {negative['text']}  ({negative['rule']})")

    # The same steps on the same pictures and captions, without negatives and with them.
    models = {"before": BASE}
    for name in ("clip", given.recipe):
        print(f"fine-tuning with recipe {name}: {given.steps} steps ...", flush=True)
        models[name] = _tuned(name, negatives, given)

    exam = make_exam(training_captions(1500), each=160, retrieval=200, portraits=1, side=SIDE)
    scores = {}
    for name, folder in models.items():
        model, tokenizer = load(folder)
        scores[name] = Questions.of(exam, tokenizer).ask(model)
    print()
    print(_table(scores))
    print("\nSo short a run moves little, and a few points are chance: it shows the way, not the gain.")
    took = time.monotonic() - began
    print(f"\n{took:.0f} s. docs/scenes.md has the whole experiment.")


def _tuned(recipe: str, negatives: Path, given: argparse.Namespace) -> Path:
    """Where the tuned model lies."""
    settings = {
        "optimizer.steps": str(given.steps), "optimizer.lr": "3e-4", "optimizer.warmup": "20",
        "batch.size": str(given.batch), "model.precision": "fp32", "patching.alpha": "none",
    }  # fmt: skip
    folder: Path = given.output / recipe
    finetune(
        Job(
            inputs=Inputs([negatives]), model=str(BASE), output=folder, recipe=load_recipe(recipe, settings),
            cache=given.output / "cache", held_out=0.0, workers=1, device="cpu", save_every=10**9, keep=1,
        ),
        _say,
    )  # fmt: skip
    return folder / "model"


def _say(progress: Progress) -> None:
    if progress.phase == "training" and progress.step % 30 == 0:
        print(f"  step {progress.step} of {progress.steps}, loss {progress.loss:.2f}", flush=True)


def _inner(value: Any, key: str) -> Any:
    return value[key]


def _table(scores: Mapping[str, Any]) -> str:
    """Rows of SHOWN, a column for each model."""
    lines = [" " * 46 + "".join(f"{name:>10}" for name in scores)]
    for title, path in SHOWN:
        values: list[Any] = [reduce(_inner, path, one) for one in scores.values()]
        lines.append(f"{title:<46}" + "".join(f"{100 * float(value):>9.1f}%" for value in values))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
