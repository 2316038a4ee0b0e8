"""Compiles rules/en/lexicon and WordNet into negagen/lexicon/en.json.

    python scripts/lexicon/build.py --wordnet /usr/share/wordnet
    python scripts/lexicon/build.py --wordnet /usr/share/wordnet --captions FILE --pipeline en_core_web_sm

With --captions the word counts (rules/en/lexicon/statistics.json) are taken anew first. The same input gives
the same bytes. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import counting
from compile import compile_lexicon
from inflect import Inflector
from sources import SourceError, Sources, read_sources, split
from transparent import without_transparent
from wordnet import WordNetError, open_wordnet

ROOT = Path(__file__).resolve().parents[2]
WORDS = ROOT / "rules" / "en" / "lexicon"
COMPILED = ROOT / "negagen" / "lexicon" / "en.json"
STATISTICS = "statistics.json"
COMPOUNDS = "compounds.toml"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wordnet", type=Path, required=True, help="folder with WordNet 3.x's data.noun and the rest")
    parser.add_argument("--captions", type=Path, help="Parquet with columns caption and image_id: count anew")
    parser.add_argument("--pipeline", default="en_core_web_sm", help="spaCy pipeline that tags the captions to count")
    parser.add_argument("--words", type=Path, default=WORDS, help="folder of word files")
    parser.add_argument("--out", type=Path, default=COMPILED, help="compiled file")
    arguments = parser.parse_args()
    try:
        sources = without_transparent(
            read_sources(arguments.words), tomllib.loads((arguments.words / COMPOUNDS).read_text(encoding="utf-8"))
        )
        inflector = Inflector(sources.inflection)
        path = arguments.words / STATISTICS
        if arguments.captions:
            units = _multi_word(sources, inflector)
            counting.write(counting.count(arguments.captions, arguments.pipeline, units, inflector), path)
        statistics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        with open_wordnet(arguments.wordnet) as wordnet:
            document = compile_lexicon(sources, statistics, inflector, wordnet)
    except (SourceError, WordNetError, OSError) as error:
        print(f"lexicon: {error}", file=sys.stderr)
        return 1
    text = _render(document)
    arguments.out.write_text(text, encoding="utf-8")
    counts = ", ".join(
        f"{len(document[kind])} {kind}" for kind in ("nouns", "attributes", "actions", "numbers", "relations")
    )
    print(f"{arguments.out}: {counts}; {len(text) / 1e6:.2f} MB, {document['fingerprint'][:12]}")
    return 0


def _multi_word(sources: Sources, inflector: Inflector) -> list[str]:
    """Every surface form of several words that the word files name."""
    nouns = {word.text for one in sources.nouns for group in one.groups for word in group} | set(sources.never)
    found = {form for noun in nouns if " " in noun for form in (noun, inflector.plural(noun))}
    found.update(name for row in sources.relations for name in split(row["names"]))
    found.update(word for row in sources.numbers["vague"] for word in split(row["words"]))
    return sorted(unit for unit in found if " " in unit)


def _render(document: dict[str, Any]) -> str:
    """JSON with one entry a line, headed by the fingerprint of all that follows."""
    parts = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], (list, dict)):
            rows = ",\n".join(_dump(row) for row in value)
            parts.append(f"{json.dumps(key)}:[\n{rows}\n]")
        else:
            parts.append(f"{json.dumps(key)}:{_dump(value)}")
    body = ",\n".join(parts)
    document["fingerprint"] = hashlib.sha256(body.encode()).hexdigest()
    return f'{{"format":1,\n"fingerprint":"{document["fingerprint"]}",\n{body}\n}}\n'


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main())
