"""Counts: "two dogs" -> "four dogs", "a dog sleeps" -> "three dogs sleep"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from negagen.closed_class import SINGULAR_PRONOUNS
from negagen.lexicon import Lexicon, NumberEntry
from negagen.ops.context import number_of
from negagen.ops.replacement import NOTHING, Replacement, Site
from negagen.realise import agreement, noun_form
from negagen.types import Parse, Phrase, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_OWN = frozenset("clothing sport electronics body".split())
_EVENTS = frozenset(["sport.game", "sport.event", "sport.game.other", "sport.trick"])
_PICTURES = frozenset("photo photograph picture image view shot closeup up painting drawing photos pictures".split())


class ReplaceCount(Replacement):
    """Another number, with the noun and the verb made to agree.

    An indefinite article counts as "one", for things of `target.families` that do not follow one of
    `target.words` (one sits on one bench). Scenes are not counted, and no form is made that captions do not use.
    Larger numbers are drawn as well as smaller ones; that a smaller one is entailed is for the checks to say.
    """

    role = "count"

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._families = frozenset(rule.target.families)
        self._after = frozenset(rule.target.words)

    def _places(self, parse: Parse) -> list[int]:
        return [n for n, phrase in enumerate(parse.phrases) if phrase.quantity >= 0 or phrase.determiner >= 0]

    def _sites(self, parse: Parse, place: int) -> tuple[Site, ...]:
        if "other" in parse.words:
            return ()  # "two goats, one asleep, the other awake"
        found = self.counted(parse, place)
        if found is None or self.shares_one(parse, place):
            return ()
        index, entry = found
        choices, cumulative = (
            self._own.get(entry.word, NOTHING) if self._own else (entry.replacements, entry.cumulative)
        )
        stop = parse.units[index][0] if index in parse.units else index + 1
        return (Site(index, stop, entry.word, choices, cumulative, place),) if choices else ()

    def counted(self, parse: Parse, place: int) -> tuple[int, NumberEntry] | None:
        """The number of phrase `place`, or the article that stands for one, with the token where it is; None where it
        cannot be another.
        """
        phrase = parse.phrases[place]
        head = parse.tokens[phrase.head]
        if head.code != "N" or phrase.entry is None or not phrase.entry.countable or phrase.entry.scene:
            return None
        if parse.codes[phrase.stop : phrase.stop + 1] == "S":
            return None
        if any(name in _EVENTS or name.startswith("event") for name in phrase.entry.classes):
            return None
        if phrase.quantity >= 0:
            if phrase.determiner >= 0 and not phrase.plural:
                return None  # "a four compartment tray"
            entry, index = number_of(self._lexicon, parse, phrase.quantity), phrase.quantity
        elif self._is_one(parse, phrase):
            entry, index = self._lexicon.number("one"), phrase.determiner
        else:
            return None
        return (index, entry) if entry is not None else None

    def shares_one(self, parse: Parse, number: int, but: int = -1) -> bool:
        """Whether the phrase's things would have to share one thing, phrase `but` aside: "six women in a coat"."""
        return any(
            relation.subject == number
            and relation.object != but
            and relation.kind != "coordination"
            and not (thing := parse.phrases[relation.object]).plural
            and thing.determiner >= 0
            and parse.tokens[thing.determiner].lower in ("a", "an")
            and (thing.family in _OWN or (relation.verb >= 0 and parse.tokens[relation.verb].lemma == "ride"))
            for relation in parse.relations
        )

    def _is_one(self, parse: Parse, phrase: Phrase) -> bool:
        """Whether an article can give way to a number: no pronoun and no place may depend on its being one."""
        if phrase.determiner < 0 or parse.tokens[phrase.determiner].lower not in ("a", "an") or phrase.plural:
            return False
        if parse.tokens[phrase.determiner + 1].code == "D" or _shares_article(parse, phrase):
            return False
        before = parse.tokens[phrase.start - 1].lower if phrase.start else ""
        pictured = before == "of" and phrase.start > 1 and parse.tokens[phrase.start - 2].lower in _PICTURES
        if phrase.family not in self._families or (before in self._after and not pictured):
            return False
        return SINGULAR_PRONOUNS.isdisjoint(parse.words)

    def _splices(self, parse: Parse, site: Site, new: str) -> tuple[Splice, ...]:
        entry = self._lexicon.number(new)
        return self.respelt(parse, site.phrase, site.start, new, plural=entry is None or entry.plural)

    def respelt(
        self, parse: Parse, number: int, index: int, new: str, *, plural: bool, agrees: bool = True
    ) -> tuple[Splice, ...]:
        """The splices that put `new` in the place of the count at token `index`; empty where a form is missing.

        Unless it `agrees`, the verb stays as it is.
        """
        phrase = parse.phrases[number]
        stop = parse.units[index][0] if index in parse.units else index + 1
        splices = [Splice(index, stop, new)]
        verb = agreement(self._lexicon, parse, number, plural=plural) if agrees else []
        if verb is None:
            return ()
        if plural != phrase.plural:
            head = parse.tokens[phrase.head]
            unit = phrase.head if phrase.compound else phrase.unit
            form = noun_form(self._lexicon, head.lemma if phrase.compound else phrase.lemma, plural=plural)
            if form is None or not self._lexicon.frequency(form.rpartition(" ")[2]):
                return ()
            splices += [Splice(unit, phrase.stop, form), *verb]
        return tuple(sorted(splices, key=lambda splice: splice.start))


def _shares_article(parse: Parse, phrase: Phrase) -> bool:
    """Whether a bare conjunct lives on the phrase's article: "a mirror and pail"."""
    return any(
        parse.phrases[relation.subject] is phrase
        and relation.kind == "coordination"
        and (other := parse.phrases[relation.object]).determiner < 0
        and other.quantity < 0
        and not other.plural
        for relation in parse.relations
    )
