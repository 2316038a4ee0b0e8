"""Scene -> picture. The scene's own seed moves things a little and tints wall and floor; nothing else is random."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from examples.scenes.graph import Scene, Thing
from examples.scenes.layout import Box, place
from examples.scenes.shapes import SHAPES

__all__ = ["draw", "to_png"]

Colour = tuple[int, int, int]

PAINT: Final[dict[str, Colour]] = {
    "red": (208, 32, 38), "orange": (244, 130, 20), "yellow": (248, 218, 40), "green": (40, 150, 60),
    "blue": (36, 84, 204), "purple": (122, 44, 158), "pink": (248, 134, 182), "brown": (122, 74, 34),
    "black": (34, 34, 38), "white": (250, 250, 250), "gray": (136, 138, 142),
}  # fmt: skip
FIXED: Final[dict[str, Colour]] = {
    "ink": (22, 22, 26), "pale": (226, 240, 248), "wood": (150, 98, 52), "leaf": (70, 160, 60), "flame": (255, 196, 40),
}  # fmt: skip
SCALE: Final = 3  # drawn larger and shrunk: soft edges


def draw(scene: Scene, side: int = 112) -> Image.Image:
    """The picture, RGB, `side` pixels square."""
    rng = np.random.default_rng(scene.seed)
    large = side * SCALE
    wall = tuple(int(value) for value in rng.integers(196, 232, 3))
    floor = tuple(int(value) for value in rng.integers(150, 190, 3))
    picture = Image.new("RGB", (large, large), wall)
    ImageDraw.Draw(picture).rectangle((0, int(0.62 * large), large, large), fill=floor)
    for thing, box in place(scene, rng):
        _draw_thing(picture, scene.things[thing], box)
    return picture.resize((side, side), Image.Resampling.BOX)


def to_png(picture: Image.Image) -> bytes:
    """The picture's file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def _draw_thing(picture: Image.Image, thing: Thing, box: Box) -> None:
    width, height = max(2, round(box.width * picture.width)), max(2, round(box.height * picture.height))
    colour = PAINT[thing.colour]
    dark: Colour = (int(colour[0] * 0.62), int(colour[1] * 0.62), int(colour[2] * 0.62))
    pen = max(1, picture.width // 160)
    edge: Colour = (88, 88, 94) if thing.colour == "black" else (20, 20, 24)
    tile = Image.new("RGB", (width + 2 * pen, height + 2 * pen), colour)
    mask = Image.new("L", tile.size, 0)
    textured = Image.new("L", tile.size, 0)
    brush, cover, skin = ImageDraw.Draw(tile), ImageDraw.Draw(mask), ImageDraw.Draw(textured)
    for form, numbers, role in SHAPES[thing.noun]:
        at = [pen + value * (height if odd % 2 else width) for odd, value in enumerate(numbers)]
        fill = colour if role == "main" else dark if role == "dark" else FIXED[role]
        _primitive(brush, form, at, fill, edge, pen)
        _primitive(cover, form, at, 255, 255, pen)
        inside = 255 if role == "main" else 0
        _primitive(skin, form, at, inside, 0, pen)
    if (ink := _texture(thing, colour)) is not None:
        tile.paste(
            ink,
            mask=ImageChops.multiply(
                textured, _stencil(thing.material or thing.pattern or "", tile.size, picture.width)
            ),
        )
    picture.paste(tile, (round(box.left * picture.width) - pen, round(box.top * picture.height) - pen), mask)


def _primitive(
    brush: ImageDraw.ImageDraw, form: str, at: list[float], fill: Colour | int, edge: Colour | int, pen: int
) -> None:
    match form:
        case "rect":
            brush.rectangle(at, fill=fill, outline=edge, width=pen)
        case "oval":
            brush.ellipse(at, fill=fill, outline=edge, width=pen)
        case "poly":
            brush.polygon(at, fill=fill, outline=edge, width=pen)
        case "line":
            brush.line(at, fill=fill, width=pen)


def _texture(thing: Thing, colour: Colour) -> Colour | None:
    """The second colour of a pattern or of a material's marks; None where the surface is smooth."""
    if thing.pattern is None and thing.material in (None, "plastic"):
        return None
    bright = sum(colour) > 560
    if thing.material == "metal":
        return (252, 252, 255) if not bright else (176, 182, 190)
    if thing.material == "wooden":
        return (
            (int(colour[0] * 0.55), int(colour[1] * 0.5), int(colour[2] * 0.45)) if sum(colour) > 150 else (104, 84, 66)
        )
    return (250, 250, 250) if not bright else (64, 66, 76)


def _stencil(kind: str, size: tuple[int, int], whole: int) -> Image.Image:
    """Where the second colour goes, 255 there and 0 elsewhere; marks are as large as a share of the whole picture."""
    width, height = size
    y, x = np.mgrid[0:height, 0:width].astype(np.float64) / whole
    match kind:
        case "striped":
            on = (x % 0.05) < 0.022
        case "checkered":
            on = ((x % 0.07) < 0.035) ^ ((y % 0.07) < 0.035)
        case "polka-dot":
            on = ((x % 0.055) - 0.0275) ** 2 + ((y % 0.055) - 0.0275) ** 2 < 0.0155**2
        case "wooden":
            on = ((y + 0.006 * np.sin(x * 70)) % 0.036) < 0.012
        case "metal":
            on = ((x + y) % 0.13) < 0.035
        case "stone":
            on = np.sin(x * 210 + 3 * np.sin(y * 170)) * np.sin(y * 230 + 2 * np.sin(x * 140)) > 0.45
        case _:
            on = np.zeros((height, width), dtype=bool)
    return Image.fromarray((on * 255).astype(np.uint8))
