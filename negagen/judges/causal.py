"""Mean log-likelihoods of texts by a causal language model that lies on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from negagen.errors import ModelError
from negagen.judges.loading import digest_of, load_causal, modules, place, positions


class CausalScorer:
    """Scores texts with a transformers causal language model.

    Texts with more tokens than the model has positions for are cut there; `truncated` counts them.

    Args:
        path: a folder that `save_pretrained` wrote (model and tokenizer), or a `.gguf` file, which also needs the
            packages gguf and accelerate. Nothing is downloaded.
        device: a torch device; "auto" is a GPU where there is one.
        batch_size: texts a forward pass.

    Raises:
        ModelError: the path is missing or holds no causal model with a tokenizer, a package is not installed, or the
            device is not there.
    """

    def __init__(self, path: str | Path, *, device: str = "auto", batch_size: int = 32) -> None:
        path = Path(path)
        torch, _ = modules("a causal language model")
        tokenizer, model = load_causal(path, torch.float32)
        self._tokenizer: Any = tokenizer
        begin = self._tokenizer.bos_token_id
        self._begin = self._tokenizer.eos_token_id if begin is None else begin
        if self._begin is None:
            raise ModelError(f"{path}: its tokenizer has neither a bos nor an eos token to begin a text with.")
        self._path = path
        self._model: Any = place(model, device)
        self._batch_size = batch_size
        # One position is the start token's.
        self._longest = positions(model.config) - 1
        self.truncated = 0
        if not self._looks_back_only():
            raise ModelError(f"{path}: a {type(model).__name__} that sees the words to come: no causal language model.")

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the model's files."""
        return digest_of(self._path)

    def gaps(self, caption: str, negatives: Sequence[str]) -> NDArray[np.float64]:
        """Each negative's score minus the caption's: float64 [N].

        These texts are passed through the model by themselves, so that not even rounding depends on other captions.
        """
        scores = self.score([caption, *negatives])
        out: NDArray[np.float64] = scores[1:] - scores[0]
        return out

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-likelihood per token in nats, each text after a start token: float64 [N]; 0 for a text of no tokens.

        A text's score does not depend on the others, up to rounding.
        """
        coded = [self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"] for text in texts]
        self.truncated += sum(len(ids) > self._longest for ids in coded)
        coded = [ids[: self._longest] for ids in coded]
        out = np.zeros(len(texts))
        order = [n for n in sorted(range(len(texts)), key=lambda n: len(coded[n])) if coded[n]]
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            out[rows] = self._score_batch([coded[row] for row in rows])
        return out

    def _looks_back_only(self) -> bool:
        """Whether what the model says of a place does not change with what comes after it."""
        import torch

        ids = torch.tensor([[self._begin, 1, 2, 3], [self._begin, 1, 4, 5]], device=self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[:, :2].float()
        return bool(torch.allclose(logits[0], logits[1], rtol=1e-3, atol=1e-3))

    def _score_batch(self, coded: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        import torch

        lengths = torch.tensor([len(ids) for ids in coded], device=self._model.device)
        longest = max(map(len, coded))
        # Padding is on the right, behind all that a causal model attends to: its token does not matter.
        padded = [[self._begin, *ids, *[0] * (longest - len(ids))] for ids in coded]
        ids = torch.tensor(padded, device=self._model.device)
        with torch.inference_mode():
            known = torch.arange(longest + 1, device=ids.device)[None] <= lengths[:, None]
            logits = self._model(input_ids=ids, attention_mask=known.long()).logits[:, :-1].float()
            likely = logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
            means = (likely * known[:, 1:]).sum(1) / lengths
        result: NDArray[np.float64] = means.double().cpu().numpy()
        return result
