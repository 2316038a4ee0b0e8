"""What scripts that count in captions share: the captions named on the command line, parsed, and counts written."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from negagen.lexicon import load
from negagen.parsing import load_parser
from negagen.types import Parse

FOLDER = Path(__file__).parents[2] / "negagen" / "lexicon"
SOURCE = "COCO 2017 validation captions (CC BY 4.0): counts only"
BATCH = 2000


def asked_for(about: str | None, file_name: str) -> tuple[list[str], Path]:
    """The captions of `--captions`, and where to write to: `--output`, else the package's `file_name`."""
    arguments = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--captions", type=Path, required=True, help="Parquet with a string column `caption`")
    arguments.add_argument("--output", type=Path, default=FOLDER / file_name)
    options = arguments.parse_args()
    column = pq.read_table(options.captions, columns=["caption"])["caption"]
    return [text for text in column.to_pylist() if text], options.output


def parses(captions: Sequence[str]) -> Iterator[Parse]:
    """The captions, parsed by negagen's own pipeline."""
    parser = load_parser("bundled", load())
    for at in range(0, len(captions), BATCH):
        yield from parser.parse(captions[at : at + BATCH])


def write(document: Mapping[str, object], output: Path) -> None:
    """Write the counts; the same counts give the same bytes."""
    output.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
