"""What runs of `negagen generate --llm` against a server on loopback have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.llm.faults import FaultyServer, Plan, Reply, said
from tests.llm.writer import caption_of, spans_of, write

WHO = ["A woman", "Two men", "A small child", "An old farmer", "Three brown dogs"]
DO = ["is holding", "is looking at", "is sitting near", "is standing behind"]
WHAT = ["a red umbrella", "a wooden boat in the park", "a black bicycle on the street"]
CAPTIONS = [f"{who} {do} {what}" for who in WHO for do in DO for what in WHAT]


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]
Serve = Callable[[Plan], FaultyServer]


def written(folder: Path, texts: list[str], **columns: Any) -> Path:
    pq.write_table(pa.table({"caption": texts, **columns}), folder / "captions.parquet")
    return folder / "captions.parquet"


def asked(server: FaultyServer, *more: object) -> list[object]:
    return ["--llm", "m", "--base-url", server.url, "-q", *more]


def rows(path: Path) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return out


def by_model(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in row["negatives"] if each["generator"] != "rules"]


def broken_once(broken: set[str]) -> Plan:
    """Of every third caption's first question nothing can be read, half are cut off; `broken` gets these captions."""

    def plan(before: int, body: dict[str, Any]) -> Reply:
        if not before and spans_of(body) and CAPTIONS.index(caption_of(body)) % 3 == 0:
            broken.add(caption_of(body))
            cut = CAPTIONS.index(caption_of(body)) % 2
            return said('{"edits": [{"span": 1, "repl', "length") if cut else said("A zebra, I think")
        return write(before, body)

    return plan
