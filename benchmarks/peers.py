"""What published negatives give away, beside negagen's: `negagen audit` of each file, by the same judges.

The n-gram language model is fitted on captions of other pictures than the file's: benchmarks made from COCO name their
pictures (000000331352.jpg is 331352), and captions of these are left out of the reference.

    python benchmarks/peers.py sugarcrepe/*.json sugarcrepe_pp/*.json negatives.parquet --reference captions.parquet
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from negagen.audit import audit

RESULTS = Path(__file__).parent / "results" / "peers.json"
_NUMBER = re.compile(r"(\d{6,})\.jpg")


def main() -> None:
    """Audit each file, print a table, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="negatives, in any layout that audit reads")
    parser.add_argument("--reference", type=Path, required=True, help="Parquet with columns caption and image_id")
    parser.add_argument("--lm", type=Path, help="a causal language model, for `audit --lm`")
    parser.add_argument("--lm-limit", type=int, default=500, help="pairs of each file that it scores")
    parser.add_argument("--limit", type=int, default=50_000, help="captions of each file")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()

    found: dict[str, Any] = {}
    for file in given.files:
        name = f"{file.parent.name}/{file.stem}" if file.suffix == ".json" else file.stem
        with tempfile.TemporaryDirectory() as folder:
            reference = others(given.reference, file, Path(folder) / "reference.parquet")
            one = audit(file, reference=reference, lm=given.lm, lm_limit=given.lm_limit, limit=given.limit)
        found[name] = {
            "pairs": len(one.pairs),
            "attacks": {attack.name: attack.overall.to_json() for attack in one.attacks},
            "by_category": {
                attack.name: {kind: rate.to_json() for kind, rate in attack.by_category.items()}
                for attack in one.attacks
            },
        }
        cells = [f"{rate['accuracy']:.1%}" for rate in found[name]["attacks"].values()]
        print(f"| {name} | {len(one.pairs):,} | {' | '.join(cells)} |", flush=True)
    given.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def others(reference: Path, file: Path, target: Path) -> Path | None:
    """Captions of pictures that `file` does not name, as a file; None (five folds of its own) if it names none."""
    named = set() if file.suffix != ".json" else {int(number) for number in _NUMBER.findall(file.read_text("utf-8"))}
    if not named:
        return None
    table = pq.read_table(reference, columns=["caption", "image_id"])
    ids = table["image_id"].cast(pa.int64())
    pq.write_table(table.filter(pc.invert(pc.is_in(ids, pa.array(sorted(named), pa.int64())))), target)
    return target


if __name__ == "__main__":
    main()
