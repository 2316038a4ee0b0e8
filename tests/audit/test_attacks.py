from __future__ import annotations

import math
import sys
from collections import Counter
from itertools import product

import numpy as np
import pytest

from negagen.audit import Pairs, run_attacks
from negagen.audit.language_model import TrigramModel
from negagen.audit.rates import folds_of, rate
from negagen.audit.tokens import Vocabulary
from negagen.errors import InputError, ResourceError
from negagen.seeding import Stream

ANIMALS = ["dog", "cat", "horse", "cow", "sheep", "bird"]
COLOURS = ["red", "black", "white", "brown", "grey"]
PLACES = ["beach", "street", "field", "bench"]


def scenes(count: int, seed: int = 0) -> list[str]:
    stream = Stream(seed)

    def one(words: list[str]) -> str:
        return words[stream.below(len(words))]

    return [f"A {one(COLOURS)} {one(ANIMALS)} and a {one(ANIMALS)} on the {one(PLACES)}" for _ in range(count)]


def pairs_of(negatives: list[str], captions: list[str]) -> Pairs:
    return Pairs.of(captions, negatives, groups=list(range(len(captions))))


def test_exchangeable_texts_give_nothing_away() -> None:
    pairs = pairs_of(scenes(600, seed=1), scenes(600, seed=2))
    for attack in run_attacks(pairs):
        assert attack.overall.low < 0.5 < attack.overall.high, attack.name


@pytest.mark.parametrize(
    ("change", "finder"),
    [
        (lambda text: text + " .", "surface"),
        (lambda text: text.lower(), "surface"),
        (lambda text: " ".join(sorted(text.split())), "language-model"),
        (lambda text: text.replace("on the", "near the"), "classifier"),
    ],
)
def test_what_gives_itself_away_is_found(change: object, finder: str) -> None:
    captions = scenes(300)
    assert callable(change)
    pairs = pairs_of([change(text) for text in captions], captions)
    (attack,) = run_attacks(pairs, [finder])
    assert attack.overall.accuracy > 0.97


def test_the_surface_attack_reads_no_words() -> None:
    captions = scenes(300)
    pairs = pairs_of([text.replace("cat", "cow").replace("dog", "pig") for text in captions], captions)
    (surface, words) = run_attacks(pairs, ["surface", "classifier"])
    assert surface.overall.low <= 0.5 <= surface.overall.high
    assert words.overall.accuracy > surface.overall.accuracy


def test_nothing_is_learnt_from_the_own_group() -> None:
    """Each picture has a word of its own, on one side, which is a toss: a judge that saw the group would know."""
    stream = Stream(9)
    captions, negatives, groups = [], [], []
    for picture, one in enumerate(scenes(150)):
        texts = [one, one.replace(" on ", f" zq{picture}x ")]
        if stream.below(2):
            texts.reverse()
        for turn in range(4):
            captions.append(f"{texts[0]} again{turn}")
            negatives.append(f"{texts[1]} again{turn}")
            groups.append(picture)
    swapped = Pairs.of(captions, negatives, groups=groups)
    (attack,) = run_attacks(swapped, ["classifier"])
    assert attack.overall.accuracy < 0.7


def test_by_category_and_rule() -> None:
    captions = scenes(200)
    negatives = [text + "." if index % 2 else text for index, text in enumerate(scenes(200, 5))]
    pairs = Pairs.of(
        captions,
        negatives,
        categories=["swap_att" if index % 2 else "add_obj" for index in range(200)],
        rules=["one"] * 199 + [""],
        groups=list(range(200)),
    )
    (attack,) = run_attacks(pairs, ["surface"])
    assert attack.by_category["swap_att"].accuracy > 0.97
    assert attack.by_category["add_obj"].accuracy < 0.7
    assert attack.by_rule["one"].pairs == 199


def test_the_same_seed_gives_the_same_gaps() -> None:
    pairs = pairs_of(scenes(100, 1), scenes(100, 2))
    first, second = (run_attacks(pairs, seed=5) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.gaps, other.gaps)


def test_a_reference_takes_the_place_of_the_captions() -> None:
    pairs = pairs_of(["blue fish swim"] * 40, [f"zorp gnu{n} quux" for n in range(40)])
    (attack,) = run_attacks(pairs, ["language-model"], reference=["blue fish swim", "fish swim in the sea"])
    assert attack.overall.accuracy == 0


