"""Tag captions by agreement, in three steps around `teacher.py`.

    python scripts/pipeline/silver.py words --captions captions.parquet --out captions.jsonl
    python scripts/pipeline/silver.py spacy --captions captions.jsonl --pipeline en_core_web_sm --out spacy.jsonl
    python scripts/pipeline/teacher.py ... --captions captions.jsonl --out teacher.jsonl
    python scripts/pipeline/silver.py merge --captions captions.jsonl --spacy spacy.jsonl --teacher teacher.jsonl \
        --out silver.jsonl

`words` wants the columns image_id, id, caption. Images whose number is divisible by 12 are held out: all
captions of such an image only measure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from caption_rules import settle
from votes import Caption, count_votes

HOLD_OUT_EVERY = 12


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write objects as JSONL."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def words(args: argparse.Namespace) -> None:
    """Tokenise captions with spaCy's English tokenizer."""
    import pyarrow.parquet as pq
    import spacy

    tokenizer = spacy.blank("en").tokenizer
    rows = []
    for row in pq.read_table(args.captions, columns=["image_id", "id", "caption"]).to_pylist():
        found = [token.text for token in tokenizer(row["caption"]) if not token.is_space]
        rows.append({"image_id": row["image_id"], "id": row["id"], "words": found})
    write_lines(args.out, rows)


def spacy_tags(args: argparse.Namespace) -> None:
    """Tag the tokenised captions with a spaCy pipeline."""
    import spacy
    from spacy.tokens import Doc

    nlp = spacy.load(args.pipeline, exclude=["parser", "ner", "lemmatizer", "senter"])
    docs = (Doc(nlp.vocab, words=row["words"]) for row in read_lines(args.captions))
    write_lines(args.out, [{"tags": [token.tag_ for token in doc]} for doc in nlp.pipe(docs, batch_size=256)])


def merge(args: argparse.Namespace) -> None:
    """Combine the taggers' opinions and print what became of the words."""
    rows = read_lines(args.captions)
    captions = [
        Caption(row["words"], a["tags"], b["tags"], b["p"])
        for row, a, b in zip(rows, read_lines(args.spacy), read_lines(args.teacher), strict=False)
    ]
    votes = count_votes(captions)
    out, fate = [], Counter[str]()
    for row, caption in zip(rows, captions, strict=False):
        tags = settle(caption, votes)
        for tag, a, b in zip(tags, caption.first, caption.second, strict=True):
            fate[
                "masked"
                if tag is None
                else "agreed"
                if tag == a == b
                else "spaCy"
                if tag == a
                else "teacher"
                if tag == b
                else "rule"
            ] += 1
        out.append({"words": row["words"], "tags": tags, "held_out": int(row["image_id"]) % HOLD_OUT_EVERY == 0})
    write_lines(args.out, out)
    total = sum(fate.values())
    print(", ".join(f"{name} {count / total:.2%}" for name, count in fate.most_common()), f"of {total} words")


def main() -> None:
    """Run one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["words", "spacy", "merge"])
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--pipeline")
    parser.add_argument("--spacy", type=Path)
    parser.add_argument("--teacher", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    {"words": words, "spacy": spacy_tags, "merge": merge}[args.step](args)


if __name__ == "__main__":
    main()
