"""How fast negatives are drawn from a pool, tokenised and made on the fly, and what memory workers need.

    negagen generate captions.parquet --limit 6000 --pool 32 -o pool.parquet
    python -m benchmarks.on_the_fly --pool pool.parquet --captions captions.parquet

The pool is repeated to a million captions. Rates are of processor time, of all processes together, since other
programs use the machine too; by the clock they are given where processes work at a time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
from torch.utils.data import DataLoader, Dataset

from benchmarks.data_loading import byte_pairs, conditions, enlarged_tokens
from negagen import Negator
from negagen.data import (
    Batches,
    Collator,
    Grouped,
    HardNegatives,
    HuggingFaceTokenizer,
    NegativeAugmentation,
    Order,
    Prepared,
    Step,
    TrainingSet,
    encode,
    grouped,
)
from negagen.data.draw import Draw
from negagen.data.reading import read_texts
from negagen.data.strings import Strings
from negagen.data.tokens import tokenise
from negagen.data.trainingset import Choices

RESULTS = Path(__file__).parent / "results" / "on_the_fly.json"
K, BATCH, ROUNDS = 4, 1024, 40


class Blocks(Dataset[Grouped]):
    """Blocks of tokens that lie in mapped files."""

    def __init__(self, batches: Batches) -> None:
        self.batches = batches

    def __getitem__(self, step: Step) -> Grouped:
        return grouped(self.batches(step))


class Tokenised(Dataset[Grouped]):
    """Blocks whose drawn texts are tokenised anew."""

    def __init__(self, negatives: HardNegatives, collator: Collator) -> None:
        self.negatives, self.collator = negatives, collator

    def __getitem__(self, step: Step) -> Grouped:
        return self.collator(self.negatives.samples(step.own, step.epoch))


def main() -> None:
    """Measure, print, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="what negagen generate --pool wrote")
    parser.add_argument("--captions", type=Path, required=True, help="Parquet with a column caption")
    parser.add_argument("--size", type=int, default=1_000_000, help="captions of the pool")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    figures = conditions()
    figures["NegativeAugmentation, captions a second of one core"] = made(given.captions)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        once = read_texts([given.pool])
        pool = repeated(once, given.size).save(folder / "pool")
        tokenizer = byte_pairs(once.caption_texts(np.arange(len(once))))
        table = enlarged_tokens(once, pool, tokenise(once, tokenizer, folder / "tokens"), folder)
        prepared = Prepared(pool, None, table, np.arange(len(pool)))  # type: ignore[arg-type]
        figures["pool"] = {"captions": len(pool), "candidates": len(pool.negatives), "of text, MB": bytes_of(pool)}
        figures["drawing, captions a second of one core"] = drawn(pool)
        figures["where a batch of 1,024 goes, ms of one core"] = parts(prepared, tokenizer)
        figures["DataLoader"] = loaded(prepared, tokenizer)
    print(json.dumps(figures, indent=2))
    given.results.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def made(path: Path) -> dict[str, int]:
    """Captions a second for which negatives are made, in batches of 1,024; the best of three thousands of captions."""
    captions = list(dict.fromkeys(pq.read_table(path, columns=["caption"])["caption"].to_pylist()))
    warm, captions = captions[:2048], captions[2048 : 2048 + 9 * BATCH]
    out = {}
    for blindness in ("off", "balanced"):
        augment = NegativeAugmentation(Negator(k=K, blindness=blindness), parses=len(captions))
        augment(warm)
        for what in ("unseen", "parsed before"):
            seconds = []
            for start in range(0, len(captions), 3 * BATCH):
                used = time.process_time()
                for first in range(start, start + 3 * BATCH, BATCH):
                    augment(captions[first : first + BATCH])
                seconds.append(time.process_time() - used)
            out[f"blindness {blindness}, {what}"] = round(3 * BATCH / min(seconds))
            out[f"blindness {blindness}, {what}, mean"] = round(len(captions) / sum(seconds))
    return out


