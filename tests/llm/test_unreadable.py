"""`negagen generate --llm` where the model's answers can be read in part, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.llm.backends.models import save_llama
from tests.llm.faults import Plan, Reply, said
from tests.llm.running import CAPTIONS, Run, Serve, asked, broken_once, by_model, rows, written
from tests.llm.writer import caption_of, is_verdict, text_of, write, writing

FAULTS: dict[str, Plan] = {
    "prose": writing(lambda text: "I would rather have a zebra there."),
    "half": writing(lambda text: text[:20]),
    "other": writing(lambda text: '{"sorry": true}'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_answers_that_cannot_be_read_leave_the_rules_alone(run: Run, serve: Serve, captions: Path, fault: str) -> None:
    reason = "language model: its answer could not be read"
    server, out, plain = serve(FAULTS[fault]), captions.with_name("o.parquet"), captions.with_name("plain.parquet")
    assert run("generate", captions, "-o", plain, "-q", "--k", 3, "--limit", 20).code == 0
    ran = run("generate", captions, "-o", out, "--k", 3, "--limit", 20, *asked(server))
    assert ran.code == 1
    assert "nothing came of the language model; negatives are by rules alone." in ran.err
    wrong = len(server.received) - 1
    assert f"warning: {wrong} of {wrong} answers of the language model could not be read" in ran.err
    for row, before in zip(rows(out), rows(plain), strict=True):
        assert row["negatives"] == before["negatives"]
        assert row["status"] == before["status"]
        assert row["reason"] == (None if row["status"] == "ok" else f"{before['reason']}; {reason}")


def test_a_model_of_nonsense_alone_ends_the_run(run: Run, serve: Serve, captions: Path) -> None:
    server, out = serve(FAULTS["prose"]), captions.with_name("o.parquet")
    ran = run("generate", captions, "-o", out, *asked(server, "--llm-mode", "mix"))
    assert ran.code == 2
    assert "the last 32 requests all failed, the last one so: its answer could not be read" in ran.err
    assert not out.exists()
    healed = serve(write)
    ran = run("generate", captions, "-o", out, *asked(healed, "--llm-mode", "mix"))
    assert (ran.code, ran.err) == (0, "")
    assert len(healed.received) == len(CAPTIONS)  # what could not be read is asked again


def test_answers_that_are_nearly_right_are_read(run: Run, serve: Serve, captions: Path) -> None:
    changes: dict[str, Callable[[str], str]] = {
        "whole": lambda text: text,
        "fenced": lambda text: f"Sure!\n```json\n{text}\n```",
        "cut": lambda text: text[:-3],
        "comma": lambda text: text.replace("true}", "true,}"),
        "misspelt": lambda text: text.replace('"plausible"', '"plausable"'),
    }
    made: dict[str, int] = {}
    for name, change in changes.items():
        out = captions.with_name(f"{name}.parquet")
        more = ("--llm-mode", "only", "--limit", 24)
        assert run("generate", captions, "-o", out, *asked(serve(writing(change)), *more)).code == 0
        made[name] = sum(len(by_model(row)) for row in rows(out))
    assert made["whole"] > 10
    assert min(made.values()) > 0.6 * made["whole"], made


def test_raw_answers_can_be_looked_at(run: Run, serve: Serve, captions: Path) -> None:
    run("generate", captions, *asked(serve(writing(lambda text: "A zebra, I think")), "--limit", 3))
    cache = captions.with_name("captions.negatives.llm.sqlite")
    ran = run("answers", cache, "--unreadable")
    assert ran.out.count("> A zebra, I think") == 3
    assert CAPTIONS[0] in ran.out
    assert run("answers", cache, "--containing", "no such caption").out.strip() == "no such answers"
    (line,) = run("answers", cache, "--json", "--containing", CAPTIONS[1]).out.splitlines()
    assert json.loads(line)["answer"] == "A zebra, I think"
    quoted = 'A sign says "STOP \\ GO" beside a red car'
    run("generate", written(captions.parent, [quoted]), "--overwrite", *asked(serve(write), "--llm-mode", "mix"))
    (line,) = run("answers", cache, "--json", "--containing", quoted).out.splitlines()
    assert json.loads(line)["question"].startswith(f"Caption: {json.dumps(quoted)}\n")
    ran = run("answers", captions)
    assert (ran.code, "is not a cache of answers" in ran.err) == (2, True)
    ran = run("answers", captions.parent)
    assert (ran.code, "is a folder" in ran.err) == (2, True)
    odd = cache.rename(cache.with_name("what #1?.sqlite"))
    assert run("answers", odd, "--unreadable").out.count("> A zebra, I think") == 3


def test_what_could_not_be_read_is_asked_again_by_the_next_run(run: Run, serve: Serve, captions: Path) -> None:
    broken: set[str] = set()
    server, out, cache = serve(broken_once(broken)), captions.with_name("o.parquet"), captions.with_name("kept.sqlite")
    more = ("--llm-mode", "mix", "--llm-cache", cache)
    ran = run("generate", captions, "-o", out, *asked(server, *more))
    assert ran.code == 0, ran.err
    assert len(broken) == len(CAPTIONS) // 3
    assert f"{len(broken)} of {len(CAPTIONS)} answers of the language model could not be read." in ran.err
    assert f"{len(broken) // 2} were cut off by the limit of their tokens: give more with --llm-max-tokens" in ran.err
    assert f"`negagen answers {cache} --unreadable`; the next run asks for them again." in ran.err
    assert run("answers", cache, "--unreadable").out.count("tokens, ended by") == len(broken)
    before = len(server.received)
    ran = run("generate", captions, "-o", out, "--overwrite", *asked(server, *more))
    assert (ran.code, ran.err) == (0, "")
    assert {caption_of(body) for body in server.received[before:]} == broken
    assert len(server.received) == before + len(broken)
    healed = out.read_bytes()
    assert run("generate", captions, "-o", out, "--overwrite", *asked(server, *more)).err == ""
    assert len(server.received) == before + len(broken)
    whole = captions.with_name("whole.parquet")
    assert run("generate", captions, "-o", whole, *asked(serve(write), "--llm-mode", "mix")).code == 0
    assert rows(whole) == rows(out)
    assert out.read_bytes() == healed


def test_a_model_here_is_not_asked_again_since_it_would_say_the_same(run: Run, captions: Path) -> None:
    model, out = captions.with_name("model"), captions.with_name("o.parquet")
    model.mkdir()
    save_llama(model, positions=16_384)
    more = ("--llm-mode", "mix", "--limit", 2, "--blindness", "off", "--json", "-q")
    usage = []
    for overwrite in ((), ("--overwrite",)):
        ran = run("generate", captions, "-o", out, "--llm", model, *more, *overwrite)
        usage.append(json.loads(ran.out)["language_model"])
        assert "of 2 answers of the language model could not be read." in ran.err
        assert "--unreadable`.\n" in ran.err
        assert "asks for them again" not in ran.err
    assert [(each["asked"], each["cached"]) for each in usage] == [(3, 0), (0, 2)]  # one of them the first word


def test_a_model_that_thinks_is_given_more_tokens(run: Run, serve: Serve, captions: Path) -> None:
    def thinks(before: int, body: dict[str, Any]) -> Reply:
        whole = f"<think>{'Let me consider every span. ' * 40}</think>{text_of(body)}"
        cut = 4 * body["max_tokens"] < len(whole)
        return said(whole[: 4 * body["max_tokens"]], "length" if cut else "stop")

    server, out = serve(thinks), captions.with_name("o.parquet")
    more = ("--llm-mode", "mix", "--llm-verify", "--limit", 9, "--blindness", "off")
    ran = run("generate", captions, "-o", out, *asked(server, *more))
    assert ran.code == 1
    assert "9 were cut off by the limit of their tokens: give more with --llm-max-tokens" in ran.err
    before = len(server.received)
    ran = run("generate", captions, "-o", out, "--overwrite", *asked(server, *more, "--llm-max-tokens", 700))
    assert (ran.code, ran.err) == (0, "")
    assert any(by_model(row) for row in rows(out))
    assert any(is_verdict(body) for body in server.received[before:])
    assert {body["max_tokens"] for body in server.received[before:]} == {700}
    assert all(body["chat_template_kwargs"] == {"enable_thinking": False} for body in server.received)


def test_an_answer_that_no_number_can_hold_leaves_the_run_alone(run: Run, serve: Serve, captions: Path) -> None:
    endless = json.dumps({"edits": [{"span": "1" * 5000, "replacement": "horse"}]})
    ran = run("generate", captions, *asked(serve(writing(lambda _: endless)), "--llm-mode", "mix", "--limit", 3))
    assert ran.code == 1
    assert "3 of 3 answers of the language model could not be read" in ran.err
