from __future__ import annotations

import asyncio
import base64
import gc
import json
import logging
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from email.utils import formatdate
from typing import Any

import pytest

from negagen.errors import LanguageModelError
from negagen.llm.backends import server as server_module
from negagen.llm.backends.retrying import Policy, retry_after
from negagen.llm.backends.server import ServerBackend
from negagen.llm.protocol import Answer, Backend, Failure, Message, Request
from tests.llm.faults import FaultyServer, Plan, Reply, failed, limited, question, said

SCHEMA = {"type": "object", "properties": {"replacement": {"type": "string"}}, "required": ["replacement"]}
QUICK = Policy(attempts=4, first=0.01)
CAPTION = "A brown dog chases a very secret cat."
KEY = "sk-nobody-may-see-this"


def request(text: str = CAPTION, **more: Any) -> Request:
    messages = (Message("system", "Answer in JSON."), Message("user", text))
    settings: dict[str, Any] = {"schema": SCHEMA, "max_tokens": 20, "temperature": 0.5, "seed": 3, **more}
    return Request(messages, **settings)


def requests(count: int) -> list[Request]:
    return [request(f"question {n}") for n in range(count)]


@contextmanager
def opened(server: FaultyServer, **options: Any) -> Iterator[ServerBackend]:
    with closing(ServerBackend("m", server.url, **{"policy": QUICK, **options})) as backend:
        yield backend


def ask(plan: Plan, asked: Sequence[Request], **options: Any) -> tuple[dict[int, Answer | Failure], FaultyServer]:
    with FaultyServer(plan) as server, opened(server, **options) as backend:
        results = list(backend.answers(asked))
    assert len({n for n, _ in results}) == len(results)
    return dict(results), server


def ask_all(server: FaultyServer, asked: Sequence[Request]) -> list[tuple[int, Answer | Failure]]:
    with opened(server) as backend:
        return list(backend.answers(asked))


def echo(before: int, body: dict[str, Any]) -> Reply:
    return said(f"to {question(body)}")


def test_every_request_gets_its_own_answer_and_is_sent_once() -> None:
    found, server = ask(echo, requests(40))
    assert found == {n: Answer(f"to question {n}", 10, 5, "stop") for n in range(40)}
    assert set(server.asked().values()) == {1}


def test_no_more_is_asked_than_can_be_lost() -> None:
    with FaultyServer(echo) as server, opened(server, concurrency=3) as backend:
        answers = backend.answers(requests(20))
        for taken in range(1, 6):
            next(answers)
            time.sleep(0.1)  # a slow disk: the answer is in no file yet
            assert len(server.received) <= taken + 2
        assert len(dict(answers)) == 15
    assert len(server.received) == 20


def test_closing_ends_what_is_still_read() -> None:
    with FaultyServer(echo) as server:
        with opened(server, concurrency=3) as backend:
            answers = backend.answers(requests(20))
            next(answers)
        with pytest.raises(LanguageModelError, match="was closed"):
            list(answers)
        assert len(server.received) <= 3


def test_closing_while_it_connects_warns_of_nothing() -> None:
    with FaultyServer(echo) as server:
        for _ in range(40):  # each time at another moment; filterwarnings makes errors of what is never awaited
            backend = ServerBackend("m", server.url.replace("127.0.0.1", "localhost"))
            answers = backend.answers(requests(20))
            next(answers)
            backend.close()
        gc.collect()


def test_an_interrupt_before_the_first_request_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    freed, ended = threading.Event(), threading.Event()
    results = server_module._next

    def interrupted(queue: Any) -> Any:
        monkeypatch.setattr(server_module, "_next", results)
        threading.Timer(0.2, freed.set).start()
        raise KeyboardInterrupt

    def work(backend: ServerBackend) -> None:
        with pytest.raises(KeyboardInterrupt):
            list(backend.answers(requests(3)))
        ended.set()

    with FaultyServer(echo) as server, opened(server) as backend:
        assert len(list(backend.answers(requests(1)))) == 1
        assert backend._running is not None
        backend._running[0].call_soon_threadsafe(freed.wait)  # a slow machine: its thread is not there yet
        monkeypatch.setattr(server_module, "_next", interrupted)
        threading.Thread(target=work, args=(backend,), daemon=True).start()
        assert ended.wait(30)
        assert len(server.received) == 1


