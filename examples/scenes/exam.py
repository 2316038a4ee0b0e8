"""What a model is asked: probes by category, retrieval, and to name single things and their colours.

An exam is made once (`examples.scenes.asking`), kept in one .npz file, and scored for any model that gives features of
pictures and texts (`score`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from examples.scenes.probes import CATEGORIES
from negagen.evaluate.metrics import choice, ranks

__all__ = ["BALANCED", "HELD_OUT_CATEGORIES", "Exam", "score"]

# Those in which the wording tells nothing. A larger number is always the less likely text: who has learnt that passes
# `replace_count` without looking, so it is told by itself and counts in no mean.
BALANCED: Final = tuple(name for name in CATEGORIES if name != "replace_count")
HELD_OUT_CATEGORIES: Final = ("swap_att", "replace_att")


@dataclass(frozen=True, slots=True)
class Exam:
    """All questions, by index into `pixels` (uint8 [I, 3, side, side]) and `texts`.

    `probes` int64 [P, 4]: picture, caption, foil, rewording; `kinds` int64 [P] into `names`; `gap` float64 [P], by how
    much a trigram model of the training captions finds the caption likelier than the foil (log of the ratio).
    `retrieval` int64 [M, 2]: picture, caption. `nouns` int64 [Q, 2]: picture, index into `noun_texts` (int64 [C]).
    `colours` int64 [Q, 1 + 11]: picture, then the texts of the colours, the right one first, -1 for none.
    """

    pixels: NDArray[np.uint8]
    texts: tuple[str, ...]
    names: tuple[str, ...]
    probes: NDArray[np.int64]
    kinds: NDArray[np.int64]
    gap: NDArray[np.float64]
    retrieval: NDArray[np.int64]
    nouns: NDArray[np.int64]
    noun_texts: NDArray[np.int64]
    colours: NDArray[np.int64]

    def save(self, path: Path) -> None:
        """One .npz, compressed."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        words = np.array(json.dumps({"texts": self.texts, "names": self.names}))
        np.savez_compressed(path, words=words, **arrays)

    @classmethod
    def load(cls, path: Path) -> Exam:
        """What `save` wrote."""
        with np.load(path) as file:
            words = json.loads(str(file["words"]))
            return cls(
                texts=tuple(words["texts"]), names=tuple(words["names"]), **{name: file[name] for name in _ARRAYS}
            )


_ARRAYS: Final = ("pixels", "probes", "kinds", "gap", "retrieval", "nouns", "noun_texts", "colours")


def score(exam: Exam, image: NDArray[np.floating], text: NDArray[np.floating]) -> dict[str, Any]:
    """Shares in [0, 1] of right answers; a tie is wrong. Means, `implausible` and `plausible` are of BALANCED alone.

    `image` [I, D] and `text` [T, D] are L2-normalised features.
    `consistent`: the caption and its rewording are both above the foil (SugarCrepe++'s ITT). `implausible`: of those
    probes whose true caption is the less likely text; `plausible` of the others.
    """
    pictures, texts = np.asarray(image, np.float64), np.asarray(text, np.float64)
    picture = pictures[exam.probes[:, 0]]
    near = np.stack([(picture * texts[exam.probes[:, place]]).sum(1) for place in (1, 2, 3)], axis=1)
    right = choice(near[:, :1], near[:, 1:2]).right
    both = choice(near[:, [0, 2]], near[:, 1:2]).right
    kinds = {name: exam.kinds == number for number, name in enumerate(exam.names)}
    usual = np.isin(exam.kinds, [exam.names.index(name) for name in BALANCED])
    unlikely = exam.gap < 0
    return {
        "accuracy": {name: float(right[chosen].mean()) for name, chosen in kinds.items()},
        "mean": float(np.mean([right[kinds[name]].mean() for name in BALANCED])),
        "swap": float(np.mean([right[kinds[name]].mean() for name in ("swap_att", "swap_obj")])),
        "held_out": float(np.mean([right[kinds[f"held_out_{name}"]].mean() for name in HELD_OUT_CATEGORIES])),
        "consistent": {name: float(both[chosen].mean()) for name, chosen in kinds.items()},
        "consistent_mean": float(np.mean([both[kinds[name]].mean() for name in BALANCED])),
        "implausible": float(right[usual & unlikely].mean()),
        "plausible": float(right[usual & ~unlikely].mean()),
        "implausible_share": float(unlikely[usual].mean()),
        "implausible_by": {
            name: float(right[chosen & unlikely].mean()) for name, chosen in kinds.items() if (chosen & unlikely).any()
        },
        **_retrieval(exam, pictures, texts),
        "nouns": _nouns(exam, pictures, texts),
        "colours": _colours(exam, pictures, texts),
    }


def _retrieval(exam: Exam, image: NDArray[np.float64], text: NDArray[np.float64]) -> dict[str, float]:
    pictures, owner = np.unique(exam.retrieval[:, 0], return_inverse=True)
    similarity = image[pictures] @ text[exam.retrieval[:, 1]].T
    own = np.arange(len(pictures))[:, None] == owner[None]
    return {
        "image_to_text": float((ranks(similarity, own) == 1).mean()),
        "text_to_image": float((ranks(similarity.T, own.T) == 1).mean()),
        "retrieval": float(((ranks(similarity, own) == 1).mean() + (ranks(similarity.T, own.T) == 1).mean()) / 2),
    }


def _nouns(exam: Exam, image: NDArray[np.float64], text: NDArray[np.float64]) -> float:
    similarity = image[exam.nouns[:, 0]] @ text[exam.noun_texts].T
    own = np.arange(len(exam.noun_texts))[None] == exam.nouns[:, 1:]
    return float((ranks(similarity, own) == 1).mean())


def _colours(exam: Exam, image: NDArray[np.float64], text: NDArray[np.float64]) -> float:
    told = exam.colours[:, 1:]
    similarity = (image[exam.colours[:, 0], None] * text[told]).sum(-1)
    return float(choice(similarity[:, :1], similarity[:, 1:], others_mask=told[:, 1:] >= 0).right.mean())
