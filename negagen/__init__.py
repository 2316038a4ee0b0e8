"""negagen: hard-negative captions for image-text models.

>>> from negagen import Negator
>>> result = Negator(k=4, seed=0)("A brown dog chases a white cat")
>>> [negative.text for negative in result.negatives]

The public names below are imported on first use, so that `import negagen` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Negator": "negagen.negator",
    "NegagenError": "negagen.errors",
    "Edit": "negagen.types",
    "Negative": "negagen.types",
    "Rejection": "negagen.types",
    "Result": "negagen.types",
    "TableNegator": "negagen.batch.table",
}

__all__ = [
    "Edit",
    "NegagenError",
    "Negative",
    "Negator",
    "Rejection",
    "Result",
    "TableNegator",
    "__version__",
]

if TYPE_CHECKING:
    from negagen.batch.table import TableNegator
    from negagen.errors import NegagenError
    from negagen.negator import Negator
    from negagen.types import Edit, Negative, Rejection, Result


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'negagen' has no attribute {name!r}")