def repeated(data: TrainingSet, count: int) -> TrainingSet:
    """`data` again and again, `count` captions in all."""
    copies = -(-count // len(data))
    texts = len(data.texts)
    lengths = np.tile(data.texts.lengths(), copies)
    offsets = np.concatenate([[0], np.cumsum(lengths)])

    def tiled(choices: Choices) -> Choices:
        counts = np.tile(choices.counts, copies)
        fields = {
            name: np.tile(getattr(choices, name), copies) for name in ("weights", "kinds", "starts", "ends", "draws")
        }
        shift = np.repeat(np.arange(copies, dtype=np.int32) * texts, len(choices))
        return Choices(np.concatenate([[0], np.cumsum(counts)]), np.tile(choices.texts, copies) + shift, **fields)

    rows = copies * len(data)
    return replace(
        data,
        texts=Strings(offsets, np.tile(data.texts.data, copies)),
        captions=np.tile(data.captions, copies) + np.repeat(np.arange(copies, dtype=np.int32) * texts, len(data)),
        images=np.arange(rows, dtype=np.int32),
        groups=np.arange(rows, dtype=np.int64),
        numbers=np.arange(rows, dtype=np.int64),
        negatives=tiled(data.negatives),
        positives=nothing(rows),
        fingerprint="repeated",
    )


def nothing(rows: int) -> Choices:
    """No choices for any of `rows` rows."""
    none, whole = np.zeros(0, np.float32), np.zeros(0, np.int32)
    return Choices(np.zeros(rows + 1, np.int64), whole, none, whole.astype(np.int8), whole, whole, none)


def bytes_of(pool: TrainingSet) -> int:
    """Megabytes of all texts."""
    return int(pool.texts.data.nbytes / 1e6)


def drawn(pool: TrainingSet) -> dict[str, int]:
    """Captions a second drawn as text, from pages seen for the first time and again."""
    found = HardNegatives(pool, K)
    rng = np.random.Generator(np.random.Philox(1))
    batches = [rng.integers(0, len(pool), BATCH) for _ in range(ROUNDS)]
    out = {}
    for name in ("first", "again", "and again"):
        used = time.process_time()
        for epoch, rows in enumerate(batches):
            found.batch(rows, epoch)
        out[f"text out, batches of 1,024, {name}"] = round(ROUNDS * BATCH / (time.process_time() - used))
    return out


def parts(prepared: Prepared, tokenizer: HuggingFaceTokenizer) -> dict[str, float]:
    """Milliseconds for each part of a batch, the least of ten."""
    pool = prepared.data
    (step,) = Order(prepared.rows, BATCH, seed=1).steps(0, 1)
    draw, found = Draw(pool.negatives, K), HardNegatives(pool, K)
    batches = Batches(prepared, K, seed=1, pixels=False)
    batch, samples = batches(step), found.samples(step.own)
    texts = [one["text"] for sample in samples for one in sample["negatives"]]
    texts += [sample["caption"] for sample in samples]
    collator = Collator(tokenizer, K)
    work: dict[str, Callable[[], object]] = {
        "drawing": lambda: draw(step.own, 1),
        "drawing, as text": lambda: found.batch(step.own, 1),
        "drawing, as samples with weight and category": lambda: found.samples(step.own, 1),
        "tokenising and padding": lambda: encode(tokenizer, texts),
        "Collator, all": lambda: collator(samples),
        "Batches, tokens from the table": lambda: batches(step),
        "grouped: blocks, spans": lambda: grouped(batch),
    }
    return {name: round(min(cpu(one) for _ in range(10)) * 1000, 2) for name, one in work.items()}


def cpu(work: Callable[[], object]) -> float:
    """Seconds of the processor."""
    used = time.process_time()
    work()
    return time.process_time() - used


def loaded(prepared: Prepared, tokenizer: HuggingFaceTokenizer) -> dict[str, Any]:
    """Captions a second through DataLoaders, and what each worker has of memory that it shares with none."""
    batches = Blocks(Batches(prepared, K, seed=1, pixels=False))
    anew = Tokenised(HardNegatives(prepared.data, K), Collator(tokenizer, K))
    order = Order(prepared.rows, BATCH, seed=1)
    out: dict[str, Any] = {}
    for name, dataset, workers, start in (
        ("tokens from the table, 2 workers (fork)", batches, 2, "fork"),
        ("tokens from the table, 2 workers (spawn)", batches, 2, "spawn"),
        ("texts tokenised anew, 2 workers (fork)", anew, 2, "fork"),
        ("texts tokenised anew, 2 workers (spawn)", anew, 2, "spawn"),
        ("tokens from the table, 8 workers (fork)", batches, 8, "fork"),
        ("tokens from the table, 8 workers (spawn)", batches, 8, "spawn"),
    ):
        loader: DataLoader[Grouped] = DataLoader(
            dataset,
            sampler=order.steps(0, 120),
            batch_size=None,
            num_workers=workers,
            multiprocessing_context=start,
        )
        out[name] = through(iter(loader))
    return out


def through(batches: Iterator[Grouped]) -> dict[str, Any]:
    """Rates once all workers have begun."""
    for _ in range(24):
        next(batches)
    clock, used = time.perf_counter(), all_used()
    rows = sum(len(next(batches)) for _ in range(80))
    clock, used = time.perf_counter() - clock, all_used() - used
    private = [child.memory_full_info().uss >> 20 for child in workers_of()]
    for _ in batches:
        pass
    return {
        "captions/s by the clock": round(rows / clock),
        "captions/s of one core": round(rows / used),
        "MiB private a worker": private,
    }


def all_used() -> float:
    """Processor seconds of this process and its workers."""
    times = [psutil.Process().cpu_times(), *(child.cpu_times() for child in workers_of())]
    return float(sum(one.user + one.system for one in times))


def workers_of() -> list[psutil.Process]:
    """The processes that make batches: those of Python that hold torch."""
    return [child for child in psutil.Process().children(True) if child.memory_info().rss > 100 << 20]


if __name__ == "__main__":
    main()
