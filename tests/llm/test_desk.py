"""Cache and budget: nothing is asked twice, and nothing beyond what may be spent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from negagen.errors import InputError, LanguageModelError
from negagen.llm.budget import SPENT, Budget
from negagen.llm.cache import Cache, Kept, key_of_request
from negagen.llm.desk import Desk, try_out
from negagen.llm.protocol import Answer, Failure, Message, Request


@dataclass
class Echo:
    """Answers with what it was asked, and takes note of it."""

    name: str = "echo"
    more: dict[str, Any] = field(default_factory=dict)
    fails: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    tokens: int = 10
    deterministic: bool = False

    def parameters(self) -> Mapping[str, Any]:
        return self.more

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
        for n in reversed(range(len(requests))):  # in any order
            text = requests[n].messages[-1].content
            self.asked.append(text)
            yield n, Failure("no") if text in self.fails else Answer(f"<{text}>", self.tokens - 1, 1, "stop")

    def close(self) -> None:
        pass


def request(text: str, **more: Any) -> Request:
    return replace(Request((Message("user", text),), None, 8, 0.0, 0), **more)


def desk(path: Path, backend: Echo, budget: str | None = None, run: str = "run") -> Desk:
    return Desk(backend, Cache(path), run=run, budget=None if budget is None else Budget.of(budget))


def told(desk: Desk, *texts: str) -> list[str]:
    out = dict(desk.answers("prompt", [request(text) for text in texts]))
    return [said.text if isinstance(said, Answer) else f"!{said.reason}" for _, said in sorted(out.items())]


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    backend = Echo()
    first = desk(tmp_path / "c.sqlite", backend)
    assert told(first, "a", "b", "a") == ["<a>", "<b>", "<a>"]
    assert sorted(backend.asked) == ["a", "b"]
    first.close()
    again = desk(tmp_path / "c.sqlite", backend)
    assert told(again, "b", "c", "a") == ["<b>", "<c>", "<a>"]
    assert sorted(backend.asked) == ["a", "b", "c"]
    assert (again.usage.cached, again.usage.asked, again.usage.tokens) == (2, 1, 10)


def test_what_is_under_way_is_told_before_the_first_answer(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    other = Desk(
        Echo(), Cache(tmp_path / "c.sqlite"), run="r", tell=lambda usage: seen.append((usage.asked, usage.under_way))
    )
    told(other, "a", "b")
    assert seen == [(0, 2), (1, 1), (2, 0)]


def test_failures_are_asked_again(tmp_path: Path) -> None:
    backend = Echo(fails=("b",))
    assert told(desk(tmp_path / "c.sqlite", backend), "a", "b", "b") == [
        "<a>", "!language model: no", "!language model: no",
    ]  # fmt: skip
    backend.fails = ()
    assert told(desk(tmp_path / "c.sqlite", backend), "b") == ["<b>"]


def test_a_key_is_of_all_that_an_answer_depends_on() -> None:
    base = request("a")
    others = [
        request("b"), request("a", max_tokens=9), request("a", temperature=0.5), request("a", seed=1),
        request("a", image=b"x"), request("a", schema={"type": "object"}),
        request("", messages=(Message("system", "s"), Message("user", "a"))),
    ]  # fmt: skip
    keys = {key_of_request("p", "m", {"dtype": "x"}, each) for each in [base, *others]}
    keys |= {key_of_request("q", "m", {"dtype": "x"}, base), key_of_request("p", "n", {"dtype": "x"}, base)}
    keys.add(key_of_request("p", "m", {"dtype": "y"}, base))
    assert len(keys) == len(others) + 4


def test_a_server_that_moved_is_the_same_server(tmp_path: Path) -> None:
    told(desk(tmp_path / "c.sqlite", Echo(more={"base_url": "http://one/v1"})), "a")
    moved = Echo(more={"base_url": "http://two/v1"})
    assert told(desk(tmp_path / "c.sqlite", moved), "a") == ["<a>"]
    assert moved.asked == []
    assert "one" not in (tmp_path / "c.sqlite").read_bytes().decode(errors="replace")


def test_a_budget_of_requests_is_kept_to_the_last(tmp_path: Path) -> None:
    backend = Echo()
    first = desk(tmp_path / "c.sqlite", backend, "3requests")
    assert told(first, *"abcde") == ["<a>", "<b>", "<c>", f"!{SPENT}", f"!{SPENT}"]
    assert told(first, "f", "a") == [f"!{SPENT}", "<a>"]  # what is known costs nothing
    assert first.usage.failures[SPENT] == 3
    first.close()
    again = desk(tmp_path / "c.sqlite", backend, "3requests")  # the same run, begun again
    assert told(again, "f", "b") == [f"!{SPENT}", "<b>"]
    assert len(backend.asked) == 3
    other = desk(tmp_path / "c.sqlite", backend, "3requests", run="other")
    assert told(other, "f", "a") == ["<f>", "<a>"]


def test_a_budget_of_tokens_is_never_exceeded(tmp_path: Path) -> None:
    # At its dearest a request costs 12 + 8 tokens and a character's half; in truth it costs 10.
    backend = Echo()
    assert told(desk(tmp_path / "c.sqlite", backend, "45tokens"), *"abcdef") == [
        "<a>", "<b>", "<c>", f"!{SPENT}", f"!{SPENT}", f"!{SPENT}",
    ]  # fmt: skip
    assert len(backend.asked) * backend.tokens <= 45


@pytest.mark.parametrize("budget", ["3requests", "45tokens"])
@pytest.mark.parametrize("kill_after", range(4))
def test_a_killed_run_spends_no_more_than_an_unbroken_one(tmp_path: Path, kill_after: int, budget: str) -> None:
    texts, backend = list("abcdef"), Echo()
    for _ in range(3):  # killed again and again
        broken = desk(tmp_path / "broken.sqlite", backend, budget)
        answers = broken.answers("prompt", [request(text) for text in texts])
        for _ in range(kill_after):
            next(answers)
        answers.close()  # type: ignore[attr-defined]
        broken.close()
    told(desk(tmp_path / "broken.sqlite", backend, budget), *texts)
    assert len(backend.asked) <= 3
    assert len(backend.asked) * backend.tokens <= 45


def test_failures_and_the_first_question_are_spent_too(tmp_path: Path) -> None:
    backend = Echo(fails=("a",))
    for _ in range(3):
        first = desk(tmp_path / "c.sqlite", backend, "3requests")
        said = told(first, "a")
        first.close()
    assert (said, len(backend.asked)) == (["!language model: no"], 3)
    assert told(desk(tmp_path / "c.sqlite", backend, "3requests"), "b") == [f"!{SPENT}"]
    cache = Cache(tmp_path / "other.sqlite")
    tried = try_out(backend)
    other = Desk(backend, cache, run="run", budget=Budget.of("2requests"), tried=tried)
    assert told(other, "c", "d") == ["<c>", f"!{SPENT}"]
    assert other.usage.asked == 2


def test_a_budget_holds_for_all_processes_of_a_run(tmp_path: Path) -> None:
    backend = Echo()
    first, second = (desk(tmp_path / "c.sqlite", backend, "5requests") for _ in range(2))
    assert told(first, "a", "b") == ["<a>", "<b>"]
    # It began when nothing was spent: what the other has spent since counts, and what it found out is of use.
    assert told(second, *"bcdefgh") == ["<b>", "<c>", "<d>", "<e>", *[f"!{SPENT}"] * 3]
    assert told(first, "x", "c") == [f"!{SPENT}", "<c>"]
    assert len(backend.asked) == 5


def test_what_another_process_has_answered_meanwhile_stands(tmp_path: Path) -> None:
    @dataclass
    class Late(Echo):
        def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
            for n, answer in super().answers(requests):
                assert told(other, "a") == ["<a>"]
                yield n, replace(answer, text="something else") if isinstance(answer, Answer) else answer

    other = desk(tmp_path / "c.sqlite", Echo())
    assert told(desk(tmp_path / "c.sqlite", Late()), "a") == ["<a>"]  # as a run that is begun again will say


def test_what_failed_is_not_asked_again_in_this_run(tmp_path: Path) -> None:
    backend = Echo(fails=("b",))
    first = desk(tmp_path / "c.sqlite", backend)
    for _ in range(50):  # batches of rows of one caption
        assert told(first, "b", "b") == ["!language model: no"] * 2
    assert backend.asked == ["b"]
    assert first.usage.failures == {"no": 1}


def test_requests_that_fail_for_reasons_of_their_own_end_nothing(tmp_path: Path) -> None:
    class Short(Echo):
        def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
            for n, request in enumerate(requests):
                text = request.messages[-1].content
                yield n, Failure("too long", alone=True) if len(text) > 3 else Answer(text, 1, 1, "stop")

    said = told(desk(tmp_path / "c.sqlite", Short()), *[f"long {n}" for n in range(100)], "a")
    assert said == [*["!language model: too long"] * 100, "a"]


def test_a_full_disk_ends_a_run_with_what_to_do(tmp_path: Path) -> None:
    backend = Echo()
    first = desk(tmp_path / "c.sqlite", backend)
    told(first, "a")
    first._cache._file.execute("PRAGMA max_page_count = 1")  # as large as it is
    with pytest.raises(LanguageModelError, match=r"c\.sqlite .*full.*Make room"):
        told(first, *[f"{n} {'x' * 200}" for n in range(100)])
    first._cache._file.execute("PRAGMA max_page_count = 1000000")
    assert told(first, "a", "b") == ["<a>", "<b>"]


def test_an_interrupt_while_it_writes_leaves_nothing_half(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "c.sqlite")

    def write() -> None:
        with cache._writing():
            cache._file.execute("INSERT INTO spent VALUES ('run')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert not cache.is_spent("run")
    cache.note_spent("run")  # a notebook goes on with it
    assert cache.is_spent("run")


def test_a_process_that_is_killed_while_it_makes_the_file_leaves_a_usable_one(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    code = (
        "import os, sys; from pathlib import Path; from negagen.llm import cache\n"
        "class Killed(str):\n"
        "    def __format__(self, spec): os._exit(9)\n"
        "cache._FORMAT = Killed()\n"
        "cache.Cache(Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 9
    assert told(desk(path, Echo()), "a") == ["<a>"]


@pytest.mark.parametrize(
    ("text", "amount", "unit"), [("200000tokens", 200_000, "tokens"), ("1_000 requests", 1000, "requests")]
)
def test_budgets_as_they_are_written(text: str, amount: int, unit: str) -> None:
    assert (Budget.of(text).amount, Budget.of(text).unit) == (amount, unit)


@pytest.mark.parametrize("text", ["", "100", "tokens", "-3tokens", "3.5requests", "1000 euros"])
def test_budgets_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="200000tokens or 500requests"):
        Budget.of(text)


def test_a_model_that_only_fails_ends_the_run(tmp_path: Path) -> None:
    texts = [str(n) for n in range(100)]
    backend = Echo(fails=tuple(texts))
    with pytest.raises(LanguageModelError, match="the last 32 requests all failed, the last one so: no"):
        told(desk(tmp_path / "c.sqlite", backend), *texts)
    with pytest.raises(LanguageModelError, match="does not answer a first, short question: no"):
        try_out(Echo(fails=("Say yes.",)))


def test_failures_with_answers_between_them_end_nothing(tmp_path: Path) -> None:
    texts = [str(n) for n in range(100)]
    said = told(desk(tmp_path / "c.sqlite", Echo(fails=tuple(texts[::2]))), *texts)
    assert sum(each.startswith("!") for each in said) == 50


def test_answers_that_cannot_be_read_end_a_run_unless_they_are_kept_ones(tmp_path: Path) -> None:
    requests = [request(str(n)) for n in range(100)]

    def read(desk: Desk) -> None:
        for _ in desk.answers("prompt", requests, lambda n, answer: False):
            desk.note_read("unreadable", readable=False)

    first = desk(tmp_path / "c.sqlite", Echo())
    with pytest.raises(LanguageModelError, match="its answer could not be read"):
        read(first)
    assert first.usage.asked == 32
    again = desk(tmp_path / "c.sqlite", Echo())
    with pytest.raises(LanguageModelError, match="its answer could not be read"):
        read(again)
    assert (again.usage.cached, again.usage.asked) == (0, 32)  # the run has come to its end, and begins anew
    assert len(list(Kept(tmp_path / "c.sqlite").stored())) == 32


def useful(desk: Desk, *texts: str) -> list[str]:
    """As `told`, where an answer with an "x" in it is of no use."""
    asked = desk.answers("prompt", [request(text) for text in texts], lambda n, answer: "x" not in answer.text)
    return [said.text if isinstance(said, Answer) else f"!{said.reason}" for _, said in sorted(asked)]


def test_what_is_of_no_use_is_asked_again_once_the_run_is_over(tmp_path: Path) -> None:
    path, backend = tmp_path / "c.sqlite", Echo()
    first = desk(path, backend)
    for _ in range(2):
        assert useful(first, "a", "x", "x") == ["<a>", "<x>", "<x>"]
    first.close()
    again = desk(path, backend)  # it was killed
    assert useful(again, "a", "x") == ["<a>", "<x>"]
    assert sorted(backend.asked) == ["a", "x"]
    again.note_over()
    again.close()
    for _ in range(2):  # this one is killed as well
        assert useful(desk(path, backend), "x", "a", "x") == ["<x>", "<a>", "<x>"]
    assert sorted(backend.asked) == ["a", "x", "x"]
    other = desk(path, backend, run="other")
    for _ in range(2):
        assert useful(other, "x", "a") == ["<x>", "<a>"]
    assert sorted(backend.asked) == ["a", "x", "x", "x"]
    assert len(list(Kept(path).stored())) == 2


def test_what_is_of_no_use_is_kept_where_the_budget_does_not_reach(tmp_path: Path) -> None:
    path, backend = tmp_path / "c.sqlite", Echo()
    first = desk(path, backend, "3requests")
    assert useful(first, "x", "ax") == ["<x>", "<ax>"]
    first.note_over()
    again = desk(path, backend, "3requests")
    assert useful(again, "x", "ax", "b") == ["<x>", "<ax>", f"!{SPENT}"]
    assert backend.asked.count("x") == 2
    assert (again.usage.asked, again.usage.cached, len(backend.asked)) == (1, 1, 3)


def test_what_is_of_no_use_stands_where_asking_again_fails(tmp_path: Path) -> None:
    path, backend = tmp_path / "c.sqlite", Echo()
    first = desk(path, backend)
    assert useful(first, "x", "a") == ["<x>", "<a>"]
    first.note_over()
    backend.fails = ("x", "xx")
    again = desk(path, backend)
    for _ in range(2):  # batches of rows of one caption
        assert useful(again, "x", "xx", "x") == ["<x>", "!language model: no", "<x>"]
    assert sorted(backend.asked) == ["a", "x", "x", "xx"]
    assert (again.usage.failures, again.usage.asked) == ({"no": 2}, 0)
    again.note_over()
    backend.fails = ()
    assert useful(desk(path, backend), "x") == ["<x>"]
    assert backend.asked.count("x") == 3


def test_what_would_say_the_same_is_not_asked_again(tmp_path: Path) -> None:
    path, backend = tmp_path / "c.sqlite", Echo(deterministic=True)
    for _ in range(3):
        run = desk(path, backend)
        assert useful(run, "x", "a") == ["<x>", "<a>"]
        assert not run.usage.asks_again
        run.note_over()
    assert sorted(backend.asked) == ["a", "x"]
    assert desk(path, Echo()).usage.asks_again


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("HTTP 500, 5 attempts", "a fault of its own"),
        ("refused: HTTP 400", "refuses what it was asked"),
        ("the server's response is no chat completion, 5 attempts", "up to and with /v1"),
        ("no answer within 120 s, 5 attempts", "stuck or too slow"),
    ],
)
def test_a_start_that_fails_says_what_that_means(reason: str, advice: str) -> None:
    class Silent(Echo):
        def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
            yield 0, Failure(reason)

    with pytest.raises(LanguageModelError) as error:
        try_out(Silent())
    assert reason in str(error.value)
    assert advice in str(error.value)
