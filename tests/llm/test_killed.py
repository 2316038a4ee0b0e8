"""Runs of `negagen generate --llm` that are killed or interrupted, and begun again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.llm.faults import FaultyServer, Plan, Reply
from tests.llm.running import Run, Serve, asked, broken_once
from tests.llm.writer import write


def started(captions: Path, out: Path, server: FaultyServer, *more: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "negagen", "generate", str(captions), "-o", str(out)]
    command += [str(each) for each in asked(server, "--llm-mode", "mix", "--llm-verify", "--llm-concurrency", 3, *more)]
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)


@dataclass
class Held:
    """A plan that answers no more after so many answers, until it is let go."""

    plan: Plan
    most: int
    going: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _answered: int = 0

    def __call__(self, before: int, body: dict[str, Any]) -> Reply:
        with self._lock:
            self._answered += 1
            waits = self._answered > self.most
        if waits:
            assert self.going.wait(60)
        return self.plan(before, body)


def killed(captions: Path, out: Path, server: FaultyServer, held: Held, *more: object) -> None:
    """A run that is killed while it waits for answers that do not come."""
    process = started(captions, out, server, *more)
    while len(server.received) <= held.most:
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    process.communicate()
    held.going.set()


def test_a_killed_run_repeats_nothing_and_gives_the_same(run: Run, serve: Serve, captions: Path) -> None:
    held = Held(write, 70)
    slow = serve(held)
    out, whole = captions.with_name("o.parquet"), captions.with_name("whole.parquet")
    killed(captions, out, slow, held)
    assert not out.exists()
    before = len(slow.received)
    more = ("--llm-mode", "mix", "--llm-verify", "--llm-concurrency", 3)
    assert run("generate", captions, "-o", out, *asked(slow, *more)).code == 0
    again = {what: times for what, times in slow.asked().items() if times > 1}
    assert len(again) <= 3  # those that were under way
    assert len(slow.received) > before >= 70
    fresh = serve(write)
    run("generate", captions, "-o", whole, *asked(fresh, *more))
    assert out.read_bytes() == whole.read_bytes()
    assert set(slow.asked()) == set(fresh.asked())


def test_a_budget_holds_for_runs_that_are_killed(run: Run, serve: Serve, captions: Path) -> None:
    held = Held(write, 10)
    slow = serve(held)
    out = captions.with_name("o.parquet")
    killed(captions, out, slow, held, "--llm-budget", "30requests")
    more = ("--llm-mode", "mix", "--llm-verify", "--llm-concurrency", 3, "--llm-budget", "30requests")
    ran = run("generate", captions, "-o", out, *asked(slow, *more))
    assert ran.code == 0, ran.err
    assert 10 <= len(slow.received) <= 30


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_what_is_kept_and_nothing_else(
    serve: Serve, captions: Path, sign: signal.Signals
) -> None:
    going = threading.Event()

    def plan(before: int, body: dict[str, Any]) -> Reply:
        if len(server.received) > 6:
            going.wait(60)
        return write(before, body)

    server, out = serve(plan), captions.with_name("o.parquet")
    process = started(captions, out, server)
    while len(server.received) < 7:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(sign)
    _, err = process.communicate()
    going.set()
    assert process.returncode == 128 + sign
    assert err == (
        "interrupted before the first part was done; the language model's answers are kept in"
        f" {captions.with_name('o.llm.sqlite')}.\nRun the same command again to go on from them.\n"
    )


@pytest.mark.parametrize("budget", [(), ("--llm-budget", "200requests")])
def test_a_killed_run_does_not_ask_again_what_could_not_be_read(
    run: Run, serve: Serve, captions: Path, budget: tuple[object, ...]
) -> None:
    plan = broken_once(set())
    held = Held(lambda _, body: plan(0, body), 40)  # broken each time
    slow = serve(held)
    out, whole = captions.with_name("o.parquet"), captions.with_name("whole.parquet")
    killed(captions, out, slow, held, *budget)
    more = ("--llm-mode", "mix", "--llm-verify", "--llm-concurrency", 3, *budget)
    assert run("generate", captions, "-o", out, *asked(slow, *more)).code == 0
    assert sum(slow.asked().values()) - len(slow.asked()) <= 3  # those that were under way
    run("generate", captions, "-o", whole, *asked(serve(lambda _, body: plan(0, body)), *more))
    assert out.read_bytes() == whole.read_bytes()
