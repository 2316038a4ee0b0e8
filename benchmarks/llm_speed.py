"""Captions a second of the local back end by batch size: a real model, and shapes of 1 to 7 billion random weights.

    python -m benchmarks.llm_tokens prepare captions.parquet --output out/llm/requests.json
    python -m benchmarks.llm_speed --requests out/llm/requests.json --model SmolLM2-135M-Instruct.Q4_1.gguf \\
        --shapes 7b,1b --output out/llm --seconds 140

The requests are those of `negagen generate --llm-mode only`: one a caption, of up to four spans. The real model answers
all of them, and as many that ask for a whole sentence: `benchmarks.llm_tokens judge` reads them from `answers.json`.
Random weights know no end: they say as many tokens a caption as the real model did on average, or `--tokens`.
`speed.json` is written anew after each figure, and nothing is begun that `--seconds` leaves no time for. Needs torch,
transformers, jinja2, llguidance, and for a .gguf file gguf; not negagen's core.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from negagen.judges.loading import load_causal
from negagen.llm.backends.local import LocalBackend
from negagen.llm.protocol import Answer, Message, Request

SHAPES: Mapping[str, Mapping[str, Any]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "tie_word_embeddings": True, "vocab_size": 49_152},
    "1b": {"hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
           "num_key_value_heads": 8, "tie_word_embeddings": True, "vocab_size": 128_256},
    "3b": {"hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 28, "num_attention_heads": 24,
           "num_key_value_heads": 8, "tie_word_embeddings": True, "vocab_size": 128_256},
    "7b": {"hidden_size": 3584, "intermediate_size": 18_944, "num_hidden_layers": 28, "num_attention_heads": 28,
           "num_key_value_heads": 4, "tie_word_embeddings": False, "vocab_size": 152_064},
}  # fmt: skip
"""Of Llama 3.2 1B and 3B, and of Qwen2.5 7B."""
WARM = 4


@dataclass
class Bench:
    """What is measured, and the time left for it."""

    output: Path
    seconds: float
    began: float = field(default_factory=time.monotonic)
    report: dict[str, Any] = field(default_factory=dict)

    def write(self) -> None:
        """Store what there is."""
        (self.output / "speed.json").write_text(json.dumps(self.report, indent=2) + "\n")

    def has_time(self, needed: float) -> bool:
        """Whether so many seconds are left."""
        return time.monotonic() - self.began + needed < self.seconds

    def measure(self, backend: LocalBackend, requests: Sequence[Request], **about: Any) -> list[Answer | None]:
        """Time the answers to `requests`, note the figures, and give the answers in order."""
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        began = time.perf_counter()
        answers: list[Answer | None] = [None] * len(requests)
        for n, answer in backend.answers(requests):
            answers[n] = answer if isinstance(answer, Answer) else None
        seconds = time.perf_counter() - began
        said = [answer for answer in answers if answer is not None]
        row = {
            "model": backend.name,
            **about,
            "captions": len(requests),
            "failed": len(requests) - len(said),
            "seconds": round(seconds, 3),
            "captions_per_second": round(len(said) / seconds, 2),
            "completion_tokens_per_second": round(sum(answer.completion_tokens for answer in said) / seconds, 1),
            "prompt_tokens_each": round(sum(answer.prompt_tokens for answer in said) / max(1, len(said)), 1),
            "completion_tokens_each": round(sum(answer.completion_tokens for answer in said) / max(1, len(said)), 1),
            "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if torch.cuda.is_available() else None,
        }
        self.report.setdefault("rows", []).append(row)
        self.write()
        print(json.dumps(row), flush=True)
        return answers


def main() -> None:
    """Measure all that there is time for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a real model; its tokenizer serves the shapes too")
    parser.add_argument("--shapes", default="7b,1b", help=f"some of {', '.join(SHAPES)}; empty for none")
    parser.add_argument("--batches", default="1,8,32,128,512")
    parser.add_argument("--limit", type=int, default=512, help="captions that the real model is asked about")
    parser.add_argument("--tokens", type=int, help="tokens a caption for the shapes")
    parser.add_argument("--seconds", type=float, default=140)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    bench = Bench(given.output, given.seconds)
    cuda = torch.cuda.is_available()
    bench.report = {"device": torch.cuda.get_device_name() if cuda else "cpu", "torch": torch.__version__}
    stored = json.loads(given.requests.read_text())
    asked = {kind: [request_of(each) for each in requests[: given.limit]] for kind, requests in stored.items()}
    batches = [int(size) for size in given.batches.split(",")]

    dtype = torch.bfloat16 if cuda else torch.float32
    tokenizer, model = load_causal(given.model, dtype, "llm")
    real = Real(bench, given.model.stem, tokenizer, model.to("cuda" if cuda else "cpu"))
    mean = real.answer(asked)
    real.sweep(asked["span"], batches)
    del real, model
    for shape in filter(None, given.shapes.split(",")):
        sweep_shape(bench, shape, tokenizer, asked["span"], batches, given.tokens or mean)
    bench.report["seconds"] = round(time.monotonic() - bench.began, 1)
    bench.write()