def test_what_is_sent() -> None:
    _, server = ask(echo, [request()])
    assert server.received == [
        {
            "model": "m",
            "messages": [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": CAPTION}],
            "max_tokens": 20,
            "temperature": 0.5,
            "seed": 3,
            "stream": False,
            "chat_template_kwargs": {"enable_thinking": False},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
            },
        }
    ]


def test_no_more_than_the_given_number_are_under_way() -> None:
    together = threading.Barrier(3)

    def plan(before: int, body: dict[str, Any]) -> Reply:
        if question(body) in ("question 1", "question 2", "question 3"):
            together.wait(60)  # the first goes alone; these come before any of them is answered
        return Reply(body=said("x").body, delay=0.005)

    _, server = ask(plan, requests(20), concurrency=3)
    assert server.most == 3


def test_concurrency_is_shared_by_threads() -> None:
    with FaultyServer(lambda before, body: Reply(body=said(question(body)).body, delay=0.01)) as server:
        backend = ServerBackend("m", server.url, concurrency=4)
        found: list[dict[int, Answer | Failure]] = [{} for _ in range(3)]

        def work(n: int) -> None:
            found[n] = dict(backend.answers([request(f"{n} {each}") for each in range(10)]))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        backend.close()
    assert server.most <= 4
    assert found == [{each: Answer(f"{n} {each}", 10, 5, "stop") for each in range(10)} for n in range(3)]


def test_it_runs_inside_a_running_event_loop() -> None:
    async def main() -> dict[int, Answer | Failure]:
        return ask(echo, requests(3))[0]

    assert len(asyncio.run(main())) == 3


@pytest.mark.parametrize(
    "fault",
    [
        failed(429, code="rate_limit_exceeded"), failed(500), failed(502), failed(503), failed(504), failed(408),
        Reply(cut_after=0), Reply(body=said("x").body, cut_after=9), Reply(body=b"<html>busy</html>"),
        Reply(body=said("x").body[:40]), Reply(body=b'{"choices": []}'), Reply(body=b"[]"), Reply(body=b"[" * 200_000),
        Reply(500, b"[" * 200_000), Reply(body=said("x").body, headers={"Content-Encoding": "gzip"}),
        Reply(body=said("x" * (1 << 20)).body),
    ],
    ids=[
        "429", "500", "502", "503", "504", "408", "cut", "half", "html", "half JSON", "no choices", "a list", "deep",
        "deep 500", "not gzip", "too long",
    ],
)  # fmt: skip
def test_faults_that_pass_are_tried_again(fault: Reply) -> None:
    found, server = ask(lambda before, body: fault if before < 2 else echo(before, body), requests(6))
    assert found == {n: Answer(f"to question {n}", 10, 5, "stop") for n in range(6)}
    assert set(server.asked().values()) == {3}


def test_no_more_of_a_body_is_read_than_an_answer_may_have() -> None:
    found, _ = ask(lambda before, body: said("x" * (1 << 25)), [request("a")], policy=Policy(2, 0.01))
    assert found[0] == Failure("the server's response is longer than 1 MiB, 2 attempts")
    found, _ = ask(lambda before, body: said("x" * (1 << 19)), [request("a")])
    assert found[0] == Answer("x" * (1 << 19), 10, 5, "stop")


