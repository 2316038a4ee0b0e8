"""A model of natural language inference as a judge: is a negative entailed by what captions say of the picture?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from negagen.errors import ModelError
from negagen.judges.loading import digest_of, explained, modules, place, positions, whole
from negagen.judges.stage import Case, Opinion

_LABELS: Final = ("entail", "neutral", "contradict")
_SURE: Final = 0.5
_ENTAILED: Final = "entailed, says the NLI model"


class NliJudge:
    """Refuses a negative that its caption, or another caption of the picture, entails; weighs the others.

    The premises are the caption and its siblings, the hypothesis is the negative. With probabilities from the model:

    - some premise entails it with at least one half: refused;
    - else some premise contradicts it with at least one half: the weight rises to that probability, if it was lower;
    - else the caption leaves it open (neutral) with at least one half: the weight is multiplied by 1 - neutral / 2;
    - else nothing changes.

    The score `nli` is the largest probability of contradiction minus the largest of entailment, -1 to 1. Pairs longer
    than the model's positions are cut, the longer text first; `truncated` counts them.

    Args:
        path: a folder that `save_pretrained` wrote: a sequence classifier whose labels (`id2label` in its
            configuration) name entailment, neutral and contradiction, and its tokenizer. Nothing is downloaded.
        device: a torch device; "auto" is a GPU where there is one.
        batch_size: pairs a forward pass.

    Raises:
        ModelError: the path holds no such model, a package is not installed, or the device is not there.
    """

    name = "nli"

    def __init__(self, path: str | Path, *, device: str = "auto", batch_size: int = 64) -> None:
        path = Path(path)
        if not path.is_dir():
            raise ModelError(f"{path} is no folder: give the folder of an NLI model, as `save_pretrained` writes it.")
        _, transformers = modules("an NLI model")
        with explained(path, "NLI model"):
            config: Any = transformers.AutoConfig.from_pretrained(path, local_files_only=True)
            self._columns = _columns(config, path)
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
            model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
                path, local_files_only=True, output_loading_info=True
            )
        whole(info, path, "NLI model")
        self._longest = positions(config)
        self._model: Any = place(model, device)
        self._batch_size = batch_size
        self._path = path
        self.truncated = 0

    def __repr__(self) -> str:
        return f"NliJudge({str(self._path)!r})"

    @property
    def config(self) -> dict[str, object]:
        """The model's fingerprint."""
        return {"model": digest_of(self._path)}

    def __call__(self, cases: Sequence[Case]) -> list[Opinion]:
        """An opinion a case, in order."""
        pairs: dict[tuple[str, str], int] = {}
        asked = [
            [
                pairs.setdefault((premise, case.negative.text), len(pairs))
                for premise in dict.fromkeys((case.caption, *case.siblings))
            ]
            for case in cases
        ]
        likely = self.probabilities(list(pairs))
        return [_opinion(likely[rows], case.negative.weight) for rows, case in zip(asked, cases, strict=True)]

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        """Of entailment, neutral and contradiction for each (premise, hypothesis): float64 [N, 3]."""
        out = np.zeros((len(pairs), len(_LABELS)))
        lengths = [len(ids) for ids in self._coded(pairs)["input_ids"]] if pairs else []
        self.truncated += sum(length > self._longest for length in lengths)
        order = sorted(range(len(pairs)), key=lambda n: lengths[n])
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            out[rows] = self._batch([pairs[row] for row in rows])
        return out

    def _coded(self, pairs: Sequence[tuple[str, str]], **options: Any) -> Any:
        premises, hypotheses = [premise for premise, _ in pairs], [hypothesis for _, hypothesis in pairs]
        return self._tokenizer(premises, hypotheses, verbose=False, **options)

    def _batch(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float64]:
        import torch

        coded = self._coded(
            pairs, return_tensors="pt", padding=True, truncation="longest_first", max_length=self._longest
        )
        with torch.inference_mode():
            likely = self._model(**coded.to(self._model.device)).logits.float().softmax(-1)
        out: NDArray[np.float64] = likely[:, self._columns].double().cpu().numpy()
        return out


def _opinion(likely: NDArray[np.float64], weight: float) -> Opinion:
    """`likely` float64 [premises, 3], the caption's own first."""
    entailed, contradicted = float(likely[:, 0].max()), float(likely[:, 2].max())
    score = contradicted - entailed
    if entailed >= _SURE:
        return Opinion(score, weight, _ENTAILED)
    if contradicted >= _SURE:
        return Opinion(score, max(weight, contradicted))
    neutral = float(likely[0, 1])
    return Opinion(score, weight * (1 - neutral / 2) if neutral >= _SURE else weight)


def _columns(config: Any, path: Path) -> list[int]:
    """Where the model's output has entailment, neutral and contradiction."""
    labels = {int(number): str(label) for number, label in (config.id2label or {}).items()}
    found = [[number for number, label in labels.items() if label.lower().startswith(start)] for start in _LABELS]
    if len(labels) != len(_LABELS) or any(len(columns) != 1 for columns in found):
        raise ModelError(
            f"{path}: its labels are {', '.join(labels.values()) or 'not named'}, but should be entailment, neutral and"
            " contradiction: is it an NLI model? If so, name them as `id2label` in its config.json."
        )
    return [columns[0] for columns in found]