@pytest.mark.parametrize(
    ("attacks", "message"), [(["guess"], "no attack is named 'guess'"), (["causal-lm"], "needs the folder")]
)
def test_an_attack_that_cannot_be(attacks: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_attacks(pairs_of(["a"], ["b"]), attacks)


def test_one_group_cannot_be_cross_validated() -> None:
    with pytest.raises(InputError, match="all pairs are of one group"):
        run_attacks(Pairs.of(["a", "b"], ["x", "y"], groups=[1, 1]))


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ResourceError, match=r"pip install 'negagen\[audit\]'"):
        run_attacks(pairs_of(scenes(20, 1), scenes(20, 2)), ["surface"])


def test_trigram_probabilities_are_those_of_the_definition() -> None:
    """Against a slow reference; and over all words they sum to one."""
    texts = ["a b c", "a b d", "b c", "a b c d", "c c a b"]
    vocabulary = Vocabulary()
    encoded = vocabulary.encode(texts)
    size = len(vocabulary)
    model = TrigramModel(encoded, size)
    start, end = size, size + 1
    padded = [[start, start, *[vocabulary.numbers[word] for word in text.split()], end] for text in texts]
    counts = Counter(gram for text in padded for gram in zip(text, text[1:], text[2:], strict=False))
    bigrams: Counter[tuple[int, int]] = Counter()
    for (_, previous, word), count in counts.items():
        bigrams[previous, word] += count if previous == start else 1
    unigrams: Counter[int] = Counter(word for _, word in bigrams)

    def discounts(values: list[int]) -> list[float]:
        n = [max(1, values.count(k)) for k in range(1, 5)]
        y = n[0] / (n[0] + 2 * n[1])
        raw = [k - (k + 1) * y * n[k] / n[k - 1] for k in (1, 2, 3)]
        return [0.0, *(float(np.clip(value, 0.1, top)) for value, top in zip(raw, (0.95, 1.9, 2.9), strict=True))]

    d1, d2, d3 = (discounts(list(table.values())) for table in (unigrams, bigrams, counts))

    def mix(table: dict[int, int], word: int, taken: list[float], lower: float) -> float:
        total = sum(table.values())
        if not total:
            return lower
        left = sum(taken[min(count, 3)] for count in table.values()) / total
        count = table.get(word, 0)
        return (count - taken[min(count, 3)]) / total + left * lower

    def probability(before: int, previous: int, word: int) -> float:
        lower = mix(dict(unigrams), word, d1, 1 / (size + 2))
        lower = mix({w: c for (p, w), c in bigrams.items() if p == previous}, word, d2, lower)
        return mix({w: c for (b, p, w), c in counts.items() if (b, p) == (before, previous)}, word, d3, lower)

    for before, previous in product(range(size), repeat=2):
        assert math.isclose(sum(probability(before, previous, word) for word in range(size + 2)), 1)
    for text, scored in zip(padded, model.score(encoded), strict=True):
        logs = [math.log(probability(*gram)) for gram in zip(text, text[1:], text[2:], strict=False)]
        assert scored == pytest.approx(sum(logs) / len(logs))


def test_ties_count_half_and_clusters_widen_the_interval() -> None:
    gaps = np.array([1.0, 1.0, 0.0, -1.0] * 50)
    alone = rate(gaps, np.arange(200))
    assert alone.accuracy == 0.625
    assert alone.low < 0.625 < alone.high
    together = rate(np.repeat(gaps, 4), np.repeat(np.arange(200), 4))
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=1e-9)
    assert together.pairs == 800
    perfect = rate(np.ones(30), np.arange(30))
    assert perfect.high == 1
    assert 0.8 < perfect.low < 0.95


def test_the_interval_covers() -> None:
    """Groups of five pairs with a win rate of their own: about 95% of the intervals hold the true 0.6."""
    generator = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        own = generator.beta(3, 2, 120)
        wins = generator.random((120, 5)) < own[:, None]
        found = rate(np.where(wins, 1.0, -1.0).ravel(), np.repeat(np.arange(120), 5))
        held += found.low <= 0.6 <= found.high
    assert 0.91 < held / 400 < 0.985


def test_folds_keep_groups_together() -> None:
    groups = np.repeat(np.arange(23), 3)
    folds = folds_of(groups, seed=0)
    assert all(len(set(folds[groups == group])) == 1 for group in range(23))
    assert set(folds) == set(range(5))
    assert set(folds_of(np.array([4, 9, 9]), seed=0)) == {0, 1}
