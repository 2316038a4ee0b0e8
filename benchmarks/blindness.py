"""What negatives give away without the picture, and what it costs to hide it: `negagen generate` by each mode, audited.

Every mode is run as the command line, on one core, and its output audited: three trained attacks, and with --lm a
language model that selection never saw.

    python benchmarks/blindness.py captions.parquet --lm SmolLM2-135M-Instruct.Q4_1.gguf
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from negagen.audit import audit

RESULTS = Path(__file__).parent / "results" / "blindness.json"
MODES = ("off", "balanced", "strict")


def main() -> None:
    """Measure, print a table, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="Parquet file with a string column `caption`")
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES)
    parser.add_argument("--limit", type=int, help="the first N captions only")
    parser.add_argument("--lm", type=Path, help="a causal language model, for `audit --lm`")
    parser.add_argument("--lm-limit", type=int, default=2000, help="pairs that it scores")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()

    runs = {}
    for mode in given.modes:
        with tempfile.TemporaryDirectory() as folder:
            runs[mode] = run(given.captions, Path(folder) / "out.parquet", mode, given.limit, given.lm, given.lm_limit)
        show(mode, runs[mode], runs.get("off"))
    about = {"python": platform.python_version(), "machine": platform.machine(), "cores": 1}
    given.results.parent.mkdir(exist_ok=True)
    given.results.write_text(json.dumps({**about, "modes": runs}, indent=2) + "\n", encoding="utf-8")


def run(captions: Path, output: Path, mode: str, limit: int | None, lm: Path | None, lm_limit: int) -> dict[str, Any]:
    """One mode: its closing report in short, and the accuracy of each attack with its 95% interval."""
    command = [sys.executable, "-m", "negagen", "generate", str(captions), "-o", str(output), "--blindness", mode]
    command += ["--workers", "1", "--json", "--quiet", *(["--limit", str(limit)] if limit else [])]
    core = {min(os.sched_getaffinity(0))} if hasattr(os, "sched_getaffinity") else None
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, core),
    )
    report = json.loads(done.stdout)
    found = audit(output, lm=lm, lm_limit=lm_limit)
    rows, status = report["rows"], report["status"]
    return {
        "captions": rows,
        "negatives": report["negatives"],
        "coverage": round(1 - (status.get("none", 0) + status.get("error", 0)) / rows, 4),
        "seconds": report["seconds"],
        "seconds_before_the_first_row": report["start_seconds"],
        "captions_per_second": report["captions_per_second"],
        "attacks": {attack.name: attack.overall.to_json() for attack in found.attacks},
        "by_category": {
            attack.name: {name: rate.to_json() for name, rate in attack.by_category.items()} for attack in found.attacks
        },
    }


def show(mode: str, figures: dict[str, Any], off: dict[str, Any] | None) -> None:
    """Print a mode's figures."""
    speed = figures["captions_per_second"]
    relative = f", {speed / off['captions_per_second']:.2f} of off" if off is not None else ""
    print(f"{mode}: coverage {figures['coverage']:.1%}, {figures['negatives']:,} negatives, {speed:,.0f}/s{relative}")
    for name, rate in figures["attacks"].items():
        print(f"  {name:16} {rate['accuracy']:.1%} ({rate['low']:.1%} to {rate['high']:.1%}), {rate['pairs']:,} pairs")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
