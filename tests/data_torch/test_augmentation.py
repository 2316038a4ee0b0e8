from __future__ import annotations

import gc
import pickle
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from negagen import Negator
from negagen.balance.model import bundled_model
from negagen.data import Collator, Grouped, NegativeAugmentation
from negagen.errors import DataError
from negagen.parsing import load_parser
from negagen.parsing.remembered import Remembered
from negagen.types import Parse
from tests.data_torch.files import WordTokenizer

CAPTIONS = [
    "A brown dog chases a small white cat across the green lawn.",
    "Two men in red shirts sit on a wooden bench near the beach.",
    "xyzzy",
    "A woman holding a blue umbrella stands beside a parked car.",
    "A young boy throws a ball to his dog in the park.",
]
TOKENIZER = WordTokenizer(24)


@pytest.fixture(scope="module")
def negator() -> Negator:
    return Negator(k=2, seed=4, blindness="off")


def texts(found: Sequence[Sequence[Any]]) -> list[list[str]]:
    return [[one.text for one in each] for each in found]


def test_it_gives_what_the_negator_gives(negator: Negator) -> None:
    augment = NegativeAugmentation(negator)
    for epoch in (0, 3):
        augment.epoch = epoch
        expected = [negator(text, key=key, epoch=epoch) for key, text in enumerate(CAPTIONS)]
        assert texts(augment(CAPTIONS, range(5))) == texts([each.negatives for each in expected])
        # In other company, and parsed before.
        assert texts(augment(CAPTIONS[1:2], [1])) == texts([expected[1].negatives])
    assert augment.hits == (7, 5)
    assert augment([]) == []
    assert augment(["", " "]) == [(), ()]


def test_the_blindness_model_is_read_when_it_is_made(tmp_path: Path) -> None:
    file = tmp_path / "model.npz"
    bundled_model().save(file)
    augment = NegativeAugmentation(Negator(k=2, seed=4, model=file))
    file.unlink()  # what is read already need not be there for workers
    assert any(augment(CAPTIONS))


def test_the_collector_is_left_as_it_was(negator: Negator) -> None:
    gc.unfreeze()  # what tests before this one have frozen
    augment = NegativeAugmentation(negator)
    augment(CAPTIONS)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        augment(CAPTIONS)
        assert gc.get_freeze_count() >= frozen > 0
    finally:
        gc.unfreeze()


def test_balanced_draws_are_the_negators_too() -> None:
    balanced = Negator(k=2, seed=4)
    augment = NegativeAugmentation(balanced, parses=2)
    expected = texts([each.negatives for each in balanced.pipe(CAPTIONS)])
    assert texts(augment(CAPTIONS)) == expected
    assert texts(augment(CAPTIONS)) == expected
    siblings = [["A cat and a brown mouse."], [], [], [], []]
    beside = texts([each.negatives for each in balanced.pipe(CAPTIONS, siblings=siblings)])
    assert texts(augment(CAPTIONS, siblings=siblings)) == beside


def test_parses_that_were_used_last_are_kept(negator: Negator) -> None:
    parser = Remembered(load_parser("bundled", negator.lexicon), 2)
    one, two, three = CAPTIONS[:3]

    def known(text: str) -> bool:
        before = parser.hits
        parser.parse([text])
        return parser.hits > before

    first: list[Parse] = parser.parse([one, two, one])
    assert first[0] is first[2]
    assert parser.parse([one])[0] is first[0]
    parser.parse([three])
    assert known(one)
    assert not known(two)
    assert [each.text for each in parser.parse([three, one, two])] == [three, one, two]
    nothing = Remembered(load_parser("bundled", negator.lexicon), 0)
    assert nothing.parse([one])[0].text == one
    assert nothing.parse([one])[0].text == one
    assert nothing.misses == 2


def test_late_captions_get_none_and_are_counted(negator: Negator, monkeypatch: pytest.MonkeyPatch) -> None:
    captions = [f"A brown dog and {number} white cats." for number in range(200)]
    augment = NegativeAugmentation(negator, seconds=10)
    clock = iter([0.0, 1.0, 9.0, 11.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    found = augment(captions)
    monkeypatch.undo()
    assert augment.late == 200 - 128
    assert not any(found[128:])
    assert texts(found[:128]) == texts([each.negatives for each in negator.pipe(captions[:128])])


def test_wrong_arguments_are_refused(negator: Negator) -> None:
    with pytest.raises(ValueError, match="seconds must be more than 0"):
        NegativeAugmentation(negator, seconds=0)
    with pytest.raises(ValueError, match="parses must be 0 or more"):
        NegativeAugmentation(negator, parses=-1)
    with pytest.raises(ValueError, match="remembers already"):
        NegativeAugmentation(negator.parsing_by(Remembered(negator.parser, 1)))
    augment: Any = NegativeAugmentation(negator)
    for wrong, name in ((None, "NoneType"), (5, "int"), (b"A dog.", "bytes")):
        with pytest.raises(DataError, match=f"caption 1 of 2 is {name}, but a caption is text"):
            augment(["A dog.", wrong])


class Rows(torch.utils.data.Dataset[dict[str, Any]]):
    def __len__(self) -> int:
        return len(CAPTIONS)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {"caption": CAPTIONS[row], "row": row}


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_make_the_same_and_follow_the_epoch(negator: Negator, start: str) -> None:
    augment = NegativeAugmentation(negator)
    collator = Collator(TOKENIZER, 2, augment=augment, key="row")
    loader: DataLoader[Grouped] = DataLoader(
        Rows(),  # type: ignore[arg-type]
        batch_size=2,
        num_workers=2 if start == "fork" else 1,
        collate_fn=collator,
        multiprocessing_context=start,
        persistent_workers=True,
    )
    seen = []
    for epoch in (0, 1):
        augment.epoch = epoch
        found: Iterator[Grouped] = iter(loader)
        for rows in ([0, 1], [2, 3], [4]):
            made, expected = next(found), collator([Rows()[row] for row in rows])
            assert made.tokens.equal(expected.tokens)
            assert made.mask.equal(expected.mask)
            seen.append(made.tokens.tolist())
    assert seen[:3] != seen[3:]


def test_it_pickles_with_its_epoch(negator: Negator) -> None:
    augment = NegativeAugmentation(negator, parses=7, seconds=2.5)
    augment.epoch = 6
    again = pickle.loads(pickle.dumps(augment))
    assert again.epoch == 6
    assert repr(again) == repr(augment)
    assert texts(again(CAPTIONS)) == texts(augment(CAPTIONS))
