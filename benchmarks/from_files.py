"""`negagen finetune` from JPEG files: how much of the step's own speed is left when everything else is done too.

    python -m benchmarks.from_files --negatives negatives.parquet --work DIR --json benchmarks/results/from_files.json

Pictures are made of noise (640 x 480, JPEG, about 100 kB each) and written as files; captions and negatives are those
of a file that `negagen generate` wrote. A CLIP ViT-B/32 of random weights is trained by the recipe `negclip` with K
negatives, by the same function that the command calls: first while pictures are decoded into the image cache, then from
that cache. Beside it stands the step alone, with batches of the same captions that lie on the GPU already.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from benchmarks.data_loading import trained_tokenizer
from benchmarks.train_step import Setting, measure, read_captions
from negagen.data import Inputs
from negagen.train.loop import Job, finetune
from negagen.train.metrics import read_metrics
from negagen.train.recipe import load_recipe

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
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--small", action="store_true", help="a toy model, to try this out on a CPU")
    given = parser.parse_args()
    work: Path = given.work
    work.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    negatives = make_data(given.negatives, work, given.images, given.workers)
    made = time.perf_counter() - began
    make_model(negatives, work / "clip", small=given.small)
    figures: dict[str, Any] = {
        "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "cores": os.cpu_count(), "torch": torch.__version__, "images": given.images, "batch": given.batch, "k": given.k,
        "seconds to write the files": round(made, 1),
    }  # fmt: skip
    recipe = load_recipe(
        "negclip",
        {
            "batch.size": str(given.batch), "batch.negatives": str(given.k), "optimizer.steps": str(given.steps),
            "model.compile": "false" if given.small else "true", "patching.alpha": "none",
        },
    )  # fmt: skip
    job = Job(
        inputs=Inputs([negatives], work / "images"), model=str(work / "clip"), output=work / "run", recipe=recipe,
        cache=work / "cache", held_out=0.0, workers=given.workers, save_every=10**9,
    )  # fmt: skip
    preparing: list[float] = []
    told: list[str] = []
    begun = time.perf_counter()

    def watch(progress: Any) -> None:
        if progress.phase == "training" and not preparing:
            preparing.append(time.perf_counter() - begun)
        if [progress.detail or progress.phase] != told[-1:]:
            told.append(progress.detail or progress.phase)
            print(f"{time.perf_counter() - begun:6.1f} s  {told[-1]}", flush=True)

    finetune(job, watch)
    figures["seconds until the first step, decoding included"] = round(preparing[0], 1)
    rates = [one["images_per_second"] for one in read_metrics(work / "run", "step")]
    # A rate is of the last twenty steps.
    figures["finetune, from the cache, images/s"] = round(statistics.median(rates[WARM_UP + 20 :] or rates[-1:]))
    if torch.cuda.is_available():
        figures["peak GiB of finetune"] = round(torch.cuda.max_memory_allocated() / 2**30, 1)
    source = [row for row in read_captions(negatives) if len(row) > given.k]
    without = ("compile",) if given.small else ()
    alone = measure(
        Setting("alone", given.batch, given.k, without=without),
        torch.device("cuda" if torch.cuda.is_available() else "cpu"), small=given.small, source=source,
    )  # fmt: skip
    figures["the step alone, images/s"] = alone["images_per_second"]
    figures["share"] = round(figures["finetune, from the cache, images/s"] / alone["images_per_second"], 3)
    print(json.dumps(figures, indent=1), flush=True)
    given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def make_data(source: Path, work: Path, images: int, workers: int) -> Path:
    """The files, and the negatives with a column `image` that names them."""
    folder = work / "images"
    folder.mkdir(exist_ok=True)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(partial(write_picture, folder), range(images)))
    table = pq.read_table(source)
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
