"""One request to a server until it has a result: dialects, tries, pauses, and what makes all requests pointless."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Final

import httpx2

from negagen.errors import LanguageModelError
from negagen.llm.backends.chat import FORMATS, Dialect, Refusal, image_kind, payload, read, refusal_of
from negagen.llm.backends.retrying import Policy, retry_after
from negagen.llm.protocol import Answer, Failure, Request

KEYS: Final = ("NEGAGEN_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the server's key; the first that is set is sent."""
_AGAIN: Final = "Run the same command again then: what was answered is kept."
_CONNECT_SECONDS: Final = 10.0
_FRUITLESS: Final = 8
_EXHAUSTED: Final = 16
_LONGEST: Final = 1 << 20
_ENVIRONMENT: Final = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
_log = logging.getLogger(__name__)


class Exchange:
    """What `ServerBackend` documents, without its thread. All of it runs in one event loop.

    `key` goes into the client's headers and nowhere else.
    """

    def __init__(
        self, model: str, address: str, key: str | None, *, concurrency: int, timeout: float, policy: Policy
    ) -> None:
        self._model, self._address, self._keyed = model, address, key is not None
        self._timeout, self._policy = timeout, policy
        self._client = _client(address, key, concurrency, timeout)
        self._slots = asyncio.Semaphore(concurrency)
        self._probes: dict[str, asyncio.Lock] = {}
        self._dialects: dict[str, Dialect] = {}
        self._first = Dialect()
        self._told: set[str] = set()
        self._answered, self._failed = 0, 0
        self._most_failed = max(_EXHAUSTED, 2 * concurrency)
        self._resume_at = 0.0

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def ask(self, n: int, request: Request) -> Answer | Failure:
        """The result of a request; `n` makes its pauses its own. Raises `LanguageModelError` as `Backend.answers`."""
        if request.image is not None and image_kind(request.image) is None:
            return Failure("its picture is not PNG, JPEG, GIF or WebP", alone=True)
        schema = json.dumps(request.schema, sort_keys=True) if request.schema is not None else ""
        if schema not in self._dialects:
            # One at a time, until the server has answered one: what it refuses is refused once, not by many at once.
            async with self._probes.setdefault(schema, asyncio.Lock()):
                if schema not in self._dialects:
                    return await self._tries(n, request, schema)
        return await self._tries(n, request, schema)

    async def _tries(self, n: int, request: Request, schema: str) -> Answer | Failure:
        dialect = known = self._dialects.get(schema, self._first)
        attempt, reason = 0, ""
        while True:
            wait = 0.0
            try:
                status, asked_to_wait, body = await self._post(payload(self._model, request, dialect))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                if attempt + 1 == self._policy.attempts:
                    raise LanguageModelError(
                        f"no server answers at {self._address}. Start it, or correct --base-url. {_AGAIN}"
                    ) from error
            except (TimeoutError, httpx2.TimeoutException):
                reason = f"no answer within {self._timeout:g} s"
            except httpx2.TransportError:
                reason = "the connection was cut"
            except httpx2.DecodingError:
                reason = "the server's response is not compressed as it says"
            else:
                if status == 200:
                    long = len(body) > _LONGEST
                    if (result := None if long else read(body, request)) is not None:
                        self._settle(schema, dialect, changed=dialect != known)
                        return result
                    what = f"longer than {_LONGEST >> 20} MiB" if long else "no chat completion"
                    reason = f"the server's response is {what}"
                else:
                    refusal = refusal_of(status, body)
                    if not refusal.passing:
                        milder = self._milder(refusal, dialect, unsettled=bool(schema) and schema not in self._dialects)
                        if milder is None:
                            return Failure(f"refused: {refusal}")
                        dialect = milder
                        continue
                    reason, wait = str(refusal), retry_after(asked_to_wait)
            attempt += 1
            if attempt == self._policy.attempts:
                return self._failure(f"{reason}, {attempt} attempts")
            await self._pause(wait, self._policy.pause(attempt - 1, n, request.seed))

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, str | None, bytes]:
        while True:
            while (left := self._resume_at - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(left)
            async with self._slots:
                if self._resume_at > asyncio.get_running_loop().time():
                    continue
                # httpx2 limits the pause between two pieces; a server that drips would never end.
                address = f"{self._address}/chat/completions"
                async with asyncio.timeout(self._timeout), self._client.stream("POST", address, json=body) as response:
                    return response.status_code, response.headers.get("retry-after"), await _beginning(response)

    async def _pause(self, asked: float, own: float) -> None:
        if asked > self._policy.patience:
            raise LanguageModelError(f"{self._address} asks to wait {asked:.0f} s. {_AGAIN}")
        if asked:
            self._resume_at = max(self._resume_at, asyncio.get_running_loop().time() + asked)
        await asyncio.sleep(max(asked, own))

    def _settle(self, schema: str, dialect: Dialect, *, changed: bool) -> None:
        self._answered, self._failed = self._answered + 1, 0
        if changed or schema not in self._dialects:  # a server that is replaced by another may take less from then on
            self._dialects[schema] = dialect
        # What it refused of one schema it need not be asked of the next, unless that one was to blame.
        taken = {known.answer_format for key, known in self._dialects.items() if key}
        best = min(taken, key=FORMATS.index, default=dialect.answer_format)
        self._first = replace(dialect, answer_format=best)
        for lacking in dialect.lacks():
            if lacking not in self._told:
                self._told.add(lacking)
                _log.warning("the server at %s takes no %s: asked without it.", self._address, lacking)

    def _failure(self, reason: str) -> Failure:
        """The failure; raises if it says that no request will be answered: as all of the first, or many in a row."""
        self._failed += 1
        if self._failed >= (self._most_failed if self._answered else _FRUITLESS):
            raise LanguageModelError(
                f"{self._address} answered none of the last {self._failed} requests (the last: {reason}). "
                f"The server's own log may say why. {_AGAIN}"
            )
        return Failure(reason)

    def _milder(self, refusal: Refusal, dialect: Dialect, *, unsettled: bool) -> Dialect | None:
        """The dialect to try after a refusal; None if this request alone is refused; raises if all are."""
        where = f"{self._address}: {refusal}"
        if refusal.status in (401, 403):
            what = f"the key in {' or '.join(KEYS)} is refused" if self._keyed else "a key is wanted"
            raise LanguageModelError(f"{where}: {what}. Set {KEYS[0]} in the environment to one that is valid here.")
        if refusal.status == 402 or refusal.code == "insufficient_quota":
            raise LanguageModelError(f"{where}: the account has no credit left.")
        if refusal.status < 400:
            raise LanguageModelError(f"{where}: give --base-url the address that this one redirects to.")
        if refusal.status not in (404, 405):
            if (milder := dialect.without(refusal)) is not None:
                return milder
            nameless = not refusal.is_about(self._model)
            # A server that does not know `response_format` need not name it; most say 400, some 501.
            if nameless and unsettled and (milder := dialect.looser()) is not None:
                return milder
            if nameless and dialect.template and not self._dialects:  # nor `chat_template_kwargs`
                return replace(dialect, template=False, answer_format=self._first.answer_format)
            if refusal.status != 501 and (nameless or self._answered):
                return None
        raise LanguageModelError(
            f"{where}: no model {self._model!r} there, or no /chat/completions. Give --llm a name that "
            f"{self._address}/models lists, and --base-url the address up to and with /v1."
        )


def _client(address: str, key: str | None, concurrency: int, timeout: float) -> httpx2.AsyncClient:
    """The client for a server. Raises `LanguageModelError` where proxies or certificates of the environment are wrong.

    To a server on this machine no proxy leads, and without TLS no certificates are looked at.
    """
    url = httpx2.URL(address)
    limits = httpx2.Limits(max_connections=concurrency)
    verify = url.scheme == "https"
    try:
        return httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(timeout, connect=min(_CONNECT_SECONDS, timeout)),
            limits=limits,
            verify=verify,
            transport=httpx2.AsyncHTTPTransport(verify=verify, limits=limits) if _is_here(url.host) else None,
        )
    except (ImportError, OSError, ValueError) as error:
        # Not the values: a proxy's address may hold a password.
        given = [name for name in _ENVIRONMENT if os.environ.get(name) or os.environ.get(name.lower())]
        socks = isinstance(error, ImportError)
        raise LanguageModelError(
            f"{address} cannot be asked by way of the proxies and certificates that the environment names"
            f" ({', '.join(given)}): "
            + ("a SOCKS proxy needs a package, pip install socksio." if socks else "correct these variables, or unset.")
        ) from error


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def _beginning(response: httpx2.Response) -> bytes:
    """The body, or a little more of it than `_LONGEST` bytes: what is longer is no answer, and need not be stored."""
    parts, size = list[bytes](), 0
    async for part in response.aiter_bytes(1 << 16):
        parts.append(part)
        size += len(part)
        if size > _LONGEST:
            break
    return b"".join(parts)
