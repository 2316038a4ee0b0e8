"""Words of the small world: what is drawn, how it may look, and how likely that is.

Every word is one that negagen's lexicon knows, so that its rules fire on these captions. The priors are skewed on
purpose: bananas are mostly yellow and cups mostly stand on tables, so that wording alone tells something about the
picture, as it does in captions of photographs, and a true caption can be less plausible than a false one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

COLOURS: Final = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray")
MATERIALS: Final = ("wooden", "metal", "plastic", "stone")
PATTERNS: Final = ("striped", "checkered", "polka-dot")
SIZES: Final = ("small", "large")
RELATIONS: Final = ("on", "under", "in", "above", "behind")


@dataclass(frozen=True, slots=True)
class Noun:
    """A kind of thing.

    `width` and `height` are the sides of its box, as shares of the picture when it is large. `surface` is how far
    below the top of the box other things stand on it (None: nothing stands on it); `gap` the share of the box, from
    below, that is free under it; `flies` says that it hangs in the air. `colours` are the two usual ones.
    """

    name: str
    width: float
    height: float
    theme: str
    colours: tuple[str, str]
    surface: float | None = None
    gap: float = 0.0
    holds: bool = False
    flies: bool = False
    material: bool = False
    pattern: bool = False
    plural: str = ""

    @property
    def many(self) -> str:
        """The plural."""
        return self.plural or self.name + "s"


NOUNS: Final[dict[str, Noun]] = {
    noun.name: noun
    for noun in (
        Noun("table", 0.36, 0.26, "room", ("brown", "white"), surface=0.06, gap=0.70, material=True),
        Noun(
            "bench", 0.38, 0.24, "street", ("brown", "green"), surface=0.40, gap=0.40, material=True, plural="benches"
        ),
        Noun("chair", 0.24, 0.34, "room", ("brown", "black"), surface=0.55, gap=0.34, material=True),
        Noun("couch", 0.42, 0.24, "room", ("gray", "red"), surface=0.45, pattern=True, plural="couches"),
        Noun("bed", 0.42, 0.22, "room", ("white", "blue"), surface=0.38, gap=0.26),
        Noun("box", 0.26, 0.22, "room", ("brown", "white"), surface=0.0, holds=True, material=True, plural="boxes"),
        Noun("basket", 0.28, 0.20, "kitchen", ("brown", "yellow"), holds=True),
        Noun("bowl", 0.28, 0.15, "kitchen", ("white", "blue"), holds=True, material=True),
        Noun("bucket", 0.22, 0.22, "street", ("gray", "red"), holds=True, material=True),
        Noun("cup", 0.18, 0.18, "kitchen", ("white", "red"), pattern=True),
        Noun("bottle", 0.11, 0.28, "kitchen", ("green", "brown")),
        Noun("teapot", 0.26, 0.19, "kitchen", ("white", "blue"), pattern=True),
        Noun("vase", 0.15, 0.25, "room", ("blue", "white"), pattern=True),
        Noun("candle", 0.08, 0.25, "room", ("white", "red")),
        Noun("apple", 0.17, 0.18, "kitchen", ("red", "green")),
        Noun("banana", 0.24, 0.15, "kitchen", ("yellow", "green")),
        Noun("donut", 0.20, 0.17, "kitchen", ("pink", "brown")),
        Noun("cake", 0.24, 0.20, "kitchen", ("pink", "white")),
        Noun("carrot", 0.26, 0.11, "kitchen", ("orange", "yellow")),
        Noun("ball", 0.19, 0.19, "play", ("red", "blue"), pattern=True),
        Noun("kite", 0.22, 0.28, "play", ("red", "yellow"), flies=True, pattern=True),
        Noun("skateboard", 0.32, 0.11, "play", ("black", "green"), pattern=True),
        Noun("balloon", 0.17, 0.30, "play", ("red", "pink"), flies=True, pattern=True),
        Noun("umbrella", 0.28, 0.26, "street", ("black", "purple"), pattern=True),
        Noun("suitcase", 0.26, 0.24, "street", ("black", "brown"), surface=0.18, pattern=True),
        Noun("backpack", 0.20, 0.24, "street", ("blue", "green"), pattern=True),
        Noun("hat", 0.26, 0.14, "street", ("black", "brown"), pattern=True),
        Noun("book", 0.24, 0.11, "room", ("red", "blue"), surface=0.0),
        Noun("guitar", 0.16, 0.36, "play", ("brown", "orange")),
        Noun("clock", 0.19, 0.19, "room", ("white", "black"), material=True),
        Noun("lamp", 0.19, 0.30, "room", ("yellow", "white"), pattern=True),
        Noun("laptop", 0.26, 0.20, "room", ("gray", "black")),
        Noun("car", 0.36, 0.17, "street", ("red", "gray"), surface=0.0),
        Noun("bus", 0.38, 0.23, "street", ("yellow", "red"), surface=0.0, plural="buses"),
        Noun("boat", 0.32, 0.26, "street", ("white", "blue")),
        Noun("airplane", 0.34, 0.18, "play", ("white", "gray"), flies=True),
        Noun("cat", 0.22, 0.22, "room", ("black", "orange")),
        Noun("dog", 0.28, 0.22, "street", ("brown", "white")),
        Noun("bird", 0.20, 0.16, "play", ("blue", "yellow"), flies=True),
    )
}

# Coats and feathers: the lexicon knows no purple cat.
ANIMAL_COLOURS: Final = ("white", "black", "brown", "gray", "orange", "yellow", "green", "blue", "pink")
ANIMALS: Final = frozenset({"cat", "dog", "bird"})

# Other words for the same, in captions and in what negagen makes of them.
NOUN_SYNONYMS: Final = {
    "sofa": "couch", "sofas": "couch", "plane": "airplane", "planes": "airplane", "aeroplane": "airplane",
    "aeroplanes": "airplane", "doughnut": "donut", "doughnuts": "donut", "mug": "cup", "mugs": "cup",
    "automobile": "car", "automobiles": "car",
    "knapsack": "backpack", "rucksack": "backpack", "knapsacks": "backpack", "rucksacks": "backpack",
}  # fmt: skip
COLOUR_SYNONYMS: Final = {"grey": "gray"}
SIZE_SYNONYMS: Final = {
    "big": "large", "huge": "large", "giant": "large", "enormous": "large", "gigantic": "large",
    "tiny": "small", "little": "small",
}  # fmt: skip
MATERIAL_SYNONYMS: Final = {"wood": "wooden", "metallic": "metal"}
PATTERN_SYNONYMS: Final = {"plaid": "checkered", "checked": "checkered", "spotted": "polka-dot"}
# Looks that nothing in this world has.
FOREIGN_LOOKS: Final = frozenset(
    "gold golden tan beige teal turquoise silver violet glass ceramic floral camouflage plain paper wicker leather "
    "cotton brick concrete denim wool silk rubber cardboard".split()
)
NUMBERS: Final = {
    "a": 1, "an": 1, "the": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "twelve": 12, "several": 3,
}  # fmt: skip
COUNT_WORDS: Final = ("", "a", "two", "three", "four")


# Said now and then in place of the usual word, so that a rewording is not made of words never seen.
ALSO_SAID: Final[dict[str, tuple[str, ...]]] = {
    "couch": ("sofa",), "airplane": ("plane",), "cup": ("mug",), "donut": ("doughnut",), "large": ("big", "huge"),
    "small": ("tiny", "little"), "gray": ("grey",), "checkered": ("plaid",), "next to": ("beside",),
    "on": ("on top of",), "in": ("inside",), "under": ("beneath",), "above": ("over",),
}  # fmt: skip


def colours_of(noun: str) -> tuple[str, ...]:
    """The colours in which the thing is drawn at all."""
    return ANIMAL_COLOURS if noun in ANIMALS else COLOURS


# Pairs of colour and thing that no picture shows but those of the held-out part: about one pair in eleven, never one
# of the thing's usual colours. Each thing and each colour is seen in many other pairs.
HELD_OUT: Final[frozenset[tuple[str, str]]] = frozenset(
    (colours_of(name)[(5 * row + 3) % len(colours_of(name))], name)
    for row, (name, noun) in enumerate(NOUNS.items())
    if colours_of(name)[(5 * row + 3) % len(colours_of(name))] not in noun.colours
)
