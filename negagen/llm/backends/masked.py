"""Masked language models as fillers of slots, the way of TSVLC and CE-CLIP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any, Final

from negagen.errors import LanguageModelError, ModelError
from negagen.judges.loading import digest_of, explained, modules, place, positions, whole
from negagen.llm.protocol import Failure
from negagen.llm.slots import Proposal, Slot
from negagen.seeding import Stream, key_of

_LIKELIEST: Final = 24
_PARTS: Final = 1_000_000
_PER_CPU, _PER_GPU = 16, 256


class MaskedFiller:
    """Masks a slot and draws from the words that the model finds likely there.

    TSVLC (Doveh et al., CVPR 2023) and CE-CLIP (Zhang et al., CVPR 2024) replace a word by a masked language model's
    prediction. Here the words are those that are one token and are spelt in letters, the 24 likeliest but for what
    stood there; one of them is drawn by the model's probabilities, fixed by the slot's key. A model of this kind
    knows what is usual, not what is false: many of its words fit the picture as well, and the checks know only those of
    the lexicon. Slots that ask for other wordings of what is true are left alone.

    Args:
        path: a folder that `save_pretrained` wrote: BERT, RoBERTa or another model with a mask token, and its
            tokenizer. Nothing is downloaded.
        device: a torch device; "auto" is a GPU where there is one.
        batch_size: captions a forward pass; by default 16 on a CPU and 256 on a GPU.

    Raises:
        LanguageModelError: the path holds no such model, a package is missing, or the device is not there.
    """

    def __init__(self, path: str | Path, *, device: str = "auto", batch_size: int | None = None) -> None:
        self._path = Path(path)
        try:
            torch, transformers = modules("a masked language model", "llm")
            with explained(self._path, "masked language model"):
                self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(self._path, local_files_only=True)
                model, info = transformers.AutoModelForMaskedLM.from_pretrained(
                    self._path, local_files_only=True, dtype=torch.float32, output_loading_info=True
                )
            whole(info, self._path, "masked language model")
            self._model: Any = place(model, device)
        except ModelError as error:
            raise LanguageModelError(str(error)) from error
        if self._tokenizer.mask_token_id is None:
            raise LanguageModelError(
                f"{self._path}: its tokenizer has no mask token. Take a model such as BERT or RoBERTa."
            )
        self._longest = positions(model.config)
        self._batch_size = batch_size or (_PER_CPU if self._model.device.type == "cpu" else _PER_GPU)
        self._lock = Lock()
        self._digest = digest_of(self._path)

    @property
    def name(self) -> str:
        """`masked:` and the folder's name."""
        return f"masked:{self._path.resolve().name}"

    def parameters(self) -> Mapping[str, Any]:
        """The model's files by their digest, and from how many words is drawn."""
        return {"backend": "masked", "model": self._digest, "likeliest": _LIKELIEST}

    def fill(self, slots: Sequence[Slot]) -> Iterator[tuple[int, Sequence[Proposal] | Failure]]:
        """As `Filler.fill`: a batch at a time, short captions first."""
        coded: dict[int, list[int]] = {}
        for n, slot in enumerate(slots):
            if slot.positive:
                yield n, ()
                continue
            ids = self._coded(slot)
            if ids.count(self._tokenizer.mask_token_id) != 1:
                yield n, Failure("its caption has the model's mask token in it", alone=True)
            elif len(ids) > self._longest:
                reason = f"its caption of {len(ids)} tokens is longer than the model's {self._longest}"
                yield n, Failure(reason, alone=True)
            else:
                coded[n] = ids
        order = sorted(coded, key=lambda n: (len(coded[n]), n))
        for start in range(0, len(order), self._batch_size):
            batch = order[start : start + self._batch_size]
            for n, chances in zip(batch, self._chances([coded[n] for n in batch]), strict=True):
                yield n, self._drawn(slots[n], chances)

    def close(self) -> None:
        """Let go of the model's memory."""
        self._model = None

    @cached_property
    def _words(self) -> dict[int, str]:
        """The tokens that are a word by themselves, with that word."""
        found: dict[int, str] = {}
        special = set(self._tokenizer.all_special_ids)
        for token, number in self._tokenizer.get_vocab().items():
            # A word's first piece is marked in byte-level and SentencePiece vocabularies, the others in WordPiece.
            word = token.lstrip("Ġ▁")
            begins = token != word or not self._marks_beginnings
            if number not in special and begins and word.isascii() and word.isalpha() and len(word) > 1:
                found[number] = word
        return found

    @cached_property
    def _marks_beginnings(self) -> bool:
        return any(token[0] in "Ġ▁" and len(token) > 1 for token in self._tokenizer.get_vocab())

    def _coded(self, slot: Slot) -> list[int]:
        text = f"{slot.text[: slot.start]}{self._tokenizer.mask_token}{slot.text[slot.end :]}"
        ids: list[int] = self._tokenizer(text, verbose=False)["input_ids"]
        return ids

    def _chances(self, coded: Sequence[list[int]]) -> list[dict[str, float]]:
        """The likeliest words at each text's mask, with their probabilities, likeliest first."""
        import torch

        longest = max(map(len, coded))
        fill = self._tokenizer.pad_token_id or 0
        ids = torch.tensor([each + [fill] * (longest - len(each)) for each in coded])
        known = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in coded])
        mask = self._tokenizer.mask_token_id
        with self._lock, torch.inference_mode():
            if self._model is None:
                raise LanguageModelError(f"{self.name} was closed: open it again to ask it.")
            device = self._model.device
            logits = self._model(input_ids=ids.to(device), attention_mask=known.to(device)).logits
            at = torch.tensor([each.index(mask) for each in coded], device=device)
            mass = logits[torch.arange(len(coded), device=device), at].float().softmax(-1)
            words = torch.tensor(sorted(self._words), device=device)
            chances, tokens = mass[:, words].topk(min(2 * _LIKELIEST, len(words)))
        return [
            {self._words[int(words[token])]: chance for token, chance in zip(row, likely, strict=True)}
            for row, likely in zip(tokens.tolist(), chances.tolist(), strict=True)
        ]

    def _drawn(self, slot: Slot, chances: Mapping[str, float]) -> tuple[Proposal, ...]:
        spelt: dict[str, float] = {}
        for word, chance in chances.items():
            # Cased vocabularies have a word twice; splicing gives it the case of what it replaces.
            lower = word.lower()
            if lower not in (slot.span.lower(), slot.old.lower()) and len(spelt) < _LIKELIEST:
                spelt.setdefault(lower, chance)
        stream = Stream(key_of("masked", slot.key, slot.text, slot.start, slot.end))
        if not spelt:
            return ()
        sums = list(accumulate(1 + int(chance * _PARTS) for chance in spelt.values()))
        return (Proposal(list(spelt)[stream.weighted(sums)]),)
