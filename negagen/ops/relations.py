"""Replacement of prepositions: "a cat under a table" -> "a cat on a table"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from negagen.lexicon import Lexicon
from negagen.ops.replacement import NOTHING, Replacement, Site
from negagen.types import Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule


class ReplaceRelation(Replacement):
    """A preposition that contradicts the caption's: "a cat under a table" -> "a cat on a table".

    A preposition after a verb is replaced only after the verbs of `target.words`, since others may own it ("looking
    at"). What may replace it depends on its object.
    """

    role = "relation"
    needs = Needs.RELATIONS

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._verbs = frozenset(rule.target.words)

    def _places(self, parse: Parse) -> list[int]:
        return [number for number, relation in enumerate(parse.relations) if relation.name]

    def _sites(self, parse: Parse, place: int) -> tuple[Site, ...]:
        relation = parse.relations[place]
        if relation.verb >= 0 and parse.tokens[relation.verb].lemma not in self._verbs:
            return ()
        if self._own:
            choices, cumulative = self._own.get(relation.name, NOTHING)
        else:
            choices, cumulative = self._lexicon.contraries(relation.name, parse.phrases[relation.object].entry)
        if not choices:
            return ()
        return (Site(relation.start, relation.stop, relation.name, choices, cumulative, relation.object, place),)

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        return (Splice(site.start, site.stop, new),)
