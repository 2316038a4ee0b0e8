"""open_clip's own data and training loop, with negatives in them.

python -m examples.dataloading.open_clip_training                # a tiny model on pictures drawn for it, one epoch
python -m examples.dataloading.open_clip_training --model ViT-B-32 --train-data captions.tsv ...   # open_clip's options

Reading, shuffling, workers (`get_data`, from CSV or WebDataset) and steps (`train_one_epoch`) are open_clip's. Ours are
a tokenizer, which gives each caption's negatives beside it, the model called with both, and NegCLIP's loss. In one
process: on several, open_clip's losses gather features of all ranks, this one does not.

Needs the extras train, open-clip and webdataset, pandas, and, as all of open_clip, a torchvision for the torch at hand;
`torchvision_for_open_clip` makes do with PyPI's, which is for CUDA, beside a torch for the CPU.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from examples.dataloading.torchvision_for_open_clip import load_torchvision
from examples.scenes.captions import captions
from examples.scenes.render import draw
from examples.scenes.sample import sample
from negagen import Negator
from negagen.data import NegativeAugmentation
from negagen.train.losses import Features
from negagen.train.losses.contrastive import negclip

K = 4
TINY = "negagen-tiny"
CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


class WithNegatives:
    """open_clip's tokenizer, with up to K negatives of each caption: int64 [N, 1 + K, context], 0 where there is none.

    The datasets of open_clip hand it one caption at a time and join what it gives to [B, 1 + K, context].
    """

    def __init__(self, tokenizer: Callable[[list[str]], Tensor], augment: NegativeAugmentation) -> None:
        self.tokenizer, self.augment = tokenizer, augment

    def __call__(self, texts: str | Sequence[str]) -> Tensor:
        found = [texts] if isinstance(texts, str) else list(texts)
        blocks = []
        for caption, negatives in zip(found, self.augment(found), strict=True):
            tokens = self.tokenizer([caption, *(negative.text for negative in negatives)])
            blocks.append(nn.functional.pad(tokens, (0, 0, 0, 1 + K - len(tokens))))
        return torch.stack(blocks)


class Towers(nn.Module):
    """A model of open_clip, given pictures [B, 3, S, S] and the tokens of captions and negatives [B, 1 + K, L]."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    @property
    def logit_scale(self) -> Any:
        """The parameter that open_clip's loop keeps within bounds."""
        return self.network.logit_scale

    def forward(self, images: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        """What `loss` takes; where there is no negative, its features are 0 and `mask` is False."""
        there = tokens.ne(0).any(-1)
        image: Tensor = self.network.encode_image(images, normalize=True)
        text: Tensor = self.network.encode_text(tokens[there], normalize=True)
        texts = text.new_zeros(*there.shape, text.shape[-1]).index_put((there,), text)
        return {
            "image_features": image,
            "text_features": texts[:, 0],
            "negative_features": texts[:, 1:],
            "mask": there[:, 1:],
            "logit_scale": self.logit_scale.exp(),
        }


def loss(
    *,
    image_features: Tensor,
    text_features: Tensor,
    negative_features: Tensor,
    mask: Tensor,
    logit_scale: Tensor,
    output_dict: bool,  # noqa: ARG001
) -> dict[str, Tensor]:
    """NegCLIP's, called as open_clip's loop calls a loss."""
    features = Features(
        image=image_features, text=text_features, negatives=negative_features, mask=mask, scale=logit_scale
    )
    return {"negclip_loss": negclip(features)}


def train(args: Namespace, network: Any, preprocess: Callable[[Any], Tensor]) -> Towers:
    """Epochs of open_clip's loop; `args` are its own, of `parse_args` and `init_distributed_device`."""
    from open_clip import get_tokenizer
    from open_clip_train.data import get_data
    from open_clip_train.scheduler import cosine_lr
    from open_clip_train.train import train_one_epoch

    args.distill = args.wandb = False
    augment = NegativeAugmentation(Negator(k=K, seed=args.seed))
    tokenizer = WithNegatives(get_tokenizer(args.model), augment)
    data = get_data(args, (preprocess, preprocess), tokenizer=tokenizer)
    model = Towers(network)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=args.lr, betas=(args.beta1, args.beta2), eps=args.eps, weight_decay=args.wd
    )
    scheduler = cosine_lr(optimizer, args.lr, args.warmup, args.epochs * data["train"].dataloader.num_batches)
    for epoch in range(args.epochs):
        augment.epoch = epoch  # other negatives in each, in workers that persist too
        train_one_epoch(model, data, loss, epoch, optimizer, None, scheduler, None, args)
    return model


def demonstration(folder: Path, pictures: int = 64) -> list[str]:
    """Options for a tiny model and a few pictures, which are written to `folder`."""
    from open_clip import add_model_config

    rows = ["filepath\ttitle"]
    for number in range(pictures):
        scene = sample(number)
        path = folder / f"{number}.png"
        draw(scene, 64).save(path)
        rows.append(f"{path}\t{captions(scene, 1)[0]}")
    table = folder / "captions.tsv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / f"{TINY}.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    add_model_config(folder / f"{TINY}.json")
    options = ["--batch-size", "16", "--epochs", "1", "--warmup", "1", "--workers", "1", "--log-every-n-steps", "1"]
    return ["--model", TINY, "--train-data", str(table), "--dataset-type", "csv", "--precision", "fp32", *options]


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and say how much of the model has changed."""
    load_torchvision()
    from open_clip import create_model_and_transforms
    from open_clip_train.distributed import init_distributed_device
    from open_clip_train.params import parse_args

    options = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as name:
        args = parse_args(options or demonstration(Path(name)))
        device = init_distributed_device(args)
        torch.manual_seed(args.seed)
        network, preprocess, _ = create_model_and_transforms(
            args.model, args.pretrained, precision=args.precision, device=device, output_dict=True
        )
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        model = train(args, network, preprocess)
    changed = sum(not torch.equal(tensor, before[name]) for name, tensor in model.network.state_dict().items())
    print(f"{changed} of {len(before)} tensors changed")


if __name__ == "__main__":
    main()
