"""Benchmarks in which pictures are told apart: two with a text each, or several to choose from for one text."""

from __future__ import annotations

from pathlib import Path

from negagen.errors import DataError
from negagen.evaluate.benchmarks.files import lists_of, need, picture_of, rows_of
from negagen.evaluate.items import Choices, Gathering, Picture

_SVO = {"subj_neg": "subject", "verb_neg": "verb", "obj_neg": "object"}


def winoground(folder: Path) -> Choices:
    """Winoground (arXiv 2204.03162): text, image and group score; `examples.jsonl` and its pictures, or Parquet."""
    return pairs(first_of(folder, "examples.jsonl", "data/examples.jsonl", "*.parquet", "data/*.parquet"), "winoground")


def pairs(path: Path, name: str) -> Choices:
    """Any file in Winoground's format: `image_0`, `image_1` and the text of each, `caption_0` and `caption_1`.

    `id` and `category` (or Winoground's `collapsed_tag`) are optional. A picture is bytes, a struct of `bytes` and
    `path`, or a file's name, with or without its ending.
    """
    rows = rows_of(path)
    need(rows, path, "image_0", "image_1", "caption_0", "caption_1")
    found = Gathering()
    for number, row in enumerate(rows):
        category = row.get("category") or row.get("collapsed_tag") or row.get("tag")
        both = [picture_of(row.get("image_0")), picture_of(row.get("image_1"))]
        _match(found, row.get("id", number), category, both, [row.get("caption_0"), row.get("caption_1")])
    return _made(name, "match", found, "group")


def bivlc(folder: Path) -> Choices:
    """BiVLC (arXiv 2406.09952): I2T, T2I and group score; its Parquet with both pictures as bytes."""
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise DataError(f"{folder}: no .parquet of BiVLC in it.")
    found = Gathering()
    for path in files:
        rows = rows_of(path)
        need(rows, path, "image", "negative_image", "caption", "negative_caption")
        for number, row in enumerate(rows):
            category = "_".join(str(row[name]) for name in ("type", "subtype") if row.get(name))
            pictures = [picture_of(row.get("image")), picture_of(row.get("negative_image"))]
            _match(
                found, f"{path.stem}/{number}", category, pictures, [row.get("caption"), row.get("negative_caption")]
            )
    return _made("bivlc", "match", found, "group")


def cola(folder: Path) -> Choices:
    """COLA's multi-object setting (arXiv 2305.03689): each of two captions is nearer to its own picture ("image").

    The single-object setting, a mean average precision over given labels, is not read.
    """
    path = first_of(
        folder, "COLA_multiobjects_matching_benchmark.json", "data/COLA_multiobjects_matching_benchmark.json"
    )
    found = Gathering()
    for number, row in enumerate(lists_of(path, "[picture, caption, picture, caption]")):
        if len(row) != 4:
            found.skip("not two pictures with a caption each")
            continue
        # The file has links; what counts is the Visual Genome name at their end.
        pictures = [picture_of(str(value).rsplit("/", 1)[-1]) for value in (row[0], row[2])]
        _match(found, number, "", pictures, [row[1], row[3]])
    return _made("cola", "match", found, "image")


def svo_probes(folder: Path) -> Choices:
    """SVO-Probes (arXiv 2106.09141): the sentence is nearer to its picture than to one in which subject, verb or
    object differs; the macro is the mean of the three. Pictures are named by their ids."""
    path = first_of(folder, "svo_probes.csv", "*.csv")
    rows = rows_of(path)
    need(rows, path, "sentence", "pos_image_id", "neg_image_id", *_SVO)
    found = Gathering()
    for number, row in enumerate(rows):
        kinds = [kind for name, kind in _SVO.items() if str(row.get(name)).strip().lower() in ("true", "1")]
        if len(kinds) != 1:
            found.skip("it does not say whether subject, verb or object differs")
            continue
        _choice(found, number, kinds[0], row.get("sentence"), row.get("pos_image_id"), row.get("neg_image_id"))
    return _made("svo-probes", "image", found, "accuracy", macro=True)


def comvg(folder: Path) -> Choices:
    """ComVG (ComCLIP, arXiv 2211.13854): as SVO-Probes, on Visual Genome."""
    path = first_of(folder, "ComVG.csv", "*.csv")
    rows = rows_of(path)
    need(rows, path, "id", "sentence", "pos_image_id", "neg_image_id", "neg_value")
    found = Gathering()
    for row in rows:
        _choice(found, row["id"], row.get("neg_value"), row.get("sentence"), row.get("pos_image_id"),
                row.get("neg_image_id"))  # fmt: skip
    return _made("comvg", "image", found, "accuracy", macro=True)


def first_of(folder: Path, *patterns: str) -> Path:
    """The first file below `folder` that one of `patterns` names. Raises `DataError` if there is none."""
    for pattern in patterns:
        if files := sorted(folder.glob(pattern)):
            return files[0]
    raise DataError(f"{folder}: none of {', '.join(patterns)} in it.")


def _match(
    found: Gathering, name: object, category: object, pictures: list[Picture | None], texts: list[object]
) -> None:
    both = [picture for picture in pictures if picture is not None]
    if len(both) < 2:
        found.skip("no picture is named")
    elif both[0].key == both[1].key:
        found.skip("both pictures are the same")
    else:
        # One as if true and one as if false, so that equal texts are counted; which is which does not matter here.
        found.add(name, category, both, texts[:1], texts[1:])


def _choice(found: Gathering, name: object, category: object, text: object, shows: object, shows_not: object) -> None:
    right, wrong = picture_of(shows), picture_of(shows_not)
    if right is None or wrong is None:
        found.skip("no picture is named")
    elif right.key == wrong.key:
        found.skip("both pictures are the same")
    else:
        found.add(name, category, [right, wrong], [text])


def _made(name: str, task: str, found: Gathering, headline: str, *, macro: bool = False) -> Choices:
    return Choices(
        name, "match" if task == "match" else "image", tuple(found.items), headline, macro=macro, found=found.found,
        skipped=dict(found.skipped), notes=dict(found.notes),
    )  # fmt: skip
