"""Trains a small CLIP on captions of the world, from nothing and without negatives: what fine-tuning starts from.

    python -m examples.scenes.pretrain --preset tiny --images 8000 --steps 3000 -o out/scenes/base

Plain contrastive training (Radford et al., arXiv 2103.00020) in one loop: pictures lie on the device, each step takes
`--batch` pictures with one of their captions. `--exam` scores the model as it goes: retrieval rises, while to tell
which colour is whose stays hard, since a batch seldom holds two pictures that differ in that alone.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers.utils import logging

from examples.scenes.captions import keywords
from examples.scenes.encode import Questions, image_features, load, text_features, tokens
from examples.scenes.exam import Exam
from examples.scenes.model import PRESETS, create
from examples.scenes.pixels import drawn

__all__ = ["main", "pretrain"]

SIBLINGS = 5
WARMUP = 200


def pretrain(
    folder: Path,
    *,
    cache: Path,
    preset: str = "tiny",
    images: int = 8000,
    steps: int = 3000,
    batch: int = 128,
    lr: float = 1e-3,
    seed: int = 0,
    world: int = 0,
    device: str = "cpu",
    workers: int = 1,
    half: bool = False,
    shuffled: float = 0.0,
    exam: Exam | None = None,
    every: int = 1000,
    seconds: float = math.inf,
    keep: Path | None = None,
    as_json: bool = False,
) -> list[dict[str, Any]]:
    """Saves the model to `folder`; gives what it scored on the way.

    `shuffled`: share of the captions that are told as their words in random order, from which nobody can learn what is
    whose. `seconds` bounds the training: the rate falls with the larger of the shares of steps and of time that are
    spent. `keep`: a folder for the weights at each score, as float16, by step. `as_json`: each score is printed whole.
    """
    size = PRESETS[preset]
    pictures, said = drawn(images, size.side, siblings=SIBLINGS, cache=cache, seed=world, workers=workers)
    pixels = torch.from_numpy(pictures).to(device)
    rng = np.random.default_rng([world, seed])
    said = [keywords(text, rng) if rng.random() < shuffled else text for text in said]
    create(folder, size, seed=seed)
    model, tokenizer = load(folder, device)
    ids, mask = (part.to(device) for part in tokens(tokenizer, said))
    questions = None if exam is None else Questions.of(exam, tokenizer, device)
    model.train()
    optimizer = torch.optim.AdamW(_groups(model), lr=lr, betas=(0.9, 0.98), fused=device != "cpu")
    generator = torch.Generator().manual_seed(seed)
    history: list[dict[str, Any]] = []
    started = time.monotonic()
    step, done = 0, 0.0
    while done < 1.0:
        done = min(1.0, max((step + 1) / steps, (time.monotonic() - started) / seconds))
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / WARMUP) * (0.5 + 0.5 * math.cos(math.pi * done))
        rows = torch.randperm(images, generator=generator)[:batch].to(device)
        told = rows * SIBLINGS + torch.randint(SIBLINGS, (batch,), generator=generator).to(device)
        loss: Any = _loss(model, pixels[rows], ids[told], mask[told], bf16=device != "cpu")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100))
        step += 1
        if step % every == 0 or done >= 1.0:
            history.append(_report(model, questions, step, loss, time.monotonic() - started, as_json))
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                weights = {name: value.half().cpu().contiguous() for name, value in model.state_dict().items()}
                save_file(weights, keep / f"{step}.safetensors")
    model.eval()
    (model.half() if half else model).save_pretrained(folder)
    return history


def _loss(model: Any, pixels: Tensor, ids: Tensor, mask: Tensor, *, bf16: bool) -> Tensor:
    longest = int(mask.sum(1).max())
    with torch.autocast(pixels.device.type, torch.bfloat16, enabled=bf16):
        image = image_features(model, pixels)
        text = text_features(model, ids[:, :longest], mask[:, :longest])
    logits = model.logit_scale.float().exp() * image @ text.T
    own = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2


def _groups(model: Any) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and the logit scale do not."""
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]


def _report(
    model: Any, questions: Questions | None, step: int, loss: Tensor, seconds: float, as_json: bool
) -> dict[str, Any]:
    record: dict[str, Any] = {"step": step, "loss": round(loss.item(), 4), "seconds": round(seconds, 1)}
    line = f"step {step:6d}  loss {loss.item():.3f}  {seconds:6.1f} s"
    if questions is not None:
        model.eval()
        scores = questions.ask(model)
        model.train()
        record["scores"] = scores
        line += (
            f"  R@1 {scores['retrieval']:.1%}  nouns {scores['nouns']:.1%}  colours {scores['colours']:.1%}"
            f"  swap {scores['swap']:.1%}  mean {scores['mean']:.1%}"
        )
    print(json.dumps(record) if as_json else line, flush=True)
    return record


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), default="tiny")
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0, help="of the weights and batches")
    parser.add_argument("--world", type=int, default=0, help="seed of the world")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw pictures")
    parser.add_argument("--cache", type=Path, default=Path("out/scenes/cache"), help="of drawn pictures")
    parser.add_argument("--half", action="store_true", help="save the weights as float16")
    parser.add_argument("--shuffled", type=float, default=0.0, help="share of captions told as words in random order")
    parser.add_argument("--exam", type=Path, help="an exam's .npz, to score the model on the way")
    parser.add_argument("--every", type=int, default=1000, help="steps between scores")
    parser.add_argument("--seconds", type=float, default=math.inf, help="stop after so long")
    parser.add_argument("--json", action="store_true", help="print each score as a line of JSON")
    parser.add_argument("--keep", type=Path, help="folder for the weights at each score")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    history = pretrain(
        given.output, preset=given.preset, images=given.images, steps=given.steps, batch=given.batch, lr=given.lr,
        seed=given.seed, world=given.world, device=given.device, workers=given.workers,
        cache=given.cache, half=given.half, shuffled=given.shuffled,
        exam=Exam.load(given.exam) if given.exam else None, every=given.every, seconds=given.seconds,
        keep=given.keep, as_json=given.json,
    )  # fmt: skip
    (given.output / "pretraining.json").write_text(json.dumps(history) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
