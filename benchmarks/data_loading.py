"""How fast training data is read, decoded, drawn and made into batches, and where a batch's time goes.

    python -m benchmarks.data_loading --photos photos.parquet --negatives negatives.parquet

`photos` is a Parquet of pictures (`image_id`, `image`), as JPEG; each is also enlarged to 640 x 480 pixels, the size
most published sets have. `negatives` is what `negagen generate` wrote; the captions and negatives are repeated to a
million captions for the pool. Everything lies in a temporary folder and in the page cache: disks are not measured.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast

from negagen.data import (
    Batch,
    Batches,
    HardNegatives,
    HuggingFaceTokenizer,
    Inputs,
    Order,
    Prepared,
    View,
    ahead,
    store,
)
from negagen.data.building import Progress, build
from negagen.data.collate import numbered
from negagen.data.preparing import prepare
from negagen.data.reading import read, read_texts
from negagen.data.strings import Strings
from negagen.data.tokens import TokenTable, tokenise
from negagen.data.trainingset import Choices, TrainingSet

RESULTS = Path(__file__).parent / "results" / "data_loading.json"
K, BATCH = 4, 1024


def conditions() -> dict[str, Any]:
    """Set torch up for one core, and say what machine this is."""
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", "This DataLoader will create")
    return {
        "cores": os.cpu_count(),
        "machine": platform.processor() or platform.machine(),
        "others' load at the beginning": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Measure, print, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="Parquet with image_id and image")
    parser.add_argument("--negatives", type=Path, required=True, help="what negagen generate wrote, with image_id")
    parser.add_argument("--pool", type=int, default=1_000_000, help="captions of the pool")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    figures = conditions()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures["decoding, images/s"] = decoding(given.photos, folder, given.workers)
        prepared = prepared_photos(given.photos, given.negatives, folder)
        figures["batches with pixels, images/s"] = with_pixels(prepared, given.workers)
        figures["where a batch of 1,024 with pixels goes, ms of one core"] = parts(prepared)
        texts = read_texts([given.negatives])
        pool = enlarged(texts, given.pool, folder)
        figures["pool"] = drawing(pool, texts, given.workers, folder)
    print(json.dumps(figures, indent=2))
    given.results.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def decoding(photos: Path, folder: Path, workers: list[int]) -> dict[str, Any]:
    """Pictures a second from JPEG to the cache, of the photographs as they are and enlarged, each four times over."""
    cells = pq.read_table(photos, columns=["image"])["image"].to_pylist() * 4
    out: dict[str, Any] = {}
    for name, size in (("as they are", None), ("640 x 480", (640, 480))):
        images = folder / name
        images.mkdir()
        for number, cell in enumerate(cells):
            (images / f"{number}.jpg").write_bytes(cell["bytes"] if size is None else resized(cell["bytes"], size))
        table = pa.table({"caption": ["a picture"] * len(cells), "image": [f"{n}.jpg" for n in range(len(cells))]})
        pq.write_table(table, folder / "list.parquet")
        pictures = read(Inputs([folder / "list.parquet"], images)).pictures
        for count in workers:
            told: list[Progress] = []
            used = time.process_time()
            build(pictures, View(224), folder / f"{name} {count}", workers=count, tell=told.append)
            used = time.process_time() - used
            # From the first word on: the processes have begun by then.
            steady = (told[-1].fresh - told[0].fresh) / (told[-1].seconds - told[0].seconds)
            out[f"{name}, {count} processes"] = {"a second": round(steady)}
            if count == 1:
                out[f"{name}, 1 processes"]["a second of one core"] = round(len(pictures) / used)
    return out


def resized(data: bytes, size: tuple[int, int]) -> bytes:
    """A JPEG, enlarged."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def prepared_photos(photos: Path, negatives: Path, folder: Path) -> Prepared:
    """The photographs with their negatives."""
    captions = read_texts([negatives])
    tokenizer = byte_pairs(captions.caption_texts(np.arange(len(captions))))
    return prepare(Inputs([negatives], photos), tokenizer, View(224), cache=folder / "cache")


def byte_pairs(captions: list[str]) -> HuggingFaceTokenizer:
    """A tokenizer of CLIP's kind, trained on the captions themselves, as negagen takes it."""
    return HuggingFaceTokenizer(trained_tokenizer(captions), 77)


