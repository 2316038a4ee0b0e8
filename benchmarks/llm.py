"""How well a language model writes: what can be read, passes the checks, is given away by its text, and what it costs.

The same captions are asked about span by span, as `negagen generate --llm` does (four spans a question, and one), and
for whole sentences, as published systems do. Answers are kept: a second run asks nothing. Another model is one command:

    python -m benchmarks.llm captions.parquet --llm SmolLM2-135M-Instruct.Q4_1.gguf
    python -m benchmarks.llm captions.parquet --llm Qwen2.5-7B-Instruct --base-url http://localhost:8000/v1
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from negagen import Negator
from negagen.audit.attacks import run_attacks
from negagen.audit.pairs import Pairs
from negagen.checks import context_of
from negagen.llm.asking import LanguageProposer
from negagen.llm.chatting import ChatFiller
from negagen.llm.desk import Desk, Usage
from negagen.llm.doubting import judged
from negagen.llm.protocol import Answer, Message, Request
from negagen.llm.settings import LanguageModel, LanguageSettings
from negagen.llm.slots import Proposal, slots_of
from negagen.llm.splicing import Refusal, candidates
from negagen.seeding import key_of
from negagen.types import Parse, Result

RESULTS = Path(__file__).parent / "results" / "llm.json"
_PLEASE: Final = (
    "You get a caption of a photo. Write it again with one small change, so that it is false of its photo, but good"
    ' English and true of some other photo that could well exist. Answer with JSON alone: {"caption": "..."}'
)
_SHOWN: Final = (
    ("A baker in a white apron carries a tray of warm rolls", "A nurse in a white apron carries a tray of warm rolls"),
    ("The old clock hangs above a wooden door", "The old clock hangs above a glass door"),
    ("A girl is painting a fence behind her house", "A girl is painting a shed behind her house"),
)
_SCHEMA: Final = {
    "type": "object",
    "properties": {"caption": {"type": "string", "maxLength": 300}},
    "required": ["caption"],
    "additionalProperties": False,
}
_WHOLE: Final = "whole sentence, benchmark 1"


@dataclass(frozen=True, slots=True)
class Captions:
    """Captions, the pictures they are of, and the other captions of these pictures."""

    texts: list[str]
    images: list[Any]
    beside: list[list[str]]

    @classmethod
    def sampled(cls, table: pa.Table, captions: int, seed: int) -> Captions:
        """One caption a picture, of so many pictures drawn by lot."""
        shown: dict[object, list[str]] = {}
        for text, image in zip(table["caption"].to_pylist(), table["image_id"].to_pylist(), strict=True):
            shown.setdefault(image, []).append(text)
        images = sorted(shown, key=lambda image: key_of("llm benchmark", seed, image))[:captions]
        texts = [min(shown[image], key=lambda text: key_of(seed, text)) for image in images]
        beside = [[other for other in shown[image] if other != text] for text, image in zip(texts, images, strict=True)]
        return cls(texts, images, beside)


def main() -> None:
    """Measure, print, and store the figures under the model's name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="Parquet file with the columns caption and image_id")
    parser.add_argument("--llm", required=True, help="as for negagen generate")
    parser.add_argument("--base-url")
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--limit", type=int, default=200, help="captions to ask about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("llm-benchmark.sqlite"))
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    table = pq.read_table(given.captions, columns=["caption", "image_id"])
    captions = Captions.sampled(table, given.limit, given.seed)
    settings = LanguageSettings(
        given.llm, given.base_url, mode="only", cache=given.cache, concurrency=given.concurrency
    )  # fmt: skip
    with LanguageModel(settings, given.cache) as model:
        found: dict[str, Any] = {"captions": len(captions.texts), "seed": given.seed}
        for name, together in (("four spans a question", 4), ("one span a question", 1)):
            found[name] = by_span(model, captions, given.seed, together)
            print(json.dumps({name: found[name]}, indent=2), flush=True)
        found["whole sentences"] = by_sentence(model, captions, given.seed)
        print(json.dumps({"whole sentences": found["whole sentences"]}, indent=2))
        name = Path(given.llm).name
    results = json.loads(given.results.read_text(encoding="utf-8")) if given.results.exists() else {}
    given.results.write_text(json.dumps({**results, name: found}, indent=2) + "\n", encoding="utf-8")


def by_span(model: LanguageModel, captions: Captions, seed: int, together: int) -> dict[str, Any]:
    """What is proposed for spans, refused and accepted; blind accuracy of all accepted, and of those drawn."""
    out: dict[str, Any] = {}
    for blindness in ("off", "balanced"):
        model.usage = Usage()
        negator = asking_together(model.negator(Negator(k=4, seed=seed, blindness=blindness), "benchmark"), together)
        if blindness == "balanced":  # the answers are the same, and kept: only the draw differs
            results = list(negator.pipe(captions.texts, siblings=captions.beside))
            out["drawn"] = told(results, captions)
            continue
        results = list(negator.pipe(captions.texts, siblings=captions.beside))
        refused = Counter(each.reason for result in results for each in result.rejected)
        made = sum(len(result.negatives) for result in results)
        proposals = made + refused.total()
        out |= {
            **cost(model.usage, made),
            "proposals": proposals,
            "accepted": made,
            "accepted_share": round(made / max(1, proposals), 4),
            "refused": dict(refused.most_common()),
            "all_accepted": told(results, captions),
        }
    return out


