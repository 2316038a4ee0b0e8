"""Training data: captions with their negatives and pictures, from files to batches.

`prepare` reads the files once and gives what a run needs; `Batches` makes the batch of any step from it; `Order`
says which rows a step has. The same seed gives the same batches for any number of workers, and a run that goes on
from step n sees what an unbroken one would have seen. Nothing here but `NegativeAugmentation` knows rules or spaCy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "Batch": "negagen.data.batch",
    "Batches": "negagen.data.collate",
    "Collator": "negagen.data.blocks",
    "Curriculum": "negagen.data.difficulty",
    "Feed": "negagen.data.feed",
    "Feedback": "negagen.data.difficulty",
    "Grouped": "negagen.data.blocks",
    "HardNegatives": "negagen.data.hard_negatives",
    "HuggingFaceTokenizer": "negagen.data.tokens",
    "ImageCache": "negagen.data.cache",
    "Inputs": "negagen.data.layouts",
    "NegativeAugmentation": "negagen.data.augmentation",
    "Order": "negagen.data.order",
    "Prepared": "negagen.data.prepared",
    "Step": "negagen.data.order",
    "Sweep": "negagen.data.feed",
    "Texts": "negagen.data.batch",
    "TokenTable": "negagen.data.tokens",
    "Tokenizer": "negagen.data.tokens",
    "TrainingSet": "negagen.data.trainingset",
    "View": "negagen.data.images",
    "ahead": "negagen.data.loader",
    "default_cache": "negagen.data.preparing",
    "encode": "negagen.data.tokens",
    "grouped": "negagen.data.blocks",
    "load_feedback": "negagen.data.feedback_file",
    "prepare": "negagen.data.preparing",
    "save_feedback": "negagen.data.feedback_file",
}

__all__ = [
    "Batch",
    "Batches",
    "Collator",
    "Curriculum",
    "Feed",
    "Feedback",
    "Grouped",
    "HardNegatives",
    "HuggingFaceTokenizer",
    "ImageCache",
    "Inputs",
    "NegativeAugmentation",
    "Order",
    "Prepared",
    "Step",
    "Sweep",
    "Texts",
    "TokenTable",
    "Tokenizer",
    "TrainingSet",
    "View",
    "ahead",
    "default_cache",
    "encode",
    "grouped",
    "load_feedback",
    "prepare",
    "save_feedback",
]

if TYPE_CHECKING:
    from negagen.data.augmentation import NegativeAugmentation
    from negagen.data.batch import Batch, Texts
    from negagen.data.blocks import Collator, Grouped, grouped
    from negagen.data.cache import ImageCache
    from negagen.data.collate import Batches
    from negagen.data.difficulty import Curriculum, Feedback
    from negagen.data.feed import Feed, Sweep
    from negagen.data.feedback_file import load_feedback, save_feedback
    from negagen.data.hard_negatives import HardNegatives
    from negagen.data.images import View
    from negagen.data.layouts import Inputs
    from negagen.data.loader import ahead
    from negagen.data.order import Order, Step
    from negagen.data.prepared import Prepared
    from negagen.data.preparing import default_cache, prepare
    from negagen.data.tokens import HuggingFaceTokenizer, Tokenizer, TokenTable, encode
    from negagen.data.trainingset import TrainingSet


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'negagen.data' has no attribute {name!r}")
