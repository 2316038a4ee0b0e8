"""Train the network of the bundled tagger and write the spaCy pipeline.

    python scripts/pipeline/train.py --ewt DIR --silver silver.jsonl --out negagen/parsing/model [--epochs 12]

Reads the EWT treebank and the silver captions of `silver.py merge` (a tag of null is left out of the loss;
captions marked "held_out" only measure). Activations and weights are rounded during training exactly as
negagen.parsing.network rounds them at run time. Needs torch, which negagen does not; fixed seed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lemminflect import getAllInflections
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))
from treebank import read_conllu

from negagen.parsing.network import ACTIVATION, TABLE_STEPS, Network, Weights, features

IGNORED = -100
Sentence = dict[str, Any]
named = lru_cache(maxsize=None)(features)


def rounded(x: torch.Tensor, step: torch.Tensor | float, limit: int = 127) -> torch.Tensor:
    """Round to multiples of `step`, at most `limit` of them; the gradient passes straight through."""
    return x + ((x / step).round().clamp(-limit, limit) * step - x).detach()


class WindowTagger(torch.nn.Module):
    """Float twin of negagen.parsing.network.Network."""

    def __init__(self, rows: int, tags: int, width: int, hidden: int, second: int, radius: int, reach: int) -> None:
        super().__init__()
        self.radius, self.reach = radius, reach
        self.embedding = torch.nn.Parameter(torch.randn(rows, width) * 0.15)
        self.first = torch.nn.Parameter(torch.randn(2 * radius + 1, width, hidden) * (1.2 / (width * 3)) ** 0.5)
        self.first_bias = torch.nn.Parameter(torch.full((hidden,), 0.3))
        self.second = torch.nn.Parameter(torch.randn((2 * reach + 1) * hidden, second) * (2 / (hidden * 3)) ** 0.5)
        self.second_bias = torch.nn.Parameter(torch.full((second,), 0.3))
        self.third = torch.nn.Parameter(torch.randn(second, tags) * 0.3)
        self.third_bias = torch.nn.Parameter(torch.zeros(tags))

    def steps(self) -> tuple[torch.Tensor, ...]:
        """Return the quantisation steps: one for the embedding, one per output channel of each layer."""
        with torch.no_grad():
            return (
                self.embedding.abs().max() / 127,
                self.first.abs().amax((0, 1)).clamp_min(1e-6) / 127,
                self.second.abs().amax(0).clamp_min(1e-6) / 127,
                self.third.abs().amax(0).clamp_min(1e-6) / 127,
            )

    def forward(
        self, bags: torch.Tensor, offsets: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor, dropout: float
    ) -> torch.Tensor:
        """bags, offsets: features of the batch's word types; ids int[B, T + 2r] with padding; mask bool[B, T]."""
        s0, s1, s2, s3 = self.steps()
        vectors = functional.embedding_bag(bags, rounded(self.embedding, s0), offsets, mode="sum")
        x = vectors[ids]
        weight = rounded(self.first, s1)
        h = functional.conv1d(x.transpose(1, 2), weight.permute(2, 1, 0)).transpose(1, 2) + self.first_bias
        h = rounded(h.clamp(0, 1), 1 / ACTIVATION) * mask[..., None]
        h = functional.dropout(h, dropout, self.training)
        padded = functional.pad(h, (0, 0, self.reach, self.reach))
        window = torch.cat([padded[:, i : i + h.shape[1]] for i in range(2 * self.reach + 1)], -1)
        g = window @ rounded(self.second, s2) + self.second_bias
        g = functional.dropout(rounded(g.clamp(0, 1), 1 / ACTIVATION), dropout, self.training)
        return g @ rounded(self.third, s3) + self.third_bias

    def export(self, tags: list[str], names: list[str]) -> Weights:
        """Return the integers that the run time reads."""
        s0, s1, s2, s3 = (s.cpu() for s in self.steps())

        def integers(x: torch.Tensor, step: torch.Tensor) -> Any:
            return (x.detach() / step).round().clamp(-127, 127).numpy().astype(np.int8)

        def floats(x: torch.Tensor) -> Any:
            return x.detach().numpy().astype(np.float32)

        used = integers(self.embedding, s0)
        return Weights(
            tags=tuple(tags),
            features=tuple(names),
            embedding=used,
            first=integers(self.first, s1),
            first_scale=floats(s0 * s1 * ACTIVATION * TABLE_STEPS),
            first_bias=floats(self.first_bias * ACTIVATION * TABLE_STEPS),
            second=integers(self.second, s2),
            second_scale=floats(s2),
            second_bias=floats(self.second_bias * ACTIVATION),
            third=integers(self.third, s3),
            third_scale=floats(s3 / ACTIVATION),
            third_bias=floats(self.third_bias),
        )