def test_a_fault_that_stays_becomes_a_failure_after_the_last_attempt() -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        return failed(500, CAPTION) if question(body) == "question 2" else echo(before, body)

    found, server = ask(plan, requests(5))
    assert found.pop(2) == Failure("HTTP 500, 4 attempts")
    assert all(isinstance(result, Answer) for result in found.values())
    assert server.asked() == {f"question {n}": 4 if n == 2 else 1 for n in range(5)}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refused_request_is_not_sent_again(status: int) -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        refused = question(body) == "question 3"
        return failed(status, f"too long: {CAPTION}", code="context_length_exceeded") if refused else echo(before, body)

    found, server = ask(plan, requests(5))
    assert found[3] == Failure(f"refused: HTTP {status} (context_length_exceeded)")
    assert set(server.asked().values()) == {1}


def test_retry_after_holds_all_requests_back() -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        return limited("0.6") if question(body) == "question 1" and not before else Reply(
            body=said("x").body, delay=0.05
        )  # fmt: skip

    found, server = ask(plan, requests(30), concurrency=2)
    assert all(isinstance(result, Answer) for result in found.values())
    gaps = [later - sooner for sooner, later in zip(server.times, server.times[1:], strict=False)]
    assert max(gaps) > 0.4
    assert len(server.received) == 31


def test_forms_of_retry_after() -> None:
    assert retry_after("3") == 3
    assert 8 < retry_after(formatdate(time.time() + 10, usegmt=True)) <= 10
    assert [retry_after(text) for text in (None, "", "soon", "-5", "Wed, 21 Oct 2015 07:28:00 GMT")] == [0] * 5


def test_a_wait_beyond_patience_ends_the_run() -> None:
    with pytest.raises(LanguageModelError, match="asks to wait 7200 s"):
        ask(lambda before, body: limited("7200"), requests(3))


def test_pauses_double_and_are_fixed_by_the_key() -> None:
    policy = Policy(first=1.0, longest=6.0)
    pauses = [[policy.pause(attempt, n) for n in range(200)] for attempt in range(5)]
    for attempt, drawn in enumerate(pauses):
        base = min(6.0, 2.0**attempt)
        assert all(0.5 * base <= each < 1.5 * base for each in drawn)
        assert len(set(drawn)) == 200
    assert pauses[2] == [policy.pause(2, n) for n in range(200)]


def test_a_slow_answer_and_one_that_drips_end_at_the_time_limit() -> None:
    for slow in (Reply(body=said("x").body, delay=99), Reply(body=said("x").body, drip=0.5)):
        began = time.monotonic()
        found, server = ask(
            lambda before, body, slow=slow: slow if not before else echo(before, body),  # type: ignore[misc]
            [request("q")], timeout=1.0,
        )  # fmt: skip
        assert isinstance(found[0], Answer)
        assert server.asked()["q"] >= 2
        assert time.monotonic() - began < 60
    found, _ = ask(lambda before, body: Reply(body=b"", delay=99), [request()], timeout=0.5, policy=Policy(2, 0.01))
    assert found[0] == Failure("no answer within 0.5 s, 2 attempts")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (failed(401, "bad key", code="invalid_api_key"), "NEGAGEN_API_KEY"),
        (failed(403), "NEGAGEN_API_KEY"),
        (failed(404, "no such model", code="model_not_found"), "no model 'm' there"),
        (failed(400, "Server is pinned to 'n'; requested 'm'."), "no model 'm' there"),
        (failed(402), "no credit"),
        (failed(429, code="insufficient_quota"), "no credit"),
        (Reply(307, headers={"Location": "/elsewhere"}), "redirects"),
    ],
    ids=["401", "403", "404", "another model", "402", "quota", "redirect"],
)
def test_what_is_wrong_for_all_ends_the_run_at_the_first_request(reply: Reply, words: str) -> None:
    with FaultyServer(lambda before, body: reply) as server:
        with pytest.raises(LanguageModelError, match=words):
            ask_all(server, requests(20))
        assert len(server.received) == 1


def test_answers_come_before_the_error() -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        return failed(403) if question(body) == "question 9" else echo(before, body)

    with FaultyServer(plan) as server, opened(server, concurrency=1) as backend:
        iterator = backend.answers(requests(20))
        assert [next(iterator)[0] for _ in range(9)] == list(range(9))
        with pytest.raises(LanguageModelError):
            next(iterator)


