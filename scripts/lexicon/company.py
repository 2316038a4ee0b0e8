"""Which things captions name beside which words: counts that keep replacements at home in their caption.

    python -m scripts.lexicon.company --captions captions.parquet

Parses the captions with negagen itself and writes negagen/lexicon/company.json: for each content word of enough
captions, in how many of these each noun of the lexicon stands elsewhere. Only these counts enter the repository, never
a caption. Run it after a change of the grammar or of the noun classes; the same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from negagen.checks.company import content
from negagen.lexicon import load
from negagen.lexicon.company import FILE_NAME, FORMAT
from negagen.parsing import load_parser

FEWEST_WORD = 15
FEWEST_NOUN = 8
BATCH = 2000
OUTPUT = Path(__file__).parents[2] / "negagen" / "lexicon" / FILE_NAME


def count(captions: list[str]) -> tuple[Counter[str], Counter[str], dict[str, Counter[str]]]:
    """In how many captions each word is, and each noun, and each noun beside each word."""
    parser = load_parser("bundled", load())
    words: Counter[str] = Counter()
    nouns: Counter[str] = Counter()
    beside: dict[str, Counter[str]] = defaultdict(Counter)
    for at in range(0, len(captions), BATCH):
        for parse in parser.parse(captions[at : at + BATCH]):
            said: dict[str, list[int]] = defaultdict(list)
            for index, word in content(parse):
                said[word].append(index)
            words.update(said.keys())
            first = {phrase.lemma: phrase for phrase in reversed(parse.phrases) if phrase.entry is not None}
            nouns.update(first.keys())
            for lemma, phrase in first.items():
                for word, places in said.items():
                    if any(not phrase.unit <= index < phrase.stop for index in places):
                        beside[word][lemma] += 1
    return words, nouns, beside


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--captions", type=Path, required=True, help="Parquet with a string column `caption`")
    arguments.add_argument("--output", type=Path, default=OUTPUT)
    options = arguments.parse_args()
    captions = [text for text in pq.read_table(options.captions, columns=["caption"])["caption"].to_pylist() if text]
    words, nouns, beside = count(captions)
    names = sorted(noun for noun, n in nouns.items() if n >= FEWEST_NOUN)
    number = {name: index for index, name in enumerate(names)}
    rows: dict[str, tuple[int, list[int], list[int]]] = {}
    for word in sorted(word for word, n in words.items() if n >= FEWEST_WORD):
        found = sorted((number[noun], n) for noun, n in beside[word].items() if noun in number)
        rows[word] = (words[word], [place for place, _ in found], [n for _, n in found])
    document = {
        "format": FORMAT,
        "source": "COCO 2017 validation captions (CC BY 4.0): counts only",
        "captions": len(captions),
        "nouns": names,
        "counts": [nouns[name] for name in names],
        "words": rows,
    }
    options.output.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(names)} nouns, {len(rows)} words, {sum(len(row[1]) for row in rows.values())} pairs, {options.output}")


if __name__ == "__main__":
    main()
