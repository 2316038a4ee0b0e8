"""Low-rank adapters (LoRA, Hu et al., arXiv 2106.09685) in a tower's linear layers, by peft: the extra `lora`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from torch import nn

from negagen.errors import ModelError
from negagen.train.models import ContrastiveModel
from negagen.train.towers import Side


def add_lora(model: ContrastiveModel, sides: Sequence[Side], *, rank: int, alpha: float) -> None:
    """Freeze these towers and put adapters of `rank` beside every linear layer of their blocks, in place; once a model.

    An adapter adds alpha / rank * B A to a weight, and starts at zero. Raises `ModelError`: peft is missing, or a
    model of open_clip, whose attention is no layer that peft could wrap and this package still compute.
    """
    if model.source == "open-clip":
        raise ModelError(
            "adapters are for models of transformers. Train an open_clip model's last blocks (last:N), or load a "
            "version of it that was converted to CLIPModel."
        )
    peft = _library()
    parts = [part for side in sides for stage in model.towers.stages(side)[1:-1] for part in stage]
    blocks = {id(module) for part in parts for module in _linear(part)}
    names = [name for name, module in model.network.named_modules() if id(module) in blocks]
    if not names:
        raise ModelError(f"no linear layers in blocks of the {' and '.join(sides)} tower: there is nothing to adapt")
    trained = [parameter for parameter in model.network.parameters() if parameter.requires_grad]
    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, lora_dropout=0.0, bias="none")
    peft.inject_adapter_in_model(config, model.network)
    for parameter in trained:  # peft freezes all that is no adapter, of the other tower too
        parameter.requires_grad_(True)
    for part in (part for side in sides for stage in model.towers.stages(side) for part in stage):
        for name, parameter in part.named_parameters() if isinstance(part, nn.Module) else [("", part)]:
            parameter.requires_grad_("lora_" in name)


def merge_lora(model: ContrastiveModel) -> None:
    """Add every adapter to the weight it stands beside, and leave the network as its library made it, in place."""
    for parent in list(model.network.modules()):
        for name, child in list(parent.named_children()):
            if hasattr(child, "base_layer") and hasattr(child, "lora_A"):
                wrapped: Any = child
                wrapped.merge(safe_merge=True)
                setattr(parent, name, wrapped.base_layer)
    if hasattr(model.network, "peft_config"):
        del model.network.peft_config


def _library() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise ModelError("adapters need peft: pip install 'negagen[lora]', or train last:N") from error


def _linear(part: nn.Module | nn.Parameter) -> list[nn.Module]:
    return [module for module in part.modules() if isinstance(module, nn.Linear)] if isinstance(part, nn.Module) else []
