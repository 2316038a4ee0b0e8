"""`negagen generate --llm-budget`: what is asked for, and what is said once it is spent."""

from __future__ import annotations

from pathlib import Path

from tests.llm.faults import failed
from tests.llm.running import CAPTIONS, Run, Serve, asked, by_model, rows
from tests.llm.writer import spans_of, write


def test_a_budget_is_kept_and_told(run: Run, serve: Serve, captions: Path) -> None:
    server, out = serve(write), captions.with_name("o.parquet")
    more = ("--llm-mode", "mix", "--llm-budget", "10requests", "--blindness", "off")
    ran = run("generate", captions, "-o", out, *asked(server, *more))
    assert ran.code == 0, ran.err
    assert len(server.received) == 10  # one of them the first word
    made = rows(out)
    left = [row for row in made if (row["reason"] or "").endswith("language model: the budget is spent")]
    assert len(left) > len(CAPTIONS) - 20
    assert all(row["negatives"] and not by_model(row) for row in left)
    assert any(by_model(row) for row in made)
    ran = run("generate", captions, "-o", out, "--overwrite", "--llm-price", "9,9", *asked(server, *more)[:4], *more)
    assert len(server.received) == 10
    assert f"The budget is spent: {len(left)} captions" in ran.out
    assert "0.0000 paid" in ran.out


def test_requests_that_all_fail_are_told(run: Run, serve: Serve, captions: Path) -> None:
    server = serve(lambda before, body: failed(400, "no") if spans_of(body) else write(before, body))
    ran = run("generate", captions, *asked(server, "--llm-mode", "mix", "--limit", 5))
    assert ran.code == 1
    assert "nothing came of the language model" in ran.err
    assert "5 requests failed, most of them so: refused: HTTP 400" in ran.err
    budget = ("--llm-budget", "0requests", "--overwrite", "--limit", 5)
    ran = run("generate", captions, *asked(server, "--llm-mode", "mix", *budget))
    assert ran.code == 1
    assert "negatives are by rules alone. The budget is spent: give a larger --llm-budget." in ran.err


def test_a_spent_budget_is_not_exceeded_by_first_questions(run: Run, serve: Serve, captions: Path) -> None:
    server = serve(lambda before, body: failed(400, "no") if spans_of(body) else write(before, body))
    more = ("--llm-mode", "mix", "--limit", 8, "--overwrite", "--llm-budget", "4requests")
    for _ in range(3):
        run("generate", captions, *asked(server, *more))
    asked_for = server.asked()
    assert len(asked_for) == 4
    assert asked_for["Say yes."] == 1


def test_each_model_and_each_way_of_asking_has_a_budget_of_its_own(run: Run, serve: Serve, captions: Path) -> None:
    server, cache = serve(write), captions.with_name("c.sqlite")
    budget = ("--llm-mode", "mix", "--llm-budget", "4requests", "--llm-cache", cache, "--overwrite")
    before = 0
    for more in (("--llm", "m"), ("--llm", "other"), ("--llm-positives",), ("--llm-max-tokens", 999)):
        ran = run("generate", captions, *asked(server, *budget, *more))
        assert ran.code == 0, ran.err
        assert 3 <= len(server.received) - before <= 4, more  # the first question is one of them
        before = len(server.received)
    ran = run("generate", captions, *asked(server, *budget))  # the first once more
    assert (ran.code, len(server.received)) == (0, before)
