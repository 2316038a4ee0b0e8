"""Looks for a small CLIP that retrieves and does not compose: what the experiment on scenes starts from.

    python -m benchmarks.scenes_bases prepare --data out/bases                         # exams, no GPU
    python -m benchmarks.scenes_bases sweep --data out/bases --output $OUT --seconds 170
    python -m benchmarks.scenes_bases unpack $OUT coarse-64-all -o out/base            # a directory for transformers

`sweep` pre-trains several models at once on one GPU, from nothing and without negatives, and scores each on the tuning
part of the world as it goes. Rule of choice, for each of them: of the checkpoints whose R@1 is at least `--retrieves`
and whose mean over both kinds of swap is at most `--composes`, the one that retrieves best; if there is none, of those
that retrieve, the one that composes least. The best of them come back as float16 weights beside `bases.json`, which
holds what all of them scored.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file

SIBLINGS: Final = 5


@dataclass(frozen=True, slots=True)
class Variant:
    """`shuffled`: share of captions told as their words in random order."""

    name: str
    preset: str
    batch: int
    lr: float
    shuffled: float


VARIANTS: Final = (
    Variant("coarse-128-none", "coarse", 128, 7e-4, 0.0),
    Variant("coarse-32-none", "coarse", 32, 5e-4, 0.0),
    Variant("coarse-16-none", "coarse", 16, 4e-4, 0.0),
    Variant("coarse-64-half", "coarse", 64, 6e-4, 0.5),
    Variant("coarse-64-most", "coarse", 64, 6e-4, 0.9),
    Variant("coarse-64-all", "coarse", 64, 6e-4, 1.0),
    Variant("coarse-128-all", "coarse", 128, 7e-4, 1.0),
    Variant("coarse-256-all", "coarse", 256, 1e-3, 1.0),
    Variant("tiny-64-none", "tiny", 64, 1.5e-3, 0.0),
    Variant("tiny-64-most", "tiny", 64, 1.5e-3, 0.9),
    Variant("tiny-64-all", "tiny", 64, 1.5e-3, 1.0),
    Variant("tiny-128-all", "tiny", 128, 2e-3, 1.0),
)


def prepare(data: Path, sides: Sequence[int], each: int, retrieval: int, training: int) -> None:
    """An exam of the tuning part for each size of picture; captions of `training` scenes say what is plausible."""
    from examples.scenes.asking import make_exam, training_captions

    data.mkdir(parents=True, exist_ok=True)
    told = training_captions(training)
    for side in sides:
        made = make_exam(told, each=each, retrieval=retrieval, portraits=3, side=side, split="tune")
        made.save(data / f"tune-{side}.npz")


def sweep(given: argparse.Namespace) -> None:
    """Draws, trains all variants at once, chooses and saves."""
    from examples.scenes.model import PRESETS
    from examples.scenes.pixels import drawn

    began = time.monotonic()
    variants = [one for one in VARIANTS if not given.variants or one.name in given.variants]
    given.output.mkdir(parents=True, exist_ok=True)
    for side in sorted({PRESETS[one.preset].side for one in variants}):
        drawn(given.images, side, siblings=SIBLINGS, cache=given.work, workers=given.workers)
        print(f"{time.monotonic() - began:6.1f} s  {given.images} pictures of {side} x {side} are drawn", flush=True)
    left = given.seconds - (time.monotonic() - began) - given.reserve
    running = {one: _start(one, given, left) for one in variants}
    found: list[dict[str, Any]] = []
    for one, process in running.items():
        try:
            code = process.wait(max(1.0, given.seconds - (time.monotonic() - began)))
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        history = _history(given.work / f"{one.name}.log")
        found.append({**asdict(one), "images": given.images, "code": code, "history": history})
        for record in history[-1:]:
            print(f"{time.monotonic() - began:6.1f} s  {one.name}: step {record['step']}  {line(record)}", flush=True)
        if code:
            print((given.work / f"{one.name}.log").read_text(encoding="utf-8")[-1500:], flush=True)
    chosen = [one for one in (_chosen(entry, given) for entry in found) if one is not None]
    chosen.sort(key=lambda one: (not one["fits"], -one["retrieval"]))
    kept = [
        one
        for preset, most in given.back
        for one in [other for other in chosen if other["name"].startswith(preset)][: int(most)]
    ]
    for choice in kept:
        saved = given.work / "weights" / choice["name"] / f"{choice['step']}.safetensors"
        shutil.copyfile(saved, given.output / f"{choice['name']}.safetensors")
    about = {"retrieves": given.retrieves, "composes": given.composes, "seconds": given.seconds}
    text = json.dumps({"about": about, "chosen": chosen, "variants": found}) + "\n"
    (given.output / "bases.json").write_text(text, encoding="utf-8")
    for choice in chosen:
        print(json.dumps(choice))


def _start(one: Variant, given: argparse.Namespace, seconds: float) -> subprocess.Popen[bytes]:
    from examples.scenes.model import PRESETS

    command = [
        sys.executable, "-u", "-m", "examples.scenes.pretrain", "--device", given.device, "--preset", one.preset,
        "--images", str(given.images), "--steps", str(given.steps), "--batch", str(one.batch), "--lr", str(one.lr),
        "--shuffled", str(one.shuffled), "--cache", str(given.work), "--every", str(given.every),
        "--seconds", str(max(5.0, seconds)), "--exam", str(given.data / f"tune-{PRESETS[one.preset].side}.npz"),
        "--keep", str(given.work / "weights" / one.name), "--json", "-o", str(given.work / one.name),
    ]  # fmt: skip
    with (given.work / f"{one.name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _history(log: Path) -> list[dict[str, Any]]:
    """What the training printed as JSON, also of one that was stopped."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [json.loads(text) for text in lines if text.startswith("{") and text.endswith("}")]