def test_a_server_that_is_not_there() -> None:
    with FaultyServer(echo) as server:
        url = server.url
    backend = ServerBackend("m", url, policy=QUICK)
    with closing(backend), pytest.raises(LanguageModelError, match=r"no server answers at .*--base-url"):
        list(backend.answers(requests(3)))


def test_a_server_that_only_fails_ends_the_run() -> None:
    with FaultyServer(lambda before, body: failed(500)) as server:
        with pytest.raises(LanguageModelError, match="none of the last 8 requests"):
            ask_all(server, requests(500))
        assert len(server.received) <= 12 * QUICK.attempts


def test_a_server_that_dies_in_the_middle_ends_the_run() -> None:
    answered = threading.Event()

    def plan(before: int, body: dict[str, Any]) -> Reply:
        if question(body) == "question 20":
            answered.set()
        return failed(502) if answered.is_set() else echo(before, body)

    with FaultyServer(plan) as server:
        with pytest.raises(LanguageModelError, match=r"none of the last 16 requests .*HTTP 502"):
            ask_all(server, requests(500))
        assert len(server.asked()) < 60


@pytest.mark.parametrize(
    ("takes", "status", "message"),
    [
        ("json_object", 400, "response_format json_schema is not known"),
        (None, 422, "unexpected field response_format"),
        (None, 400, "bad request"),
        (None, 501, "no grammars here"),
    ],
)
def test_a_format_that_the_server_refuses_is_left_out(
    takes: str | None, status: int, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        kind = body.get("response_format", {}).get("type")
        return echo(before, body) if kind == takes else failed(status, message)

    with caplog.at_level(logging.WARNING):
        found, server = ask(plan, requests(20))
    assert found == {n: Answer(f"to question {n}", 10, 5, "stop") for n in range(20)}
    refused = 1 if takes else 2
    assert len(server.received) == 20 + refused
    assert [record.getMessage().partition(" takes ")[2] for record in caplog.records] == [
        "no response_format with a JSON schema: asked without it." if takes else "no response_format: asked without it."
    ]


def test_what_is_refused_of_one_schema_is_not_asked_of_the_next() -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        return failed(400, "bad request") if "response_format" in body else echo(before, body)

    schemas = [None, SCHEMA, {"type": "object"}, {**SCHEMA, "additionalProperties": False}]
    found, server = ask(plan, [request(f"{n}", schema=schema) for n, schema in enumerate(schemas)], concurrency=1)
    assert all(isinstance(result, Answer) for result in found.values())
    assert len(server.received) == len(schemas) + 2


def test_bounds_that_the_server_refuses_are_left_out() -> None:
    bounded = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "maxLength": 9},
            "edits": {"type": "array", "maxItems": 3, "items": {"type": "integer", "minimum": 1}},
        },
        "required": ["pattern", "edits"],
    }

    def plan(before: int, body: dict[str, Any]) -> Reply:
        message = "Invalid schema for response_format 'answer': 'maxLength' is not permitted."
        return failed(400, message) if "maxLength" in str(body) else echo(before, body)

    schemas = [{"type": "object"}, *[{**bounded, "title": f"{n % 3}"} for n in range(6)], bounded]
    found, server = ask(plan, [request(f"{n}", schema=schema) for n, schema in enumerate(schemas)], concurrency=1)
    assert all(isinstance(result, Answer) for result in found.values())
    assert len(server.received) == len(schemas) + 1
    assert server.received[-1]["response_format"]["json_schema"]["schema"] == {
        "type": "object",
        "properties": {"pattern": {"type": "string"}, "edits": {"type": "array", "items": {"type": "integer"}}},
        "required": ["pattern", "edits"],
    }


