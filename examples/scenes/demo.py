"""What negatives do, in two minutes of two cores: draw, generate, fine-tune without and with them, evaluate.

    python -m examples.scenes.demo
    python -m examples.scenes.demo --seed 1 --recipe negclip --output out/demo

Each step is a command that is printed before it runs. The model it starts from, `examples/scenes/tiny`, was made by
`examples.scenes.pretrain` without negatives. Both runs have the same start, pictures, captions, steps and seed, and
small batches, of which captions alone teach little of what is whose. They are measured on scenes that no model saw, by
captions whose truth is known. docs/scenes.md says what is asked and what several seeds gave.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

BASE: Final = Path(__file__).parent / "tiny"
SIDE: Final = 80
# Swaps, and rewordings that stay true, which the recipe wants, so that what is edited is not for that false.
CATEGORIES: Final = "swap_att,swap_obj,swap_role,paraphrase"
ALPHA: Final = "0.6"  # CLoVe's (arXiv 2402.15021)
MODELS: Final = ("before", "without", "with", "without-patched", "with-patched")
MISLED: Final = "accuracy against the text"
# Title, benchmark, category or other score (None: the headline).
ROWS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("looks or things changed places", "swaps", None),
    ("  which look is whose (swap_att)", "swaps", "swap_att"),
    ("  the same, looks never seen so", "swaps", "held_out_swap_att"),
    ("  which thing is where (swap_obj)", "swaps", "swap_obj"),
    ("  pairs whose wording misleads", "swaps", MISLED),
    ("one word is another: no such negatives", "words", None),
    ("retrieval, R@1", "retrieval", None),
)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=700)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", default="1e-3", help="of learning")
    parser.add_argument(
        "--blindness", default="balanced", help="of the negatives; off: more of them, that wording tells"
    )
    parser.add_argument("--recipe", default="negagen")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a key of that recipe")
    parser.add_argument("--seed", type=int, default=0, help="of both fine-tunings")
    parser.add_argument("--each", type=int, default=400, help="probes a category")
    parser.add_argument("--retrieval", type=int, default=400, help="pictures to retrieve among")
    parser.add_argument("--split", choices=["tune", "test"], default="test", help="part of the world to measure on")
    parser.add_argument("--output", type=Path, default=Path("out/demo"))
    given = parser.parse_args()
    began = time.monotonic()
    out: Path = given.output
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    base = os.path.relpath(BASE)

    _run("Pictures that the model was not trained on, two captions each; and questions about others, not by negagen.", [
        "python", "-m", "examples.scenes.make", "--images", str(given.images), "--start", "2000000", "--siblings", "2",
        "--side", str(SIDE), "-o", str(out / "scenes.parquet"),
    ], [
        "python", "-m", "examples.scenes.benchmark", "--each", str(given.each), "--retrieval", str(given.retrieval),
        "--split", given.split, "--side", str(SIDE), "-o", str(out / "held-out"),
    ])  # fmt: skip
    _run("Negatives of the captions: two looks, or two things, change places.", [
        "negagen", "generate", str(out / "scenes.parquet"), "-o", str(out / "negatives.parquet"),
        "--categories", CATEGORIES, "--blindness", given.blindness, "--quiet",
    ])  # fmt: skip
    _example(out / "negatives.parquet")
    own_keys = _set("batch.negatives=1", *given.set)
    shared = [
        "--model", base, "--seed", str(given.seed), "--held-out", "0", "--workers", "1", "--device", "cpu",
        "--cache", str(out / "cache"), "--quiet", *_settings(given),
    ]  # fmt: skip
    tuned = [
        ["negagen", "finetune", str(out / "negatives.parquet"), "-r", recipe, "-o", str(out / name), *shared, *own]
        for name, recipe, own in (("without", "clip", []), ("with", given.recipe, own_keys))
    ]
    _run(f"The same {given.steps} steps without negatives and with them, side by side.", *tuned)
    patched = [
        ["negagen", "patch", base, str(out / name / "model"), "--alpha", ALPHA, "-o", f"{out / name}-patched", "-q"]
        for name in ("without", "with")
    ]
    _run("Both mixed with the model before, which gives back some of what was forgotten.", *patched)
    # The first is what others are compared with; the last is what the page's head is about.
    places = {"without": out / "without" / "model", "before": base}
    places |= {f"{name}-patched": out / f"{name}-patched" for name in ("without", "with")}
    places |= {"with": out / "with" / "model"}
    _run("All of them measured.", [
        "negagen", "evaluate", *(f"{name}={place}" for name, place in places.items()),
        "-b", ",".join(f"{kind}:{out / 'held-out' / name}.parquet" for kind, name in (
            ("generic", "swaps"), ("generic", "words"), ("retrieval", "retrieval"),
        )),
        "--no-cache", "--json", str(out / "report.json"), "--html", str(out / "report.html"),
    ])  # fmt: skip
    print(summary(json.loads((out / "report.json").read_text(encoding="utf-8"))))
    print(f"\n{time.monotonic() - began:.0f} s. The page: {out / 'report.html'}; more: docs/scenes.md")


def _settings(given: argparse.Namespace) -> list[str]:
    """Keys of both recipes that are other than published, for a small model and a short run."""
    keys = {
        "batch.size": given.batch, "optimizer.steps": given.steps, "optimizer.lr": given.rate, "optimizer.warmup": 20,
        "model.precision": "fp32", "patching.alpha": "none",
    }  # fmt: skip
    return _set(*(f"{key}={value}" for key, value in keys.items()))


def _set(*settings: str) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


def _run(about: str, *commands: Sequence[str]) -> None:
    """Says what is done, shows the commands and runs them, all at once. Ends the program if one of them fails."""
    print(f"\n{about}")
    for command in commands:
        print(f"$ {shlex.join(command)}", flush=True)
    # One thread each: such small tensors gain little by more, and the figures do not depend on the number of cores.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    running = [subprocess.Popen(_executable(command), env=environment) for command in commands]
    failed = [code for code in [process.wait() for process in running] if code]
    if failed:
        sys.exit(failed[0])


def _executable(command: Sequence[str]) -> list[str]:
    """The same by this interpreter, whatever is on the path."""
    module = ["-m", "negagen"] if command[0] == "negagen" else []
    return [sys.executable, *module, *command[1:]]


def _example(negatives: Path) -> None:
    rows = pq.read_table(negatives, columns=["caption", "negatives"]).to_pylist()
    for row in [row for row in rows if row["negatives"]][:3]:
        print(f"  {row['caption']}")
        print(f"    not: {row['negatives'][0]['text']}  ({row['negatives'][0]['rule']})")
    count = sum(len(row["negatives"]) for row in rows)
    print(f"  {count:,} negatives of {sum(bool(row['negatives']) for row in rows):,} captions among {len(rows):,}")


def summary(report: Mapping[str, Any]) -> str:
    """The table and the sentence, of `negagen evaluate --json`. What is said of a difference is what was measured."""
    lines = [
        f"{'true told from false, and found again, %':<46}{'tuned':>18}{'patched':>18}",
        f"{'':<40}" + "".join(f"{name:>9}" for name in ("before", "without", "with", "without", "with", "chance")),
    ]
    for title, scores in rows(report).items():
        values = [*(scores[name]["value"] for name in MODELS), scores["before"]["chance"]]
        lines.append(f"{title:<40}" + "".join(f"{100 * value:>9.1f}" for value in values))
    return "\n".join([*lines, "", _sentence(report)])


def rows(report: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Scores by title and model: `value`, `low`, `high`, `chance`. A score of no items is left out."""
    return {
        title: {name: _scores(report, name, benchmark)[score] for name in MODELS}
        for title, benchmark, score in ROWS
        if score in _scores(report, "before", benchmark)
    }


