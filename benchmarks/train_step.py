"""How fast is a whole training step: CLIP ViT-B/32 with random weights, batches on the GPU, K negatives a caption.

    python -m benchmarks.train_step --parts check,ablation,memory --json benchmarks/results/train_step.json

The step is that of `negagen finetune`: the same encoder, objective, gradients and optimiser. Captions have 16 tokens,
and a negative is its caption with one token replaced at a place drawn evenly; `--negatives FILE` takes real ones,
written by `negagen generate`, a word being a token. Texts are laid out ahead of time on the CPU, as in a run, and that
time is reported beside the step's. Each ablation takes one thing away from the full step and measures what is lost.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from negagen.data.batch import Batch, Texts
from negagen.train import attention, blocks, models, text, towers
from negagen.train.losses import Objective, Term
from negagen.train.models import ContrastiveModel
from negagen.train.optim import FlatGradients, adamw
from negagen.train.staging import Stager, moved
from negagen.train.step import Encoder

WORDS = 14  # of a caption, between its marks: 16 tokens
START, END = 49406, 49407
BATCHES = 3  # different ones, used in turn
ROUND = 12  # steps that are timed as one


@dataclass(frozen=True)
class Optimizer:
    """What adamw wants to know."""

    lr: float = 1e-6
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6


@dataclass(frozen=True)
class Setting:
    """One measurement."""

    name: str
    batch: int = 1024
    negatives: int = 4
    without: tuple[str, ...] = ()
    group: int = text.GROUP
    mode: str | None = None
    chunk: int = 0
    recompute: bool = False


def build(small: bool, device: torch.device) -> ContrastiveModel:
    """A CLIP of random weights: ViT-B/32, or a toy to try this script out on a CPU."""
    torch.manual_seed(0)
    tower = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(text_config=tower, vision_config=tower, projection_dim=32) if small else CLIPConfig()
    network: Any = CLIPModel(config)
    return (
        ContrastiveModel(
            network,
            towers.ClipTowers(network),
            source="transformers-clip",
            tokenizer=None,
            image_size=224,
            image_mean=[0.48145466, 0.4578275, 0.40821073],
            image_std=[0.26862954, 0.26130258, 0.27577711],
            context_length=77,
            preprocessor={},
        )
        .to(device)
        .train()
    )


def captions(rows: int, negatives: int, seed: int, source: list[list[list[int]]] | None) -> list[list[list[int]]]:
    """Rows of token lists, the caption first, its negatives after it."""
    generator = torch.Generator().manual_seed(seed)
    if source is not None:
        order = torch.randperm(len(source), generator=generator)[:rows].tolist()
        return [source[number][: 1 + negatives] for number in order]
    made = []
    for words in torch.randint(1000, 40000, (rows, WORDS), generator=generator).tolist():
        row = [[START, *words, END]]
        for _ in range(negatives):
            changed = list(words)
            place = int(torch.randint(WORDS, (), generator=generator))
            changed[place] = int(torch.randint(1000, 40000, (), generator=generator))
            row.append([START, *changed, END])
        made.append(row)
    return made


def read_captions(path: Path) -> list[list[list[int]]]:
    """Captions and negatives of a file of `negagen generate`; each different word is some token."""
    import pyarrow.parquet as pq

    numbers: dict[str, int] = {}

    def tokens(words: str) -> list[int]:
        found = re.findall(r"\w+|[^\w\s]", words.lower())[:75]
        return [START, *(numbers.setdefault(word, 1000 + len(numbers)) for word in found), END]

    rows = pq.read_table(path, columns=["caption", "negatives"]).to_pylist()
    return [[tokens(row["caption"]), *(tokens(one["text"]) for one in row["negatives"])] for row in rows]


def make_batch(rows: list[list[list[int]]], negatives: int, size: int, seed: int) -> Batch:
    """The batch that a collator would make of these texts and random pictures."""
    generator = torch.Generator().manual_seed(seed)
    known: dict[tuple[int, ...], int] = {}
    places = [[known.setdefault(tuple(one), len(known)) for one in row] for row in rows]
    places = [row + [-1] * (1 + negatives - len(row)) for row in places]
    lengths = torch.tensor([len(one) for one in known])
    ids = torch.full((len(known), int(lengths.max())), END)
    for number, one in enumerate(known):
        ids[number, : len(one)] = torch.tensor(one)
    table = torch.tensor(places)
    count = len(rows)
    return Batch(
        rows=torch.arange(count),
        groups=torch.arange(count),
        pixels=torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator),
        texts=Texts(ids, lengths),
        captions=table[:, 0],
        negatives=table[:, 1:],
        positives=torch.empty(count, 0, dtype=torch.int64),
        weights=(table[:, 1:] >= 0).float(),
        kinds=torch.full((count, negatives), -1),
    )


@contextmanager
def reduced(setting: Setting) -> Iterator[None]:
    """The full step without what `setting.without` names."""
    run = blocks.run_blocks

    def run_all(stack: Any, x: Tensor, attend: Any, *, pool: Any = None, recompute: bool = False) -> Tensor:
        states = run(stack, x, attend, recompute=recompute)
        return states if pool is None else pool(states)

    def run_narrow(stack: Any, x: Tensor, attend: Any, **options: Any) -> Tensor:
        return run(stack, x.bfloat16(), attend, **options)

    def separate(self: Any, x: Tensor) -> Tensor:
        inside = self.layer.self_attn
        x = self.layer.layer_norm1(x)
        return torch.cat([inside.q_proj(x), inside.k_proj(x), inside.v_proj(x)], dim=-1)

    def convolve(convolution: Any, pixels: Tensor) -> Tensor:
        patches: Tensor = convolution(pixels)
        return patches.flatten(2).transpose(1, 2)

    def pack(texts: Texts) -> text.PackedTexts:
        return text.pack(texts, group=setting.group, share="sharing" not in setting.without)

    with ExitStack() as stack:
        stack.enter_context(patch.object(models, "pack", pack))
        switches: dict[str, Callable[[], Any]] = {
            "pooled last block": lambda: patch.object(towers, "run_blocks", run_all),
            "float32 residuals": lambda: patch.object(towers, "run_blocks", run_narrow),
            "tile attention": lambda: patch.object(attention, "_HAS_TRITON", False),
            "fused qkv": lambda: patch.object(blocks.HuggingFaceBlock, "qkv", separate),
            "patches as a product": lambda: patch.object(towers, "embed_patches", convolve),
        }
        for name in setting.without:
            if name in switches:
                stack.enter_context(switches[name]())
        yield


class Run:
    """A model, its batches, and one step."""

    def __init__(self, setting: Setting, device: torch.device, small: bool, source: Any) -> None:
        self.device = device
        self.model = build(small, device)
        stager = Stager(self.model, chunk=setting.chunk, whole="packing" in setting.without)
        self.layout_ms = []
        self.tokens = []
        self.staged = []
        for seed in range(BATCHES):
            batch = make_batch(captions(setting.batch, setting.negatives, seed, source), setting.negatives, 224, seed)
            if "trimming" in setting.without:
                batch = replace(batch, texts=_padded(batch.texts))
            start = time.perf_counter()
            laid_out = stager(batch)
            self.layout_ms.append(1e3 * (time.perf_counter() - start))
            staged = next(iter(moved([laid_out], device)))
            self.tokens.append(sum(part.ids.numel() for part in staged.words.parts))
            self.staged.append(staged)
        self.encoder = Encoder(self.model, device, precision="bf16", chunk=setting.chunk)
        self.objective = Objective((Term("negclip" if setting.negatives else "clip"),))
        if "compile" not in setting.without:
            self.model.use_compile(fullgraph=True, **({"mode": setting.mode} if setting.mode else {}))
        if setting.recompute:
            self.model.use_checkpointing()
        self.optimizer = adamw(self.model, Optimizer(), fused=device.type == "cuda")
        self.gradients = FlatGradients(self.model.parameters())

    def step(self, number: int) -> Tensor:
        self.gradients.zero()
        features, backward = self.encoder(self.staged[number % BATCHES])
        result = self.objective(features, {})
        result.loss.backward()  # type: ignore[no-untyped-call]
        backward()
        self.optimizer.step()
        return result.loss.detach()


def measure(setting: Setting, device: torch.device, *, small: bool, source: Any, rounds: int = 6) -> dict[str, Any]:
    """Time rounds of twelve steps, after six steps of warm-up; the GPU is waited for at the end of a round alone."""
    torch._dynamo.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    with reduced(setting):
        start = time.perf_counter()
        run = Run(setting, device, small, source)
        for number in range(2 * BATCHES):
            run.step(number)
        synchronize(device)
        warm = time.perf_counter() - start
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            for number in range(ROUND):
                loss = run.step(number)
            synchronize(device)
            times.append(1e3 * (time.perf_counter() - start) / ROUND)
    milliseconds = statistics.median(times)
    peak = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
    return {
        **asdict(setting),
        "ms": round(milliseconds, 2),
        "ms_least_most": [round(min(times), 2), round(max(times), 2)],
        "images_per_second": round(1e3 * setting.batch / milliseconds),
        "peak_gib": round(peak, 1),
        "text_tokens": round(statistics.mean(run.tokens)),
        "layout_ms": round(statistics.mean(run.layout_ms), 1),
        "warm_up_s": round(warm, 1),
        "loss": round(float(loss), 4),
    }


def check(device: torch.device, source: Any) -> list[dict[str, Any]]:
    """Relative error of features and gradients against `transformers` in float32 with texts padded to 77 tokens."""
    batch = make_batch(captions(64, 4, 0, source), 4, 224, 0).to(device)
    padded = _padded(batch.texts)
    reference = build(False, device)
    assert batch.pixels is not None  # noqa: S101
    pixels = reference._normalise(batch.pixels)
    results: list[dict[str, Any]] = []
    exact: list[Tensor] = []
    for name, kind, dtype in (
        ("transformers, float32", "library", None),
        ("here, float32", "here", None),
        ("transformers, bfloat16", "library", torch.bfloat16),
        ("here, bfloat16", "here", torch.bfloat16),
        ("here, bfloat16 residuals", "narrow", torch.bfloat16),
    ):
        reference.zero_grad()
        setting = Setting("check", without=("float32 residuals",) if kind == "narrow" else ())
        with reduced(setting), torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
            if kind == "library":
                network = reference.network
                image = network.visual_projection(network.vision_model(pixel_values=pixels).pooler_output)
                words = network.text_projection(network.text_model(input_ids=padded.ids).pooler_output)
            else:
                packed = reference.pack(batch.texts.to("cpu"))
                image = reference.towers.image_features(pixels)
                words = reference.towers.text_features(packed.to(device))
        image, words = models._unit(image), models._unit(words)
        logits = reference.logit_scale * image @ words.T
        torch.nn.functional.cross_entropy(logits, batch.captions).backward()  # type: ignore[no-untyped-call]
        gradient = torch.cat([one.grad.flatten() for one in reference.parameters() if one.grad is not None])
        got = [image.detach(), words.detach(), gradient]
        exact = exact or got
        errors = [float((one - true).norm() / true.norm()) for one, true in zip(got, exact, strict=True)]
        results.append({"name": name, **dict(zip(("image", "text", "gradient"), errors, strict=True))})
        print(f"{name:28s} image {errors[0]:.1e} text {errors[1]:.1e} gradient {errors[2]:.1e}", flush=True)
    return results


PARTS: dict[str, list[Setting]] = {
    "main": [Setting("full", negatives=k) for k in (4, 0, 1)],
    "ablation": [
        Setting("full"),
        *(
            Setting(f"without {name}", without=(name,))
            for name in (
                "sharing",
                "tile attention",
                "pooled last block",
                "float32 residuals",
                "fused qkv",
                "patches as a product",
            )
        ),
        Setting("without packing", without=("packing",)),
        Setting("without trimming", without=("packing", "trimming")),
        Setting("without compile", without=("compile",)),
        Setting("groups of 128", group=128),
    ],
    "autotune": [Setting("autotuned", mode="max-autotune-no-cudagraphs")],
    "memory": [
        Setting("batch 4096", batch=4096),
        Setting("batch 4096, checkpointing", batch=4096, recompute=True),
        Setting("batch 4096, chunks of 1024", batch=4096, chunk=1024),
    ],
}


def main() -> None:
    """Run the parts asked for, printing as they come."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="check,main,ablation,memory", help=f"of check, {', '.join(PARTS)}")
    parser.add_argument("--only", default="", help="settings whose name matches this expression")
    parser.add_argument("--negatives", type=Path, help="real captions and negatives")
    parser.add_argument("--json", type=Path, help="where results go")
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no further measurement after so long")
    parser.add_argument(
        "--small", type=int, default=0, metavar="B", help="a toy model and batches of B, to try this out"
    )
    given = parser.parse_args()
    begun = time.perf_counter()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    source = read_captions(given.negatives) if given.negatives else None
    report: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name() if device.type == "cuda" else "none",
        "torch": torch.__version__,
        "captions": "real, words as tokens" if source else "16 tokens, one replaced at an even place",
        "results": [],
    }

    def save() -> None:
        if given.json:
            given.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    print(report["gpu"], report["torch"], report["captions"], flush=True)
    for part in given.parts.split(","):
        if part == "check":
            report["errors"] = check(device, source)
        else:
            for setting in PARTS[part]:
                if time.perf_counter() - begun > given.seconds or not re.search(given.only, setting.name):
                    continue
                if given.small:
                    setting = replace(setting, batch=given.small, chunk=given.small // 4 if setting.chunk else 0)
                try:
                    result = measure(setting, device, small=bool(given.small), source=source)
                except torch.OutOfMemoryError:
                    result = {**asdict(setting), "error": "out of memory"}
                except Exception as error:  # noqa: BLE001  # what fails is a result; the rest is measured all the same
                    result = {**asdict(setting), "error": f"{type(error).__name__}: {error}"[:2000]}
                report["results"].append(result)
                line = {key: result.get(key) for key in ("ms", "images_per_second", "peak_gib", "text_tokens")}
                print(
                    f"{setting.name:32s} B={setting.batch} K={setting.negatives}",
                    result.get("error") or " ".join(f"{key} {value}" for key, value in line.items()),
                    f"warm-up {result.get('warm_up_s')} s, layout {result.get('layout_ms')} ms",
                    f"loss {result.get('loss')}",
                    flush=True,
                )
                save()
    save()


def _padded(texts: Texts) -> Texts:
    return Texts(torch.nn.functional.pad(texts.ids, (0, 77 - texts.ids.shape[1]), value=END), texts.lengths)


def synchronize(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
