"""A scorer of the user's own: its gaps come to lie around zero, and the draw stays what it was in all else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from negagen import Negator, TableNegator
from negagen.balance.fitting import fit_model
from negagen.balance.model import BlindModel
from negagen.balance.scoring import GapWeights, contenders, fit_scorer
from negagen.balance.selection import Policy
from negagen.data import HardNegatives
from negagen.errors import InputError, ModelError
from negagen.seeding import key_of
from tests.balance.test_blindness import captions

COUNT = 800


class Whim:
    """Likes some texts better, for reasons that no n-gram shows, and captions better than most negatives."""

    fingerprint = "whim"

    def __init__(self) -> None:
        self.asked = 0

    def score(self, text: str) -> float:
        return key_of(text) / 2**64

    def gaps(self, caption: str, negatives: Sequence[str]) -> NDArray[np.float64]:
        self.asked += len(negatives)
        return np.array([self.score(text) - self.score(caption) - 0.12 for text in negatives])


@pytest.fixture(scope="module")
def fitted() -> BlindModel:
    pairs = captions(COUNT)
    return fit_model(Negator(k=2, blindness="balanced"), lambda: pairs, len(pairs))


@pytest.fixture(scope="module")
def model(fitted: BlindModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from dataclasses import replace

    pairs = captions(COUNT)
    negator = Negator(k=2)
    weights = fit_scorer(negator, Whim(), fitted, lambda: pairs, siblings=False)
    path = tmp_path_factory.mktemp("model") / "scored.npz"
    replace(fitted, about={**fitted.about, "scorer": weights.to_json()}).save(path)
    return path


def accuracy(negator: Negator, judge: Whim) -> float:
    """How often the judge picks the caption, of captions that nothing was fitted on."""
    rows = captions(2 * COUNT)[COUNT:]
    gaps = [
        judge.gaps(text, [negative.text])[0]
        for (text, _), result in zip(rows, negator.pipe([text for text, _ in rows]), strict=True)
        for negative in result.negatives
    ]
    assert len(gaps) > COUNT / 2
    return float(np.mean([(gap < 0) + (gap == 0) / 2 for gap in gaps]))


def test_its_gaps_come_to_lie_around_zero(model: Path) -> None:
    judge = Whim()
    before = abs(accuracy(Negator(k=2, model=model), judge) - 0.5)
    after = abs(accuracy(Negator(k=2, model=model, scorer=judge), judge) - 0.5)
    assert before > 0.1
    assert after < before / 2


def test_draws_from_a_pool_are_as_blind_to_it(model: Path, tmp_path: Path) -> None:
    texts = [text for text, _ in captions(2 * COUNT)[COUNT:]]
    judge = Whim()
    missed = []
    for scorer in (None, judge):
        negator = Negator(k=2, model=model, scorer=scorer, pool=12)
        path = tmp_path / f"{scorer}.parquet"
        pq.write_table(TableNegator(negator)(pa.table({"caption": texts})), path)
        drawn = HardNegatives.open([path], cache=tmp_path / "cache", k=2).batch(range(COUNT), epoch=1)
        gaps = [judge.gaps(text, row) for text, row in zip(texts, drawn, strict=True) if row]
        assert sum(map(len, gaps)) > COUNT / 2
        missed.append(abs(float((np.concatenate(gaps) < 0).mean()) - 0.5))
    assert missed[0] > 0.1
    assert missed[1] < missed[0] / 2


def test_what_comes_of_a_caption_does_not_depend_on_the_batch(model: Path) -> None:
    negator = Negator(k=2, model=model, scorer=Whim())
    texts = [text for text, _ in captions(300)]
    together = list(negator.pipe(texts))
    assert list(negator.pipe(texts, batch_size=7)) == together
    assert [negator(text) for text in texts[:20]] == together[:20]
    scores = [negative.scores["scorer"] for result in together for negative in result.negatives]
    expected = [
        negator.scorer.gaps(str(result.text), [negative.text])[0]  # type: ignore[union-attr]
        for result in together
        for negative in result.negatives
    ]
    assert scores == pytest.approx(expected, abs=1e-3)


def test_a_model_without_weights_for_the_scorer_is_refused(fitted: BlindModel, model: Path, tmp_path: Path) -> None:
    class Other(Whim):
        fingerprint = "other"

    fitted.save(tmp_path / "plain.npz")
    with pytest.raises(ModelError, match="without a scorer"):
        Negator(k=2, model=tmp_path / "plain.npz", scorer=Whim())("A dog")
    with pytest.raises(ModelError, match="another scorer"):
        Negator(k=2, model=model, scorer=Other())("A dog")
    with pytest.raises(ModelError, match="damaged"):
        GapWeights.of_json({"scorer": "whim"}, "whim", "m.npz")
    with pytest.raises(ValueError, match="blindness"):
        Negator(blindness="off", scorer=Whim())


def test_too_few_captions_are_refused(fitted: BlindModel) -> None:
    pairs = captions(60)
    with pytest.raises(InputError, match="--reference"):
        fit_scorer(Negator(k=2), Whim(), fitted, lambda: pairs, siblings=False)


def test_only_what_may_be_drawn_is_scored(fitted: BlindModel, model: Path) -> None:
    from negagen.balance.ngrams import SCALE
    from negagen.balance.scoring import BOUND

    negator = Negator(k=2)
    batch = next(negator.gathered([text for text, _ in captions(40)]))
    pool = negator.blinder.draw(batch, fitted).pool
    policy = Policy(pool=12, floor=0.0, last=-20.0)
    drawn = np.full(len(pool.owner), -30 * SCALE, np.int64)
    first = np.searchsorted(pool.owner, np.arange(pool.captions))
    drawn[first] = 0
    wanted = contenders(pool, drawn, policy)
    assert wanted[first].all()
    assert wanted.sum() == pool.captions
    drawn[first] = -30 * SCALE
    drawn[first + 1] = -BOUND  # might reach the floor, and what is as far below might be a last resort instead
    assert contenders(pool, drawn, policy)[first + 1].all()
    judge = Whim()
    list(Negator(k=2, model=model, scorer=judge).pipe([text for text, _ in captions(40)]))
    assert 0 < judge.asked < sum(len(caption.options) for caption in batch)


def test_the_command_line(tmp_path: Path, model: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from negagen.batch import Job, NegatorSpec, generate
    from tests.judges.models import save_causal

    (tmp_path / "lm").mkdir()
    lm = save_causal(tmp_path / "lm")
    path = tmp_path / "captions.parquet"
    pq.write_table(pa.table({"caption": [text for text, _ in captions(150)]}), path)
    told: list[str] = []
    spec = NegatorSpec({"k": 2, "blindness": "balanced", "scorer": str(lm)})
    generate(Job([path], tmp_path / "one.parquet", spec), lambda now: told.append(now.step))
    assert "scoring samples" in told
    negatives = [n for row in pq.read_table(tmp_path / "one.parquet")["negatives"].to_pylist() for n in row]
    assert negatives
    assert all(negative["scores"]["scorer"] is not None for negative in negatives)
    with pytest.raises(InputError, match="too few"):
        generate(Job([path], tmp_path / "two.parquet", NegatorSpec({**spec.options, "model": str(model)}), limit=50))
