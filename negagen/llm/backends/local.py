"""Causal language models of transformers, on this machine's CPU or GPU."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from negagen.errors import LanguageModelError, ModelError
from negagen.judges.loading import digest_of, load_causal, modules, place, positions
from negagen.llm.protocol import Answer, Failure, Message, Request

if TYPE_CHECKING:
    from negagen.llm.backends.decoding import Decoded, Decoder, Prompt

_SHORTEST_SHARED: Final = 32
_PER_CPU, _PER_GPU = (16, 16_384), (128, 131_072)
_log = logging.getLogger(__name__)


class LocalBackend:
    """Answers with a model that lies on this machine; nothing is downloaded.

    Prompts are sorted by length and decoded in batches. Conversations that begin with the same messages (all but the
    last) share the work of these, wherever their batches are. With `structured`, a request's schema is enforced.

    What holds for answers: greedy ones, and drawn ones for the same seed, do not depend on what else is asked, on
    order or batch size, except where rounding decides between two tokens (float32 on a CPU hardly ever, bfloat16
    sometimes), or where a model with a recurrent state sees the padding, as Jamba may. `max_tokens` cuts an
    answer ("length"). Out of memory on a GPU, a batch is halved.

    Args:
        path: a folder that `save_pretrained` wrote, with a tokenizer that has a chat template, or a `.gguf` file (which
            also needs gguf and accelerate).
        device: a torch device; "auto" is a GPU where there is one.
        dtype: a torch dtype's name; "auto" is bfloat16 on a GPU and float32 elsewhere.
        batch_size: the most prompts at once; by default 16 on a CPU and 128 on a GPU.
        batch_tokens: the most tokens at once, padding and room for answers included; by default 16,384 and 131,072.
        structured: enforce schemas.

    Raises:
        LanguageModelError: the path holds no such model, it has no chat template, a package is missing, or the device
            is not there.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        structured: bool = True,
    ) -> None:
        path = Path(path)
        try:
            torch, _ = modules("a language model", "llm")
            tokenizer, model = load_causal(path, getattr(torch, _dtype(torch, dtype, device)), "llm")
            model = place(model, device)
        except ModelError as error:
            raise LanguageModelError(str(error)) from error
        if not getattr(tokenizer, "chat_template", None):
            raise LanguageModelError(
                f"{path}: its tokenizer has no chat template. Take a model tuned to follow instructions "
                "(its name mostly ends in Instruct or Chat), or put a chat_template.jinja beside it."
            )
        name = path.stem if path.suffix.lower() == ".gguf" else path.resolve().name
        self._begin(tokenizer, model, name, digest_of(path), batch_size, batch_tokens, structured=structured)

    @classmethod
    def around(
        cls,
        tokenizer: Any,
        model: Any,
        *,
        name: str,
        version: str,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        structured: bool = True,
    ) -> LocalBackend:
        """The back end of a model that is loaded already; `version` must change with its weights."""
        backend = object.__new__(cls)
        backend._begin(tokenizer, model.eval(), name, version, batch_size, batch_tokens, structured=structured)
        return backend

    def _begin(
        self,
        tokenizer: Any,
        model: Any,
        name: str,
        version: str,
        batch_size: int | None,
        batch_tokens: int | None,
        *,
        structured: bool,
    ) -> None:
        from negagen.llm.backends.decoding import Decoder

        self._name, self._version, self._dtype = name, version, str(model.dtype).removeprefix("torch.")
        self._tokenizer = tokenizer
        self._ends = _ends(tokenizer, model)
        self._grammars = self._grammars_of(model) if structured else None
        self._decoder: Decoder | None = Decoder(model, self._ends, self._grammars)
        self._marks = sorted({str(token) for token in tokenizer.added_tokens_decoder.values()} - {""}, reverse=True)
        self._longest = positions(model.config.get_text_config())
        self._system_role = self._takes_system_role()
        size, tokens = _PER_CPU if model.device.type == "cpu" else _PER_GPU
        self._batch_size, self._batch_tokens = batch_size or size, batch_tokens or tokens
        self._lock = Lock()

    @property
    def name(self) -> str:
        """`local:` and the file's or folder's name."""
        return f"local:{self._name}"

    @property
    def deterministic(self) -> bool:
        """It is: drawn answers have a seed."""
        return True

    def parameters(self) -> Mapping[str, Any]:
        """The model's files by their digest, dtype, and by what schemas are enforced."""
        structured = f"llguidance {self._grammars.version}" if self._grammars else None
        return {"backend": "local", "model": self._version, "dtype": self._dtype, "structured": structured}

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
        """As `Backend.answers`: short prompts first, each answer as it leaves its batch."""
        if any(request.image is not None for request in requests):
            raise LanguageModelError("pictures need a server with a model that sees: give its --base-url.")
        prompts: dict[int, Prompt] = {}
        for n, prompt in enumerate(self._prompts(requests)):
            if len(prompt.ids) + prompt.max_tokens > self._longest:
                most = f"its prompt of {len(prompt.ids)} tokens and an answer of up to {prompt.max_tokens}"
                yield n, Failure(f"{most} are more than the model's {self._longest}", alone=True)
            else:
                prompts[n] = prompt
        order = sorted(prompts, key=lambda n: (len(prompts[n].ids) - prompts[n].shared, len(prompts[n].ids), n))
        while order:
            batch = self._batch(order, prompts)
            yield from self._decoded(batch, prompts)
            del order[: len(batch)]

    def close(self) -> None:
        """Let go of the model's memory."""
        self._decoder = None

    def _grammars_of(self, model: Any) -> Any:
        from negagen.llm.backends.grammar import Grammars

        return Grammars(self._tokenizer, model.get_input_embeddings().weight.shape[0], self._ends)

    def _prompts(self, requests: Sequence[Request]) -> Iterator[Prompt]:
        from negagen.llm.backends.decoding import Prompt

        counts = Counter(request.messages[:-1] for request in requests)
        beginnings = {messages: self._coded(messages, begun=False) for messages in counts if messages}
        for request in requests:
            ids = self._coded(request.messages, begun=True)
            begin = beginnings.get(request.messages[:-1], ())
            again = counts[request.messages[:-1]] > 1 or (self._decoder is not None and self._decoder.keeps(begin))
            # A template may write a message otherwise once another follows.
            usable = _SHORTEST_SHARED <= len(begin) < len(ids) and ids[: len(begin)] == begin
            shared = len(begin) if again and usable else 0
            yield Prompt(ids, shared, request.max_tokens, request.temperature, request.seed, request.schema)

    def _coded(self, messages: Sequence[Message], *, begun: bool) -> tuple[int, ...]:
        """Token ids of a conversation; with `begun`, up to where the model's answer stands."""
        turns = [{"role": message.role, "content": self._harmless(message.content)} for message in messages]
        if turns[0]["role"] == "system" and not self._system_role:
            system = turns.pop(0)["content"]
            if not turns:
                return ()
            turns[0] = {**turns[0], "content": f"{system}\n\n{turns[0]['content']}"}
        text = self._templated(turns, begun=begun)
        return tuple(self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _templated(self, turns: Sequence[Mapping[str, str]], *, begun: bool) -> str:
        # Templates that do not think of `enable_thinking` ignore it; others would spend the answer's tokens on it.
        text: str = self._tokenizer.apply_chat_template(
            list(turns), tokenize=False, add_generation_prompt=begun, enable_thinking=False
        )
        return text

    def _harmless(self, content: str) -> str:
        """The content without the tokenizer's own marks: a caption must not end its turn."""
        for mark in self._marks:
            content = content.replace(mark, f"{mark[0]} {mark[1:]}")
        return content

    def _takes_system_role(self) -> bool:
        import jinja2

        turns = [{"role": "system", "content": "<negagen>"}, {"role": "user", "content": "?"}]
        try:
            return "<negagen>" in self._templated(turns, begun=True)
        except jinja2.TemplateError:
            return False

    def _batch(self, order: Sequence[int], prompts: Mapping[int, Prompt]) -> Sequence[int]:
        """As many of the next prompts as both limits allow; one at least."""
        shared = rest = answer = 0
        for count, n in enumerate(order[: self._batch_size]):
            prompt = prompts[n]
            shared, rest = max(shared, prompt.shared), max(rest, len(prompt.ids) - prompt.shared)
            answer = max(answer, prompt.max_tokens)
            if count and (shared + rest + answer) * (count + 1) > self._batch_tokens:
                return order[:count]
        return order[: self._batch_size]

    def _decoded(self, batch: Sequence[int], prompts: Mapping[int, Prompt]) -> Iterator[tuple[int, Answer | Failure]]:
        import torch

        left = list(batch)
        try:
            for at, result in self._steps([prompts[n] for n in batch]):
                n = batch[at]
                left.remove(n)
                # What "cleaning up" would do to the spaces of byte-level vocabularies is damage.
                text = self._tokenizer.decode(result.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
                finish = "stop" if result.ended else "length"
                yield n, Answer(text, len(prompts[n].ids), len(result.ids) + result.ended, finish)
            return
        except torch.OutOfMemoryError:
            pass  # what it holds is let go of first
        torch.cuda.empty_cache()
        if len(left) == 1:
            yield left[0], Failure("the GPU's memory does not suffice for its prompt alone", alone=True)
            return
        half = len(left) // 2
        self._batch_size = min(self._batch_size, half)
        _log.warning("out of GPU memory: batches of %d from now on.", half)
        for part in (left[:half], left[half:]):
            yield from self._decoded(part, prompts)

    def _steps(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Decoded]]:
        """What is decoded, as it ends; other threads get their turn between two answers."""
        with self._lock:
            if self._decoder is None:
                raise LanguageModelError(f"{self.name} was closed: open it again to ask it.")
            steps = self._decoder.decode(prompts)
        while True:
            with self._lock:
                if (step := next(steps, None)) is None:
                    return
            yield step


def _dtype(torch: Any, name: str, device: str) -> str:
    if name == "auto":
        if device != "cpu" and torch.cuda.is_available():
            return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
        return "float32"
    if name not in ("float32", "bfloat16", "float16"):
        raise LanguageModelError(f"dtype {name!r} is not float32, bfloat16, float16 or auto.")
    return name


def _ends(tokenizer: Any, model: Any) -> list[int]:
    """The tokens that end an answer, by the tokenizer and by the model's generation_config."""
    told = getattr(model.generation_config, "eos_token_id", None)
    ids = {tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])} - {None}
    if not ids:
        raise LanguageModelError("neither the tokenizer nor generation_config.json names an eos token: set one.")
    return sorted(ids)
