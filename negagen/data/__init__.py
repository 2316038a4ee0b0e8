"""Training data: captions with their negatives and pictures, from files to batches.

`prepare` reads the files once and gives what a run needs; `Batches` makes the batch of any step from it; `Order`
says which rows a step has. The same seed gives the same batches for any number of workers, and a run that goes on
from step n sees what an unbroken one would have seen. Nothing here knows rules or spaCy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Batch": "negagen.data.batch",
    "Texts": "negagen.data.batch",
}

__all__ = ["Batch", "Texts"]

if TYPE_CHECKING:
    from negagen.data.batch import Batch, Texts


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'negagen.data' has no attribute {name!r}")
