"""How many items a second `negagen evaluate` scores, pictures from files on disk: ViT-B/32 with random weights.

    python -m benchmarks.evaluate_speed --json benchmarks/results/evaluate_speed.json

The items are SugarCrepe's in shape: 640 x 480 JPEG files, five items a picture, a caption of about 11 words and a
negative that differs in one. "one by one" is how the benchmarks' own scripts do it: each item opens its picture and
encodes it and its two texts, padded to 77 tokens. "cold" encodes everything once, "warm" finds it in the cache,
"second model" has other weights and warm disk pages. Controls are timed apart: they do not depend on the model.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast

from negagen.data.batch import Texts
from negagen.data.images import decode
from negagen.evaluate import evaluate
from negagen.evaluate.controls import controls_of
from negagen.evaluate.items import Choices, Item, Picture
from negagen.train.models import ContrastiveModel, load

WORDS = [
    f"{first}{second}" for first in "bcdfghklmnprst" for second in ("at", "on", "ir", "um", "es", "ol", "an", "ek")
]
ITEMS_A_PICTURE = 5
PADDED = 77


def save_model(folder: Path, seed: int) -> Path:
    """A CLIPModel of ViT-B/32's size with random weights, a word-level tokenizer, and CLIP's preprocessing."""
    torch.manual_seed(seed)
    CLIPModel(CLIPConfig()).save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(["<pad>", "<start>", "<unk>", *WORDS])}
    vocabulary["<end>"] = 49407
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    marks = [("<start>", vocabulary["<start>"]), ("<end>", vocabulary["<end>"])]
    tokenizer.post_processor = processors.TemplateProcessing(single="<start> $A <end>", special_tokens=marks)
    PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<start>", eos_token="<end>", unk_token="<unk>",
        model_max_length=PADDED,
    ).save_pretrained(folder)  # fmt: skip
    settings = {
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 224}, "do_center_crop": True,
        "crop_size": {"height": 224, "width": 224}, "resample": 3, "image_mean": [0.48, 0.46, 0.41],
        "image_std": [0.27, 0.26, 0.28],
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def make_items(folder: Path, pictures: int, seed: int = 0) -> Choices:
    """Pictures of smooth noise as JPEG files in `folder`, and items about them."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    items = []
    for number in range(pictures):
        coarse = generator.integers(0, 255, (24, 32, 3), dtype=np.uint8)
        picture = Picture(f"{number:012d}.jpg")
        Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC).save(folder / picture.name, quality=90)
        for place in range(ITEMS_A_PICTURE):
            words = list(generator.choice(WORDS, int(generator.integers(8, 15))))
            other = list(words)
            other[int(generator.integers(len(words)))] = str(generator.choice(WORDS))
            texts = (" ".join(words), " ".join(other))
            if texts[0] != texts[1]:
                items.append(Item(f"{number}/{place}", f"kind {place}", picture.key, (picture,), texts))
    return Choices("made", "text", tuple(items), "accuracy", macro=True, found=len(items))


def one_by_one(model: ContrastiveModel, benchmark: Choices, folder: Path, items: int) -> float:
    """Items a second, each with a picture and two padded texts of its own."""
    device = next(model.network.parameters()).device
    began = time.perf_counter()
    with torch.inference_mode():
        for item in benchmark.items[:items]:
            pixels = decode((folder / item.pictures[0].name).read_bytes(), model.view)
            image = model.encode_images(torch.from_numpy(pixels)[None].to(device))
            tokens = model.tokenize(item.texts)
            ids = torch.zeros(2, PADDED, dtype=torch.int64)
            ids[:, : tokens.ids.shape[1]] = tokens.ids
            texts = model.encode_texts(Texts(ids, tokens.lengths).to(device))
            bool((image @ texts.T)[0].diff() < 0)
    return items / (time.perf_counter() - began)


def measure(pictures: int, device: str, batch_size: int, alone: int) -> dict[str, Any]:
    """All timings on one device."""
    place = Path(tempfile.mkdtemp())
    try:
        benchmark = make_items(place / "pictures", pictures)
        folders = [save_model(place / name, seed) for seed, name in enumerate(("first", "second"))]
        loaded = [load(folder, device=device) for folder in folders]
        if device != "cpu":
            one_by_one(loaded[0], benchmark, place / "pictures", 20)  # the libraries' own start
        rates = {"one by one": one_by_one(loaded[0], benchmark, place / "pictures", min(alone, len(benchmark.items)))}
        runs = (("cold", loaded[0]), ("warm", loaded[0]), ("second model", loaded[1]))
        for name, model in runs:
            report = evaluate(
                model, [benchmark], images=place / "pictures", batch_size=batch_size, cache=place / "cache",
                controls=False,
            )  # fmt: skip
            rates[name] = len(benchmark.items) / report.models[0].seconds
        began = time.perf_counter()
        controls_of(benchmark)
        rates["controls"] = len(benchmark.items) / (time.perf_counter() - began)
    finally:
        shutil.rmtree(place)
    name = torch.cuda.get_device_name() if device != "cpu" else platform.processor() or platform.machine()
    return {
        "device": name, "cores": os.cpu_count(), "threads": torch.get_num_threads(), "pictures": pictures,
        "items": len(benchmark.items), "batch_size": batch_size,
        "items_per_second": {name: round(rate, 1) for name, rate in rates.items()},
    }  # fmt: skip


def main() -> None:
    """Measure on the CPU, and on a GPU where there is one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200, help="on the CPU")
    parser.add_argument("--gpu-pictures", type=int, default=5000)
    parser.add_argument("--devices", default="cpu,cuda")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = []
    for device in arguments.devices.split(","):
        if device == "cpu":
            found.append(measure(arguments.pictures, device, 64, 60))
        elif torch.cuda.is_available():
            found.append(measure(arguments.gpu_pictures, device, 512, 500))
    for one in found:
        print(json.dumps(one))
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
