"""Benchmarks that show one picture with a true caption and a false one."""

from __future__ import annotations

from pathlib import Path

from negagen.errors import DataError
from negagen.evaluate.benchmarks.files import box_of, list_in, lists_of, need, picture_of, rows_of
from negagen.evaluate.benchmarks.symmetric import SYMMETRIC_RELATIONS
from negagen.evaluate.items import Choices, Gathering

SUGARCREPE = ("add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")
SUGARCREPE_PP = ("replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj")
VALSE = (
    "existence", "plurals", "counting-hard", "counting-small-quant", "counting-adversarial", "relations",
    "action-replacement", "actant-swap", "coreference-standard", "coreference-hard", "foil-it",
)  # fmt: skip


def sugarcrepe(folder: Path) -> Choices:
    """SugarCrepe (arXiv 2306.14610): the caption above the negative; the macro is the mean of the seven sets."""
    found = Gathering()
    for category in SUGARCREPE:
        path = folder / f"{category}.json"
        rows = rows_of(path)
        need(rows, path, "filename", "caption", "negative_caption")
        for number, row in enumerate(rows):
            if (picture := picture_of(row.get("filename"))) is None:
                found.skip("no picture is named")
                continue
            # An item's key is its place: SugarCrepe's files number their items from 0.
            found.add(f"{category}/{number}", category, [picture], [row.get("caption")], [row.get("negative_caption")])
    return _made("sugarcrepe", found, "accuracy", macro=True)


def sugarcrepe_pp(folder: Path) -> Choices:
    """SugarCrepe++ (arXiv 2406.11171): ITT, both captions above the negative; TOT, the text tower alone."""
    found = Gathering()
    for category in SUGARCREPE_PP:
        path = folder / f"{category}.json"
        rows = rows_of(path)
        need(rows, path, "filename", "caption", "caption2", "negative_caption")
        for number, row in enumerate(rows):
            if (picture := picture_of(row.get("filename"))) is None:
                found.skip("no picture is named")
                continue
            true, false = [row.get("caption"), row.get("caption2")], [row.get("negative_caption")]
            found.add(f"{category}/{row.get('id', number)}", category, [picture], true, false)
    return _made("sugarcrepe++", found, "ITT", macro=True, text_only=True)


def valse(folder: Path) -> Choices:
    """VALSE (arXiv 2112.07566): the caption above its foil, by phenomenon, of the items that two of three people
    confirmed; the macro is the mean of the eleven files."""
    found = Gathering()
    for category in VALSE:
        path = folder / f"{category}.json"
        rows = rows_of(path)
        need(rows, path, "image_file", "caption", "foil")
        for number, row in enumerate(rows):
            votes = row.get("mturk")
            if isinstance(votes, dict) and isinstance(votes.get("caption"), int) and votes["caption"] < 2:
                found.skip("people did not confirm it")
            elif (picture := picture_of(row.get("image_file"))) is None:
                found.skip("no picture is named")
            else:
                found.add(f"{category}/{number}", category, [picture], [row.get("caption")], [row.get("foil")])
    return _made("valse", found, "accuracy", macro=True)


def vg_relation(folder: Path) -> Choices:
    """ARO's VG-Relation (arXiv 2210.01936), within the box of the relation; the macro is the mean of the relations
    that are not symmetric, by the authors' list."""
    return _aro(folder, "visual_genome_relation.json", "aro-relation", least=1, outside=SYMMETRIC_RELATIONS)


def vg_attribution(folder: Path) -> Choices:
    """ARO's VG-Attribution (arXiv 2210.01936); the macro is the mean of pairs of attributes with 25 items or more."""
    return _aro(folder, "visual_genome_attribution.json", "aro-attribution", least=25, outside=frozenset())


