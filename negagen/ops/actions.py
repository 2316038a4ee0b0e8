"""Replacement of actions: "a man pushing a bike" -> "a man riding a bike"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from negagen.lexicon import Entry, Lexicon
from negagen.lexicon.selection import load_selection
from negagen.ops.context import verb_and_preposition
from negagen.ops.replacement import NOTHING, Replacement, Site
from negagen.realise import verb_form
from negagen.types import Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_VERBS: Final = re.compile("[VG]")
_MAX_FITTING: Final = 50_000
_UNDER_WAY: Final = frozenset(["about", "try", "start", "begin", "prepare", "get", "attempt", "go", "ready"])


class ReplaceAction(Replacement):
    """Another thing to do that fits the same subject and object: "a man pushing a bike" -> "a man riding a bike".

    Keeps the verb's form. Transitive senses stand in for verbs with an object, intransitive ones for verbs
    without, before the same prepositions, and only where captions put them. Passives are left alone: there the object
    is the subject.
    """

    role = "action"
    needs = Needs.VERBS

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._selection = load_selection()
        self._fitting: dict[tuple[str, bool, str, str, str], Entry | None] = {}

    def _places(self, parse: Parse) -> list[int]:
        return [match.start() for match in _VERBS.finditer(parse.codes)]

    def _sites(self, parse: Parse, place: int) -> tuple[Site, ...]:
        token = parse.tokens[place]
        number = next((n for n, relation in enumerate(parse.relations) if relation.verb == place), -1)
        if self._own:
            choices, cumulative = self._own.get(token.lemma, NOTHING)
        elif (
            token.entry is None or any(p.start <= place < p.stop for p in parse.phrases) or _only_possible(parse, place)
        ):
            return ()
        else:
            sense = self._sense(parse, place, number, token.entry)
            if sense is None or (self._classes and not self._covers(sense)):
                return ()
            choices, cumulative = self._lexicon.offers(sense)
        return (Site(place, place + 1, token.lemma, choices, cumulative, relation=number),) if choices else ()

    def _sense(self, parse: Parse, index: int, number: int, entry: Entry) -> Entry | None:
        """The sense of the verb at token `index` in which it stands there; `number` is its relation or -1."""
        following = parse.tokens[index + 1] if index + 1 < len(parse.tokens) else None
        if number >= 0:
            relation = parse.relations[number]
            subject, object_ = parse.phrases[relation.subject].entry, parse.phrases[relation.object].entry
            transitive = relation.kind == "verb"
        else:
            before = [phrase for phrase in parse.phrases if phrase.stop <= index]
            subject, object_ = before[-1].entry if before else None, None
            transitive = following is not None and following.code in "DO"
        preposition = following.lower if following is not None and following.code not in ",." else ""
        preposition = "" if transitive else preposition
        key = (entry.lemma, transitive, subject.lemma if subject else "", object_.lemma if object_ else "", preposition)
        if key not in self._fitting:
            if len(self._fitting) >= _MAX_FITTING:
                self._fitting.clear()
            self._fitting[key] = entry.action_sense(
                transitive=transitive, subject=subject, object=object_, preposition=preposition
            )
        return self._fitting[key]

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        text = verb_form(self._lexicon, new, parse.tokens[site.start].tag)
        if site.relation >= 0 and not self._own:
            relation = parse.relations[site.relation]
            _, preposition = verb_and_preposition(parse, relation)
            if not self._selection.allows(new, preposition, parse.phrases[relation.object].lemma):
                return ()
        return () if text is None else (Splice(site.start, site.stop, text),)


def _only_possible(parse: Parse, index: int) -> bool:
    """Whether the verb is of something that could be done and that nobody does: "a seat where people can sit"."""
    before = parse.tokens[index - 1] if index else None
    if before is None or before.tag not in ("TO", "MD"):
        return False
    return before.tag == "MD" or index < 2 or parse.tokens[index - 2].lemma not in _UNDER_WAY
