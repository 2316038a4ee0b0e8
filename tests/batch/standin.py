"""A negator small enough to predict: it swaps a caption's first two words. Picklable spec for workers."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from pathlib import Path

from negagen.batch import NegatorSpec
from negagen.types import Edit, Negative, Rejection, Result


class SwapNegator:
    """One negative a caption of two words or more, a positive if its first word is "a".

    At the caption `hold_at` it waits for a file `until`. At the caption `kill_at` the process kills itself, once (or,
    with `kill_again`, whenever it comes there), leaving the file `killed` behind.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        hold_at: str | None = None,
        until: str = "",
        kill_at: str | None = None,
        killed: str = "",
        kill_again: bool = False,
        fail_at: str = "",
        warn: str = "",
    ) -> None:
        self.seed = seed
        self.hold_at = hold_at
        self.until = until
        self.kill_at = kill_at
        self.killed = killed
        self.kill_again = kill_again
        self.fail_at = fail_at
        if warn:
            warnings.warn(warn, stacklevel=2)

    @property
    def fingerprint(self) -> str:
        return blake2b(f"swap {self.seed}".encode(), digest_size=8).hexdigest()

    @property
    def config(self) -> Mapping[str, object]:
        return {"k": 1, "seed": self.seed, "rules": "none", "pipeline": "none", "lexicon": "none"}

    def pipe(
        self,
        texts: Iterable[str | None],
        keys: Iterable[str | None] | None = None,
        *,
        siblings: object = None,
        groups: object = None,
    ) -> Iterator[Result]:
        texts = list(texts)
        keys = [None] * len(texts) if keys is None else list(keys)
        for text, key in zip(texts, keys, strict=True):
            while text is not None and text == self.hold_at and not Path(self.until).exists():
                time.sleep(0.01)
            if text == self.kill_at and text is not None and (self.kill_again or not Path(self.killed).exists()):
                Path(self.killed).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fail_at and text == self.fail_at:
                raise RuntimeError("a bug")
            yield swap(text, key)


def swap(text: str | None, key: str | None = None) -> Result:
    """The result that `SwapNegator` gives for `text`."""
    if not text:
        return Result(text, (), (), (), "error", "null caption" if text is None else "empty caption")
    words = text.split(" ")
    if len(words) < 2 or not all(words[:2]):
        return Result(text, (), (), (Rejection(text, "swap", "shuffle", "one word"),), "none", "too few words")
    first, second = words[:2]
    edits = (
        Edit(0, len(first), first, second),
        Edit(len(first) + 1, len(first) + 1 + len(second), second, first),
    )
    changed = " ".join([second, first, *words[2:]])
    negative = Negative(changed, "swap", "shuffle", edits, {"similarity": float(len(text))}, key or "rules")
    positives = (negative,) if first == "a" else ()
    return Result(text, (negative,), positives, (), "ok")


def spec(**options: object) -> NegatorSpec:
    """How a worker builds a `SwapNegator`."""
    return NegatorSpec(options, "tests.batch.standin:SwapNegator")
