"""Captions per second of a whole `negagen generate`, file to file, and its memory.

Every run is the command line in a process of its own, held to as many cores as it has workers; its time is
the wall clock's, from start to exit, imports included. With --repeat the captions are written N times
over into a temporary file first. With --pipeline the same is done through that spaCy pipeline, beside the
rate at which it tags the captions when nothing else is done.

    python benchmarks/throughput.py captions.parquet
    python benchmarks/throughput.py captions.parquet --repeat 100 --workers 1 2 --runs 1
    python benchmarks/throughput.py captions.parquet --workers 1 --pipeline en_core_web_sm
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

RESULTS = Path(__file__).parent / "results" / "throughput.json"
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Run:
    """One measured run; of several the fastest. `steady` leaves out what passes before row one."""

    captions: int
    workers: int
    pipeline: str
    k: int
    seconds: float
    captions_per_second: float
    steady_captions_per_second: float
    peak_mib: float
    worker_peak_mib: list[float]
    tagging_alone_per_second: float | None = None


def main() -> None:
    """Measure, print a table, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="Parquet file with a string column `caption`")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=1, help="write the captions this many times over")
    parser.add_argument("--pipeline", help="also run through this spaCy pipeline, beside its own tagging rate")
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3, help="the fastest of this many counts")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file, to which runs are added")
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        source = given.captions
        if given.repeat > 1:
            source = repeated(given.captions, given.repeat, Path(folder, "captions.parquet"))
        runs = [measure(source, Path(folder), n, "bundled", given.k, given.runs) for n in given.workers]
        if given.pipeline:
            alone = tagging_rate(given.captions, given.pipeline)
            runs += [
                measure(source, Path(folder), n, given.pipeline, given.k, given.runs, alone * n) for n in given.workers
            ]
    print(table(runs))
    store(runs, given.results)


def repeated(path: Path, times: int, to: Path) -> Path:
    """The rows of `path`, `times` times over."""
    once = pq.read_table(path)
    with pq.ParquetWriter(to, once.schema) as writer:
        for _ in range(times):
            writer.write_table(once)
    return to


def measure(
    source: Path, folder: Path, workers: int, pipeline: str, k: int, runs: int, alone: float | None = None
) -> Run:
    """The fastest of `runs` runs of the command line."""
    best: Run | None = None
    for _ in range(runs):
        output = folder / "out.parquet"
        options = ["--workers", str(workers), "--pipeline", pipeline, "--k", str(k)]
        options += [
            "--blindness",
            "off",
            "--overwrite",
        ]  # the engine alone; docs/blindness.md has the price of the draw
        command = [sys.executable, "-m", "negagen", "generate", str(source), "-o", str(output), *options]
        began = time.perf_counter()
        done = subprocess.run(
            [*pinned(workers), *command, "--json", "--quiet"],
            check=True,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        seconds = time.perf_counter() - began
        report = json.loads(done.stdout)
        run = Run(
            captions=report["rows"],
            workers=workers,
            pipeline=Path(pipeline).name,
            k=k,
            seconds=round(seconds, 2),
            captions_per_second=round(report["rows"] / seconds),
            steady_captions_per_second=round(report["rows"] / (report["seconds"] - report["start_seconds"])),
            peak_mib=round(report["peak_rss_bytes"] / _MIB),
            worker_peak_mib=[round(peak / _MIB) for peak in report["worker_peak_rss_bytes"]],
            tagging_alone_per_second=round(alone) if alone else None,
        )
        if best is None or run.seconds < best.seconds:
            best = run
    if best is None:
        raise SystemExit("--runs must be at least 1")
    return best


def pinned(cores: int) -> list[str]:
    """A command prefix that holds a process and its children to `cores` cores, where the system can."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    return ["taskset", "--cpu-list", ",".join(map(str, allowed))]


def tagging_rate(path: Path, pipeline: str) -> float:
    """Captions per second that the spaCy pipeline tags on one core, in batches, and no more than that."""
    code = (
        "import sys, time, spacy, pyarrow.parquet as pq\n"
        "texts = pq.read_table(sys.argv[1], columns=['caption'])['caption'].to_pylist()[:5000]\n"
        "unused = ['parser', 'ner', 'lemmatizer', 'attribute_ruler', 'senter', 'textcat', 'entity_linker']\n"
        "nlp = spacy.load(sys.argv[2], exclude=unused)\n"
        "rates = []\n"
        "for _ in range(3):\n"
        "    began = time.perf_counter()\n"
        "    for doc in nlp.pipe(texts, batch_size=256): pass\n"
        "    rates.append(len(texts) / (time.perf_counter() - began))\n"
        "print(max(rates))\n"
    )
    command = [*pinned(1), sys.executable, "-W", "ignore", "-c", code, str(path), pipeline]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return float(done.stdout)


def table(runs: list[Run]) -> str:
    """The runs as Markdown."""
    lines = [
        "| captions | pipeline | workers | k | s | captions/s | after loading | MiB (a worker) | tagging |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs:
        memory = f"{run.peak_mib:.0f}" + "".join(f", {peak:.0f}" for peak in run.worker_peak_mib)
        alone = f"{run.tagging_alone_per_second:,.0f}" if run.tagging_alone_per_second else ""
        lines.append(
            f"| {run.captions:,} | {run.pipeline} | {run.workers} | {run.k} | {run.seconds} |"
            f" {run.captions_per_second:,.0f} | {run.steady_captions_per_second:,.0f} | {memory} | {alone} |"
        )
    return "\n".join(lines)


def store(runs: list[Run], path: Path) -> None:
    """Add the runs to the JSON file, each in place of an older one of the same kind."""
    import negagen

    kept: list[dict[str, object]] = json.loads(path.read_text())["runs"] if path.exists() else []
    kinds = {(run.captions, run.pipeline, run.workers, run.k) for run in runs}
    kept = [old for old in kept if (old["captions"], old["pipeline"], old["workers"], old["k"]) not in kinds]
    document = {
        "negagen": negagen.__version__,
        "python": platform.python_version(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "runs": [*kept, *map(asdict, runs)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
