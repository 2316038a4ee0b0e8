"""The extras of pyproject.toml and what they install; which of them a missing module calls for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "train": ("torch", "transformers", "safetensors", "pillow", "matplotlib", "tomli-w"),
    "evaluate": ("torch", "transformers", "safetensors", "pillow", "matplotlib", "tomli-w", "scikit-learn"),
    "audit": ("scikit-learn", "matplotlib"),
    "judges": ("torch", "transformers", "safetensors", "pillow"),
    "llm": ("torch", "transformers", "safetensors", "httpx2", "jinja2", "llguidance", "gguf", "accelerate"),
    "lora": ("peft",),
    "open-clip": ("open-clip-torch",),
    "tensorboard": ("tensorboard",),
    "wandb": ("wandb",),
    "hf": ("datasets", "huggingface-hub"),
    "webdataset": ("webdataset",),
    "ray": ("ray",),
    "s3": ("s3fs",),
    "lexicon": ("nltk",),
}
"""Packages by extra, without those that every installation has."""

_MODULES: Final = {"pillow": "PIL", "scikit-learn": "sklearn", "open-clip-torch": "open_clip"}


def needed_for(error: ModuleNotFoundError) -> tuple[str, str] | None:
    """The package and the extra whose absence raised `error`; None if it is not the absence of an extra's package.

    A package that several extras install is laid to the first of them. A part that a package lacks (`torch.new`) is
    another matter: what is installed is too old.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ModuleNotFoundError):
            for extra, packages in EXTRAS.items():
                for package in packages:
                    if _MODULES.get(package, package.replace("-", "_")) == cause.name:
                        return package, extra
        # transformers raises an error without a name from the one that says what is missing.
        cause = cause.__cause__
    return None
