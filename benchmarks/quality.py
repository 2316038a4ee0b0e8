"""How good a file of negatives is: coverage, articles, case, spacing, number, novelty, duplicates.

    python -m benchmarks.quality NEGATIVES.parquet
    python -m benchmarks.quality NEGATIVES.parquet --reference ALL_CAPTIONS.parquet
    python -m benchmarks.quality NEGATIVES.parquet --faults 20
    python -m benchmarks.quality NEGATIVES.parquet --sample 20 --seed 1

NEGATIVES.parquet is what `negagen generate` writes (not `--flat`); it holds the captions too. It is judged
without negagen's own code: the measures know only what the reference captions do (by default the file's
own). A fault of a negative counts where its caption has no such fault; the captions' own rate stands beside.
The table is printed, the figures go to benchmarks/results/quality.json (figures alone: captions may not be
ours to copy). `--faults N` prints N examples of each fault too; `--sample N` prints N negatives of each
category instead, to read.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.agreement import number_errors
from benchmarks.reference import Reference
from benchmarks.surface import (
    apply_edits,
    article_errors,
    case_errors,
    fold,
    joined_words,
    new_words,
    spacing_errors,
)

RESULTS = Path(__file__).parent / "results" / "quality.json"
EXAMPLES_KEPT = 100

# Limits in percent; "at least" for coverage, "at most" for faults.
AT_LEAST = {"one_negative": 99.5, "four_of_two_categories": 95.0}
AT_MOST = {
    "article": 0.3,
    "case": 0.3,
    "spacing": 0.3,
    "number": 0.3,
    "unseen_new_words": 2.0,
    "duplicate_among_k": 0.0,
    "equals_caption": 0.0,
    "equals_sibling": 0.0,
    "edits_do_not_reproduce": 0.0,
}


@dataclass
class Share:
    """`hits` out of `total`, with the first few examples."""

    hits: int = 0
    total: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, hit: bool, example: str = "") -> None:
        """Count one case."""
        self.total += 1
        if hit:
            self.hits += 1
            if len(self.examples) < EXAMPLES_KEPT:
                self.examples.append(example)

    @property
    def percent(self) -> float:
        """0 for no cases."""
        return 100 * self.hits / self.total if self.total else 0.0


@dataclass
class Report:
    """The shares by measure, of negatives (or captions, for coverage) and of the captions themselves."""

    shares: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    captions: dict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    categories: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def measure(rows: Iterable[dict[str, Any]], reference: Reference, siblings: dict[object, set[str]]) -> Report:
    """Measure `rows` (`caption`, `image`, `negatives`, `status`, `reason`).

    `siblings` maps an image to its captions, folded; an image of None has none.
    """
    report = Report()
    for row in rows:
        caption, negatives = row["caption"], row["negatives"] or []
        report.statuses[row["status"]] += 1
        if row["reason"]:
            report.reasons[row["reason"]] += 1
        categories = {negative["category"] for negative in negatives}
        report.shares["one_negative"].add(bool(negatives))
        report.shares["four_of_two_categories"].add(len(negatives) >= 4 and len(categories) >= 2)
        if caption is not None:
            _measure_caption(caption, negatives, siblings.get(row["image"], set()), reference, report)
    return report


def _measure_caption(
    caption: str, negatives: list[dict[str, Any]], siblings: set[str], reference: Reference, report: Report
) -> None:
    article, number = article_errors(caption, reference), number_errors(caption, reference)
    report.captions["article"].add(bool(article))
    report.captions["number"].add(bool(number))
    own, seen = fold(caption), set()
    for negative in negatives:
        text, edits = negative["text"], negative["edits"]
        report.categories[negative["category"]] += 1
        report.rules[negative["rule"]] += 1
        shown = f"{caption.strip()} -> {text.strip()}"

        def count(name: str, errors: list[str], shown: str = shown) -> None:
            report.shares[name].add(bool(errors), f"{'; '.join(errors)}: {shown}")

        if not article:
            count("article", article_errors(text, reference))
        if not number:
            count("number", number_errors(text, reference))
        count("case", case_errors(caption, text, reference))
        count("spacing", spacing_errors(caption, text) + joined_words(caption, edits))
        for word in new_words(caption, text):
            report.shares["unseen_new_words"].add(not reference.words[word], f"{word}: {shown}")
        folded = fold(text)
        report.shares["duplicate_among_k"].add(folded in seen, shown)
        report.shares["equals_caption"].add(folded == own, shown)
        report.shares["equals_sibling"].add(folded in siblings - {own}, shown)
        report.shares["edits_do_not_reproduce"].add(apply_edits(caption, edits) != text, shown)
        seen.add(folded)


def read_rows(path: Path, caption: str, image: str) -> Iterator[dict[str, Any]]:
    """The rows of a file of negatives, a batch in memory at a time; image None if there is no such column."""
    file = pq.ParquetFile(path)
    missing = [name for name in (caption, "negatives", "status", "reason") if name not in file.schema_arrow.names]
    if missing:
        raise SystemExit(
            f"{path} has no column {', '.join(missing)}: expected an output of `negagen generate`, made without --flat."
        )
    grouped = image in file.schema_arrow.names
    columns = [caption, "negatives", "status", "reason", *([image] if grouped else [])]
    for batch in file.iter_batches(batch_size=4096, columns=columns):
        for row in batch.to_pylist():
            yield {**row, "caption": row[caption], "image": row[image] if grouped else None}


def read_siblings(path: Path, caption: str, image: str) -> tuple[list[str], dict[object, list[str]]]:
    """All captions of a file that has some, and those of each image as typed."""
    table = pq.read_table(path, columns=[name for name in (caption, image) if name in pq.read_schema(path).names])
    if caption not in table.column_names:
        raise SystemExit(f"{path} has no column {caption!r}: name the captions' column with --caption-column.")
    captions: list[str | None] = table.column(caption).to_pylist()
    groups: dict[object, list[str]] = defaultdict(list)
    if image in table.column_names:
        for key, text in zip(table.column(image).to_pylist(), captions, strict=True):
            if key is not None and text is not None:
                groups[key].append(text)
    return [text for text in captions if text is not None], groups


def as_json(report: Report, metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """The report as JSON values, with what the file's footer says of its making."""
    said = {key.decode(): value.decode() for key, value in metadata.items() if key.startswith(b"negagen.")}
    return {
        "made_by": {
            name.removeprefix("negagen."): value
            for name, value in said.items()
            if name.endswith(("version", "fingerprint", "seed"))
        },
        "captions": sum(report.statuses.values()),
        "negatives": sum(report.categories.values()),
        "measures": {
            name: {
                "percent": round(report.shares[name].percent, 3),
                "hits": report.shares[name].hits,
                "of": report.shares[name].total,
                **({"captions_percent": round(report.captions[name].percent, 3)} if name in report.captions else {}),
                **({"at_least": AT_LEAST[name]} if name in AT_LEAST else {"at_most": AT_MOST[name]}),
            }
            for name in (*AT_LEAST, *AT_MOST)
        },
        "status": dict(report.statuses.most_common()),
        "reasons": dict(report.reasons.most_common()),
        "categories": dict(report.categories.most_common()),
        "rules": dict(report.rules.most_common()),
    }