def trained_tokenizer(captions: list[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of CLIP's kind, trained on the captions themselves."""
    inner = Tokenizer(models.BPE(unk_token="<u>", end_of_word_suffix="</w>"))
    inner.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["<s>", "</s>", "<u>"]
    end: dict[str, Any] = {"end_of_word_suffix": "</w>", "show_progress": False}
    inner.train_from_iterator(captions, trainers.BpeTrainer(vocab_size=8000, special_tokens=special, **end))
    inner.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="</s>", model_max_length=77
    )


def with_pixels(prepared: Prepared, workers: list[int]) -> dict[str, Any]:
    """Images a second of whole batches: pixels, tokens, k = 4."""
    batches, order = Batches(prepared, K, seed=1), Order(prepared.rows, BATCH, seed=1)
    out: dict[str, Any] = {}
    for count in (0, *workers):
        seconds = timed(lambda count=count: consume(ahead(batches, order.steps(0, 12), count)))  # type: ignore[misc]
        out[f"{count} threads"] = rates(12 * BATCH, seconds)
    clic = Batches(prepared, seed=1, layout="clic", tokenizer=tokenizer_of(prepared), pixels=False)
    seconds = timed(lambda: consume(ahead(clic, order.steps(0, 8), 0)))
    out["CLIC's texts alone, 0 threads, rows"] = rates(8 * BATCH, seconds)
    return out


def tokenizer_of(prepared: Prepared) -> HuggingFaceTokenizer:
    """The tokenizer that `prepared` was made with, once more."""
    return byte_pairs(prepared.data.caption_texts(np.arange(len(prepared.data))))


def consume(batches: Iterator[Batch]) -> int:
    """Go through `batches`."""
    return sum(len(batch) for batch in batches)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of processors in this process, of the second of two runs."""
    work()
    clock, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - used


def rates(count: int, seconds: tuple[float, float]) -> dict[str, int]:
    """How many a second, by the clock and by the processor: the second does not see what else the machine does."""
    return {"a second": round(count / seconds[0]), "a second of one core": round(count / seconds[1])}


def parts(prepared: Prepared) -> dict[str, float]:
    """Milliseconds of one core for each part of a batch of 1,024."""
    batches = Batches(prepared, K, seed=1)
    (step,) = Order(prepared.rows, BATCH, seed=1).steps(0, 1)
    drawn = batches.draw(step.own, 0)
    texts = numbered(drawn)[0]
    images = prepared.data.images[step.own]
    out = np.empty((BATCH, *prepared.pixels.pixels.shape[1:]), np.uint8)
    work: dict[str, Callable[[], object]] = {
        "drawing 4 negatives a row": lambda: batches.draw(step.own, 0),
        "numbering distinct texts": lambda: numbered(drawn),
        "gathering and padding tokens": lambda: prepared.tokens.take(texts),
        "copying pixels": lambda: prepared.pixels.take(images, out),
        "all": lambda: batches(step),
    }
    return {name: round(min(timed(one)[1] for _ in range(10)) * 1000, 2) for name, one in work.items()}


def enlarged(data: TrainingSet, count: int, folder: Path) -> TrainingSet:
    """`data` repeated to `count` captions, each with all negatives of eight captions: about as many as a pool has."""
    rows = np.arange(count) % len(data)
    near = (rows[:, None] + np.arange(8)) % len(data)
    counts = data.negatives.counts[near].sum(axis=1)
    starts, lengths = data.negatives.offsets[near].ravel(), data.negatives.counts[near].ravel()
    inside = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    chosen = np.repeat(starts, lengths) + inside
    old = data.negatives
    copies = -(-count // len(data))
    texts = Strings.of(
        [f"{text} {copy}" for copy in range(copies) for text in data.texts.take(np.arange(len(data.texts)))]
    )
    shift = (np.arange(count) // len(data) * len(data.texts)).astype(np.int32)
    negatives = Choices(
        np.concatenate([[0], np.cumsum(counts)]),
        old.texts[chosen] + np.repeat(shift, counts),
        old.weights[chosen],
        old.kinds[chosen],
        old.starts[chosen],
        old.ends[chosen],
        old.draws[chosen],
    )
    none = Choices(np.zeros(count + 1, np.int64), *(getattr(old, name)[:0] for name in _FIELDS))
    made = TrainingSet(
        texts=texts,
        captions=data.captions[rows] + shift,
        images=np.arange(count, dtype=np.int32),
        groups=np.arange(count, dtype=np.int64),
        numbers=np.arange(count, dtype=np.int64),
        negatives=negatives,
        positives=none,
        fingerprint="pool",
    )
    return made.save(folder / "pool")


_FIELDS = ("texts", "weights", "kinds", "starts", "ends", "draws")


def enlarged_tokens(data: TrainingSet, pool: TrainingSet, table: TokenTable, folder: Path) -> TokenTable:
    """The tokens of `data` as often as `pool` has its texts."""
    copies = len(pool.texts) // len(data.texts)
    lengths = np.tile(np.diff(table.offsets), copies)
    arrays = {
        "ids": np.tile(table.ids, copies),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "same_negatives": np.zeros(len(pool.negatives), bool),
        "same_positives": np.zeros(0, bool),
    }
    about = {"pad_id": table.pad_id, "context_length": table.context_length, "fingerprint": "pool"}
    store.save(folder / "pool tokens", arrays, about)
    return TokenTable.open(folder / "pool tokens")


def drawing(pool: TrainingSet, once: TrainingSet, workers: list[int], folder: Path) -> dict[str, Any]:
    """Captions a second drawn from the pool as text, and as tokens through a DataLoader, and the workers' memory."""
    found = HardNegatives(pool, K)
    rng = np.random.Generator(np.random.Philox(1))
    batches = [rng.integers(0, len(pool), BATCH) for _ in range(30)]

    def all_batches() -> list[list[list[str]]]:
        return [found.batch(rows, epoch) for epoch, rows in enumerate(batches)]

    clock, used = time.perf_counter(), time.process_time()
    all_batches()
    first = time.perf_counter() - clock, time.process_time() - used
    out: dict[str, Any] = {
        "captions": len(pool),
        "negatives": len(pool.negatives),
        "distinct texts": len(pool.texts),
        "drawn as text, batches of 1,024, pages seen for the first time": rates(30 * BATCH, first),
        "drawn as text, batches of 1,024, again": rates(30 * BATCH, timed(all_batches)),
    }
    tokenizer = byte_pairs(once.caption_texts(np.arange(len(once))))
    clock, used = time.perf_counter(), time.process_time()
    table = tokenise(once, tokenizer, folder / "tokens")
    out["tokenised once, texts"] = rates(len(once.texts), (time.perf_counter() - clock, time.process_time() - used))
    table = enlarged_tokens(once, pool, table, folder)
    prepared = Prepared(pool, None, table, np.arange(len(pool)))  # type: ignore[arg-type]
    maker = Batches(prepared, K, seed=1, pixels=False)
    order = Order(prepared.rows, BATCH, seed=1)
    for count in workers:
        seconds = timed(lambda count=count: consume(ahead(maker, order.steps(0, 60), count)))  # type: ignore[misc]
        out[f"tokens, {count} threads"] = rates(60 * BATCH, seconds)
    for count, start in (*((count, "fork") for count in workers), (8, "fork"), (8, "spawn")):
        loader: DataLoader[Batch] = DataLoader(
            maker,  # type: ignore[arg-type]
            sampler=order.steps(0, 120),
            batch_size=None,
            num_workers=count,
            multiprocessing_context=start,
        )
        rate, private = through(loader)
        out[f"tokens, DataLoader of {count} workers ({start})"] = {"captions/s": rate, "MiB private a worker": private}
    return out


def through(loader: DataLoader[Batch]) -> tuple[int, list[int]]:
    """Captions a second once all workers have begun, and what memory each has that it shares with none."""
    batches = iter(loader)
    for _ in range(20):
        next(batches)
    began = time.perf_counter()
    rows = sum(len(next(batches)) for _ in range(80))
    rate = round(rows / (time.perf_counter() - began))
    private = [child.memory_full_info().uss >> 20 for child in workers_of()]
    consume(batches)
    return rate, private


def workers_of() -> list[psutil.Process]:
    """The processes that make batches: those of Python that hold torch."""
    return [child for child in psutil.Process().children(True) if child.memory_info().rss > 100 << 20]


if __name__ == "__main__":
    main()
