"""Models of open_clip, through the extra `open-clip`."""

from __future__ import annotations

import importlib
from typing import Any

from negagen.errors import ModelError
from negagen.train.models import ContrastiveModel


def load_open_clip(name: str) -> ContrastiveModel:
    """Load "open-clip:ARCHITECTURE/PRETRAINED" or a directory that open_clip wrote."""
    raise ModelError(f"{name}: open_clip models cannot be loaded yet")


def _library() -> Any:
    return importlib.import_module("open_clip")
