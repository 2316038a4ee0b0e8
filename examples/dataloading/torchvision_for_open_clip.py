"""torchvision as open_clip needs it: for importing it and for resizing pictures.

A torchvision belongs to one build of torch, and PyPI's is for CUDA. Beside a torch for the CPU its compiled operators
cannot be loaded, and `import torchvision` ends with "operator torchvision::nms does not exist", one of two that it
registers unasked. open_clip calls neither of them: declared beforehand, the rest of torchvision runs as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

BESIDE = Path(sys.prefix) / "torchvision"
"""Where `make test` puts PyPI's, out of the way of transformers, which would import it."""

_UNASKED = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: Any = None  # what it declares is gone with it


def load_torchvision() -> str:
    """Import torchvision before open_clip does, installed or in `BESIDE`; its version. Exits if there is none."""
    global _library  # noqa: PLW0603
    if importlib.util.find_spec("torchvision") is None:
        if not BESIDE.is_dir():
            sys.exit(
                f"open_clip needs torchvision, built for the torch at hand ({torch.__version__}): install it from where"
                " that torch came from; or, without a GPU, put PyPI's beside it by\n"
                f"  pip install -c constraints.txt --no-deps --target {BESIDE} torchvision"
            )
        sys.path.append(str(BESIDE))
    try:
        found = importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        _library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for operator in _UNASKED:
            _library.define(operator)
        found = importlib.import_module("torchvision")
    return str(found.__version__)
