"""The items on which two models differ most, with what is needed to show them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from PIL import Image

from negagen.data.images import BadImageError
from negagen.evaluate.items import Choices, Item, Picture
from negagen.evaluate.pictures import Folders, part_of
from negagen.evaluate.report import Report
from negagen.page import marked

_SIDE = 264


@dataclass(frozen=True, slots=True)
class Change:
    """An item with both models' margins. `texts` are HTML, `pictures` data URLs of small copies."""

    benchmark: str
    item: str
    category: str
    before: float
    after: float
    right_before: bool
    right_after: bool
    texts: tuple[str, ...]
    pictures: tuple[str, ...]


def changed(report: Report, before: str, after: str, number: int) -> tuple[Change, ...]:
    """The items, of all benchmarks of single questions, whose margin changed most: those that gained first.

    Half of `number` are of either kind, more of the one where there are too few of the other.
    """
    moved = [one for one in _moved(report, before, after) if one[0] == one[0]]
    moved.sort(key=lambda one: (one[0], one[1], one[2].id))
    gained = [one for one in reversed(moved) if one[0] > 0]
    lost = [one for one in moved if one[0] < 0]
    most_lost = min(len(lost), max(number // 2, number - len(gained)))
    gained, lost = gained[: number - most_lost], lost[:most_lost]
    folders = Folders(report.folders)
    out = []
    for _, name, item, (margins, right) in [*gained, *lost]:
        benchmark = report.benchmarks[name]
        task = benchmark.task if isinstance(benchmark, Choices) else "text"
        pictures = tuple(url for one in item.pictures if (url := small(one, folders)))
        out.append(Change(name, item.id, item.category, *margins, *right, _texts(item, task), pictures))
    return tuple(out)


_Move = tuple[float, str, Item, tuple[tuple[float, float], tuple[bool, bool]]]


def _moved(report: Report, before: str, after: str) -> Iterator[_Move]:
    for name, benchmark in report.benchmarks.items():
        if not isinstance(benchmark, Choices):
            continue
        results = [report.model(one).results.get(name) for one in (before, after)]
        a, b = (None if one is None else one.scored[one.headline] for one in results)
        if a is None or b is None:
            continue
        known = {item.id: item for item in benchmark.items}
        place_of = {own: place for place, own in enumerate(b.ids)}
        for place, own in enumerate(a.ids):
            if own in place_of and own in known:
                other = place_of[own]
                margins = (float(a.margin[place]), float(b.margin[other]))
                right = (bool(a.right[place]), bool(b.right[other]))
                yield margins[1] - margins[0], name, known[own], (margins, right)


def _texts(item: Item, task: str) -> tuple[str, ...]:
    if task == "image":
        return (f"{escape(item.texts[0])} <small>(of the first picture)</small>",)
    if task == "match":
        return tuple(map(escape, item.texts))
    true = item.texts[: item.true]
    shown = [marked(true[0], text) for text in item.texts[item.true : item.true + 3]]
    return (*(f"{escape(text)} <small>(true as well)</small>" for text in true[1:]), *shown)


def small(picture: Picture, folders: Folders) -> str:
    """A small copy of a picture, as a data URL; "" if it cannot be opened."""
    try:
        data = folders.read(picture)
        if picture.box is not None:
            image = part_of(data, picture.box)
        else:
            with Image.open(io.BytesIO(data)) as whole:
                image = whole.convert("RGB")
    except (BadImageError, OSError, ValueError):
        return ""
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
