"""Slots by conversation: several of one caption a question, each answer read for all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from negagen.llm.desk import Desk
from negagen.llm.prompting import BOTH_SCHEMA, ROTATIONS, Prompt, edits_schema, prompt, question_of
from negagen.llm.protocol import Answer, Failure, Request
from negagen.llm.reading import read_both, read_edits
from negagen.llm.slots import Proposal, Slot

UNREADABLE: Final = Failure("language model: its answer could not be read")
_TOKENS_AN_EDIT: Final = 56
_TOKENS_BESIDE: Final = 24
_TOKENS_OF_A_VERDICT: Final = 16


@dataclass(frozen=True, slots=True)
class ChatFiller:
    """A `Filler` over a back end. `seed` draws the exemplars; with `seeing`, slots bring their pictures along; up to
    `together` slots of a caption go into one question. An answer has `max_tokens` (None: as many as its edits take).
    """

    desk: Desk
    seed: int = 0
    seeing: bool = False
    together: int = 4
    max_tokens: int | None = None

    @property
    def name(self) -> str:
        return self.desk.name

    def parameters(self) -> Mapping[str, Any]:
        used = [prompt("seen" if self.seeing else "negative"), prompt("positive")]
        return {
            **self.desk.parameters,
            "prompts": {each.name: f"{each.version} {each.hash}" for each in used},
            "together": self.together,
            **_limit(self.max_tokens),
        }

    def fill(self, slots: Sequence[Slot]) -> Iterator[tuple[int, Sequence[Proposal] | Failure]]:
        """As `Filler.fill`; slots of one caption that stand together go into one question."""
        for chosen, asked in self._by_prompt(slots).items():
            requests = [self._request(chosen, [slots[n] for n in group]) for group in asked]
            sizes = [len(group) for group in asked]
            for number, answer in self.desk.answers(identity(chosen), requests, partial(_all_read, sizes)):
                group = asked[number]
                if isinstance(answer, Failure):
                    yield from ((n, answer) for n in group)
                    continue
                reading = read_edits(answer.text, len(group))
                readable, cut = reading.state != "unreadable", answer.finish == "length"
                self.desk.note_read(_state(reading.state, cut=cut and not readable), readable=readable, cut=cut)
                if not readable:
                    yield from ((n, UNREADABLE) for n in group)
                    continue
                for at, n in enumerate(group):
                    said = reading.proposals.get(at, ())[:1]
                    yield n, [replace(each, echoes=chosen.echoes(slots[n], each.replacement)) for each in said]

    def close(self) -> None:
        self.desk.close()

    def _by_prompt(self, slots: Sequence[Slot]) -> dict[Prompt, list[list[int]]]:
        out: dict[Prompt, list[list[int]]] = {}
        last: tuple[str, int, bool, bool] | None = None
        for n, slot in enumerate(slots):
            seen = self.seeing and slot.image is not None
            name = "positive" if slot.positive else "seen" if seen else "negative"
            same = (slot.text, slot.key, slot.positive, seen)
            groups = out.setdefault(prompt(name), [])
            # Two rows of one caption are two questions, of which one is asked.
            goes_on = same == last and slots[groups[-1][-1]].first < slot.first
            if goes_on and len(groups[-1]) < self.together:
                groups[-1].append(n)
            else:
                groups.append([n])
            last = same
        return out

    def _request(self, chosen: Prompt, slots: Sequence[Slot]) -> Request:
        return Request(
            messages=chosen.messages(self.seed, slots[0].key % ROTATIONS, **question_of(slots)),
            schema=edits_schema(len(slots), reasons=not slots[0].positive),
            max_tokens=self.max_tokens or _TOKENS_BESIDE + _TOKENS_AN_EDIT * len(slots),
            temperature=0.0,
            seed=self.seed & 0x7FFFFFFF,
            image=slots[0].image if self.seeing else None,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """A caption and what was made of it: can both be true? `key` draws in which order they are shown."""

    caption: str
    text: str
    key: int


@dataclass(frozen=True, slots=True)
class Verifier:
    """Asks once more, in other words. An answer has `max_tokens` (None: as many as a verdict takes)."""

    desk: Desk
    seed: int = 0
    max_tokens: int | None = None

    def parameters(self) -> Mapping[str, Any]:
        """What changes its answers beside the back end."""
        chosen = prompt("verify")
        return {chosen.name: f"{chosen.version} {chosen.hash}", **_limit(self.max_tokens)}

    def both(self, pairs: Sequence[Pair]) -> list[bool | Failure]:
        """Whether both sentences of each pair can be true of one picture, as the model says."""
        chosen = prompt("verify")
        requests = [self._request(chosen, pair) for pair in pairs]
        out: list[bool | Failure] = [UNREADABLE] * len(pairs)
        for number, answer in self.desk.answers(identity(chosen), requests, _says):
            if isinstance(answer, Failure):
                out[number] = answer
                continue
            said = read_both(answer.text)
            cut = said is None and answer.finish == "length"
            state = "verdict" if said is not None else _state("unreadable verdict", cut=cut)
            self.desk.note_read(state, readable=said is not None, cut=cut)
            if said is not None:
                out[number] = said
        return out

    def _request(self, chosen: Prompt, pair: Pair) -> Request:
        sentences = [pair.caption, pair.text]
        if pair.key >> 8 & 1:
            sentences.reverse()
        return Request(
            messages=chosen.messages(self.seed, pair.key % ROTATIONS, sentences=sentences),
            schema=BOTH_SCHEMA,
            max_tokens=self.max_tokens or _TOKENS_OF_A_VERDICT,
            temperature=0.0,
            seed=self.seed & 0x7FFFFFFF,
        )


def identity(chosen: Prompt) -> str:
    """What names a prompt in cache and fingerprint."""
    return f"{chosen.name} {chosen.version} {chosen.hash}"


def _all_read(spans: Sequence[int], number: int, answer: Answer) -> bool:
    """Whether nothing of an answer about so many spans was lost: it is not one that was cut, or cannot be read."""
    state = read_edits(answer.text, spans[number]).state
    return state == "json" or (state == "salvaged" and answer.finish != "length")


def _says(_: int, answer: Answer) -> bool:
    """Whether an answer holds a verdict."""
    return read_both(answer.text) is not None


def _state(state: str, *, cut: bool) -> str:
    return f"{state}, cut off" if cut else state


def _limit(max_tokens: int | None) -> Mapping[str, int]:
    return {} if max_tokens is None else {"max_tokens": max_tokens}
