from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from negagen.data import Batch, Batches, Inputs, Order, Prepared, View, prepare
from negagen.data.clic import Word, may_change, side_by_side
from negagen.data.concatenation import Joiner
from negagen.data.tokens import tokenise
from negagen.errors import DataError
from tests.data_torch.files import WordTokenizer, caption, dataset, negatives_of, rows, write

TOKENIZER = WordTokenizer(30)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("clic")
    path, images = dataset(folder, 40, per_picture=2)
    return prepare(Inputs([path], images), TOKENIZER, View(16), cache=folder / "cache")


def texts_of(batch: Batch) -> list[tuple[int, ...]]:
    return [tuple(ids[: int(n)]) for ids, n in zip(batch.texts.ids.tolist(), batch.texts.lengths, strict=True)]


def tokens(text: str) -> tuple[int, ...]:
    return tuple(TOKENIZER([text])[0])


def test_four_texts_are_true_of_both_pictures_and_one_is_not(prepared: Prepared) -> None:
    batches = Batches(prepared, layout="clic", seed=2, tokenizer=TOKENIZER)
    exchanged = 0
    for step in Order(prepared.rows, 10, seed=2).steps(0, 8):
        batch = batches(step)
        texts = texts_of(batch)
        assert batch.positives.shape == (10, 4)
        assert torch.equal(batch.captions, batch.positives[:, 0])
        for index, row in enumerate(step.rows.tolist()):
            true = [texts[one] for one in batch.positives[index].tolist()]
            others = [
                r
                for r in step.rows.tolist()
                if r // 2 != row // 2 and tokens(f"{caption(row)} {caption(r)}") == true[0]
            ]
            (other,) = others
            assert true[1] == tokens(f"{caption(other)} {caption(row)}")
            siblings = [[caption(r // 2 * 2), caption(r // 2 * 2 + 1)] for r in (row, other)]
            reworded = [
                [*some, caption(r).replace("beside", "next to")] for some, r in zip(siblings, (row, other), strict=True)
            ]
            assert true[2] in {tokens(f"{one} {two}") for one in reworded[0] for two in reworded[1]}
            assert true[3] in {tokens(f"{two} {one}") for one in reworded[0] for two in reworded[1]}
            false = texts[int(batch.negatives[index, 0])]
            assert false not in true
            if sorted(false) == sorted(true[0]):  # words have changed places
                exchanged += 1
                assert sum(a != b for a, b in zip(false, true[0], strict=True)) == 2
            else:
                own = [f"{one['text']} {caption(other)}" for one in negatives_of(row, 1 + row % 3)]
                own += [f"{caption(row)} {one['text']}" for one in negatives_of(other, 1 + other % 3)]
                assert false in map(tokens, own)
            assert batch.pixels is not None
            halves = prepared.pixels.pixels[[row // 2, other // 2]].astype(int)
            squashed = (halves[..., ::2] + halves[..., 1::2] + 1) // 2
            np.testing.assert_array_equal(batch.pixels[index].numpy(), np.concatenate(list(squashed), axis=2))
    assert exchanged > 40


def test_every_so_many_th_step_is_plain(prepared: Prepared) -> None:
    batches = Batches(prepared, layout="clic", plain_every=2, tokenizer=TOKENIZER)
    made = [batches(step) for step in Order(prepared.rows, 10).steps(0, 4)]
    assert [batch.positives.shape[1] for batch in made] == [4, 0, 4, 0]
    assert all(batch.negatives.shape[1] == 0 for batch in made[1::2])


def test_ranks_pair_as_one_process_does(prepared: Prepared) -> None:
    batches = Batches(prepared, layout="clic", seed=4, tokenizer=TOKENIZER)
    whole = batches(next(Order(prepared.rows, 8).steps(5)))
    parts = [batches(next(Order(prepared.rows, 8, rank=rank, world_size=2).steps(5))) for rank in (0, 1)]
    assert torch.equal(torch.cat([part.groups for part in parts]), whole.groups)
    for index in range(8):
        part = parts[index // 4]
        for name in ("positives", "negatives"):
            mine = [texts_of(part)[one] for one in getattr(part, name)[index % 4].tolist()]
            assert mine == [texts_of(whole)[one] for one in getattr(whole, name)[index].tolist()]


def test_a_false_text_that_is_cut_off_is_none(tmp_path: Path, prepared: Prepared) -> None:
    short = WordTokenizer(3)
    batch = Batches(prepared, layout="clic", tokenizer=short)(next(Order(prepared.rows, 10).steps()))
    assert not batch.mask.any()
    assert not batch.weights.any()
    assert (batch.kinds == -1).all()


def test_what_cannot_be_paired(tmp_path: Path) -> None:
    path, images = dataset(tmp_path, 8, per_picture=8)
    one = prepare(Inputs([path], images), TOKENIZER, View(16), cache=tmp_path / "cache")
    batches = Batches(one, layout="clic", tokenizer=TOKENIZER)
    with pytest.raises(DataError, match="one picture"):
        batches(next(Order(one.rows, 4).steps()))
    write(path, rows(8), ["image", "caption"])
    plain = prepare(Inputs([path], images), TOKENIZER, View(16), cache=tmp_path / "cache", max_bad=1)
    with pytest.raises(DataError, match="negagen generate"):
        Batches(plain, layout="clic", tokenizer=TOKENIZER)
    with pytest.raises(DataError, match="tokenizer"):
        Batches(one, layout="clic")


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ("a dog runs|dog", "the cat sits|cat", True),
        ("a dog runs|dog", "the cats sit|cats", False),  # number
        ("a dog runs|dog", "an owl sits|owl", False),  # a owl
        ("the dog runs|dog", "the owl sits|owl", True),
        ("a dog runs|dog", "the dog sits|dog", False),  # nothing would change
        ("a dog and cat run|dog", "the cat sits|cat", False),  # there already
    ],
)
def test_which_words_may_change_places(one: str, two: str, expected: bool) -> None:
    words = []
    for given in (one, two):
        text, _, word = given.partition("|")
        start = text.index(word)
        words += [Word(word, start, start + len(word), "object", "s" if word.endswith("s") else ""), text]
    assert may_change(*words) is expected  # type: ignore[arg-type]


def test_odd_widths_are_squashed_too() -> None:
    left, right = (torch.full((1, 3, 5, 5), value, dtype=torch.uint8) for value in (10, 200))
    both = side_by_side(left, right)
    assert both.shape == left.shape
    assert both[0, 0, 0].tolist() == [10, 10, 200, 200, 200]


class Counting(WordTokenizer):
    """Begins every text with its number of words: what it makes of a whole is not what it makes of the parts."""

    def __call__(self, texts):  # type: ignore[no-untyped-def]
        return [[len(ids), *ids[1:]] for ids in super().__call__(texts)]


class Unmarked(WordTokenizer):
    """Marks no beginning, as SigLIP's."""

    def __call__(self, texts):  # type: ignore[no-untyped-def]
        longer = WordTokenizer(self.context_length + 1)
        return [ids[1:] for ids in longer(texts)]


@pytest.mark.parametrize("kind", [WordTokenizer, Counting, Unmarked])
@pytest.mark.parametrize("length", [30, 11])
def test_joined_tokens_are_those_of_the_joined_texts(
    tmp_path: Path, prepared: Prepared, kind: type[WordTokenizer], length: int
) -> None:
    tokenizer = kind(length)
    own = replace(prepared, tokens=tokenise(prepared.data, tokenizer, tmp_path))
    asked = []

    def counted(texts: list[str]) -> list[list[int]]:
        asked.extend(texts)
        return tokenizer(texts)

    joiner = Joiner(own, counted)  # type: ignore[arg-type]
    asked.clear()
    made = joiner([(3, 40), (40, 3), "a new text", (7, 7)])
    texts = [" ".join(own.data.texts.take(np.array(pair))) for pair in ((3, 40), (40, 3), (7, 7))]
    texts.insert(2, "a new text")
    for row, size, ids in zip(made.ids.tolist(), made.lengths.tolist(), tokenizer(texts), strict=True):
        assert row[:size] == ids
    assert asked == (texts if kind is Counting else ["a new text"])
