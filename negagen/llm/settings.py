"""What a run of `negagen generate --llm` is told, and how the negator of such a run is put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from negagen.errors import InputError
from negagen.llm.asking import LanguageProposer
from negagen.llm.backends.opening import opening, opening_masked
from negagen.llm.budget import Budget, Purse
from negagen.llm.cache import Cache
from negagen.llm.chatting import ChatFiller, Verifier
from negagen.llm.desk import FIRST, Desk, Usage, try_out
from negagen.llm.prompting import prompt
from negagen.llm.protocol import Answer, Backend
from negagen.llm.slots import Filler
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
            if not (0 <= prompt < inf and 0 <= completion < inf):
                raise ValueError(text)
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
    rewordings asked for too, `seeing` sends pictures along. `concurrency` requests are under way at a server at a time.
    `cache` is the file of answers (None: beside the output).

    A model "masked:PATH" is a masked language model, which fills in words and holds no conversation: it has neither
    cache nor budget.
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
    concurrency: int = 8

    @property
    def masked(self) -> bool:
        """Whether the model is a masked one."""
        return self.model.startswith("masked:")

    def check(self, categories: Sequence[str] | None) -> None:
        """Raise `InputError` for settings that go together with nothing."""
        if self.mode not in MODES:
            raise InputError(f"--llm-mode {self.mode}: expected one of {', '.join(MODES)}.")
        if self.masked:
            told = {
                "--base-url": self.base_url, "--llm-verify": self.verify, "--llm-positives": self.positives,
                "--with-images": self.seeing, "--llm-budget": self.budget, "--llm-price": self.price,
                "--llm-cache": self.cache,
            }  # fmt: skip
            if given := next((name for name, value in told.items() if value), None):
                raise InputError(f"{given} is for a model that holds a conversation, not for --llm {self.model}.")
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
    """The model of a run to `output`, open: its back end and its cache.

    On entering, a model that has not answered before for this cache is asked for a word.

    Raises `LanguageModelError` if a package is missing, or the model cannot be loaded or does not answer.
    """

    def __init__(self, settings: LanguageSettings, output: Path = Path("negagen")) -> None:
        self.settings = settings
        self.path = settings.cache_beside(output)
        self.usage = Usage()
        self._open = ExitStack()
        self._chat: tuple[Backend, Cache] | None = None
        self._filler: Filler | None = None
        self._tried: Answer | None = None

    def __enter__(self) -> Self:
        settings = self.settings
        with ExitStack() as opened:
            if settings.masked:
                self._filler = opened.enter_context(closing(opening_masked(settings.model)))
            else:
                for each in ("negative", "seen", "positive", "verify"):
                    prompt(each)  # which needs a package
                backend = opened.enter_context(
                    closing(opening(settings.model, base_url=settings.base_url, concurrency=settings.concurrency))
                )
                # A model that does not answer leaves no empty file behind.
                self._tried = None if self.path.exists() else self._try(backend)
                cache = opened.enter_context(closing(Cache(self.path)))
                if self._tried is None and not cache.knows(backend.name):
                    self._tried = self._try(backend)
                if self._tried is not None:
                    cache.note_tried(backend.name)
                self._chat = backend, cache
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def _try(self, backend: Backend) -> Answer | None:
        """The answer to a first question; None where the budget does not reach even for that."""
        return try_out(backend) if Purse(self.settings.budget).take(FIRST) else None

    def negator(self, rules: Negator, work: object = "", tell: Callable[[Usage], None] | None = None) -> Negator:
        """`rules` with this model beside them; `work` tells inputs apart, each of which has the whole budget.

        `tell` is called after each answer.
        """
        settings, verifier = self.settings, None
        if self._chat is not None:
            backend, cache = self._chat
            run = f"{key_of(rules.fingerprint, work, settings.mode, settings.verify, settings.budget):016x}"
            tried, self._tried = self._tried, None  # paid by the first run
            desk = Desk(backend, cache, run=run, budget=settings.budget, tell=tell, usage=self.usage, tried=tried)
            self._filler = ChatFiller(desk, rules.seed, settings.seeing)
            verifier = Verifier(desk, rules.seed) if settings.verify else None
        if self._filler is None:
            raise ValueError("enter the language model first")
        proposer = LanguageProposer(
            filler=self._filler,
            lexicon=rules.lexicon,
            parser=rules.parser,
            mode=settings.mode,
            categories=None if rules.categories is None else frozenset(rules.categories),
            positives=settings.positives,
            verifier=verifier,
            seeing=settings.seeing,
            budget="" if settings.budget is None else str(settings.budget),
        )
        return rules.proposing_by(proposer)