def show(result: dict[str, Any], console: Console) -> None:
    """Print the figures as tables."""
    table = Table(title=f"{result['captions']:,} captions, {result['negatives']:,} negatives")
    for name in ("measure", "negatives", "captions' own", "limit", ""):
        table.add_column(name, justify="left" if name == "measure" else "right")
    for name, values in result["measures"].items():
        low = "at_least" in values
        limit = values["at_least"] if low else values["at_most"]
        met = values["percent"] >= limit if low else values["percent"] <= limit
        table.add_row(
            name.replace("_", " "),
            f"{values['percent']:.2f} % ({values['hits']:,} of {values['of']:,})",
            f"{values['captions_percent']:.2f} %" if "captions_percent" in values else "",
            f"{'>=' if low else '<='} {limit:g} %",
            "[green]met[/]" if met else "[red]missed[/]",
        )
    console.print(table)
    for kind in ("categories", "rules", "status"):
        total = sum(result[kind].values()) or 1
        counts = Table("", "count", "share", title=kind)
        for name, count in result[kind].items():
            counts.add_row(name, f"{count:,}", f"{100 * count / total:.1f} %")
        console.print(counts)


def sample(rows: Iterable[dict[str, Any]], groups: dict[object, list[str]], number: int, seed: int) -> list[str]:
    """`number` negatives of each category, drawn evenly over the file, as lines to read."""
    draw = random.Random(seed)
    kept: dict[str, list[str]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for row in rows:
        for negative in row["negatives"] or []:
            category = negative["category"]
            seen[category] += 1
            # Reservoir sampling: each negative of the category has the same chance, in one pass.
            place = len(kept[category]) if len(kept[category]) < number else draw.randrange(seen[category])
            if place < number:
                others = [text.strip() for text in groups.get(row["image"], []) if text != row["caption"]]
                block = "\n".join(
                    [
                        f"  - {row['caption'].strip()}",
                        f"  + {negative['text'].strip()}    ({negative['rule']})",
                        *(f"      {text}" for text in others),
                    ]
                )
                kept[category][place : place + 1] = [block]
    return [
        f"{category}: {len(blocks)} of {seen[category]:,}\n" + "\n".join(blocks)
        for category, blocks in sorted(kept.items())
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("negatives", type=Path)
    parser.add_argument("--reference", type=Path, help="captions that show what people write (default: the file's own)")
    parser.add_argument("--caption-column", default="caption")
    parser.add_argument("--image-column", default="image_id", help="groups the captions of one image")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--faults", type=int, default=0, metavar="N", help="print N examples of each fault")
    parser.add_argument("--sample", type=int, metavar="N", help="print N negatives of each category and stop")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for path in (options.negatives, options.reference):
        if path is not None and not path.is_file():
            raise SystemExit(f"{path}: no such file")
    try:
        _run(options)
    except pa.ArrowInvalid as error:
        raise SystemExit(f"not a readable Parquet file: {error}") from None


def _run(options: argparse.Namespace) -> None:
    captions, groups = read_siblings(options.negatives, options.caption_column, options.image_column)
    rows = read_rows(options.negatives, options.caption_column, options.image_column)
    if options.sample:
        print("\n\n".join(sample(rows, groups, options.sample, options.seed)))
        return
    if options.reference is not None:
        captions, _ = read_siblings(options.reference, options.caption_column, options.image_column)
    siblings = {image: {fold(text) for text in texts} for image, texts in groups.items()}
    report = measure(rows, Reference.of(captions), siblings)
    result = as_json(report, pq.read_metadata(options.negatives).metadata or {})
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    show(result, Console())
    for name in AT_MOST:
        for example in report.shares[name].examples[: options.faults]:
            print(f"{name}: {example}")


if __name__ == "__main__":
    main()
