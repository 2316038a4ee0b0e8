"""What there is to do: which rows make which part, and a fingerprint of all that changes the output."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import negagen
from negagen.batch.schema import SCHEMA_VERSION, dump
from negagen.batch.source import Source
from negagen.batch.spec import Identity

GROUP_ROWS = 10_000
# A row group is held in memory while it is written: wide rows (image bytes) make smaller groups.
_GROUP_BYTES = 64 << 20
_SMALL_INPUT = 1_000_000
_SMALL_PART = 2_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows `[index * part_rows, ...)` make part `index`; the output has a row group per `group_rows`.

    Both follow from the input alone, never from the number of workers: so does every byte of the output.
    """

    rows: int
    part_rows: int
    group_rows: int
    fingerprint: str

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return -(-self.rows // self.part_rows)

    @property
    def groups(self) -> int:
        """How many row groups the output gets (more with `flat`)."""
        return -(-self.rows // self.group_rows)

    def part(self, index: int) -> tuple[int, int]:
        """First and one-past-last row of part `index`."""
        return index * self.part_rows, min((index + 1) * self.part_rows, self.rows)

    def group(self, index: int) -> tuple[int, int]:
        """First and one-past-last row of row group `index`."""
        return index * self.group_rows, min((index + 1) * self.group_rows, self.rows)


def rows_of_a_part(rows: int) -> int:
    """Small parts keep two workers busy to the end of a small input; large ones keep the count of files low."""
    return _SMALL_PART if rows <= _SMALL_INPUT else GROUP_ROWS


def make_plan(
    source: Source,
    identity: Identity,
    *,
    column: str,
    id_column: str | None = None,
    image_id_column: str | None = None,
    image_column: str | None = None,
    siblings: int = 0,
    flat: bool = False,
    limit: int | None = None,
) -> Plan:
    """The plan for the first `limit` rows of `source` (all, if None). `siblings`: how many a caption gets at most."""
    rows = source.rows if limit is None else min(limit, source.rows)
    part_rows = rows_of_a_part(rows)
    group_rows = max(64, min(GROUP_ROWS, _GROUP_BYTES // max(1, source.bytes_per_row)))
    described = {
        "schema_version": SCHEMA_VERSION,
        "version": negagen.__version__,
        "negator": identity.fingerprint,
        "column": column,
        "id_column": id_column,
        "image_id_column": image_id_column,
        "image_column": image_column,
        "siblings": siblings,
        "flat": flat,
        "rows": rows,
        "part_rows": part_rows,
        "group_rows": group_rows,
        # Not the paths: a file that was moved is still the same input.
        "input": [[file.format, file.rows, file.size, file.digest] for file in source.files],
        "schema": str(source.schema),
    }
    digest = blake2b(dump(described).encode(), digest_size=16)
    return Plan(rows, part_rows, group_rows, digest.hexdigest())
