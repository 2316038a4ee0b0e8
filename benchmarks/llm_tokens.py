"""What an accepted negative costs: spans filled in, against whole sentences written anew, by the same model.

    python -m benchmarks.llm_tokens prepare captions.parquet --output out/llm/requests.json
    python -m benchmarks.llm_speed --requests out/llm/requests.json --model MODEL --output out/llm
    python -m benchmarks.llm_tokens judge captions.parquet --answers out/llm/answers.json --output FILE

`prepare` writes the very requests of `negagen generate --llm-mode only`, and for the same captions such as ask for a
sentence that is false of the picture, as published pipelines do. `judge` takes what a model answered through the same
checks. A sentence written anew counts where it differs from its caption in one place that is a slot of the caption:
of any other nobody can say by rule what has become of it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.llm_speed import request_of
from negagen import Negator
from negagen.balance.blinder import Option
from negagen.llm.asking import RULES, LanguageProposer
from negagen.llm.cache import Cache
from negagen.llm.chatting import ChatFiller
from negagen.llm.desk import Desk
from negagen.llm.doubting import judged
from negagen.llm.protocol import Answer, Failure, Message, Request
from negagen.llm.slots import Proposal, Slot, slots_of
from negagen.llm.splicing import Refusal, candidates
from negagen.proposing import Case, Mode, Proposed
from negagen.ruleset import Rule

K = 4
KINDS = ("span", "sentence")
_ASKED = (
    "You change captions of photos. You get a caption in quotation marks. Write it anew with one thing, quality, "
    "action, number or position in it changed, so that it is false of the caption's photo but could well describe some "
    'other photo. Change nothing else. Answer with JSON alone: {"caption": "..."}'
)
_SHOWN = {
    "A baker in a white apron carries a tray of warm rolls": "A nurse in a white apron carries a tray of warm rolls",
    "Two canoes drift under a stone bridge": "Five canoes drift under a stone bridge",
    "The old clock hangs above a wooden door": "The old clock hangs beside a wooden door",
    "A girl is painting a fence behind her house": "A girl is repairing a fence behind her house",
}
_SCHEMA = {
    "type": "object",
    "properties": {"caption": {"type": "string", "maxLength": 300}},
    "required": ["caption"],
    "additionalProperties": False,
}


@dataclass
class Script:
    """A back end that writes requests down, and answers from those that a model gave to the same requests."""

    answers_of: Mapping[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    name: str = "script"
    deterministic: bool = True

    def parameters(self) -> Mapping[str, Any]:
        """None."""
        return {}

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer | Failure]]:
        """What was answered before, or nothing at all."""
        for n, request in enumerate(requests):
            self.requests.append(request)
            yield n, self.answers_of.get(key(request), Answer('{"edits": []}', 0, 0, "stop"))

    def close(self) -> None:
        """Nothing."""


@dataclass
class Counted:
    """A proposer whose accepted candidates and refusals are counted."""

    inner: Any
    accepted: int = 0
    captions: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    mode: Mode = "only"
    positives: bool = False
    seeing: bool = False

    @property
    def rules(self) -> Sequence[Rule]:
        """The inner one's."""
        return list(RULES.values())

    @property
    def config(self) -> Mapping[str, object]:
        """The inner one's."""
        return {}

    def propose(self, cases: Sequence[Case]) -> list[Proposed]:
        """As the inner one."""
        made: list[Proposed] = self.inner.propose(cases)
        for each in made:
            self.accepted += len(each.options)
            self.captions += bool(each.options)
            self.refused.update(rejection.reason for rejection in each.rejected)
        return made


@dataclass
class Rewriter:
    """Asks for a whole sentence, and finds the slot that it changed."""

    script: Script
    rules: Negator
    refused: Counter[str] = field(default_factory=Counter)

    def propose(self, cases: Sequence[Case]) -> list[Proposed]:
        """At most one candidate a caption."""
        answers = dict(self.script.answers([_sentence(case.parse.text) for case in cases]))
        return [self._proposed(case, answers[n]) for n, case in enumerate(cases)]

    def _proposed(self, case: Case, answer: Answer | Failure) -> Proposed:
        lexicon, parser = self.rules.lexicon, self.rules.parser
        found = _changed(slots_of(lexicon, case.parse), answer.text if isinstance(answer, Answer) else "")
        if isinstance(found, str):
            self.refused[found] += 1
            return Proposed()
        slot, words = found
        (made,) = candidates(lexicon, parser, [(case.parse, slot, Proposal(words))])
        if isinstance(made, Refusal):
            self.refused[made.reason] += 1
            return Proposed()
        verdict = judged(case.parse, made, case.context)
        if verdict.kind != "keep":
            self.refused[verdict.reason] += 1
            return Proposed()
        return Proposed([Option(RULES[slot.role], made, verdict, False, "llm:script")])