def test_a_server_that_takes_less_from_some_time_on_is_asked_so() -> None:
    replaced = threading.Event()

    def plan(before: int, body: dict[str, Any]) -> Reply:
        if question(body) == "question 5":
            replaced.set()
        refuses = replaced.is_set() and "response_format" in body
        return failed(400, "unknown field response_format") if refuses else echo(before, body)

    found, server = ask(plan, requests(12), concurrency=1)
    assert found == {n: Answer(f"to question {n}", 10, 5, "stop") for n in range(12)}
    assert server.asked() == {f"question {n}": 3 if n == 5 else 1 for n in range(12)}  # json_object, then none


def test_refusals_alone_are_no_reason_to_end() -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        return echo(before, body) if int(question(body).split()[-1]) >= 12 else failed(400, "too long")

    found, _ = ask(plan, requests(14), concurrency=1)  # the longest captions came first, of which none is answered
    assert [isinstance(found[n], Answer) for n in range(14)] == [n >= 12 for n in range(14)]


def test_a_schema_that_alone_is_refused() -> None:
    odd = {"type": "object", "patternProperties": {}}

    def plan(before: int, body: dict[str, Any]) -> Reply:
        asked = body.get("response_format", {}).get("json_schema", {}).get("schema")
        return failed(400, "no") if asked == odd else echo(before, body)

    schemas = [SCHEMA, odd, {"type": "object"}]
    _, server = ask(plan, [request(f"{n}", schema=schema) for n, schema in enumerate(schemas)], concurrency=1)
    kinds = [body["response_format"]["type"] for body in server.received]
    assert kinds == ["json_schema", "json_schema", "json_object", "json_schema"]


def test_a_request_s_own_refusal_is_not_laid_to_the_format() -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        return failed(400, "too long") if question(body) == "question 7" else echo(before, body)

    found, server = ask(plan, requests(10))
    assert found[7] == Failure("refused: HTTP 400")
    assert all("response_format" in body for body in server.received)


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        ("max_tokens", failed(400, "Use 'max_completion_tokens' instead.", code="unsupported_parameter")),
        ("temperature", failed(400, "only the default", param="temperature", code="unsupported_value")),
        ("seed", failed(400, "no seed", param="seed")),
        ("chat_template_kwargs", failed(400, "Unrecognized request argument supplied: chat_template_kwargs")),
        ("chat_template_kwargs", failed(400, "bad request")),
    ],
)
def test_other_fields_that_the_server_refuses(refused: str, error: Reply, caplog: pytest.LogCaptureFixture) -> None:
    first = [request("first", schema=None), *requests(9)]
    found, server = ask(lambda before, body: error if refused in body else echo(before, body), first, concurrency=1)
    assert all(isinstance(result, Answer) for result in found.values())
    assert len(server.received) == 11
    if refused == "max_tokens":
        assert server.received[-1]["max_completion_tokens"] == 20
    assert len(caplog.records) == (refused != "max_tokens")


def test_all_that_a_server_refuses_without_a_name_is_found_out() -> None:
    def plan(before: int, body: dict[str, Any]) -> Reply:
        takes = "response_format" not in body and "chat_template_kwargs" not in body
        return echo(before, body) if takes else failed(400, "bad request")

    found, server = ask(plan, requests(10))
    assert all(isinstance(result, Answer) for result in found.values())
    assert len(server.received) == 10 + 5
    found, server = ask(lambda before, body: failed(400, "too long"), requests(1))
    assert found[0] == Failure("refused: HTTP 400")


