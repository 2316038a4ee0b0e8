"""a or an, by sound."""

from __future__ import annotations

import pytest

from negagen.lexicon import load

AN = """
apple elephant igloo orange umbrella hour honest heir herb honor LED LCD MRI SUV RV HDTV FBI X-ray x-ray MP3
8 80 8th 800 8,000 11 11th 18 18th 18-wheeler 11-year-old 1800s 18,000 11,500 urn ugly upside uninteresting
unidentified unusual unopened unmade elderly oven open-air hour-long herbal F-16 N-gauge s-shaped A-frame NFL
MLB SOS iPhone eagle ear eight eighteen eleven email onion ostrich old ice-cream
""".split()

A = """
dog unicorn uniform unique unit university universal used useful user utensil utility UFO US USB UK European
euro eucalyptus ewe one one-way one-eyed once ukulele urinal house horse hotel hand huge hydrant history heron
hat yellow year yacht 7 1 2 9 10 12 100 110 1,100 180 1950s 17 19 T-shirt t-shirt u-shaped U-turn V-neck BMW
DVD CD PC TV B-52 wooden whole young youth unicycle union united red lead
""".split()


@pytest.mark.parametrize("word", AN)
def test_an(word: str) -> None:
    assert load().article(word) == "an"


@pytest.mark.parametrize("word", A)
def test_a(word: str) -> None:
    assert load().article(word) == "a"


def test_shouted_words_are_words() -> None:
    assert load().article("RED") == "a"
    assert load().article("OLD") == "an"


def test_quotes_and_apostrophes() -> None:
    article = load().article
    assert article('"open"') == "an"
    assert article("(one)") == "a"
    assert article("hour's") == "an"
    assert article("") == "a"
