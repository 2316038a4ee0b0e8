"""What a picture shows: things, how they look, how they stand to one another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Scene", "Thing"]


@dataclass(frozen=True, slots=True)
class Thing:
    """`count` equal things side by side, in one column of the picture."""

    noun: str
    colour: str
    size: str
    material: str | None
    pattern: str | None
    count: int
    column: int


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture, whole: the same scene is always drawn as the same pixels.

    `relations` are (index of a thing, "on" | "under" | "in" | "above" | "behind", index of another thing). What
    follows from them (whatever is on a table is above it, too) is said by `holds`.
    """

    things: tuple[Thing, ...]
    relations: tuple[tuple[int, str, int], ...]
    columns: int
    seed: int

    def to_json(self) -> str:
        """One line of JSON; `from_json` reads it back."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Scene:
        """The scene that `to_json` wrote."""
        value: dict[str, Any] = json.loads(text)
        return cls(
            tuple(Thing(**thing) for thing in value["things"]),
            tuple((int(a), str(name), int(b)) for a, name, b in value["relations"]),
            int(value["columns"]),
            int(value["seed"]),
        )

    def holds(self, first: int, relation: str, second: int) -> bool:
        """Whether the thing `first` stands in this relation to the thing `second`.

        `relation` is one of the five above, or "below", "in front of", "left of", "right of", "next to" (in columns
        side by side), "near" (that, or in one column), "far from" (neither), "outside" (not in).
        """
        a, b = self.things[first], self.things[second]
        if first == second:
            return False
        match relation:
            case "left of":
                return a.column < b.column
            case "right of":
                return a.column > b.column
            case "next to":
                return abs(a.column - b.column) == 1
            case "near":
                return abs(a.column - b.column) <= 1
            case "far from":
                return abs(a.column - b.column) > 1
            case "outside":
                return (first, "in", second) not in self.relations
        return (first, relation, second) in set(self._closure())

    def _closure(self) -> Iterator[tuple[int, str, int]]:
        for first, name, second in self.relations:
            yield first, name, second
            match name:
                case "on" | "above":
                    yield first, "above", second
                    yield second, "below", first
                    yield second, "under", first
                case "under":
                    yield first, "below", second
                    yield second, "above", first
                case "behind":
                    yield second, "in front of", first
