"""Mean log-likelihoods of texts by a causal language model that lies on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from negagen.errors import ModelError

_INSTALL: Final = 'needs torch and transformers: pip install "negagen[judges]"'


class CausalScorer:
    """Scores texts with a transformers causal language model.

    Args:
        path: a folder that `save_pretrained` wrote (model and tokenizer), or a `.gguf` file, which also needs the
            packages gguf and accelerate. Nothing is downloaded.
        device: a torch device; "auto" is a GPU where there is one.
        batch_size: texts a forward pass.

    Raises:
        ModelError: the path is missing or holds no causal model with a tokenizer, or a package is not installed.
    """

    def __init__(self, path: str | Path, *, device: str = "auto", batch_size: int = 32) -> None:
        path = Path(path)
        if not path.exists():
            raise ModelError(f"{path} does not exist: give the folder, or the .gguf file, of a causal language model.")
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer
        except ImportError as error:
            raise ModelError(f"a causal language model {_INSTALL} ({error}).") from error
        folder, options = (path.parent, {"gguf_file": path.name}) if path.suffix == ".gguf" else (path, {})
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, **options)
            model: Any = AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, **options
            )
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise ModelError(f"{path}: no causal language model that transformers can load: {error}") from error
        begin = self._tokenizer.bos_token_id
        self._begin = self._tokenizer.eos_token_id if begin is None else begin
        if self._begin is None:
            raise ModelError(f"{path}: its tokenizer has neither a bos nor an eos token to begin a text with.")
        chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        self._model: Any = model.to(chosen).eval()
        self._batch_size = batch_size

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-likelihood per token in nats, each text after a start token: float64 [N]; 0 for a text of no tokens.

        A text's score does not depend on the others, up to rounding.
        """
        coded = [self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        out = np.zeros(len(texts))
        order = [n for n in sorted(range(len(texts)), key=lambda n: len(coded[n])) if coded[n]]
        for start in range(0, len(order), self._batch_size):
            rows = order[start : start + self._batch_size]
            out[rows] = self._score_batch([coded[row] for row in rows])
        return out

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
