"""Any server that speaks OpenAI's chat completions: vLLM, SGLang, Ollama, llama.cpp, `transformers serve`, OpenAI."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

import httpx2

from negagen.errors import LanguageModelError
from negagen.llm.backends.exchange import KEYS, Exchange
from negagen.llm.backends.retrying import Policy
from negagen.llm.protocol import Answer, Failure, Request

T = TypeVar("T")
_Result: TypeAlias = tuple[int, Answer | Failure, asyncio.Event]


@dataclass(frozen=True, slots=True)
class _Ended:
    """That no more results come; `error` is what ended them too early."""

    error: BaseException | None


class ServerBackend:
    """Sends requests to a server, several at a time, and again after faults that pass.

    A request is sent again only after 408, 425, 429, 5xx, a cut or refused connection, a body that is not a whole chat
    completion, or no answer in time, and no more often than `policy` says; a 429 holds back all other requests for as
    long as the server asks. Besides, a server that refuses a field (`response_format`, `temperature`, `seed`,
    `max_tokens`, `chat_template_kwargs`) gets that request once more without it, and every later one without it from
    the start: until a schema has been taken, its requests go one at a time. What is left out is told by one warning.

    The work is done on a thread of its own, so that `answers` can be used from any thread, from several at once, and
    inside a running event loop. What is under way is cut when the iterator is closed or interrupted. An answer holds
    its place among the `concurrency` until the caller asks for the next one: a caller that is killed before it has
    stored what came loses no more than that many.

    Args:
        model: the model's name, as the server knows it.
        base_url: where its paths begin, mostly with `/v1` at the end.
        concurrency: the most requests under way, those included whose answer the caller still works on.
        timeout: seconds that one try may take.
        policy: when to try again.

    Raises:
        LanguageModelError: the address cannot be one of such a server.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        *,
        concurrency: int = 8,
        timeout: float = 120.0,
        policy: Policy | None = None,
    ) -> None:
        if concurrency < 1 or not 0 < timeout < inf:
            raise LanguageModelError("--llm-concurrency must be 1 or more, --llm-timeout more than 0 seconds.")
        self._model = model
        self._address = _checked(base_url)
        self._concurrency, self._timeout = concurrency, timeout
        self._policy = policy or Policy()
        self._lock = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread, Exchange] | None = None
        self._asking: set[_Asking] = set()
        self._closed = False

    @property
    def name(self) -> str:
        """`server:` and the model's name."""
        return f"server:{self._model}"

    @property
    def deterministic(self) -> bool:
        """It is not: a server's answers depend on what else it is asked, and on whether it is well."""
        return False

    def parameters(self) -> Mapping[str, Any]:
        """The model's name and where it is asked."""
        return {"backend": "server", "model": self._model, "base_url": self._address}

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
        """As `Backend.answers`: each as soon as it has come."""
        if not requests:
            return
        with self._lock:
            loop, exchange = self._started()
            asking = _Asking(loop, exchange, requests, self._concurrency)
            self._asking.add(asking)
        ended: _Ended | None = None
        try:
            while not isinstance(item := _next(asking.results), _Ended):
                n, answer, taken = item
                yield n, answer
                self._in_loop(taken.set)
            ended = item
        finally:
            self._in_loop(asking.cancel)
            while ended is None:
                ended = item if isinstance(item := _next(asking.results), _Ended) else None
            self._asking.discard(asking)
        if isinstance(ended.error, asyncio.CancelledError):
            raise self._gone()
        if ended.error is not None:
            raise ended.error

    def close(self) -> None:
        """End connections and the thread; whoever still reads answers is told that there are no more."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is not None:
            loop, thread, exchange = running
            asyncio.run_coroutine_threadsafe(_end(exchange, list(self._asking)), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _started(self) -> tuple[asyncio.AbstractEventLoop, Exchange]:
        """The loop, running, and what asks in it. The lock is held."""
        if self._closed:
            raise self._gone()
        if self._running is None:
            exchange = Exchange(
                self._model, self._address, _key(),
                concurrency=self._concurrency, timeout=self._timeout, policy=self._policy,
            )  # fmt: skip
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="negagen-llm", daemon=True)
            thread.start()
            self._running = loop, thread, exchange
        return self._running[0], self._running[2]

    def _gone(self) -> LanguageModelError:
        return LanguageModelError(f"{self.name} was closed: open it again to ask it.")

    def _in_loop(self, work: Callable[[], object]) -> None:
        """Do it on the loop's thread; nothing after `close`, which has ended all."""
        with self._lock:
            if self._running is not None:
                self._running[0].call_soon_threadsafe(work)


class _Asking:
    """One call of `ServerBackend.answers` in the loop: `results` gets each request's, and `_Ended` whatever happens."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, exchange: Exchange, requests: Sequence[Request], concurrency: int
    ) -> None:
        self.results: SimpleQueue[_Result | _Ended] = SimpleQueue()
        self.task: asyncio.Task[None] | None = None
        self._loop, self._exchange, self._requests = loop, exchange, requests
        self._concurrency = min(concurrency, len(requests))
        loop.call_soon_threadsafe(self._start)

    def cancel(self) -> None:
        """End it, on the loop's thread."""
        if self.task is not None:
            self.task.cancel()

    def _start(self) -> None:
        self.task = self._loop.create_task(self._all())
        # Not at the end of `_all`: a task that is cancelled at once never comes to its beginning.
        self.task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self.results.put(_Ended(asyncio.CancelledError() if task.cancelled() else task.exception()))

    async def _all(self) -> None:
        """Put every request's result; raises the first error that makes the rest pointless."""
        numbered = iter(enumerate(self._requests))

        async def work() -> None:
            for n, request in numbered:
                taken = asyncio.Event()
                self.results.put((n, await self._exchange.ask(n, request), taken))
                await taken.wait()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._concurrency):
                    group.create_task(work())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


async def _end(exchange: Exchange, asking: Sequence[_Asking]) -> None:
    # Those alone, and not all tasks of the loop: a connection's own, cancelled before they began, would warn of it.
    tasks = [each.task for each in asking if each.task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await exchange.close()


def _next(results: SimpleQueue[T]) -> T:
    while True:
        try:
            # Ctrl-C is only heard between two waits on some systems.
            return results.get(timeout=0.5)
        except Empty:
            continue


def _checked(base_url: str) -> str:
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme not in ("http", "https") or not url.host:
        raise LanguageModelError("--base-url must be like http://localhost:8000/v1")
    if url.userinfo:
        raise LanguageModelError(
            f"--base-url must not hold a password: set the environment variable {KEYS[0]} instead."
        )
    if url.query or url.fragment or "#" in base_url:
        raise LanguageModelError("--base-url must not hold a query or a fragment: give the part before the ? or #.")
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise LanguageModelError(f"--base-url: no server listens on port {url.port}. Ports go from 1 to 65535.")
    return base_url.rstrip("/")


def _key() -> str | None:
    for name in KEYS:
        key = os.environ.get(name, "").strip()
        if key:
            if not (key.isascii() and key.isprintable()) or " " in key:
                raise LanguageModelError(f"{name} holds characters that no key has. Copy the key again.")
            return key
    return None
