"""What the batch engine asks of a negator, and how a worker process gets its own."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from negagen.types import Result


class NegatorLike(Protocol):
    """Makes negatives from captions. `negagen.Negator` is one; bring your own if you like.

    `fingerprint` must change with everything that changes the results; `config` is JSON that describes
    the settings and goes to the footer of the output.
    """

    @property
    def fingerprint(self) -> str:
        """Equal for two negators exactly if they give the same results."""
        ...

    @property
    def config(self) -> Mapping[str, object]:
        """The settings, as JSON values."""
        ...

    def pipe(
        self,
        texts: Iterable[str | None],
        keys: Iterable[str | None] | None = None,
        *,
        siblings: Iterable[Sequence[str]] | None = None,
        groups: Iterable[str | None] | None = None,
    ) -> Iterator[Result]:
        """One `Result` a text, in order. A key of None stands for the caption itself; `siblings` are the other
        captions of each text's picture, and `groups` name the pictures."""
        ...


@dataclass(frozen=True, slots=True)
class NegatorSpec:
    """How to build a negator: sent to each worker in place of the negator, which holds a loaded pipeline.

    `factory` is "module:name" of a callable, `options` its keyword arguments. `judges` are the arguments of
    `negagen.judges.stage.load_judges`: empty for none.
    """

    options: Mapping[str, object] = field(default_factory=dict)
    factory: str = "negagen.negator:Negator"
    judges: Mapping[str, Any] = field(default_factory=dict)

    def build(self, ready: NegatorLike | None = None) -> NegatorLike:
        """The negator, behind its judges; its own errors (rules, pipeline, resources, models) pass through.

        `ready` is the negator itself, where it has been built already.
        """
        module, _, name = self.factory.partition(":")
        build = getattr(importlib.import_module(module), name)
        negator = cast(NegatorLike, build(**self.options)) if ready is None else ready
        if not self.judges:
            return negator
        from negagen.judges.stage import JudgedNegator, load_judges

        return JudgedNegator(negator, load_judges(**self.judges))


@dataclass(frozen=True, slots=True)
class Identity:
    """What a built negator says of itself: all that the parent of worker processes needs to know.

    `warnings` are the messages that Python gave while it was built.
    """

    fingerprint: str
    config: Mapping[str, object]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, negator: NegatorLike, warnings: tuple[str, ...] = ()) -> Identity:
        """The identity of `negator`, detached from it (and picklable)."""
        return cls(negator.fingerprint, dict(negator.config), warnings)
