"""Reads the word files of rules/en/lexicon and checks what a person may get wrong in them."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MARKS = {"*": "source_only", "!": "target_only", "~": "plural_only", "^": "mass", "=": "both"}


class SourceError(Exception):
    """A word file that cannot be compiled; the message names file and class."""


@dataclass(frozen=True)
class Word:
    """A word in a group, with the marks behind it."""

    text: str
    marks: frozenset[str]


@dataclass(frozen=True)
class WordClass:
    """A class of one word file: groups of near words that exclude one another."""

    name: str
    groups: tuple[tuple[Word, ...], ...]
    options: dict[str, Any]

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]


@dataclass
class Sources:
    """Everything a person wrote, parsed."""

    nouns: list[WordClass]
    attributes: list[WordClass]
    actions: list[WordClass]
    numbers: dict[str, Any]
    relations: list[dict[str, Any]]
    relation_objects: dict[str, list[str]]
    viewpoint_attributes: list[str]
    idioms: list[str]
    compounds: list[str]
    articles: dict[str, Any]
    inflection: dict[str, Any]
    protected: list[str]
    never: list[str]
    fits: dict[str, list[str]]
    near: list[list[str]]
    apart: list[list[str]]
    anchors: dict[str, list[str]]
    senses: dict[str, list[str]]
    digest: str = field(default="")


def digest(folder: Path) -> str:
    """SHA-256 over names and contents of all word files, in order of name."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.toml")):
        total.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def read_sources(folder: Path) -> Sources:
    """Raises `SourceError` for a file that is missing, is no TOML, or breaks the format."""

    def table(name: str) -> dict[str, Any]:
        path = folder / name
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SourceError(f"{path}: cannot be read ({error})") from error
        except tomllib.TOMLDecodeError as error:
            raise SourceError(f"{path}: not TOML: {error}") from error

    attributes = table("attributes.toml")
    nouns: list[WordClass] = []
    for path in sorted((folder / "nouns").glob("*.toml")):
        nouns += _classes(path, table(f"nouns/{path.name}"))
    never = folder / "nouns" / "never.toml"
    fits = folder / "nouns" / "prepositions.toml"
    return Sources(
        nouns=nouns,
        attributes=_classes(folder / "attributes.toml", attributes),
        actions=_classes(folder / "actions.toml", table("actions.toml")),
        numbers=table("numbers.toml"),
        relations=table("relations.toml")["relation"],
        relation_objects=table("relations.toml")["objects"],
        viewpoint_attributes=attributes["viewpoint"]["words"],
        idioms=table("idioms.toml")["idiom"],
        compounds=table("idioms.toml")["compound"],
        articles=table("articles.toml"),
        inflection=table("inflection.toml"),
        protected=table("words.toml")["protected"],
        never=table("nouns/never.toml").get("words", []) if never.exists() else [],
        fits=table("nouns/prepositions.toml").get("fits", {}) if fits.exists() else {},
        near=[split(run) for run in table("synonyms.toml")["near"]],
        apart=[split(run) for run in table("synonyms.toml")["apart"]],
        anchors=table("anchors.toml")["anchors"],
        senses=table("anchors.toml")["senses"],
        digest=digest(folder),
    )


def split(run: str) -> list[str]:
    """The words of "a | b | c"."""
    return [word.strip() for word in run.split("|") if word.strip()]


def _classes(path: Path, table: dict[str, Any]) -> list[WordClass]:
    classes = []
    for row in table.get("class", []):
        options = dict(row)
        try:
            name, groups = options.pop("name"), options.pop("groups")
        except KeyError as error:
            raise SourceError(f"{path}: class {row.get('name', '?')!r} has no {error}") from None
        parsed = tuple(tuple(_word(word) for word in split(group)) for group in groups)
        seen: set[str] = set()
        for word in (word for group in parsed for word in group):
            if word.text in seen:
                raise SourceError(f"{path}: class {name!r} has {word.text!r} twice; keep one")
            if word.text != word.text.lower() or not word.text:
                raise SourceError(f"{path}: class {name!r}: {word.text!r} should be lower-case")
            seen.add(word.text)
        classes.append(WordClass(name, parsed, options))
    return classes


def _word(written: str) -> Word:
    text = written.rstrip("".join(MARKS))
    return Word(text.strip(), frozenset(MARKS[mark] for mark in written[len(text) :]))