@dataclass
class Real:
    """The model whose answers count."""

    bench: Bench
    name: str
    tokenizer: Any
    model: Any

    def backend(self, **options: Any) -> LocalBackend:
        """The back end with these options."""
        return LocalBackend.around(self.tokenizer, self.model, name=self.name, version="benchmark", **options)

    def answer(self, asked: Mapping[str, Sequence[Request]]) -> int:
        """Answer all requests of both kinds and store that; gives the mean tokens of an answer about spans."""
        backend, told = self.backend(), dict[str, Any](model=self.name)
        list(backend.answers(asked["span"][:WARM]))
        for kind, requests in asked.items():
            answers = self.bench.measure(backend, requests, kind=kind, batch="default", structured=True)
            told[kind] = [
                {"request": asdict(request), "answer": asdict(answer)}
                for request, answer in zip(requests, answers, strict=True)
                if answer is not None
            ]
        (self.bench.output / "answers.json").write_text(json.dumps(told))
        said = [each["answer"]["completion_tokens"] for each in told["span"]]
        return round(sum(said) / len(said)) if said else 64

    def sweep(self, requests: Sequence[Request], batches: Sequence[int]) -> None:
        """By batch size; then without schemas, and without shared beginnings."""
        for size in batches:
            some = enough(requests, size)
            if self.bench.has_time(10):
                self.bench.measure(self.backend(**sized(size)), some, kind="span", batch=size, structured=True)
        some, size = enough(requests, 128), min(128, batches[-1])
        loose = [replace(request, schema=None) for request in some]
        self.bench.measure(self.backend(**sized(size)), loose, kind="span", batch=size, structured=False)
        alone = self.backend(**sized(size))
        alone._decoder._shares = False  # type: ignore[union-attr]
        self.bench.measure(alone, some, kind="span", batch=size, structured=True, shared_beginnings=False)


def sweep_shape(
    bench: Bench, shape: str, tokenizer: Any, requests: Sequence[Request], batches: Sequence[int], tokens: int
) -> None:
    """A Llama of that shape with random weights, by batch size."""
    from transformers import LlamaConfig, LlamaForCausalLM

    if not bench.has_time(10):
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config: Any = LlamaConfig(max_position_embeddings=4096, eos_token_id=tokenizer.eos_token_id, **SHAPES[shape])
    with device:
        torch.set_default_dtype(torch.bfloat16 if device.type == "cuda" else torch.float32)
        try:
            model: Any = LlamaForCausalLM(config)
        finally:
            torch.set_default_dtype(torch.float32)
    plain = [replace(request, schema=None, max_tokens=tokens) for request in requests]
    options: dict[str, Any] = {"name": f"random-{shape}", "version": "random", "structured": False}
    began = time.monotonic()
    list(LocalBackend.around(tokenizer, model, **options, **sized(WARM)).answers(plain[:WARM]))
    for size in batches:
        # A larger batch takes longer, but not by much until the GPU is full.
        if not bench.has_time(2 * (time.monotonic() - began)):
            break
        began = time.monotonic()
        backend = LocalBackend.around(tokenizer, model, **options, **sized(size))
        bench.measure(backend, enough(plain, size), kind="span", batch=size, structured=False, tokens=tokens)
    del model
    if device.type == "cuda":
        torch.cuda.empty_cache()


def enough(requests: Sequence[Request], size: int) -> Sequence[Request]:
    """As many as make two batches, or one of a large size."""
    return requests[: max(size, min(2 * size, 256))]


def sized(size: int) -> dict[str, Any]:
    """Batches of that size and no other limit."""
    return {"batch_size": size, "batch_tokens": 1 << 40}


def request_of(stored: Mapping[str, Any]) -> Request:
    """A request that `benchmarks.llm_tokens` wrote."""
    return Request(**{**stored, "messages": tuple(Message(**message) for message in stored["messages"])})


if __name__ == "__main__":
    main()
