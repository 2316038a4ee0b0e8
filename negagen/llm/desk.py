"""Where requests go: first to the cache, then, as far as the budget reaches, to the model."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from negagen.errors import LanguageModelError
from negagen.llm.budget import SPENT, Budget, Purse, dearest
from negagen.llm.cache import Cache, Known, key_of_request
from negagen.llm.protocol import Answer, Backend, Failure, Message, Request

_AT_ONCE: Final = 512
_AT_ONCE_IN_A_BUDGET: Final = 64
_HOPELESS: Final = 32
_ADVICE: Final = MappingProxyType(
    {
        "no chat completion": " Something else answers there: give --base-url the address up to and with /v1.",
        "HTTP 5": " The server has a fault of its own, or has not loaded the model yet: its log says which.",
        "HTTP 4": " The server refuses what it was asked: its log says why; the model may be none that holds a"
        " conversation.",
        "no answer within": " The server takes connections, but is stuck or too slow.",
    }
)
_SPENT: Final = Failure(SPENT)
_FIRST: Final = Request((Message("user", "Say yes."),), None, 8, 0.0, 0)
_UNREADABLE: Final = "its answer could not be read"
_CUT: Final = f"{_UNREADABLE}, cut off by the limit of its tokens: give it more with --llm-max-tokens"

Whole = Callable[[int, Answer], bool]
"""Whether an answer to the request of that index is of use as a whole."""


@dataclass(slots=True)
class Usage:
    """What a run has asked so far; `seconds` are those spent waiting for answers. `cached` answers cost nothing now:
    what they once did is in `kept_prompt_tokens` and `kept_completion_tokens`.

    `asks_again` says whether the next run asks again for what could not be read: not where the same would be said.
    `under_way` requests wait for their answer. `failures` count requests without an answer by reason, `read` the
    answers by how they could be read.
    """

    asked: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    kept_prompt_tokens: int = 0
    kept_completion_tokens: int = 0
    seconds: float = 0.0
    under_way: int = 0
    asks_again: bool = True
    failures: Counter[str] = field(default_factory=Counter)
    read: Counter[str] = field(default_factory=Counter)

    @property
    def tokens(self) -> int:
        """Of prompts and completions, as far as they were paid for in this run."""
        return self.prompt_tokens + self.completion_tokens

    @property
    def tokens_per_second(self) -> float:
        """Completion tokens a second of waiting."""
        return self.completion_tokens / self.seconds if self.seconds else 0.0

    def to_json(self) -> dict[str, object]:
        """Plain JSON values."""
        return {
            "asked": self.asked,
            "cached": self.cached,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "kept_prompt_tokens": self.kept_prompt_tokens,
            "kept_completion_tokens": self.kept_completion_tokens,
            "seconds": round(self.seconds, 3),
            "tokens_per_second": round(self.tokens_per_second, 1),
            "failures": dict(sorted(self.failures.items())),
            "read": dict(sorted(self.read.items())),
        }


def first_question(max_tokens: int | None = None) -> Request:
    """What a model is asked before all else, in `max_tokens` where that is more than the few that it takes."""
    return replace(_FIRST, max_tokens=max(_FIRST.max_tokens, max_tokens or 0))


def try_out(backend: Backend, max_tokens: int | None = None) -> Answer:
    """What a model says to a first question: better to know before the first row than after it that it is silent.

    Raises `LanguageModelError`.
    """
    for _, answer in backend.answers([first_question(max_tokens)]):
        if isinstance(answer, Answer):
            return answer
        advice = next((text for mark, text in _ADVICE.items() if mark in answer.reason), "")
        raise LanguageModelError(
            f"--llm: {backend.name} does not answer a first, short question: {answer.reason}.{advice}"
        )
    raise LanguageModelError(f"--llm: {backend.name} does not answer a first, short question.")


def parameters_of(backend: Backend) -> dict[str, Any]:
    """What changes a back end's answers, as keys and fingerprints have it.

    A server that moved is the same server, and its address is nobody else's business.
    """
    return {name: value for name, value in backend.parameters().items() if name != "base_url"}


class Desk:
    """Answers requests: each from the cache, or by the back end, which is then remembered.

    `run` names the run that pays: a run that is begun again goes on with what is left of its budget, of which failures
    and what was under way when it was killed are spent. So does another process that runs the same at the same time.
    `tried` is an answer that this run has paid for already. `tell` is called after each answer; `usage` is counted on.
    What failed is not asked again, and what has an answer of no use only once the run has come to its end, by
    `note_over` or for such answers, and only of a back end that is not `deterministic`. A run that is killed goes on in
    the same round, so that it asks nothing twice.

    A run of `_HOPELESS` failures that do not lie in the request alone, and answers that `note_read` is told could not
    be read, with no other answer between them, raises `LanguageModelError`: so does what the back end finds pointless.
    """

    def __init__(
        self,
        backend: Backend,
        cache: Cache,
        *,
        run: str,
        budget: Budget | None = None,
        tell: Callable[[Usage], None] | None = None,
        usage: Usage | None = None,
        tried: Answer | None = None,
    ) -> None:
        self.usage = usage or Usage()
        if tried is not None:
            cache.note_sent(run, {"": tried.tokens})
            self._count(tried)
        self._backend, self._cache, self._run = backend, cache, run
        self._rounds = cache.rounds(run)
        self._round = f"{run}.{self._rounds}"
        self._budget = budget
        self._purse, self._last = self._open_purse()
        self._at_once = _AT_ONCE if budget is None else _AT_ONCE_IN_A_BUDGET
        self._spent = budget is not None and cache.is_spent(run)
        self._tell = tell
        self._useless_in_a_row = 0
        self._fresh = False
        self._failed: dict[str, Failure] = {}
        self._useless: dict[str, Known] = {}
        self._standing: set[str] = set()
        self.usage.asks_again = not backend.deterministic
        self.parameters = parameters_of(backend)

    @property
    def name(self) -> str:
        """The back end's."""
        return self._backend.name

    def answers(
        self, prompt: str, requests: Sequence[Request], whole: Whole | None = None
    ) -> Iterator[tuple[int, Answer | Failure]]:
        """Each request's index with its answer or failure, in no particular order; `prompt` names the prompt.

        A kept answer that is not `whole` is asked for again, if it is not of this round, the back end may say something
        else and the budget reaches. It stands where that fails.
        """
        keys = [key_of_request(prompt, self.name, self.parameters, request) for request in requests]
        first: dict[str, int] = {}
        twins: dict[int, list[int]] = {}
        wave: list[int] = []
        for number, key in enumerate(keys):
            if key in first:  # two rows of one caption: asked once
                twins.setdefault(first[key], []).append(number)
                continue
            first[key] = number
            if key in self._failed:
                yield number, self._failed[key]
                continue
            found = self._cache.find(key)
            if found is not None:
                if self._stands(key, found) or whole is None or whole(number, found.answer):
                    yield number, self._kept(found.answer)
                    continue
                self._useless[key] = found
            if not self._admits(requests[number]):
                if wave and not self._spent:  # what is under way may turn out cheaper
                    yield from self._asked(prompt, requests, keys, wave)
                    wave = []
                if not self._admits(requests[number]):
                    yield number, self._refused(key)
                    continue
            wave.append(number)
            if len(wave) == self._at_once:
                yield from self._asked(prompt, requests, keys, wave)
                wave = []
        yield from self._asked(prompt, requests, keys, wave)
        for number, others in twins.items():
            found = self._cache.find(keys[number])
            for other in others:
                yield other, self._failed.get(keys[number], _SPENT if found is None else found.answer)

    def note_read(self, state: str, *, readable: bool, cut: bool = False) -> None:
        """How the answer that was yielded last could be read, and whether it was cut off."""
        self.usage.read[state] += 1
        if not self._fresh:  # an answer of an earlier run says nothing about this one
            return
        self._fresh = False
        if readable:
            self._useless_in_a_row = 0
        else:
            if self._useless_in_a_row + 1 >= _HOPELESS:
                self.note_over()
            self._note_useless(_CUT if cut else _UNREADABLE)

    def note_over(self) -> None:
        """That the run has come to its end."""
        self._cache.note_over(self._run, self._rounds + 1)

    def close(self) -> None:
        """Close back end and cache."""
        self._backend.close()
        self._cache.close()

    def _stands(self, key: str, found: Known) -> bool:
        """Whether an answer is not asked for again, of however little use it is."""
        return self._backend.deterministic or found.round == self._round or key in self._standing

    def _admits(self, request: Request) -> bool:
        return not self._spent and self._purse.take(request)

    def _open_purse(self) -> tuple[Purse, int]:
        """What is left, and the run's last number as far as that is counted."""
        paid = self._cache.paid(self._run)
        return Purse(self._budget, paid.requests, paid.tokens), paid.last

    def _kept(self, answer: Answer) -> Answer:
        self.usage.cached += 1
        self.usage.kept_prompt_tokens += answer.prompt_tokens
        self.usage.kept_completion_tokens += answer.completion_tokens
        self._told()
        return answer

    def _refused(self, key: str) -> Answer | Failure:
        """What there is instead of an answer that the budget does not reach for."""
        if not self._spent:
            self._spent = True
            self._cache.note_spent(self._run)
        if (known := self._useless.pop(key, None)) is not None:
            return self._kept(known.answer)
        self.usage.failures[SPENT] += 1
        return _SPENT

    def _sent(self, requests: Sequence[Request], keys: Sequence[str], wave: Sequence[int]) -> dict[int, int]:
        """What of the wave may be sent, with the cache's number for each: less where another process spends too."""
        while True:
            costs = {keys[number]: dearest(requests[number]) for number in wave}
            sent = self._cache.note_sent(self._run, costs, None if self._budget is None else self._last)
            if sent is not None:
                self._last = max(sent, default=self._last)
                return dict(zip(wave, sent, strict=True))
            self._purse, self._last = self._open_purse()
            wave = [number for number in wave if self._admits(requests[number])]

    def _asked(
        self, prompt: str, requests: Sequence[Request], keys: Sequence[str], wave: Sequence[int]
    ) -> Iterator[tuple[int, Answer | Failure]]:
        if not wave:
            return
        sent = self._sent(requests, keys, wave)
        for number in wave:
            if number not in sent:
                yield number, self._refused(keys[number])
        wave = list(sent)
        self.usage.under_way = len(wave)
        self._told()
        since = time.monotonic()
        for at, answer in self._backend.answers([requests[number] for number in wave]):
            number = wave[at]
            self.usage.seconds += time.monotonic() - since
            self.usage.under_way -= 1
            if isinstance(answer, Answer):
                said = self._cache.keep(
                    keys[number], self._round, prompt, self.name, self.parameters, requests[number], answer,
                    sent[number], self._useless.pop(keys[number], None),
                )  # fmt: skip
                self._count(answer)
                self._purse.settle(requests[number], answer.tokens)
                self._told()
                self._fresh = True
                yield number, said
                if self._fresh:  # nobody said that it could not be read
                    self._fresh, self._useless_in_a_row = False, 0
            else:
                self._purse.settle(requests[number], None)
                yield number, self._instead(keys[number], answer)
            since = time.monotonic()

    def _instead(self, key: str, failure: Failure) -> Answer | Failure:
        """What there is instead of an answer that failed: the kept one, of however little use it is."""
        self.usage.failures[failure.reason] += 1
        said: Answer | Failure
        if (known := self._useless.pop(key, None)) is not None:
            self._standing.add(key)
            said = self._kept(known.answer)
        else:
            said = self._failed[key] = Failure(f"language model: {failure.reason}")
            self._told()
        if not failure.alone:
            self._note_useless(failure.reason)
        return said

    def _note_useless(self, reason: str) -> None:
        self._useless_in_a_row += 1
        if self._useless_in_a_row >= _HOPELESS:
            raise LanguageModelError(
                f"{self.name}: the last {_HOPELESS} requests all failed, the last one so: {reason}. What was"
                f" answered is kept in {self._cache.path.name}: run the same command again to go on."
            )

    def _count(self, answer: Answer) -> None:
        self.usage.asked += 1
        self.usage.prompt_tokens += answer.prompt_tokens
        self.usage.completion_tokens += answer.completion_tokens

    def _told(self) -> None:
        if self._tell is not None:
            self._tell(self.usage)
