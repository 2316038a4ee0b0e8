"""`negagen finetune` from JPEG files: how much of the step's own speed is left when everything else is done too.

    negagen generate captions.parquet --k 4 --blindness off -o negatives.parquet
    python -m benchmarks.from_files --negatives negatives.parquet --work DIR --json benchmarks/results/from_files.json

Pictures are made of noise (640 x 480, JPEG, about 100 kB each) and written as files; captions and negatives are those
of a file that `negagen generate` wrote, the rows with K negatives at least. A CLIP ViT-B/32 of random weights is
trained by the recipe `negclip`, by the command itself: first pictures are decoded into the image cache, then steps read
that. Beside it stands the step alone, with batches of the same captions, of the same tokens, that lie on the GPU.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPConfig, CLIPImageProcessor, CLIPModel

from benchmarks.data_loading import trained_tokenizer
from benchmarks.train_step import Setting, measure
from negagen.train.metrics import read_metrics

WARM_UP = 25  # steps that compile, and fill what is drawn ahead


def main() -> None:
    """Make files and model, train, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--negatives", type=Path, required=True, help="what negagen generate wrote")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--small", action="store_true", help="a toy model, to try this out on a CPU")
    given = parser.parse_args()
    work: Path = given.work
    work.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    negatives = make_data(given.negatives, work, given.images, given.workers, given.k)
    made = time.perf_counter() - began
    make_model(negatives, work / "clip", small=given.small)
    cuda = torch.cuda.is_available()
    figures: dict[str, Any] = {
        "machine": torch.cuda.get_device_name() if cuda else "CPU",
        "cores": os.cpu_count(), "torch": torch.__version__, "images": given.images, "batch": given.batch, "k": given.k,
        "seconds to write the files": round(made, 1),
    }  # fmt: skip
    figures |= train(given, negatives)
    alone = measure(
        Setting("alone", given.batch, given.k, without=("compile",) if given.small else ()),
        torch.device("cuda" if cuda else "cpu"), small=given.small, source=tokens(negatives, work / "clip"),
    )  # fmt: skip
    figures["the step alone, images/s"] = alone["images_per_second"]
    figures["the step alone, text tokens"] = alone["text_tokens"]
    figures["share"] = round(figures["finetune, from the cache, images/s"] / alone["images_per_second"], 3)
    print(json.dumps(figures, indent=1), flush=True)
    given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def train(given: argparse.Namespace, negatives: Path) -> dict[str, Any]:
    """Run the command; what its metrics say of its speed."""
    work: Path = given.work
    settings = {
        "batch.size": given.batch, "batch.negatives": given.k, "optimizer.steps": given.steps,
        "optimizer.warmup": 10, "model.compile": "false" if given.small else "true", "patching.alpha": "none",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "negagen", "finetune", str(negatives), "--images", str(work / "images"),
        "--model", str(work / "clip"), "--output", str(work / "run"), "--recipe", "negclip", "--quiet",
        "--cache", str(work / "cache"), "--held-out", "0", "--workers", str(given.workers), "--save-every", str(10**9),
        *(part for key, value in settings.items() for part in ("--set", f"{key}={value}")),
    ]  # fmt: skip
    metrics = work / "run" / "metrics.jsonl"
    began, first = time.perf_counter(), None
    running = subprocess.Popen(command)
    while running.poll() is None:
        time.sleep(0.1)
        if first is None and metrics.exists() and '"step": 1' in metrics.read_text(encoding="utf-8"):
            first = time.perf_counter() - began
    if running.returncode:
        raise SystemExit(running.returncode)
    if first is None:
        raise SystemExit("the run ended before its first step was seen")
    rates = [one["images_per_second"] for one in read_metrics(work / "run", "step")]
    return {
        "seconds until the first step is done, decoding and compiling included": round(first, 1),
        # A rate is of the last twenty steps.
        "finetune, from the cache, images/s": round(statistics.median(rates[WARM_UP + 20 :] or rates[-1:])),
    }


def tokens(negatives: Path, model: Path) -> list[list[list[int]]]:
    """Each caption and its negatives as the command's tokenizer has them."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = pq.read_table(negatives, columns=["caption", "negatives"]).to_pylist()
    texts = [[row["caption"], *(one["text"] for one in row["negatives"])] for row in rows]
    ids = iter(tokenizer([text for row in texts for text in row])["input_ids"])
    return [[next(ids) for _ in row] for row in texts]


def make_data(source: Path, work: Path, images: int, workers: int, k: int) -> Path:
    """The files, and the rows with k negatives at least with a column `image` that names them."""
    folder = work / "images"
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(write_picture, folder), range(images)))
    table = pq.read_table(source)
    table = table.filter(pc.greater_equal(pc.list_value_length(table["negatives"]), k))
    names = pa.array([f"{number % images}.jpg" for number in range(len(table))])
    kept = [name for name in table.column_names if name not in ("image", "image_id")]
    path = work / "negatives.parquet"
    pq.write_table(table.select(kept).append_column("image", names), path)
    return path


def write_picture(folder: Path, number: int) -> None:
    """Coarse noise, enlarged, with fine noise on it: as hard to decode as a photograph of its size."""
    rng = np.random.Generator(np.random.Philox(number))
    coarse = Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    fine = rng.integers(-12, 13, (480, 640, 3))
    pixels = np.asarray(coarse.resize((640, 480), Image.Resampling.BICUBIC)).astype(np.int64) + fine
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    (folder / f"{number}.jpg").write_bytes(buffer.getvalue())


def make_model(negatives: Path, folder: Path, *, small: bool) -> None:
    """A CLIP of random weights with a tokenizer trained on these captions."""
    tokenizer = trained_tokenizer(pq.read_table(negatives, columns=["caption"])["caption"].to_pylist())
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    marks = {
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    text = {**(tower if small else {}), **marks, "vocab_size": 49408}
    torch.manual_seed(0)
    made: Any = CLIPModel(CLIPConfig(text_config=text, vision_config=tower if small else {}))
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor: Any = CLIPImageProcessor()
    processor.save_pretrained(folder)


if __name__ == "__main__":
    main()