def change(report: Mapping[str, Any], benchmark: str, after: str) -> Mapping[str, Any]:
    """From the model tuned without negatives to another: `difference` of the headline, `low` and `high`, in [-1, 1]."""
    found: Mapping[str, Any] = next(
        one for one in report["comparisons"]
        if (one["benchmark"], one["before"], one["after"]) == (benchmark, "without", after)
    )  # fmt: skip
    return found


def _sentence(report: Mapping[str, Any]) -> str:
    right, found = (
        {name: f"{100 * _scores(report, name, benchmark)[None]['value']:.1f}" for name in MODELS}
        for benchmark in ("swaps", "retrieval")
    )
    gain = {key: 100 * change(report, "swaps", "with")[key] for key in ("difference", "low", "high")}
    return (
        "Of a true caption and one in which looks or things changed places, the true one is nearer to the picture in\n"
        f"{right['before']}% of the pairs before, {right['without']}% after fine-tuning without negatives and"
        f" {right['with']}% with them:\n"
        f"{gain['difference']:+.1f} points (95%: {gain['low']:+.1f} to {gain['high']:+.1f})."
        f" Patched, {right['without-patched']}% and {right['with-patched']}%,"
        f" at R@1 {found['without-patched']}% and {found['with-patched']}%; {found['before']}% before."
        f"{_caution(report)}"
    )


def _caution(report: Mapping[str, Any]) -> str:
    """What `negagen evaluate` marks with a b: the gain may be of reading, not of looking."""
    if not change(report, "swaps", "with")["shared_with_blind"]:
        return ""
    without, tuned = (f"{100 * _scores(report, name, 'swaps')[MISLED]['value']:.1f}%" for name in ("without", "with"))
    return (
        "\nThe gain lies mostly where the wording tells something too (b above);"
        f" where it misleads, {without} and {tuned} are right."
    )


def _scores(report: Mapping[str, Any], model: str, benchmark: str) -> dict[str | None, Any]:
    """By category and by name; the headline is None's."""
    result = report["models"][model]["benchmarks"][benchmark]
    headline = result["headline"]
    return {None: result["scores"][headline], **result["scores"], **result["categories"].get(headline, {})}


if __name__ == "__main__":
    main()
