"""Read the words and Penn tags of a Universal Dependencies treebank."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any


def read_conllu(path: Path) -> list[dict[str, Any]]:
    """Return {"words": [...], "tags": [...]} per sentence; `path` is a gzipped CoNLL-U file.

    Ranges (don't = do + n't) and empty nodes are skipped: the syntactic words carry the tags.
    """
    sentences: list[dict[str, Any]] = []
    words: list[str] = []
    tags: list[str] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line == "\n":
                if words:
                    sentences.append({"words": words, "tags": tags})
                words, tags = [], []
            elif not line.startswith("#"):
                fields = line.split("\t")
                if fields[0].isdigit():
                    words.append(fields[1])
                    tags.append(fields[4])
    return sentences
