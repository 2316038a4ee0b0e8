"""Hypothesis strategies, in one place."""

from hypothesis import strategies as st

DETERMINERS = ["A", "The", "Two", "Three", "Her", "Some", "An", ""]
ADJECTIVES = ["", "red ", "small ", "old ", "wooden ", "black and white ", "very large ", "open "]
NOUNS = [
    "dog",
    "cats",
    "bus",
    "umbrella",
    "men",
    "woman",
    "fire hydrant",
    "table",
    "living room",
    "t-shirt",
    "apples",
    "boxes",
]
LINKS = [
    " on ",
    " next to ",
    " is chasing ",
    " with ",
    ", ",
    " and ",
    " in front of ",
    " holding ",
    " stands behind ",
    " of ",
]
ENDS = ["", ".", " ", " .", "!", "  ", "\n", " \U0001f600"]


@st.composite
def captions(draw: st.DrawFn) -> str:
    """Caption-like strings, odd spacing, capitals and endings included."""
    parts = []
    for index in range(draw(st.integers(1, 4))):
        if index:
            parts.append(draw(st.sampled_from(LINKS)))
        determiner = draw(st.sampled_from(DETERMINERS))
        phrase = draw(st.sampled_from(ADJECTIVES)) + draw(st.sampled_from(NOUNS))
        parts.append(f"{determiner if index == 0 else determiner.lower()} {phrase}".strip())
    text = "".join(parts) + draw(st.sampled_from(ENDS))
    return draw(st.sampled_from([text, text.lower(), text.upper(), f"  {text}", text.replace(" ", "  ", 1)]))
