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
from negagen.llm.cache import Cache, dump
from negagen.llm.chatting import ChatFiller, Verifier, identity
from negagen.llm.desk import Desk, Usage, first_question, parameters_of, try_out
from negagen.llm.prompting import prompt
from negagen.llm.protocol import Answer, Backend
from negagen.llm.slots import Filler
from negagen.negator import Negator
from negagen.proposing import MODES, Mode
from negagen.seeding import key_of

MADE: Final = frozenset(["replace_obj", "replace_att", "replace_rel", "replace_count"])
"""The categories that a language model is asked for."""

_PROMPTS: Final = ("negative", "seen", "positive", "verify")


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
    rewordings asked for too, `seeing` sends pictures along. An answer has `max_tokens` at most (None: what the question
    takes; a model that thinks before it answers needs more). `cache` is the file of answers (None: beside the output).
    At a server, `concurrency` requests are under way at a time (None: 8), and a try may take `timeout` seconds (None:
    120).

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
    concurrency: int | None = None
    timeout: float | None = None
    max_tokens: int | None = None

    @property
    def masked(self) -> bool:
        """Whether the model is a masked one."""
        return self.model.startswith("masked:")

    def check(self, categories: Sequence[str] | None, output: Path | None = None) -> None:
        """Raise `InputError` for settings that go together with nothing, or not with the run's `output`."""
        if self.mode not in MODES:
            raise InputError(f"--llm-mode {self.mode}: expected one of {', '.join(MODES)}.")
        if self.masked:
            told = {
                "--base-url": self.base_url, "--llm-verify": self.verify, "--llm-positives": self.positives,
                "--with-images": self.seeing, "--llm-budget": self.budget, "--llm-price": self.price,
                "--llm-cache": self.cache, "--llm-max-tokens": self.max_tokens,
            }  # fmt: skip
            if given := next((name for name, value in told.items() if value), None):
                raise InputError(f"{given} is for a model that holds a conversation, not for --llm {self.model}.")
        if self.seeing and self.base_url is None:
            raise InputError("--with-images sends pictures to a server that sees: give its --base-url too.")
        for name, value in {"--llm-concurrency": self.concurrency, "--llm-timeout": self.timeout}.items():
            if value is not None and self.base_url is None:
                raise InputError(f"{name} is for a server, not for a model on this machine: give its --base-url too.")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InputError(f"--llm-max-tokens {self.max_tokens}: expected 1 or more.")
        if output is not None and not self.masked and self.cache_beside(output).resolve() == output.resolve():
            raise InputError(f"--llm-cache {self.cache} is the output, which would replace it: give it another name.")
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

    On entering, a model that has not answered before for this cache is asked for a word. Left without an exception, its
    runs have come to their end: what could not be read is asked again by the next, unless the model would say the same.

    Raises `InputError` for settings that do not go together, `LanguageModelError` if a package is missing, or the model
    cannot be loaded or does not answer.
    """

    def __init__(self, settings: LanguageSettings, output: Path = Path("negagen")) -> None:
        self.settings = settings
        self.path = settings.cache_beside(output)
        self.usage = Usage()
        self._open = ExitStack()
        self._chat: tuple[Backend, Cache] | None = None
        self._filler: Filler | None = None
        self._tried: Answer | None = None
        self._desks: list[Desk] = []

    def __enter__(self) -> Self:
        settings = self.settings
        settings.check(None)
        with ExitStack() as opened:
            if settings.masked:
                self._filler = opened.enter_context(closing(opening_masked(settings.model)))
            else:
                for each in _PROMPTS:
                    prompt(each)  # which needs a package
                chosen = opening(
                    settings.model,
                    base_url=settings.base_url,
                    concurrency=settings.concurrency,
                    timeout=settings.timeout,
                )
                backend = opened.enter_context(closing(chosen))
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
        try:
            if kind is None:
                for desk in self._desks:
                    desk.note_over()
        finally:
            self._desks = []
            self._open.close()

    def _try(self, backend: Backend) -> Answer | None:
        """The answer to a first question; None where the budget does not reach even for that."""
        most = self.settings.max_tokens
        return try_out(backend, most) if Purse(self.settings.budget).take(first_question(most)) else None

    def negator(self, rules: Negator, work: object = "", tell: Callable[[Usage], None] | None = None) -> Negator:
        """`rules` with this model beside them; `work` tells inputs apart, each of which has the whole budget.

        `tell` is called after each answer. Raises `InputError` for settings that do not go together.
        """
        settings, verifier = self.settings, None
        settings.check(rules.categories)
        if self._chat is not None:
            backend, cache = self._chat
            tried, self._tried = self._tried, None  # paid by the first run
            desk = Desk(
                backend,
                cache,
                run=self._run(backend, rules, work),
                budget=settings.budget,
                tell=tell,
                usage=self.usage,
                tried=tried,
            )
            self._desks.append(desk)
            self._filler = ChatFiller(desk, rules.seed, settings.seeing, max_tokens=settings.max_tokens)
            verifier = Verifier(desk, rules.seed, settings.max_tokens) if settings.verify else None
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

    def _run(self, backend: Backend, rules: Negator, work: object) -> str:
        """What names a run to its cache: changes with all that may be asked, and with the budget."""
        settings = self.settings
        parts = (
            rules.fingerprint,
            work,
            backend.name,
            dump(parameters_of(backend)),
            *(identity(prompt(each)) for each in _PROMPTS),
            settings.mode,
            settings.verify,
            settings.positives,
            settings.seeing,
            settings.max_tokens,
            settings.budget,
        )
        return f"{key_of(*parts):016x}"
