from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from negagen.cli.diff import Piece, from_edits, from_texts, styled
from negagen.types import Edit

texts = st.text("ab 's.-é", max_size=30)


@st.composite
def edited(draw: st.DrawFn) -> tuple[str, list[Edit]]:
    """A caption and disjoint edits of it, insertions among them."""
    caption = draw(texts)
    bounds = sorted(draw(st.lists(st.integers(0, len(caption)), max_size=8)))
    pairs = [*zip(bounds[::2], bounds[1::2], strict=False)]
    return caption, [Edit(start, end, caption[start:end], draw(texts)) for start, end in pairs]


def sides(pieces: list[Piece]) -> tuple[str, str]:
    return (
        "".join(piece.text for piece in pieces if piece.kind != "added"),
        "".join(piece.text for piece in pieces if piece.kind != "removed"),
    )


def applied(caption: str, edits: list[Edit]) -> str:
    out, at = "", 0
    for edit in edits:
        out += caption[at : edit.start] + edit.new
        at = edit.end
    return out + caption[at:]


@given(edited())
def test_pieces_of_edits_give_both_texts(given: tuple[str, list[Edit]]) -> None:
    caption, edits = given
    assert sides(from_edits(caption, edits)) == (caption, applied(caption, edits))


@given(texts, texts)
def test_pieces_of_texts_give_both_texts(caption: str, other: str) -> None:
    assert sides(from_texts(caption, other)) == (caption, other)


def shown(caption: str, *edits: Edit) -> str:
    return styled(from_edits(caption, edits), colour=False).plain


def test_edits_are_shown_as_whole_words() -> None:
    assert shown("a dog sits.", Edit(5, 5, "", "s")) == "a [-dog-] {+dogs+} sits."
    assert shown("a dog sits.", Edit(0, 1, "a", "two"), Edit(5, 5, "", "s")) == "[-a-] {+two+} [-dog-] {+dogs+} sits."
    assert shown("a dog sits.", Edit(2, 2, "", "red ")) == "a {+red +}dog sits."
    assert shown("a dog sits.", Edit(10, 10, "", " here")) == "a dog sits{+ here+}."
    assert shown("the man's hat", Edit(4, 7, "man", "woman")) == "the [-man's-] {+woman's+} hat"


def test_texts_are_compared_word_by_word() -> None:
    pieces = from_texts("a cat on a mat", "a rat on a mat")
    assert styled(pieces, colour=False, mark="1 ").plain == "1 a [-cat-] {+rat+} on a mat"


def test_colours() -> None:
    text = styled(from_texts("a cat", "a rat"), colour=True)
    assert text.plain == "a cat rat"
    assert {str(span.style): text.plain[span.start : span.end] for span in text.spans if span.style} == {
        "red strike": "cat",
        "bold green": "rat",
    }