def _aro(folder: Path, file: str, name: str, least: int, outside: frozenset[str]) -> Choices:
    path = folder / file
    rows = rows_of(path)
    need(rows, path, "image_path", "true_caption", "false_caption")
    found = Gathering()
    for number, row in enumerate(rows):
        box = box_of(row, "bbox_x", "bbox_y", "bbox_w", "bbox_h")
        picture = picture_of(row.get("image_path"), box=box)
        if picture is None or box is None:
            found.skip("no picture is named" if picture is None else "its box is missing")
            continue
        attributes = row.get("attributes")
        category = row.get("relation_name") or ("_".join(map(str, attributes)) if isinstance(attributes, list) else "")
        found.add(
            number, category, [picture], [row.get("true_caption")], [row.get("false_caption")], group=picture.name
        )
    return _made(name, found, "accuracy", macro=True, least=least, outside_macro=outside)


def vl_checklist(folder: Path) -> Choices:
    """VL-CheckList (arXiv 2207.00221): each of the folder's JSON files below Attribute, Object and Relation is a
    category, whose items are [picture, {"POS": [text], "NEG": [text]}]."""
    files = sorted(path for kind in ("Attribute", "Object", "Relation") for path in (folder / kind).rglob("*.json"))
    if not files:
        raise DataError(f"{folder}: no Attribute/*.json, Object/*.json or Relation/*.json of VL-CheckList in it.")
    found = Gathering()
    for path in files:
        category = path.relative_to(folder).with_suffix("").as_posix()
        for number, row in enumerate(lists_of(path, '[picture, {"POS": [text], "NEG": [text]}]')):
            texts = row[1] if len(row) > 1 and isinstance(row[1], dict) else {}
            true, false = texts.get("POS"), texts.get("NEG")
            if not row or (picture := picture_of(row[0])) is None:
                found.skip("no picture is named")
            elif not isinstance(true, list) or not isinstance(false, list) or not true or not false:
                found.skip("a text is missing")
            else:
                found.add(f"{category}/{number}", category, [picture], true[:1], false[:1])
    return _made("vl-checklist", found, "accuracy", macro=True)


def crepe(folder: Path) -> Choices:
    """CREPE (arXiv 2212.07796): R@1 of the caption among its hard negatives, within the box that the caption is of.

    Productivity (`prod_vg_hard_negs_KIND_complexity_N.csv`) and systematicity (`syst_vg_hard_negs_SPLIT_in_DATA.csv`),
    wherever they lie below the folder.
    """
    files = sorted(folder.rglob("prod_vg_hard_negs_*.csv")) + sorted(folder.rglob("syst_vg_hard_negs_*.csv"))
    if not files:
        raise DataError(f"{folder}: no prod_vg_hard_negs_*.csv or syst_vg_hard_negs_*.csv of CREPE in it.")
    found = Gathering()
    for path in files:
        rows = rows_of(path)
        need(rows, path, "image_id", "caption")
        names = [one for one in ("hard_negs", "valid_hard_negs_atom", "valid_hard_negs_comp") if one in rows[0]]
        if not names:
            raise DataError(f"{path}: no column hard_negs, valid_hard_negs_atom or valid_hard_negs_comp.")
        for number, row in enumerate(rows):
            picture = picture_of(row.get("image_id"), box=box_of(row, "x", "y", "width", "height"))
            for column in names:
                category = path.stem if column == "hard_negs" else f"{path.stem} {column.removeprefix('valid_hard_')}"
                false = list_in(row, column, path, number)
                if picture is None or not false:
                    found.skip("no picture is named" if picture is None else "it has no negatives")
                    continue
                found.add(f"{category}/{number}", category, [picture], [row["caption"]], false, group=picture.name)
    return _made("crepe", found, "accuracy", macro=True)


def _made(
    name: str,
    found: Gathering,
    headline: str,
    *,
    macro: bool = False,
    text_only: bool = False,
    least: int = 1,
    outside_macro: frozenset[str] = frozenset(),
) -> Choices:
    return Choices(
        name, "text", tuple(found.items), headline, macro=macro, text_only=text_only, least=least,
        together="ITT" if text_only else "consistency",
        outside_macro=outside_macro, found=found.found, skipped=dict(found.skipped), notes=dict(found.notes),
    )  # fmt: skip