Pools = dict[str, tuple[list[str], list[str]]]
SUBSTITUTED = ("NN", "NNS", "VBZ", "VBP", "VB", "VBG")
KEPT = frozenset("front top side middle back close up lot kind sort am is are be being has have does do having".split())


def substitution_pools(data: list[Sentence]) -> Pools:
    """Return per tag the words that may stand for one another: all of them, and those that are noun and verb."""
    seen: dict[str, set[str]] = {tag: set() for tag in SUBSTITUTED}
    for sentence in data:
        for word, tag in zip(sentence["words"], sentence["tags"], strict=True):
            if tag in seen and word.isalpha() and word.islower() and len(word) > 2 and word not in KEPT:
                seen[tag].add(word)
    both: dict[str, set[str]] = {tag: set() for tag in SUBSTITUTED}
    for lemma in seen["NN"] | seen["VB"] | seen["VBP"]:
        inflections = getAllInflections(lemma)
        if {"NN", "VB"} <= set(inflections):
            for tag in SUBSTITUTED:
                both[tag].update(form for form in inflections.get(tag, ())[:1] if form.isalpha())
    return {tag: (sorted(seen[tag]), sorted(both[tag])) for tag in SUBSTITUTED}


def substituted(sentence: Sentence, pools: Pools, rng: random.Random) -> Sentence:
    """Put other words of the same tag in some places, so that the words around decide, not the word alone."""
    words, tags = list(sentence["words"]), sentence["tags"]
    for i, (word, tag) in enumerate(zip(words, tags, strict=True)):
        before_noun = i + 1 < len(tags) and tags[i + 1] in ("NN", "NNS")
        if tag not in pools or word.lower() in KEPT or (tag == "VBG" and before_noun) or rng.random() > 0.35:
            continue
        new = rng.choice(rng.choice(pools[tag]))
        words[i] = new.capitalize() if word[0].isupper() else new
    return {**sentence, "words": words}


def augmented(sentence: Sentence, rng: random.Random, pools: Pools) -> Sentence:
    """Return a sentence as a hasty writer would type it: lower-case, no full stop, capital where none was."""
    if rng.random() < 0.3:
        sentence = substituted(sentence, pools, rng)
    words, tags = list(sentence["words"]), list(sentence["tags"])
    roll = rng.random()
    if roll < 0.15:
        words = [w.lower() for w in words]
    elif roll < 0.22:
        words[0] = words[0][:1].lower() + words[0][1:]
    elif roll < 0.32:
        words[0] = words[0][:1].upper() + words[0][1:]
    elif roll < 0.335:
        words = [w.upper() for w in words]
    elif roll < 0.35:
        words = [w.title() for w in words]
    if words[-1] == "." and len(words) > 2 and rng.random() < 0.4:
        words, tags = words[:-1], tags[:-1]
    elif words[-1] != "." and tags[-1] is not None and words[-1][-1].isalnum() and rng.random() < 0.2:
        words, tags = [*words, "."], [*tags, "."]
    return {"words": words, "tags": tags, "weight": sentence.get("weight", 1.0)}


def batch_tensors(
    batch: list[Sentence],
    rows: dict[str, int],
    index: dict[str, int],
    counts: Counter[str],
    radius: int,
    rng: random.Random | None,
) -> tuple[torch.Tensor, ...]:
    types: dict[str, int] = {}
    longest = max(len(s["words"]) for s in batch)
    ids = torch.zeros(len(batch), longest + 2 * radius, dtype=torch.long)
    gold = torch.full((len(batch), longest), IGNORED)
    weight = torch.ones(len(batch), longest)
    mask = torch.zeros(len(batch), longest, dtype=torch.bool)
    for i, s in enumerate(batch):
        line = [types.setdefault(w, len(types) + 1) for w in s["words"]]
        ids[i, radius : radius + len(line)] = torch.tensor(line)
        gold[i, : len(line)] = torch.tensor([IGNORED if t is None else index[t] for t in s["tags"]])
        mask[i, : len(line)] = True
        weight[i] = s.get("weight", 1.0)
    bags, offsets = [rows["<pad>"]], [0]
    for word in types:
        offsets.append(len(bags))
        names = named(word)
        # rare words lose their form now and then, so that affixes learn to stand in for unknown words
        if rng is not None and rng.random() < (0.5 if counts[names[0]] < 3 else 0.03 + 0.3 / counts[names[0]] ** 0.5):
            names = names[1:]
        bags += [rows[n] for n in names if n in rows]
    return torch.tensor(bags), torch.tensor(offsets), ids, mask, gold, weight


