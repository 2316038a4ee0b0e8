"""A caption and what was made of it, word by word: what left, what came, what stayed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.text import Text

    from negagen.types import Edit

Kind = Literal["same", "removed", "added"]
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text. Same and removed pieces give the caption, same and added ones the new text."""

    text: str
    kind: Kind


def from_edits(caption: str, edits: Sequence[Edit]) -> list[Piece]:
    """The pieces of `edits` (disjoint, by offset), each widened to whole words."""
    pieces: list[Piece] = []
    done = 0
    for start, stop, inside in _windows(caption, sorted(edits, key=lambda edit: (edit.start, edit.end))):
        pieces.append(Piece(caption[done:start], "same"))
        pieces.append(Piece(caption[start:stop], "removed"))
        new, at = "", start
        for edit in inside:
            new += caption[at : edit.start] + edit.new
            at = edit.end
        pieces.append(Piece(new + caption[at:stop], "added"))
        done = stop
    pieces.append(Piece(caption[done:], "same"))
    return [piece for piece in pieces if piece.text]


def from_texts(caption: str, other: str) -> list[Piece]:
    """The pieces of two texts whose edits are not known, by their longest common words."""
    before, after = _WORDS.findall(caption), _WORDS.findall(other)
    pieces: list[Piece] = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece("".join(before[a:b]), "same"))
            continue
        pieces += [Piece("".join(before[a:b]), "removed"), Piece("".join(after[c:d]), "added")]
    return [piece for piece in pieces if piece.text]


def styled(pieces: Sequence[Piece], colour: bool, mark: str = "") -> Text:
    """`mark`, then the pieces: struck red and bold green; without colour `[-removed-]` and `{+added+}`."""
    from rich.text import Text

    text = Text().append(mark, "bold")
    before: Kind = "same"
    for piece in pieces:
        if piece.kind == "same":
            text.append(piece.text)
        elif piece.kind == "removed":
            text.append(piece.text if colour else f"[-{piece.text}-]", "red strike" if colour else "")
        else:
            # What left and what came are two words, although they share one place.
            gap = " " if before == "removed" and not piece.text[:1].isspace() else ""
            text.append(gap)
            text.append(piece.text if colour else f"{{+{piece.text}+}}", "bold green" if colour else "")
        before = piece.kind
    return text


def _windows(caption: str, edits: Sequence[Edit]) -> list[tuple[int, int, list[Edit]]]:
    windows: list[tuple[int, int, list[Edit]]] = []
    for edit in edits:
        start, stop = edit.start, edit.end
        first, last = (edit.old or edit.new)[:1] + edit.new[:1], (edit.old or edit.new)[-1:] + edit.new[-1:]
        if any(map(_in_word, first)):
            while start > 0 and _in_word(caption[start - 1]):
                start -= 1
        if any(map(_in_word, last)):
            while stop < len(caption) and _in_word(caption[stop]):
                stop += 1
        if windows and start < windows[-1][1]:
            start, _, inside = windows.pop()
            windows.append((start, max(stop, inside[-1].end), [*inside, edit]))
        else:
            windows.append((start, stop, [edit]))
    return windows


def _in_word(character: str) -> bool:
    return character.isalnum() or character in "'’"
