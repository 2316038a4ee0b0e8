"""One long `negagen generate`: does its memory stay flat and its rate constant over millions of captions?

    python -m benchmarks.long_run captions.parquet --captions 5000000 --work out/long --plot docs/long_run.svg

The captions are repeated with ids and pictures of their own, so that each copy's siblings are its own. The command line
runs in a process of its own; every few seconds its parts are counted, and its processes' memory and processor time
read. `--work` needs some 4 GB. On a machine that does other things as well, captions a second of processor time say
more than captions a second of the clock: both are given, for each tenth of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.throughput import processor

RESULTS = Path(__file__).parent / "results" / "long_run.json"
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """What is seen at one moment: rows in finished parts, MiB of the parent and of its largest worker."""

    seconds: float
    rows: int
    cpu_seconds: float
    parent_mib: int
    worker_mib: int


def main() -> None:
    """Write the captions, run, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="Parquet of caption, id, image_id")
    parser.add_argument("--captions", type=int, default=5_000_000, dest="count")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--blindness", default="balanced")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between samples")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--plot", type=Path, help="an SVG of rate and memory")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    source, output = given.work / "captions.parquet", given.work / "negatives.parquet"
    rows = enlarge(given.captions, source, given.count)
    command = [sys.executable, "-m", "negagen", "generate", str(source), "-o", str(output), "--overwrite"]
    command += ["--workers", str(given.workers), "--blindness", given.blindness, "--json", "--quiet"]
    samples, report = watched(command, output, rows, given.every)
    figures = {
        "captions": rows,
        "workers": given.workers,
        "blindness": given.blindness,
        "processor": processor(),
        "cores": os.cpu_count(),
        "seconds": round(report["seconds"], 1),
        "captions_per_second": round(rows / report["seconds"]),
        "output_bytes_per_caption": round(output.stat().st_size / rows, 1),
        "tenths": tenths(samples),
        "parent_mib": [samples[len(samples) // 10].parent_mib, max(one.parent_mib for one in samples)],
        "worker_mib": [samples[len(samples) // 10].worker_mib, max(one.worker_mib for one in samples)],
        "report": {name: report[name] for name in ("rows", "start_seconds", "peak_rss_bytes") if name in report},
        "samples": [asdict(one) for one in samples[:: max(1, len(samples) // 200)]],
    }
    given.results.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: value for name, value in figures.items() if name != "samples"}, indent=1))
    if given.plot:
        given.plot.write_text(plot(samples), encoding="utf-8")


def enlarge(path: Path, to: Path, count: int) -> int:
    """The captions over and over, each copy with ids of its own, until there are at least `count`; gives how many."""
    once = pq.read_table(path, columns=["id", "image_id", "caption"])
    copies = -(-count // len(once))
    with pq.ParquetWriter(to, once.schema, compression="zstd") as writer:
        for copy in range(copies):
            marks = {
                name: pa.array([f"{value}-{copy}" for value in once[name].to_pylist()]) for name in ("id", "image_id")
            }
            writer.write_table(pa.table({**marks, "caption": once["caption"]}).select(once.column_names))
    return copies * len(once)


def watched(command: Sequence[str], output: Path, rows: int, every: float) -> tuple[list[Sample], dict[str, Any]]:
    """Run the command, looking at it every few seconds."""
    samples = []
    cpu: dict[int, float] = {}
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"}) as running:
        whole = psutil.Process(running.pid)
        while running.poll() is None:
            time.sleep(every)
            memory = {}
            try:
                for one in (whole, *whole.children(recursive=True)):
                    with one.oneshot():
                        times = one.cpu_times()
                        cpu[one.pid] = times.user + times.system
                        memory[one.pid] = one.memory_info().rss // MIB
            except psutil.NoSuchProcess:
                continue
            parts = len(list(output.with_name(f"{output.name}.parts").glob("part-*.arrow")))
            workers = [size for pid, size in memory.items() if pid != running.pid]
            samples.append(
                Sample(
                    round(time.monotonic() - began, 1), min(rows, 10_000 * parts), round(sum(cpu.values()), 1),
                    memory.get(running.pid, 0), max(workers, default=0),
                )
            )  # fmt: skip
        assert running.stdout is not None  # noqa: S101
        told = running.stdout.read()
        if running.returncode:
            raise SystemExit(f"negagen generate ended with status {running.returncode}")
    return samples, json.loads(told)


def tenths(samples: Sequence[Sample]) -> list[dict[str, int]]:
    """For each tenth of the time in which parts came: captions a second, by the clock and by the processors."""
    active = [one for one in samples if one.rows]
    edges = [active[round(place * (len(active) - 1) / 10)] for place in range(11)]
    found = []
    for first, last in pairwise(edges):
        rows = last.rows - first.rows
        found.append(
            {
                "captions/s": round(rows / max(1e-9, last.seconds - first.seconds)),
                "captions a CPU second": round(rows / max(1e-9, last.cpu_seconds - first.cpu_seconds)),
                "parent MiB": last.parent_mib,
                "worker MiB": last.worker_mib,
            }
        )
    return found


def plot(samples: Sequence[Sample]) -> str:
    """Rate and memory over the run."""
    from negagen.figures import new_figure, plain, svg

    drawn = new_figure(7.0, 2.6)
    rate, memory = drawn.subplots(1, 2)
    steps = tenths(samples)
    places = [10 * number + 5 for number in range(len(steps))]
    rate.plot(places, [one["captions/s"] for one in steps], marker="o", label="by the clock")
    rate.plot(places, [one["captions a CPU second"] for one in steps], marker="o", label="of processor time")
    rate.set(xlabel="per cent of the run", ylabel="captions a second", ylim=(0, None))
    minutes = [one.seconds / 60 for one in samples]
    memory.plot(minutes, [one.parent_mib for one in samples], label="parent")
    memory.plot(minutes, [one.worker_mib for one in samples], label="largest worker")
    memory.set(xlabel="minutes", ylabel="MiB", ylim=(0, None))
    for axes in (rate, memory):
        plain(axes)
        axes.legend(frameon=False, fontsize=8)
    return svg(drawn)


if __name__ == "__main__":
    main()