def test_a_picture_goes_along() -> None:
    image = b"\x89PNG\r\n\x1a\n...."
    _, server = ask(echo, [request("what?", image=image)])
    picture, text = server.received[0]["messages"][1]["content"]
    assert text == {"type": "text", "text": "what?"}
    assert picture["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(image).decode()}"
    found, server = ask(echo, [request("what?", image=b"BM....")])
    assert found[0] == Failure("its picture is not PNG, JPEG, GIF or WebP", alone=True)
    assert not server.received


def test_answers_without_text() -> None:
    found, _ = ask(lambda before, body: said(None, "content_filter"), [request()])
    assert found[0] == Failure("the server's answer is empty (content_filter)")
    found, _ = ask(lambda before, body: said(None, refusal="I cannot say: " + CAPTION), [request()])
    assert found[0] == Failure("the server's answer is empty (refusal)")
    found, _ = ask(lambda before, body: said("", "length"), [request()])
    assert found[0] == Answer("", 10, 5, "length")


def test_half_a_character_is_none() -> None:
    body = b'{"choices": [{"message": {"content": "a \\ud83d dog\\u0000"}, "finish_reason": "\\udc00"}]}'
    found, _ = ask(lambda before, _: Reply(body=body), [request("x")])
    assert found[0] == Answer("a ? dog\x00", 8, 4, "stop")


def test_prose_and_broken_json_of_the_model_are_answers() -> None:
    for text in ('{"replacement": "ca', "Sure! I would say cat.", "not json {"):
        found, server = ask(lambda before, body, text=text: said(text), [request()])  # type: ignore[misc]
        assert found[0] == Answer(text, 10, 5, "stop")
        assert len(server.received) == 1


def test_tokens_are_counted_by_characters_where_the_server_does_not_tell() -> None:
    body = b'{"choices": [{"message": {"content": "four and more"}}]}'
    found, _ = ask(lambda before, _: Reply(body=body), [request("x" * 85)])
    assert found[0] == Answer("four and more", 50, 7, "stop")


@pytest.mark.parametrize(("names", "sent"), [(["NEGAGEN_API_KEY", "OPENAI_API_KEY"], 0), (["OPENAI_API_KEY"], 0)])
def test_the_key_comes_from_the_environment(names: list[str], sent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEGAGEN_API_KEY", raising=False)
    for n, name in enumerate(names):
        monkeypatch.setenv(name, f"{KEY}-{n}")
    _, server = ask(echo, requests(2))
    assert set(server.keys) == {f"Bearer {KEY}-{sent}"}


def test_a_key_is_trimmed_and_a_broken_one_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEGAGEN_API_KEY", f" {KEY}\n")
    assert set(ask(echo, requests(1))[1].keys) == {f"Bearer {KEY}"}
    for broken in (f"{KEY}\nx", f"{KEY}–x", f"{KEY} x"):
        monkeypatch.setenv("NEGAGEN_API_KEY", broken)
        with pytest.raises(LanguageModelError, match="NEGAGEN_API_KEY holds characters") as caught:
            ask(echo, requests(1))
        assert KEY not in str(caught.value)


def test_without_a_key_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NEGAGEN_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert set(ask(echo, requests(2))[1].keys) == {None}
    with FaultyServer(lambda before, body: failed(401)) as server, pytest.raises(LanguageModelError, match="is wanted"):
        ask_all(server, requests(2))


def test_neither_key_nor_caption_is_logged_or_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEGAGEN_API_KEY", KEY)
    told: list[str] = []
    plans: list[Plan] = [
        lambda before, body: failed(500, f"{KEY} {CAPTION}"),
        lambda before, body: failed(400, f"{KEY} {CAPTION}", code=f"{CAPTION} {KEY}"),
        lambda before, body: failed(401, f"{KEY} {CAPTION}", code="invalid_api_key"),
        lambda before, body: said(CAPTION) if "response_format" not in body else failed(422, "response_format"),
        lambda before, body: Reply(body=f"{KEY} {CAPTION}".encode()),
        lambda before, body: Reply(cut_after=0),
    ]
    with caplog.at_level(logging.INFO):
        for plan in plans:
            with FaultyServer(plan) as server:
                backend = ServerBackend("m", server.url, policy=QUICK)
                try:
                    told += [result.reason for _, result in backend.answers([request()]) if isinstance(result, Failure)]
                except LanguageModelError as error:
                    told.append(str(error))
                told += [repr(backend), str(backend.parameters()), backend.name, str(vars(backend))]
                backend.close()
    told += [caplog.text, *capfd.readouterr()]
    assert len(told) > 20
    for text in told:
        assert KEY not in text
        assert "secret" not in text


def test_leaving_the_iterator_cuts_what_is_under_way() -> None:
    with FaultyServer(lambda before, body: Reply(body=said("x").body, delay=0.05)) as server:
        backend = ServerBackend("m", server.url, concurrency=2)
        iterator = backend.answers(requests(100))
        next(iterator)
        iterator.close()  # type: ignore[attr-defined]
        time.sleep(0.2)
        assert isinstance(dict(backend.answers([request()]))[0], Answer)
        assert server.asked()[CAPTION] == 1
        assert len(server.received) <= 4  # that one, and those that were under way
        backend.close()


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_ends_it() -> None:
    with FaultyServer(lambda before, body: Reply(body=said("x").body, delay=99)) as server:
        backend = ServerBackend("m", server.url, concurrency=2)
        timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        began = time.monotonic()
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(backend.answers(requests(100)))
        backend.close()
        timer.join()
        assert time.monotonic() - began < 60
        assert len(server.received) <= 4


def test_closing() -> None:
    backend = ServerBackend("m", "http://localhost:1/v1/")
    assert isinstance(backend, Backend)
    assert backend.name == "server:m"
    assert backend.parameters() == {"backend": "server", "model": "m", "base_url": "http://localhost:1/v1"}
    backend.close()
    backend.close()
    with pytest.raises(LanguageModelError, match="was closed"):
        next(backend.answers([request()]))
    assert list(backend.answers([])) == []


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("localhost:8000", "must be like"),
        ("ftp://host/v1", "must be like"),
        ("", "must be like"),
        (f"http://user:{KEY}@host/v1", "password"),
        (f"http://host/v1?key={KEY}", "query"),
        (f"http://host/v1#{KEY}", "fragment"),
        ("http://host:99999/v1", "port 99999"),
        ("http://host:0/v1", "port 0"),
    ],
)
def test_addresses_that_cannot_be(url: str, words: str) -> None:
    with pytest.raises(LanguageModelError, match=words) as caught:
        ServerBackend("m", url)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "usage", [None, [], "x", {"prompt_tokens": "many", "completion_tokens": 2.5}, {"prompt_tokens": -1}]
)
def test_a_usage_that_is_no_number_is_guessed(usage: object) -> None:
    from negagen.llm.backends.chat import read

    body = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": usage}
    answer = read(json.dumps(body).encode(), Request((Message("user", "12345"),), None, 8, 0.0, 0))
    assert answer == Answer("yes", 3, 2, "stop")


