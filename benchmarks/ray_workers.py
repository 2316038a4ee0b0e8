"""Ray's workers over a pool of processes: the same file, the same number of workers, the same bytes.

Each run is the command line in a process of its own. CPU seconds (the run's and its children's, loading and Ray's own
daemons included) beside the wall clock's: on a machine that others use only the former mean much. Ray's daemons end
with the run, but are not all its children: the rate after loading leaves them out.

    python benchmarks/ray_workers.py captions.parquet
    python benchmarks/ray_workers.py captions.parquet --repeat 4 --runs 3
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq

RESULTS = Path(__file__).parent / "results" / "ray.json"


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="Parquet file with a string column `caption`")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=1, help="write the captions this many times over")
    parser.add_argument("--runs", type=int, default=2, help="runs of each, in turns; the fastest counts")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    best: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        source = given.captions
        if given.repeat > 1:
            source = Path(folder, "captions.parquet")
            once = pq.read_table(given.captions)
            with pq.ParquetWriter(source, once.schema) as writer:
                for _ in range(given.repeat):
                    writer.write_table(once)
        files = {name: Path(folder, f"{name}.parquet") for name in ("local", "ray")}
        for _ in range(given.runs):
            for name, output in files.items():
                run = measure(source, output, name, given.workers)
                if name not in best or run["steady_captions_per_second"] > best[name]["steady_captions_per_second"]:
                    best[name] = run
        same = files["local"].read_bytes() == files["ray"].read_bytes()

    def over(key: str) -> float:
        return round(best["ray"][key] / best["local"][key], 3)

    document = {
        "workers": given.workers,
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "same_bytes": same,
        "runs": best,
        "ray_over_local": {
            "captions_per_second": over("captions_per_second"),
            "steady_captions_per_second": over("steady_captions_per_second"),
            "captions_per_cpu_second": over("captions_per_cpu_second"),
        },
    }
    print(json.dumps(document, indent=2))
    given.results.parent.mkdir(parents=True, exist_ok=True)
    given.results.write_text(json.dumps(document, indent=2) + "\n")


def measure(source: Path, output: Path, executor: str, workers: int) -> dict[str, float]:
    """One run of the command line."""
    command = [sys.executable, "-m", "negagen", "generate", str(source), "-o", str(output), "--executor", executor]
    command += ["--workers", str(workers), "--blindness", "off", "--overwrite", "--json", "--quiet"]
    began = time.perf_counter()
    with tempfile.TemporaryFile() as told:
        run = subprocess.Popen(command, stdout=told, env={**os.environ, "OMP_NUM_THREADS": "1"})
        used: dict[tuple[int, float], float] = {}
        while run.poll() is None:
            sample(run.pid, used)
            time.sleep(0.1)
        if run.returncode:
            raise SystemExit(f"{' '.join(command)} failed")
        told.seek(0)
        report = json.loads(told.read())
    seconds = time.perf_counter() - began
    cpu = sum(used.values())
    return {
        "captions": report["rows"],
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "captions_per_second": round(report["rows"] / seconds),
        "steady_captions_per_second": round(report["rows"] / (report["seconds"] - report["start_seconds"])),
        "captions_per_cpu_second": round(report["rows"] / cpu),
    }


def sample(pid: int, used: dict[tuple[int, float], float]) -> None:
    """Note the CPU seconds so far of a process and all under it."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            times = process.cpu_times()
            used[process.pid, process.create_time()] = times.user + times.system
        except psutil.Error:
            continue


if __name__ == "__main__":
    main()