def accuracy(network: Network, data: list[Sentence]) -> float:
    """Return the share of tagged words that the exported network gets right."""
    ids = np.array([network.type_id(w) for s in data for w in s["words"]])
    found = network.predict(ids, np.array([len(s["words"]) for s in data]))
    gold = [t for s in data for t in s["tags"]]
    judged = [network.tags[f] == t for f, t in zip(found, gold, strict=True) if t is not None]
    return sum(judged) / max(1, len(judged))


def fit(
    args: argparse.Namespace, treebank: list[Sentence], captions: list[Sentence], checks: dict[str, list[Sentence]]
) -> Weights:
    torch.manual_seed(args.seed)
    rng = random.Random(args.seed)
    data = treebank + captions
    pools = substitution_pools(data)
    tags = sorted({t for s in data for t in s["tags"] if t is not None})
    index = {t: i for i, t in enumerate(tags)}
    counts = Counter(n for s in data for w in s["words"] for n in named(w))
    counts.update(n for s in data for w in s["words"] for n in named(w.lower()) if n.startswith(("shape", "case")))
    counts.update(n for pool in pools.values() for part in pool for w in part for n in named(w))
    names = ["<pad>", *sorted(n for n, c in counts.items() if c >= 2)]
    rows = {n: i for i, n in enumerate(names)}
    model = WindowTagger(len(names), len(tags), args.width, args.hidden, args.second, args.radius, args.reach)
    optimiser = torch.optim.Adam(model.parameters(), lr=args.lr, betas=(0.9, 0.99))
    per_epoch = len(data) // args.batch
    steps = args.epochs * per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1.0, s / 300) * max(0.01, 1 - s / steps))
    average = [p.detach().clone() for p in model.parameters()]
    print(
        f"{len(treebank)} treebank sentences, {len(captions)} captions, {len(names)} features, {len(tags)} tags, "
        f"{steps} steps",
        flush=True,
    )
    began, step = time.time(), 0
    for epoch in range(args.epochs):
        rng.shuffle(data)
        model.train()
        running = 0.0
        for at in range(0, per_epoch * args.batch, args.batch):
            batch = [augmented(s, rng, pools) for s in data[at : at + args.batch]]
            bags, offsets, ids, mask, gold, weight = batch_tensors(batch, rows, index, counts, args.radius, rng)
            logits = model(bags, offsets, ids, mask, args.dropout)
            loss = functional.cross_entropy(
                logits.flatten(0, 1), gold.flatten(), ignore_index=IGNORED, reduction="none", label_smoothing=0.02
            )
            loss = (loss * weight.flatten()).sum() / weight[gold != IGNORED].sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            running += loss.item()
            step += 1
            decay = min(0.998, step / (step + 10))
            with torch.no_grad():
                for slow, p in zip(average, model.parameters(), strict=True):
                    slow.lerp_(p, 1 - decay)
        live = [p.detach().clone() for p in model.parameters()]
        with torch.no_grad():
            for p, slow in zip(model.parameters(), average, strict=True):
                p.copy_(slow)
        weights = model.export(tags, names)
        with torch.no_grad():
            for p, value in zip(model.parameters(), live, strict=True):
                p.copy_(value)
        network = Network(weights)
        scores = " ".join(f"{name} {accuracy(network, part):.4f}" for name, part in checks.items())
        print(f"epoch {epoch} loss {running / per_epoch:.4f} {scores} {time.time() - began:.0f}s", flush=True)
    return weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ewt", type=Path, required=True)
    parser.add_argument("--silver", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="file for the weights (.npz)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--dropout", type=float, default=0.15)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--second", type=int, default=64)
    parser.add_argument("--radius", type=int, default=3)
    parser.add_argument("--reach", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    treebank = read_conllu(args.ewt / "en_ewt-ud-train.conllu.gz")
    dev = read_conllu(args.ewt / "en_ewt-ud-dev.conllu.gz")
    silver: list[Sentence] = [json.loads(line) for line in args.silver.read_text().splitlines()]
    captions = [s for s in silver if s["words"] and not s.get("held_out")]
    held_out = [s for s in silver if s["words"] and s.get("held_out")]
    weights = fit(args, treebank, captions, {"ewt-dev": dev, "captions": held_out})
    args.out.write_bytes(weights.to_bytes())
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
