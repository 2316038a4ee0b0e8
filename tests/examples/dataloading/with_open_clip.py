"""Runs the example of open_clip in a process of its own and writes what came of it to found.json.

python tests/examples/dataloading/with_open_clip.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from examples.dataloading.torchvision_for_open_clip import load_torchvision


def main(folder: Path) -> None:
    """Run, and write what is found."""
    found: dict[str, object] = {"torchvision": load_torchvision()}
    torch.set_num_threads(1)
    import open_clip
    from open_clip_train.distributed import init_distributed_device
    from open_clip_train.params import parse_args

    from examples.dataloading import open_clip_training as example
    from negagen import Negator
    from negagen.data import NegativeAugmentation

    example.main([*example.demonstration(folder), "--device", "cpu", "--workers", "0"])

    augment = NegativeAugmentation(Negator(k=4, seed=0))
    tokenizer = open_clip.get_tokenizer(example.TINY)
    captions = ["A red ball lies under a table.", "Hm."]
    blocks = example.WithNegatives(tokenizer, augment)(captions)
    texts = [negative.text for negative in augment(captions[:1])[0]]
    found["shape"] = list(blocks.shape)
    found["tokens are those of open_clip"] = torch.equal(blocks[0], tokenizer([captions[0], *texts]))
    found["places of no negative"] = int(blocks[1, 1:].count_nonzero())

    torch.manual_seed(0)
    network, _, preprocess = open_clip.create_model_and_transforms(example.TINY)
    pictures = torch.randn(2, 3, 32, 32)
    out = example.Towers(network)(pictures, blocks)
    found["mask"] = out["mask"].tolist()
    expected = network.encode_text(tokenizer([captions[0], *texts]), normalize=True)
    had = torch.cat([out["text_features"][:1], out["negative_features"][0]])
    found["features are those of open_clip"] = torch.allclose(had, expected, atol=1e-6)

    args = parse_args([*example.demonstration(folder), "--device", "cpu", "--workers", "0", "--epochs", "2"])
    init_distributed_device(args)
    seen: list[torch.Tensor] = []
    forward = example.Towers.forward

    def watched(self: example.Towers, images: torch.Tensor, tokens: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(tokens)
        return forward(self, images, tokens)

    example.Towers.forward = watched  # type: ignore[method-assign]
    example.train(args, network, preprocess)
    found["batches"] = [list(tokens.shape) for tokens in seen]
    epochs = [{tuple(row.flatten().tolist()) for tokens in half for row in tokens} for half in (seen[:4], seen[4:])]
    found["captions with other negatives in the second epoch"] = len(epochs[0] - epochs[1])
    (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
