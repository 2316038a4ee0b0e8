"""Count expressions and relations to rows."""

from __future__ import annotations

from typing import Any

from seen import Seen, weight
from sources import Sources, split

OPEN_END = 1_000_000


def number_rows(sources: Sources) -> list[list[Any]]:
    """Small exact numbers, words to words and digits to digits; vague ones are never replaced."""
    table = sources.numbers
    small = range(1, table["largest_drawn"] + 1)
    words = table["exact"]["words"]
    rows = []
    for value, word in enumerate(words, 1):
        others = [words[n - 1] for n in small if n != value]
        rows.append([word, value, value, value, False, value != 1, False, others, _number_weights(value, small)])
    for word, value in table["exact"]["more"].items():
        others = [other for n, other in enumerate(words, 1) if n in small and n > 1]
        rows.append([word, value, value, value, False, True, False, others, [1] * len(others)])
    for value in table["exact"]["digits"]:
        others = [str(n) for n in small if n != value]
        rows.append([str(value), value, value, value, False, value != 1, True, others, _number_weights(value, small)])
    for row in table["vague"]:
        for word in split(row["words"]):
            low, high = row["low"], row["high"] or OPEN_END
            exact = low if low == high else None
            contrary = [n for n in small if (n < low or n > high) and (n > 1 or not row["plural"])]
            others = [words[n - 1] for n in contrary] if exact else []
            rows.append([word, exact, low, high, exact is None, row["plural"], False, others, [1] * len(others)])
    return rows


def _number_weights(value: int, small: range) -> list[int]:
    """Near counts are the harder ones: "three" becomes "four" more often than "six"."""
    return [12 // abs(n - value) if abs(n - value) <= 12 else 1 for n in small if n != value]


def relation_rows(sources: Sources, seen: Seen) -> list[dict[str, Any]]:
    """A row for each name and sense; names of one relation share everything."""

    def frequency(name: str) -> int:
        return seen.per_million(seen.units.get(name, 0) if " " in name else seen.forms.get(name, 0))

    viewpoint = {name for row in sources.relations if row.get("viewpoint", False) for name in split(row["names"])}
    rows = []
    for row in sources.relations:
        own = split(row["names"])
        overlaps = {*row.get("overlaps", []), *row.get("entails", []), *own}
        for name in own:
            kept = [b for b in row["contraries"] if b not in overlaps and b not in viewpoint and name not in viewpoint]
            symmetric = row.get("symmetric", False)
            rows.append(
                {
                    "name": name,
                    "kind": row["kind"],
                    "symmetric": symmetric,
                    "converse": name if symmetric else row.get("converse"),
                    "entails": row.get("entails", []),
                    "overlaps": sorted(overlaps - {name}),
                    "replacements": kept,
                    "weights": [weight(frequency(b)) for b in kept],
                    "viewpoint": name in viewpoint,
                    "frequency": frequency(name),
                    "applies": row.get("applies", []),
                    "avoids": row.get("avoids", []),
                    "objects": sources.relation_objects.get(name, []),
                }
            )
    return sorted(rows, key=lambda row: str(row["name"]))
