"""What a run of `negagen generate --llm` is told, and how the negator of such a run is put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from negagen.errors import InputError
from negagen.llm.budget import Budget
from negagen.llm.cache import Cache
from negagen.llm.desk import Desk, Usage, try_out
from negagen.llm.protocol import Backend
from negagen.negator import Negator
from negagen.proposing import MODES, Mode
from negagen.seeding import key_of

MADE: Final = frozenset(["replace_obj", "replace_att", "replace_rel", "replace_count"])
"""The categories that a language model is asked for."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in any currency: of prompts, and of completions."""

    prompt: float
    completion: float

    @classmethod
    def of(cls, text: str) -> Price:
        """The prices that "0.15,0.60" names. Raises `InputError`."""
        try:
            prompt, completion = (float(part) for part in text.split(","))
        except ValueError as error:
            raise InputError(
                f"--llm-price {text}: expected what a million tokens of prompts and of completions cost, such as"
                " 0.15,0.60."
            ) from error
        return cls(prompt, completion)

    def cost(self, usage: Usage) -> float:
        """What was paid in this run."""
        return (usage.prompt_tokens * self.prompt + usage.completion_tokens * self.completion) / 1_000_000


@dataclass(frozen=True, slots=True)
class LanguageSettings:
    """`model` is a path or a server's name for it, `base_url` the server's address (None: the model is local).

    `mode` says for which captions it is asked, `verify` has each candidate asked about once more, `positives` has
    rewordings asked for too, `seeing` sends pictures along. `cache` is the file of answers (None: beside the output).
    """

    model: str
    base_url: str | None = None
    mode: Mode = "fill"
    verify: bool = False
    positives: bool = False
    seeing: bool = False
    budget: Budget | None = None
    cache: Path | None = None
    price: Price | None = None

    def check(self, categories: Sequence[str] | None) -> None:
        """Raise `InputError` for settings that go together with nothing."""
        if self.mode not in MODES:
            raise InputError(f"--llm-mode {self.mode}: expected one of {', '.join(MODES)}.")
        if self.seeing and self.base_url is None:
            raise InputError("--with-images sends pictures to a server that sees: give its --base-url too.")
        if categories is not None and MADE.isdisjoint(categories):
            raise InputError(
                f"--categories {','.join(categories)}: a language model is asked for {', '.join(sorted(MADE))} only;"
                " name one of them too, or leave --llm out."
            )

    def cache_beside(self, output: Path) -> Path:
        """Where answers are kept for a run to `output`."""
        return self.cache or output.with_name(f"{output.name.removesuffix('.parquet')}.llm.sqlite")


class LanguageModel(AbstractContextManager["LanguageModel"]):
    """The model of a run, open: its back end and its cache.

    On entering, a model that has not answered before for this cache is asked for a word.

    Raises `LanguageModelError` if a package is missing, or the model cannot be loaded or does not answer.
    """

    def __init__(self, settings: LanguageSettings, output: Path) -> None:
        self.settings = settings
        self.path = settings.cache_beside(output)
        self.usage = Usage()
        self._backend: Backend | None = None
        self._cache: Cache | None = None

    def __enter__(self) -> Self:
        self._cache = Cache(self.path)
        try:
            self._backend = open_backend(self.settings)
            if not self._cache.knows(self._backend.name):
                try_out(self._backend)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._backend is not None:
            self._backend.close()
        if self._cache is not None:
            self._cache.close()

    def negator(self, rules: Negator, work: object, tell: Callable[[Usage], None] | None = None) -> Negator:
        """`rules` with this model beside them; `work` tells inputs apart, each of which has the whole budget.

        `tell` is called after each answer.
        """
        from negagen.llm.asking import LanguageProposer
        from negagen.llm.chatting import ChatFiller, Verifier

        if self._backend is None or self._cache is None:
            raise ValueError("enter the language model first")
        settings = self.settings
        run = f"{key_of(rules.fingerprint, work, settings.mode, settings.verify, settings.budget):016x}"
        desk = Desk(self._backend, self._cache, run=run, budget=settings.budget, tell=tell, usage=self.usage)
        proposer = LanguageProposer(
            filler=ChatFiller(desk, rules.seed, settings.seeing),
            lexicon=rules.lexicon,
            parser=rules.parser,
            mode=settings.mode,
            categories=None if rules.categories is None else frozenset(rules.categories),
            positives=settings.positives,
            verifier=Verifier(desk, rules.seed) if settings.verify else None,
            seeing=settings.seeing,
            budget="" if settings.budget is None else str(settings.budget),
        )
        return rules.proposing_by(proposer)


def open_backend(settings: LanguageSettings) -> Backend:
    """The back end that the settings name."""
    from negagen.llm.backends.opening import opening

    return opening(settings.model, base_url=settings.base_url)
