"""A chat-completions server on loopback that answers as it is told to, faults included, and remembers what it got."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One response: `delay` seconds before it, `drip` seconds between its bytes, only `cut_after` bytes of it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    cut_after: int | None = None


Plan = Callable[[int, dict[str, Any]], Reply]
"""What to answer to a request's body, which has been received so many times before."""


def said(text: str | None, finish: str = "stop", **more: Any) -> Reply:
    """A chat completion that says `text`."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    message = {"role": "assistant", "content": text, **more}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    told = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    return Reply(body=json.dumps(told).encode())


def failed(status: int, message: str = "", **more: Any) -> Reply:
    """An error as OpenAI words it; `more` may have code, param, type."""
    return Reply(status, json.dumps({"error": {"message": message, **more}}).encode())


def limited(seconds: str) -> Reply:
    """429 with Retry-After."""
    return Reply(429, b'{"error": {"message": "slow down", "code": "rate_limit_exceeded"}}', {"Retry-After": seconds})


def question(body: dict[str, Any]) -> str:
    """The text of a body's last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else next(part["text"] for part in content if part["type"] == "text")


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that go away in the middle."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FaultyServer:
    """Serves `/v1/chat/completions` by a plan while its `with` block runs.

    Attributes:
        received: bodies, in the order of their coming.
        keys: the Authorization headers that came with them.
        most: the largest number of requests that were under way at once.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._under_way = 0
        self.received: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: list[str | None] = []
        self.most = 0
        self._server = _Quiet(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def asked(self) -> dict[str, int]:
        """How often each question came."""
        counts: dict[str, int] = {}
        for body in self.received:
            counts[question(body)] = counts.get(question(body), 0) + 1
        return counts

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, body: dict[str, Any], key: str | None) -> Reply:
        with self._lock:
            before = sum(question(each) == question(body) for each in self.received)
            self.received.append(body)
            self.times.append(time.monotonic())
            self.keys.append(key)
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        return self._plan(before, body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                sent = self.rfile.read(length)
                if len(sent) < length:  # whoever asked has gone
                    self.close_connection = True
                    return
                body = json.loads(sent)
                if self.path != "/v1/chat/completions":
                    self.send_error(404)
                    return
                reply = outer._take(body, self.headers.get("Authorization"))
                try:
                    time.sleep(reply.delay)
                    self._send(reply)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with outer._lock:
                        outer._under_way -= 1

            def _send(self, reply: Reply) -> None:
                if reply.cut_after == 0:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                sent = reply.body if reply.cut_after is None else reply.body[: reply.cut_after]
                if reply.cut_after is not None:
                    self.close_connection = True
                for start in range(0, len(sent), 1 if reply.drip else max(1, len(sent))):
                    self.wfile.write(sent[start : start + 1] if reply.drip else sent)
                    self.wfile.flush()
                    time.sleep(reply.drip)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler
