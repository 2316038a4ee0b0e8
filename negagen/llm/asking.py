"""The proposer that asks a language model: slots of captions in, checked options out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from negagen.balance.blinder import Option
from negagen.checks import is_unlikely
from negagen.lexicon import Lexicon
from negagen.lexicon.general import load_general
from negagen.llm.backends.chat import image_kind
from negagen.llm.chatting import Pair, Verifier
from negagen.llm.doubting import STRANGE, at_home, judged, verified
from negagen.llm.protocol import Failure
from negagen.llm.slots import CATEGORY_OF, REWORDED, Filler, Proposal, Slot, drawn, slots_of
from negagen.llm.splicing import Refusal, candidates
from negagen.parsing import Parser
from negagen.parsing.remembered import Remembered
from negagen.proposing import Case, Mode, Proposed
from negagen.realise import realise
from negagen.ruleset import Rule
from negagen.seeding import Stream, key_of
from negagen.types import Candidate, Parse, Rejection, Verdict

MOST_SLOTS: Final = 4
"""Slots of a caption that are asked about at most, in one question."""

UNVERIFIED: Final = "no verdict of the language model"
UNSEEN: Final = "language model: asked without the picture, which cannot be read"
_SOURCE: Final = "a language model, asked for this span alone"
_DRAW: Final = key_of("language model")
_REWORD: Final = key_of("language model, reworded")


def _rule(role: str, *, positive: bool) -> Rule:
    return Rule(
        name=f"llm-reword-{role}" if positive else f"llm-{role}",
        op="paraphrase" if positive else "replace",
        role=role,  # type: ignore[arg-type]
        makes="positives" if positive else "negatives",
        category="paraphrase" if positive else CATEGORY_OF[role],
        about="What a language model puts in the place of one span.",
        source=_SOURCE,
    )


RULES: Final[Mapping[str, Rule]] = MappingProxyType({role: _rule(role, positive=False) for role in CATEGORY_OF})
REWORDINGS: Final[Mapping[str, Rule]] = MappingProxyType(
    {role: _rule(role, positive=True) for role in sorted(REWORDED)}
)


@dataclass(slots=True)
class _Draft:
    """What has come of one case so far: candidates with their verdicts, in the order of their slots."""

    case: Case
    passed: list[tuple[Slot, Candidate, Verdict]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    note: str = ""


@dataclass(frozen=True)
class LanguageProposer:
    """A `negagen.proposing.Proposer` over a `Filler`.

    `categories` keeps to negatives of these (None: all that it can make); with `positives` it is asked for rewordings
    too. A `verifier` refuses what the model, asked again, does not stand by.
    """

    filler: Filler
    lexicon: Lexicon
    parser: Parser | Remembered
    mode: Mode = "fill"
    categories: frozenset[str] | None = None
    positives: bool = False
    verifier: Verifier | None = None
    seeing: bool = False
    budget: str = ""

    @property
    def rules(self) -> Sequence[Rule]:
        """Those of its negatives."""
        return [rule for rule in RULES.values() if self.categories is None or rule.category in self.categories]

    @cached_property
    def generator(self) -> str:
        """What negatives say of who made them."""
        return f"llm:{self.filler.name}"

    @cached_property
    def config(self) -> dict[str, object]:
        """All that fixes what it proposes."""
        return {
            "model": self.filler.name,
            "parameters": dict(self.filler.parameters()),
            "mode": self.mode,
            "categories": None if self.categories is None else sorted(self.categories),
            "positives": self.positives,
            "verify": None if self.verifier is None else dict(self.verifier.parameters()),
            "with_images": self.seeing,
            "slots": MOST_SLOTS,
            "words": load_general().fingerprint,
            "budget": self.budget,
        }

    def propose(self, cases: Sequence[Case]) -> list[Proposed]:
        """What the model proposes for each case, as far as it passes the checks."""
        drafts = [_Draft(case) for case in cases]
        asked = [(draft, slot) for draft in drafts for slot in self._slots(draft)]
        said: list[tuple[_Draft, Slot, Proposal]] = []
        answers = dict(self.filler.fill([slot for _, slot in asked]))
        for number, (draft, slot) in enumerate(asked):
            answer = answers[number]
            if isinstance(answer, Failure):
                draft.note = answer.reason
            else:
                said += [(draft, slot, proposal) for proposal in answer]
        self._check(said)
        if self.verifier is not None:
            self._verify(self.verifier, drafts)
        return [self._proposed(draft) for draft in drafts]

    def _slots(self, draft: _Draft) -> list[Slot]:
        case, out = draft.case, list[Slot]()
        parse = case.parse
        if case.wanted:
            image = _picture(case.image) if self.seeing else None
            if self.seeing and image is None:
                draft.note = UNSEEN
            stream = case.stream.fork(_DRAW)
            every = [
                s for s in slots_of(self.lexicon, parse) if self.categories is None or s.category in self.categories
            ]
            out += _keyed(drawn(every, stream, min(MOST_SLOTS, case.wanted + 1)), stream, image)
        if self.positives and case.reworded:
            stream = case.stream.fork(_REWORD)
            every = slots_of(self.lexicon, parse, positive=True)
            out += _keyed(drawn(every, stream, case.reworded), stream, None)
        return out

    def _check(self, said: Sequence[tuple[_Draft, Slot, Proposal]]) -> None:
        fitted = candidates(
            self.lexicon, self.parser, [(draft.case.parse, slot, proposal) for draft, slot, proposal in said]
        )
        for (draft, slot, _), made in zip(said, fitted, strict=True):
            if isinstance(made, Refusal):
                draft.rejected.append(_rejection(slot, "", made.reason))
                continue
            verdict = judged(draft.case.parse, made, draft.case.context)
            if verdict.kind == "reject":
                draft.rejected.append(_rejection(slot, self._text(draft.case.parse, made), verdict.reason))
            elif all(made.splices != other.splices for _, other, _ in draft.passed):
                draft.passed.append((slot, made, verdict))

    def _verify(self, verifier: Verifier, drafts: Sequence[_Draft]) -> None:
        pairs = [
            Pair(slot.text, self._text(draft.case.parse, made), Stream(key_of(slot.key, made.new)).bits())
            for draft in drafts
            for slot, made, _ in draft.passed
        ]
        verdicts = iter(verifier.both(pairs))
        for draft in drafts:
            kept = []
            for slot, made, verdict in draft.passed:
                both = next(verdicts)
                text = self._text(draft.case.parse, made)
                if isinstance(both, Failure):
                    draft.note = draft.note or both.reason
                    draft.rejected.append(_rejection(slot, text, UNVERIFIED))
                    continue
                verdict = verified(verdict, both)
                if verdict.kind == "reject":
                    draft.rejected.append(_rejection(slot, text, verdict.reason))
                else:
                    kept.append((slot, made, verdict))
            draft.passed = kept

    def _proposed(self, draft: _Draft) -> Proposed:
        options = [self._option(draft.case, *passed) for passed in draft.passed]
        options.sort(key=lambda option: (option.unlikely, -option.verdict.weight))
        return Proposed(
            [option for option in options if option.verdict.kind == "keep"],
            [option for option in options if option.verdict.kind == "positive"],
            draft.rejected,
            draft.note,
        )

    def _option(self, case: Case, slot: Slot, made: Candidate, verdict: Verdict) -> Option:
        rule = (REWORDINGS if slot.positive else RULES)[slot.role]
        unlikely = not at_home(self.lexicon, case.parse, made) or is_unlikely(case.parse, made, case.context)
        if unlikely:
            verdict = replace(verdict, weight=min(verdict.weight, STRANGE))
        return Option(rule, made, verdict, unlikely=unlikely, generator=self.generator)

    def _text(self, parse: Parse, candidate: Candidate) -> str:
        return realise(self.lexicon, parse, candidate.splices)[1]


def _keyed(slots: Sequence[Slot], stream: Stream, image: bytes | None) -> list[Slot]:
    key = stream.bits()
    return [replace(slot, key=key, image=image) for slot in slots]


def _rejection(slot: Slot, text: str, reason: str) -> Rejection:
    rule = (REWORDINGS if slot.positive else RULES)[slot.role]
    return Rejection(text, rule.name, rule.category, reason)


def _picture(image: Any) -> bytes | None:
    """The bytes of a picture given as bytes, a path, or a struct of both; None where servers can read none."""
    from pathlib import Path

    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, str) and image:
        try:
            image = Path(image).read_bytes()
        except (OSError, ValueError):  # a path with a NUL
            return None
    return image if isinstance(image, bytes) and image_kind(image) is not None else None
