import pytest

from benchmarks.agreement import number_errors
from benchmarks.reference import Reference, singular_of


@pytest.fixture(scope="module")
def reference() -> Reference:
    nouns = ("dog", "cat", "bus", "bench", "monitor", "bowl", "player", "street", "table")
    plurals = ("dogs", "cats", "buses", "benches", "monitors", "bowls", "players", "streets", "tables")
    captions = [f"a {noun} in the park" for noun in (*nouns, "man", "woman", "girl", "boy", "sofa", "zebra")]
    captions += [f"two {noun} on the grass" for noun in plurals]
    captions += [f"a man {verb} on a bench" for verb in ("stands", "sits", "rides", "watches", "walks")]
    captions += ["a girl rides a horse", "a dog watches a boy", "a computer monitor on a table"]
    return Reference.of(captions * 3)


@pytest.mark.parametrize(
    "text",
    [
        "two dog on the grass",
        "Two brown dog standing on the grass",
        "many bus in a street",
        "these dog are wet",
        "a dogs on the grass",
        "An old benches in the park",
        "a men leans on a table",
        "3 cat on a sofa",
        "several player sit on a bench",
        "The dogs is in the park",
        "A man are in the park",
        "A bowl on a table are red",
        "Two computer monitors is on a table",
        "two dogs sits on a bench",
        "a girl ride a horse",
        "there is two dogs in the park",
        "there are a dog in the park",
    ],
)
def test_flags_a_disagreement(text: str, reference: Reference) -> None:
    assert number_errors(text, reference)


@pytest.mark.parametrize(
    "text",
    [
        "two dogs on the grass",
        "Two brown dogs standing on the grass",
        "two computer monitors on a table",
        "a few dogs in the park",
        "a dozen cats on a bench",
        "a man stands on a bench",
        "a man watches a girl",
        "a man with two dogs is in the park",
        "a man and a woman are on a bench",
        "a couple are on a bench",
        "A group of dogs is in the park",
        "two sheep in the park",
        "three sheep stand near a bench",
        "many restaurants in the park",
        "a pair of scissors on a table",
        "one of the dogs is wet",
        "there are a dog and a cat in the park",
        "a two story house",
        "a bus in the streets",
        "a street where two zebras are",
        "three mp3 players on a table",
    ],
)
def test_lets_agreement_pass(text: str, reference: Reference) -> None:
    assert number_errors(text, reference) == []


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("dogs", "dog"), ("buses", "bus"), ("benches", "bench"), ("puppies", "puppy"), ("cookies", "cookie"),
        ("women", "woman"), ("zebras", "zebra"), ("potatoes", "potato"), ("glass", None), ("bus", None),
        ("tennis", None), ("red", None),
    ],
)  # fmt: skip
def test_singular_of(plural: str, singular: str | None) -> None:
    assert singular_of(plural) == singular
