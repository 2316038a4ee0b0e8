from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from negagen.balance.features import Texts, flatten
from negagen.balance.ngrams import SCALE, NgramCounts
from negagen.balance.pool import sequence
from negagen.balance.words import Words
from negagen.lexicon import load

WORDS = Words(load())
A = "a dog on a bed".split()
B = "a cat on a mat".split()


def flat_texts(texts: list[list[str]]) -> Texts:
    return flatten([sequence(WORDS, WORDS.keys(" ".join(text))) for text in texts])


def sums(counts: NgramCounts, flat: Texts, folds: list[int]) -> list[int]:
    likely = counts.score(flat.keys, flat, np.array(folds))[1]
    return [int(likely[at : at + size].sum()) for at, size in zip(flat.starts, flat.lengths, strict=True)]


def counted(texts: list[list[str]], folds: list[int], number: int = 2) -> NgramCounts:
    counts = NgramCounts(np.zeros((number, 1 << 16), np.int32))
    flat = flat_texts(texts)
    counts.add(flat.keys, flat, np.array(folds))
    return counts


def log_probability(counts: NgramCounts, text: list[str], fold: int) -> float:
    return sums(counts, flat_texts([text]), [fold])[0] / SCALE


def test_against_the_formula_written_out() -> None:
    counts = counted([A, B], [0, 1])
    text = ["a", "dog"]
    # Fold -1 leaves nothing out: 12 places, of which "a" 4, "dog" 1, the end mark 2.
    total, words = 12, {"a": 4, "dog": 1, "end": 2}
    uni = {word: (n + 1.0 / 20_000) / (total + 1.0) for word, n in words.items()}
    first = (2 + 8 * uni["a"]) / (2 + 8)  # start, a: both texts
    first = (2 + 4 * first) / (2 + 4)
    second = (1 + 8 * uni["dog"]) / (4 + 8)  # a, dog: one of four that follow "a"
    second = (1 + 4 * second) / (2 + 4)  # start, a, dog: one of two
    end = (0 + 8 * uni["end"]) / (1 + 8)
    end = (0 + 4 * end) / (1 + 4)
    expected = math.log(first) + math.log(second) + math.log(end)
    assert abs(log_probability(counts, text, -1) - expected) < 1e-3


def test_a_text_is_judged_without_its_own_fold() -> None:
    both = counted([A, B], [0, 1])
    without = counted([B], [1])
    assert log_probability(both, A, 0) == log_probability(without, A, -1)
    assert log_probability(both, A, 0) < log_probability(both, A, 1)


def test_articles_are_one_word() -> None:
    flat = flat_texts([["an", "owl"], ["a", "owl"]])
    assert flat.keys[2] == flat.keys[7]


@given(st.lists(st.lists(st.sampled_from([*A, *B, "zebra"]), max_size=6), min_size=1, max_size=6))
def test_scores_do_not_depend_on_the_batch(texts: list[list[str]]) -> None:
    counts = counted([A, B], [0, 1])
    together = sums(counts, flat_texts(texts), [0] * len(texts))
    alone = [round(log_probability(counts, text, 0) * SCALE) for text in texts]
    assert together == alone