BROKEN = [
    ({"ALL_PROXY": f"socks5://user:{KEY}@127.0.0.1:1"}, r"ALL_PROXY.*\): a SOCKS proxy needs a package"),
    ({"HTTP_PROXY": f"foo://user:{KEY}@bar"}, r"HTTP_PROXY.*\): correct"),
]


@pytest.mark.parametrize(("names", "words"), [*BROKEN, ({"SSL_CERT_FILE": "/none"}, r"SSL_CERT_FILE.*\): correct")])
def test_an_environment_that_cannot_be_used_is_told(
    names: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    backend = ServerBackend("m", "https://models.invalid/v1", policy=QUICK)
    with closing(backend), pytest.raises(LanguageModelError, match=words) as caught:
        list(backend.answers(requests(1)))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("names", [names for names, _ in BROKEN])
def test_to_this_machine_no_proxy_leads(names: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**names, "SSL_CERT_FILE": "/none"}.items():
        monkeypatch.setenv(name, value)
    found, _ = ask(echo, requests(1))
    assert found[0] == Answer("to question 0", 10, 5, "stop")


def test_a_time_limit_must_be_one() -> None:
    for options in ({"concurrency": 0}, {"timeout": 0.0}, {"timeout": float("nan")}, {"timeout": float("inf")}):
        with pytest.raises(LanguageModelError, match="1 or more"):
            ServerBackend("m", "http://localhost:1/v1", **options)