def main() -> None:
    """Prepare requests, or judge answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["prepare", "judge"])
    parser.add_argument("captions", type=Path)
    parser.add_argument("--limit", type=int, default=512)
    parser.add_argument("--answers", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    texts = pq.read_table(given.captions, columns=["caption"])["caption"].to_pylist()
    chosen = texts[:: max(1, len(texts) // given.limit)][: given.limit]
    given.output.parent.mkdir(parents=True, exist_ok=True)
    if given.step == "prepare":
        made = {kind: [asdict(request) for request in _through(kind, chosen)[0].requests] for kind in KINDS}
        given.output.write_text(json.dumps(made))
        print({kind: len(requests) for kind, requests in made.items()}, "requests of", len(chosen), "captions")
        return
    told = json.loads(given.answers.read_text())
    report = {"model": told["model"], "captions": len(chosen), **{k: _judged(k, chosen, told[k]) for k in KINDS}}
    given.output.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


def key(request: Request) -> str:
    """What a request asks, as text."""
    return json.dumps([[message.role, message.content] for message in request.messages])


def _through(kind: str, texts: Sequence[str], answers: Mapping[str, Answer] | None = None) -> tuple[Script, Counted]:
    script, rules = Script(answers or {}), Negator(k=K)
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder) / "cache.sqlite")
        proposer: Any = Rewriter(script, rules)
        if kind == "span":
            filler = ChatFiller(Desk(script, cache, run="benchmark"))
            proposer = LanguageProposer(filler, rules.lexicon, rules.parser, mode="only")
        counted = Counted(proposer)
        list(rules.proposing_by(counted).pipe(texts))
        cache.close()
    if kind == "sentence":
        counted.refused = proposer.refused
    return script, counted


def _judged(kind: str, texts: Sequence[str], stored: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    answers = {key(request_of(each["request"])): Answer(**each["answer"]) for each in stored}
    script, counted = _through(kind, texts, answers)
    prompt = sum(each["answer"]["prompt_tokens"] for each in stored)
    said = sum(each["answer"]["completion_tokens"] for each in stored)
    missing = sum(key(request) not in answers for request in script.requests)
    return {
        "requests": len(stored),
        "requests_without_answer": missing,
        "cut": sum(each["answer"]["finish"] == "length" for each in stored),
        "accepted": counted.accepted,
        "captions_with_one": counted.captions,
        "prompt_tokens": prompt,
        "completion_tokens": said,
        "completion_tokens_per_accepted": round(said / counted.accepted, 1) if counted.accepted else None,
        "tokens_per_accepted": round((prompt + said) / counted.accepted, 1) if counted.accepted else None,
        "refused": dict(counted.refused.most_common()),
    }


def _sentence(caption: str) -> Request:
    messages = [Message("system", _ASKED)]
    for shown, written in _SHOWN.items():
        messages.append(Message("user", f"Caption: {json.dumps(shown, ensure_ascii=False)}"))
        messages.append(Message("assistant", json.dumps({"caption": written}, ensure_ascii=False)))
    messages.append(Message("user", f"Caption: {json.dumps(caption, ensure_ascii=False)}"))
    return Request(tuple(messages), _SCHEMA, 96, 0.0, 0)


def _changed(slots: Sequence[Slot], answer: str) -> tuple[Slot, str] | str:
    """The slot that a sentence written anew differs in and what stands there; or why there is none."""
    try:
        written = json.loads(answer)["caption"].strip()
    except (ValueError, LookupError, TypeError, AttributeError):
        return "its answer cannot be read"
    if not slots:
        return "the caption has no slot"
    text = slots[0].text
    if written == text:
        return "the caption as it was"
    # The narrowest slot that holds all the difference.
    for slot in sorted(slots, key=lambda slot: slot.end - slot.start):
        before, after = text[: slot.start], text[slot.end :]
        if written.startswith(before) and written.endswith(after) and len(written) > len(before) + len(after):
            return slot, written[len(before) : len(written) - len(after)]
    return "changed elsewhere, or in several places"


if __name__ == "__main__":
    main()