def line(record: Mapping[str, Any]) -> str:
    """Scores in short."""
    scores = record["scores"]
    parts = [f"{name} {100 * scores[name]:.1f}" for name in ("retrieval", "swap", "mean", "nouns", "colours")]
    parts += [f"{name} {100 * value:.0f}" for name, value in scores["accuracy"].items()]
    return "  ".join(parts)


def _chosen(entry: Mapping[str, Any], given: argparse.Namespace) -> dict[str, Any] | None:
    """The checkpoint by the rule; None where none retrieves."""
    able = [record for record in entry["history"] if record["scores"]["retrieval"] >= given.retrieves]
    if not able:
        return None
    fitting = [record for record in able if record["scores"]["swap"] <= given.composes]
    if fitting:
        best = max(fitting, key=lambda record: float(record["scores"]["retrieval"]))
    else:
        best = min(able, key=lambda record: float(record["scores"]["swap"]))
    scores = best["scores"]
    return {
        "name": entry["name"], "step": best["step"], "fits": bool(fitting), "retrieval": scores["retrieval"],
        "swap": scores["swap"], "mean": scores["mean"],
    }  # fmt: skip


def unpack(folder: Path, name: str, output: Path) -> None:
    """Model, tokenizer and image processor of a checkpoint that came back, and what it scored on the way."""
    import torch
    from transformers import CLIPModel

    from examples.scenes.model import PRESETS, create

    found = json.loads((folder / "bases.json").read_text(encoding="utf-8"))
    entry = next(one for one in found["variants"] if one["name"] == name)
    step = next(one["step"] for one in found["chosen"] if one["name"] == name)
    create(output, PRESETS[entry["preset"]])
    model: Any = CLIPModel.from_pretrained(output, dtype=torch.float16)
    model.load_state_dict(load_file(folder / f"{name}.safetensors"))
    model.save_pretrained(output)
    history = [record for record in entry["history"] if record["step"] <= step]
    (output / "pretraining.json").write_text(json.dumps(history) + "\n", encoding="utf-8")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("prepare", help="exams")
    making.add_argument("--data", type=Path, default=Path("out/bases"))
    making.add_argument("--sides", type=int, nargs="+", default=[80, 112])
    making.add_argument("--each", type=int, default=200)
    making.add_argument("--retrieval", type=int, default=200)
    making.add_argument("--training", type=int, default=20_000, help="scenes whose captions tell what is plausible")
    going = commands.add_parser("sweep", help="pre-train and choose")
    going.add_argument("--data", type=Path, default=Path("out/bases"))
    going.add_argument("--work", type=Path, default=Path("out/bases/work"), help="for what may be thrown away")
    going.add_argument("--output", type=Path, required=True)
    going.add_argument("--variants", nargs="+", default=[])
    going.add_argument("--images", type=int, default=80_000)
    going.add_argument("--steps", type=int, default=20_000, help="at most; the time ends it before")
    going.add_argument("--every", type=int, default=400, help="steps between scores")
    going.add_argument("--seconds", type=float, default=170)
    going.add_argument("--reserve", type=float, default=35, help="of these for imports, loading and saving")
    going.add_argument("--device", default="cuda")
    going.add_argument("--workers", type=int, default=16, help="processes that draw")
    going.add_argument("--retrieves", type=float, default=0.3)
    going.add_argument("--composes", type=float, default=0.55)
    going.add_argument("--back", type=_pair, nargs="+", default=[("coarse", 5), ("tiny", 2)], help="preset=how many")
    opening = commands.add_parser("unpack", help="a checkpoint as a model directory")
    opening.add_argument("folder", type=Path)
    opening.add_argument("name")
    opening.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    match given.command:
        case "prepare":
            prepare(given.data, given.sides, given.each, given.retrieval, given.training)
        case "sweep":
            sweep(given)
        case _:
            unpack(given.folder, given.name, given.output)


def _pair(text: str) -> tuple[str, int]:
    name, _, most = text.partition("=")
    return name, int(most)


if __name__ == "__main__":
    main()
