from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from negagen.balance.features import Key, flatten
from negagen.balance.ngrams import NgramCounts
from negagen.balance.pool import MODELS, Pool, energies, measure, passage, sequence
from negagen.balance.words import Words
from negagen.lexicon import load

WORDS = Words(load())
BITS = 12
VOCABULARY = "a dog cat sits on the red bed and runs zebra".split()
TEXTS = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=8)


def keys(words: list[str]) -> list[Key]:
    return WORDS.keys(" ".join(words))


def counts() -> NgramCounts:
    made = NgramCounts(np.zeros((1, 1 << 14), np.int32))
    flat = flatten([sequence(WORDS, keys("a dog sits on the red bed".split()))])
    made.add(flat.keys, flat, np.zeros(1, np.int64))
    return made


def measured(caption: list[str], start: int, stop: int, new: list[str]) -> Pool:
    whole = sequence(WORDS, keys(caption))
    return measure(
        counts(), counts(), BITS, [whole], [passage(whole, start, stop, keys(new))], [0], [0], np.array([-1])
    )


@given(TEXTS, st.data())
def test_a_passage_measures_what_the_whole_candidate_would(caption: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(caption)))
    stop = data.draw(st.integers(start, len(caption)))
    new = data.draw(st.lists(st.sampled_from(VOCABULARY), max_size=4))
    candidate = [*caption[:start], *new, *caption[stop:]]
    part = measured(caption, start, stop, new)
    whole = measured(caption, 0, len(caption), candidate)
    assert part.gaps.shape == (1, MODELS)
    assert part.gaps.tolist() == whole.gaps.tolist()
    table = np.random.default_rng(0).integers(-1000, 1000, (2, 1 << BITS))
    for group in (0, 1):
        where = np.array([group])
        assert energies(part, table, where).tolist() == energies(whole, table, where).tolist()


def test_no_change_has_no_gap_and_no_energy() -> None:
    pool = measured(["a", "dog"], 1, 2, ["dog"])
    assert not pool.gaps.any()
    assert energies(pool, np.full((1, 1 << BITS), 7), np.array([0])).tolist() == [0]