def asking_together(negator: Negator, together: int) -> Negator:
    """The negator, with so many spans of a caption in one question."""
    proposer = negator._proposer
    if not isinstance(proposer, LanguageProposer) or not isinstance(proposer.filler, ChatFiller):
        raise TypeError("no negator that asks a chat model")
    return negator.proposing_by(replace(proposer, filler=replace(proposer.filler, together=together)))


def by_sentence(model: LanguageModel, captions: Captions, seed: int) -> dict[str, Any]:
    """Whole sentences, accepted where one span changed and the change passes the same checks."""
    model.usage = Usage()
    negator = model.negator(Negator(k=4, seed=seed, blindness="off"), "benchmark")
    desk = desk_of(negator)
    turns = [Message("system", _PLEASE)]
    for caption, changed in _SHOWN:
        turns.append(Message("user", json.dumps(caption)))
        turns.append(Message("assistant", json.dumps({"caption": changed})))
    requests = [
        Request((*turns, Message("user", json.dumps(text, ensure_ascii=False))), _SCHEMA, 80, 0.0, seed)
        for text in captions.texts
    ]
    parses = negator.parser.parse(captions.texts)
    beside = [negator.parser.parse(others) for others in captions.beside]
    outcomes: Counter[str] = Counter()
    pairs: list[tuple[str, str, Any]] = []
    for number, answer in desk.answers(_WHOLE, requests):
        if not isinstance(answer, Answer):
            outcomes[answer.reason] += 1
            continue
        text = sentence_of(answer.text)
        desk.usage.read["json" if text is not None else "unreadable"] += 1
        reason = "unreadable" if text is None else refusal_of(negator, parses[number], beside[number], text)
        outcomes[reason] += 1
        if text is not None and not reason:
            pairs.append((captions.texts[number], text, captions.images[number]))
    made = outcomes.pop("", 0)
    return {
        **cost(desk.usage, made),
        "accepted": made,
        "accepted_share": round(made / len(captions.texts), 4),
        "refused": dict(outcomes.most_common()),
        "all_accepted": attacked(pairs),
    }


def desk_of(negator: Negator) -> Desk:
    """Where the negator's requests go."""
    proposer = negator._proposer
    if not isinstance(proposer, LanguageProposer) or not isinstance(proposer.filler, ChatFiller):
        raise TypeError("no negator that asks a chat model")
    return proposer.filler.desk


def sentence_of(text: str) -> str | None:
    """The caption in an answer."""
    try:
        value = json.loads(text[text.index("{") : text.rindex("}") + 1])
    except ValueError:
        return None
    said = value.get("caption") if isinstance(value, dict) else None
    return said if isinstance(said, str) and said.strip() else None


def refusal_of(negator: Negator, parse: Parse, beside: Sequence[Parse], text: str) -> str:
    """Why a sentence is no negative of the caption; "" if it is one, by the measure that spans are held to."""
    old, new = [token.lower for token in parse.tokens], [t.lower for t in negator.parser.parse([text])[0].tokens]
    every = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    # An article follows its noun, and a full stop changes nothing.
    changes = [
        change
        for change in every
        if change[0] != "equal" and set(old[change[1] : change[2]] + new[change[3] : change[4]]) - {"a", "an", "."}
    ]
    if not changes:
        return "nothing changed"
    if len(changes) > 1:
        return "more than one place changed"
    _, start, stop, first, last = changes[0]
    slots = [slot for slot in slots_of(negator.lexicon, parse) if slot.first <= start and stop <= slot.stop]
    if not slots:
        return "no single span changed"
    slot = slots[0]
    words = [*old[slot.first : start], *new[first:last], *old[stop : slot.stop]]
    (made,) = candidates(negator.lexicon, negator.parser, [(parse, slot, Proposal(" ".join(words)))])
    if isinstance(made, Refusal):
        return made.reason
    verdict = judged(parse, made, context_of(negator.lexicon, parse, beside))
    return "" if verdict.kind == "keep" else verdict.reason or verdict.kind


def cost(usage: Usage, made: int) -> dict[str, Any]:
    """Answers by how they could be read, and tokens a negative that was accepted; kept answers count like new ones."""
    read = sum(usage.read.values())
    prompts = usage.prompt_tokens + usage.kept_prompt_tokens
    completions = usage.completion_tokens + usage.kept_completion_tokens
    return {
        "answers": read,
        "read": {state: round(times / max(1, read), 4) for state, times in sorted(usage.read.items())},
        "failures": dict(usage.failures),
        "prompt_tokens": prompts,
        "completion_tokens": completions,
        "tokens_an_accepted_negative": round((prompts + completions) / max(1, made), 1),
        "completion_tokens_an_accepted_negative": round(completions / max(1, made), 1),
    }


def told(results: Sequence[Result], captions: Captions) -> dict[str, Any]:
    """Coverage, and what texts alone give away."""
    rows = [
        (result.text or "", negative.text, image)
        for result, image in zip(results, captions.images, strict=True)
        for negative in result.negatives
    ]
    covered = sum(bool(result.negatives) for result in results)
    return {"covered": round(covered / len(results), 4), "negatives": len(rows), **attacked(rows)}


def attacked(rows: Sequence[tuple[str, str, Any]]) -> dict[str, Any]:
    """Blind accuracy by each attack, with its interval; nothing for fewer than 10 negatives."""
    if len(rows) < 10:
        return {"pairs": len(rows)}
    pairs = Pairs.of([one for one, _, _ in rows], [other for _, other, _ in rows], groups=[g for _, _, g in rows])
    return {"pairs": len(rows), "blind": {attack.name: attack.overall.to_json() for attack in run_attacks(pairs)}}


if __name__ == "__main__":
    main()
