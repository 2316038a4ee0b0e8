"""A rule's examples, run as its tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from negagen.negator import Negator
from negagen.ruleset import Rule

_EPOCHS = 24  # enough draws for a replacement that is one of many


@dataclass(frozen=True, slots=True)
class Problem:
    """An example that does not hold: in which file and rule, and what came out instead."""

    path: str
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: rule {self.rule!r}: {self.message}"


def check_rules(rules: Sequence[Rule]) -> list[Problem]:
    """Run every example of every rule, each rule alone; an empty list means that all hold."""
    return [Problem(rule.path, rule.name, message) for rule in rules for message in _failures(rule)]


def _failures(rule: Rule) -> list[str]:
    negator = Negator(k=64, rules=[rule], categories=[rule.category], blindness="off")
    failures = []
    for example in rule.example:
        texts: set[str] = set()
        for epoch in range(_EPOCHS):
            result = negator(example.caption, epoch=epoch)
            made = result.negatives if rule.makes == "negatives" else result.positives
            texts.update(found.text for found in made)
        shown = ", ".join(map(repr, sorted(texts)[:5])) or "nothing"
        if example.silent and texts:
            failures.append(f"{example.caption!r} must give nothing, but gave {shown}")
        failures += [
            f"{example.caption!r} must be able to give {text!r}, but gave {shown}"
            for text in example.allows
            if text not in texts
        ]
        failures += [
            f"{example.caption!r} gave {text!r}, which is forbidden" for text in example.forbids if text in texts
        ]
    return failures
