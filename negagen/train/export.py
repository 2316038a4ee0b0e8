"""A model as a folder that its library loads, with a card that says what it was made of."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from negagen.atomic import ASIDE, flush
from negagen.errors import OutputError
from negagen.train.models import ContrastiveModel
from negagen.train.writing import libraries_explained

CARD: Final = "README.md"


@dataclass(frozen=True, slots=True)
class Card:
    """What the card of an exported model says.

    `data` and `settings` are tables of names and values; `scores` holds a row of figures by column name for each
    model measured; `recipe` is the resolved TOML.
    """

    title: str
    base: str
    data: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    recipe: str | None = None
    notes: Sequence[str] = ()

    def render(self, library: str) -> str:
        """The card as Markdown under the front matter that the Hugging Face hub reads."""
        base = Path(self.base).resolve().name if Path(self.base).exists() else self.base
        lines = [
            "---",
            f"library_name: {library}",
            f"base_model: {json.dumps(base)}",
            "pipeline_tag: zero-shot-image-classification",
            "tags: [clip, hard-negatives, compositionality, negagen]",
            "---",
            "",
            f"# {self.title}",
            "",
            f"`{base}`, tuned with [negagen](https://pypi.org/project/negagen/).",
            "",
            *self.notes,
        ]
        if self.scores:
            columns = list(dict.fromkeys(name for row in self.scores.values() for name in row))
            lines += ["", "## Measured", "", f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
            lines += [
                f"| {model} | {' | '.join(_cell(row.get(name)) for name in columns)} |"
                for model, row in self.scores.items()
            ]
        for heading, table in (("Data", self.data), ("Run", self.settings)):
            if table:
                lines += ["", f"## {heading}", "", "| | |", "|---|---|"]
                lines += [f"| {name} | {value} |" for name, value in table.items()]
        if self.recipe is not None:
            lines += ["", "## Recipe", "", "```toml", self.recipe.strip(), "```"]
        return "\n".join(lines) + "\n"


def _cell(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}%"


def export(model: ContrastiveModel, folder: Path, card: Card) -> None:
    """Write `model` as its library's `save_pretrained` does: weights, tokenizer, image processor, and the card.

    The folder is written aside and renamed; what lies there already is replaced if it is such an export, else it is an
    `OutputError`, as is a full disk, which leaves it as it was.
    """
    check_folder(folder)
    aside = folder.with_name(f"{folder.name}.{os.getpid()}{ASIDE}")
    shutil.rmtree(aside, ignore_errors=True)
    with libraries_explained(folder):
        aside.mkdir(parents=True)
        try:
            if model.source == "open-clip":
                from negagen.train.open_clip import save_open_clip

                save_open_clip(model, aside)
            else:
                _save_transformers(model, aside)
            library = "open_clip" if model.source == "open-clip" else "transformers"
            (aside / CARD).write_text(card.render(library), encoding="utf-8")
            for written in (*aside.iterdir(), aside):
                flush(written)
            if folder.exists():
                shutil.rmtree(folder)
            aside.replace(folder)
            flush(folder.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def check_folder(folder: Path) -> None:
    """Raise `OutputError` if `export` would not write there: a file, or a folder of something else."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file: name a folder with -o DIR.")
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD).exists():
        raise OutputError(f"{folder} is not empty and holds no exported model: name another folder with -o DIR.")


def _save_transformers(model: ContrastiveModel, folder: Path) -> None:
    network: Any = model.network
    network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    # Written from the settings that were read: to make a processor transformers wants torchvision.
    settings = json.dumps(model.preprocessor, indent=2)
    (folder / "preprocessor_config.json").write_text(settings + "\n", encoding="utf-8")


def data_table(negatives: Sequence[str], facts: Mapping[str, object]) -> dict[str, object]:
    """What a card says of the training data: `facts`, and how `negagen generate` made the negatives."""
    table: dict[str, object] = {"negatives": ", ".join(Path(name).name for name in negatives), **facts}
    for name in negatives:
        made = made_by(Path(name))
        if made:
            table |= {
                "made by negagen": made.get("version", "?"),
                "rules": made.get("rules", "?"),
                "seed": made.get("seed", "?"),
                "run": made.get("fingerprint", "?"),
            }
    return table


def made_by(path: Path) -> dict[str, object]:
    """What `negagen generate` wrote into a Parquet file's footer; empty for files of other makes."""
    if path.suffix != ".parquet" or not path.is_file():
        return {}
    import pyarrow.parquet as pq

    from negagen.batch.schema import read_footer

    return read_footer(pq.read_metadata(path).metadata)
