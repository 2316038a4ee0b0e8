"""Makes an exam: gathers probes, captions and portraits of one part of the world, and draws the pictures.

python -m examples.scenes.asking --each 600 --split test -o out/scenes/exam.npz
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from examples.scenes.captions import captions, noun_phrase
from examples.scenes.exam import HELD_OUT_CATEGORIES, Exam
from examples.scenes.graph import Scene
from examples.scenes.pixels import pixels_of
from examples.scenes.probes import CATEGORIES, Probe, probes
from examples.scenes.sample import Split, portrait, sample
from examples.scenes.vocabulary import NOUNS, colours_of
from negagen.audit.language_model import TrigramModel
from negagen.audit.tokens import Vocabulary

__all__ = ["make_exam", "training_captions"]

SIBLINGS: Final = 4
SEARCHED: Final = 4  # times as many probes as are kept


def training_captions(images: int, *, seed: int = 0) -> list[str]:
    """Captions of the first `images` training scenes, for the trigram model to count."""
    return [text for index in range(images) for text in captions(sample(index, seed=seed), SIBLINGS, seed=seed)]


def make_exam(
    training: Sequence[str],
    *,
    each: int = 600,
    retrieval: int = 1000,
    portraits: int = 10,
    side: int = 112,
    seed: int = 0,
    split: Split = "test",
) -> Exam:
    """`each` probes a category, also of held-out pairs; `training` are the captions that the trigram model counts."""
    gathering = _Gathering()
    asked = [(name, split, name) for name in CATEGORIES]
    asked += [(name, "held-out", f"held_out_{name}") for name in HELD_OUT_CATEGORIES]
    rows, kinds, gaps = [], [], []
    model = Plausibility(training)
    for number, (category, part, _) in enumerate(asked):
        for probe, likelier in _evenly(category, part, each, seed, model):
            gaps.append(likelier)
            picture = gathering.scene(part, probe.index, seed)
            rows.append([picture, *(gathering.text(text) for text in (probe.caption, probe.foil, probe.reworded))])
            kinds.append(number)
    pairs = []
    for index in range(retrieval):
        picture = gathering.scene(split, index, seed)
        pairs += [[picture, gathering.text(text)] for text in captions(gathering.scenes[picture], SIBLINGS, seed=seed)]
    nouns, colours, noun_texts = _portraits(gathering, portraits, seed)
    return Exam(
        pixels=pixels_of(gathering.scenes, side),
        texts=tuple(gathering.texts),
        names=tuple(name for *_, name in asked),
        probes=np.array(rows, np.int64),
        kinds=np.array(kinds, np.int64),
        gap=np.array(gaps, np.float64),
        retrieval=np.array(pairs, np.int64),
        nouns=nouns,
        noun_texts=noun_texts,
        colours=colours,
    )


class _Gathering:
    """Each scene and each text once."""

    def __init__(self) -> None:
        self.scenes: list[Scene] = []
        self.texts: list[str] = []
        self._known: dict[tuple[str, int], int] = {}
        self._said: dict[str, int] = {}

    def scene(self, split: Split, index: int, seed: int) -> int:
        if (split, index) not in self._known:
            self._known[split, index] = self.add(sample(index, seed=seed, split=split))
        return self._known[split, index]

    def add(self, scene: Scene) -> int:
        self.scenes.append(scene)
        return len(self.scenes) - 1

    def text(self, text: str) -> int:
        if text not in self._said:
            self._said[text] = len(self.texts)
            self.texts.append(text)
        return self._said[text]


def _portraits(
    gathering: _Gathering, each: int, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    names = list(NOUNS)
    noun_texts = np.array([gathering.text(_title(noun_phrase(1, [], name))) for name in names], np.int64)
    nouns, colours = [], []
    for number, name in enumerate(names):
        able = colours_of(name)
        widest = 12
        for index in range(each):
            colour = able[index % len(able)]
            picture = gathering.add(portrait(name, colour, index, seed=seed))
            nouns.append([picture, number])
            order = [colour, *(other for other in able if other != colour)]
            told = [gathering.text(_title(noun_phrase(1, [other], name))) for other in order]
            colours.append([picture, *told, *[-1] * (widest - 1 - len(told))])
    return np.array(nouns, np.int64), np.array(colours, np.int64), noun_texts


def _title(phrase: str) -> str:
    return "A picture of " + phrase


class Plausibility:
    """A trigram model of training captions: how much likelier one text is than another."""

    def __init__(self, training: Sequence[str]) -> None:
        self._vocabulary = Vocabulary()
        known = self._vocabulary.encode(training)
        self._model = TrigramModel(known, len(self._vocabulary) + _SPARE)

    def gap(self, texts: Sequence[str], foils: Sequence[str]) -> NDArray[np.float64]:
        """Log of the ratio, whole texts, above 0 where that of `texts` is the likelier."""
        first, second = self._vocabulary.encode(texts), self._vocabulary.encode(foils)
        scores = (self._model.score(one) * (one.lengths + 1) for one in (first, second))
        return np.asarray(next(scores) - next(scores), np.float64)


_SPARE: Final = 1000  # words that training captions lack


def _evenly(category: str, split: Split, each: int, seed: int, model: Plausibility) -> list[tuple[Probe, float]]:
    """Probes of a category, as many whose caption is the likelier text as the other way round, if both can be found.

    Who reads without looking then gets a half. Where one kind is rare (a larger number is always the less likely, and
    a colour held out is so by its making) what is lacking is made up of the other.
    """
    made = probes(SEARCHED * each, seed=seed, split=split, category=category)
    gaps = model.gap([probe.caption for probe in made], [probe.foil for probe in made])
    likely = [index for index, gap in enumerate(gaps) if gap > 0]
    unlikely = [index for index, gap in enumerate(gaps) if gap <= 0]
    short = min(len(likely), len(unlikely), each // 2)
    longer, shorter = (likely, unlikely) if len(likely) >= len(unlikely) else (unlikely, likely)
    chosen = sorted([*shorter[:short], *longer[: each - short]])
    return [(made[index], float(gaps[index])) for index in chosen]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--each", type=int, default=600, help="probes a category")
    parser.add_argument("--retrieval", type=int, default=1000, help="pictures to retrieve among")
    parser.add_argument("--portraits", type=int, default=10, help="pictures of each single thing")
    parser.add_argument("--training", type=int, default=20000, help="training scenes whose captions the trigrams count")
    parser.add_argument("--side", type=int, default=112, help="of the pictures, in pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the world")
    parser.add_argument("--split", choices=["tune", "test"], default="test")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    made = make_exam(
        training_captions(given.training, seed=given.seed), each=given.each, retrieval=given.retrieval,
        portraits=given.portraits, side=given.side, seed=given.seed, split=given.split,
    )  # fmt: skip
    given.output.parent.mkdir(parents=True, exist_ok=True)
    made.save(given.output)
    print(f"{len(made.probes)} probes, {len(made.pixels)} pictures, {len(made.texts)} texts -> {given.output}")


if __name__ == "__main__":
    main()
