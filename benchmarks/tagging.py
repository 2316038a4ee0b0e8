"""Tag accuracy and speed of the bundled pipeline beside any other.

    OMP_NUM_THREADS=1 python benchmarks/tagging.py --ewt DIR --captions captions.parquet --pipeline DIR

Accuracy is the share of words with the right Penn Treebank tag, the words given (no tokenizer between): on
the EWT test set, and on the captions of tests/data/hand_tagged.jsonl that nobody trained on. Speed is
captions a second on one core, the best of several runs: the whole pipeline through `nlp.pipe`, only its
tagger (and what the tagger needs), and for the bundled pipeline the fast path that negagen itself uses.
Writes benchmarks/results/tagging.json and tagging.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pyarrow.parquet as pq
import spacy
from spacy.language import Language
from spacy.tokens import Doc

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts" / "pipeline"))
from treebank import read_conllu  # noqa: E402

from negagen.parsing.component import COMPONENT  # noqa: E402
from negagen.parsing.tagger import BundledTagger  # noqa: E402

BUNDLED = ROOT / "negagen" / "parsing" / "model"
NOT_FOR_TAGS = ["parser", "ner", "lemmatizer", "senter"]


def accuracy(nlp: Language, sentences: list[dict[str, Any]]) -> float:
    """Return the share of words with the right tag; the words are given."""
    docs = nlp.pipe(Doc(nlp.vocab, words=sentence["words"]) for sentence in sentences)
    gold: list[str] = [tag for sentence in sentences for tag in sentence["tags"]]
    found = [token.tag_ for doc in docs for token in doc]
    return sum(a == b for a, b in zip(found, gold, strict=True)) / len(gold)


def rate(run: Callable[[], object], count: int, repeats: int) -> float:
    """Return things a second, the best of `repeats` runs."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - began)
    return count / best


def measure(path: str, sets: dict[str, list[dict[str, Any]]], texts: list[str], repeats: int) -> dict[str, Any]:
    """Return the figures of one pipeline."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # spaCy warns of pipelines of other minor versions
        nlp = spacy.load(path)
        tagging = spacy.load(path, exclude=NOT_FOR_TAGS)
    figures: dict[str, Any] = {"pipeline": f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}"}
    figures["accuracy"] = {name: round(accuracy(tagging, part), 4) for name, part in sets.items()}
    figures["megabytes"] = round(sum(f.stat().st_size for f in Path(path).rglob("*") if f.is_file()) / 1e6, 2)
    few = texts[: max(1, len(texts) // 10)]
    speed = {"pipe, all": rate(lambda: list(nlp.pipe(few, batch_size=256)), len(few), repeats)}
    speed["pipe, tagger"] = rate(lambda: list(tagging.pipe(few, batch_size=256)), len(few), repeats)
    if COMPONENT in nlp.pipe_names:
        tagger = BundledTagger(nlp, lambda word, tag: (word, tag))
        speed["fast path"] = rate(lambda: tagger.tag(texts), len(texts), repeats + 2)
    figures["captions_per_second"] = {name: round(value) for name, value in speed.items()}
    return figures


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    accuracies = list(results[0]["accuracy"])
    head = ["pipeline", *accuracies, "MB", "captions/s: all", "tagger only", "fast path"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in results:
        speed = row["captions_per_second"]
        cells = [
            row["pipeline"],
            *(f"{row['accuracy'][name]:.2%}" for name in accuracies),
            str(row["megabytes"]),
        ]
        cells += [f"{speed[k]:,}" if k in speed else "" for k in ("pipe, all", "pipe, tagger", "fast path")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the bundled pipeline and those given, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipeline", action="append", default=[], help="another pipeline's folder; repeatable")
    parser.add_argument("--ewt", type=Path, required=True, help="folder of en_ewt-ud-test.conllu.gz")
    parser.add_argument("--captions", type=Path, required=True, help="Parquet with a caption column, for speed")
    parser.add_argument("--hand-tagged", type=Path, default=ROOT / "tests" / "data" / "hand_tagged.jsonl")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    args = parser.parse_args()
    hand = [json.loads(line) for line in args.hand_tagged.read_text(encoding="utf-8").splitlines()]
    sets = {"EWT test": read_conllu(args.ewt / "en_ewt-ud-test.conllu.gz"), "hand-tagged captions": hand}
    texts = pq.read_table(args.captions, columns=["caption"]).column("caption").to_pylist()
    results = [measure(path, sets, texts, args.repeats) for path in [str(BUNDLED), *args.pipeline]]
    words = {name: sum(len(sentence["words"]) for sentence in part) for name, part in sets.items()}
    args.out.mkdir(parents=True, exist_ok=True)
    report = {
        "words": words,
        "captions": len(texts),
        "python": platform.python_version(),
        "spacy": version("spacy"),
        "results": results,
    }
    (args.out / "tagging.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (args.out / "tagging.md").write_text(table(results), encoding="utf-8")
    print(table(results))


if __name__ == "__main__":
    main()
