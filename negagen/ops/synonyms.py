"""Synonyms: one word of a group for another, wherever that leaves a caption true ("a couch" -> "a sofa")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from negagen.lexicon import Lexicon
from negagen.realise import noun_form, verb_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_LEAST = 0.15  # the share of places where even a much rarer word is put in
_SCALE = 1 << 16


class Synonyms:
    """Draws a synonym for site after site; a subclass says where (`_sites`) and in which form (`_form`).

    Each line of the rule's `words` is a group: any of its words may stand for any other. A word is taken for a
    commoner one always and for a rarer one in proportion to their frequencies in captions (with a floor), so that
    each is put in about as often as it is taken out, and none tells a positive from a caption.
    """

    role: ClassVar[str]
    cues: frozenset[str]
    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._before = frozenset(rule.target.words)
        groups: dict[str, dict[str, None]] = {}
        for word, others in rule.words.items():
            group = (word, *others)
            for member in group:
                groups.setdefault(member, {}).update(dict.fromkeys(other for other in group if other != member))
        self._groups: Mapping[str, tuple[str, ...]] = {word: tuple(others) for word, others in groups.items()}
        self.cues = frozenset(form for word in self._groups for form in self._cues(word))
        self._chances = {
            (word, other): round(_SCALE * max(_LEAST, min(1.0, self._frequency(other) / self._frequency(word))))
            for word, others in self._groups.items()
            for other in others
        }

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        sites = self._sites(parse)
        for start, stop, word, phrase in stream.shuffled(sites) if len(sites) > 1 else sites:
            for new in stream.shuffled(self._groups[word]):
                if stream.below(_SCALE) >= self._chances[word, new]:
                    continue
                text = self._form(parse, stop - 1, new)
                if text:
                    sites_ = (phrase,) if phrase >= 0 else ()
                    yield Candidate((Splice(start, stop, text),), "paraphrase", self.role, word, new, sites_)

    def _cues(self, word: str) -> Iterator[str]:
        """Words one of which a caption must have for `word` to stand in it."""
        yield word.partition(" ")[0]

    def _frequency(self, phrase: str) -> int:
        """How often captions have the phrase's rarest word, at least 1."""
        return max(1, min(self._lexicon.frequency(word) for word in phrase.split(" ")))

    def _sites(self, parse: Parse) -> Sequence[tuple[int, int, str, int]]:
        """Tokens `[start, stop)`, the word of a group that stands there, and its phrase or -1."""
        raise NotImplementedError

    def _form(self, parse: Parse, index: int, new: str) -> str | None:
        """`new` as it must look in the place of the word that ends at token `index`."""
        raise NotImplementedError


class NounSynonym(Synonyms):
    """Another name of the same thing, in the same number.

    With `target.words`, only for the caption's first phrase and only before one of them: a "picture of" something is a
    photo, a picture on a wall may be a painting.
    """

    role = "object"

    def _sites(self, parse: Parse) -> list[tuple[int, int, str, int]]:
        groups, tokens, codes = self._groups, parse.tokens, parse.codes
        found = []
        for number, phrase in enumerate(parse.phrases):
            if phrase.lemma not in groups or phrase.compound or codes[phrase.head] != "N":
                continue
            if self._before:
                follows = tokens[phrase.stop].lower if phrase.stop < len(tokens) else ""
                if number or follows not in self._before:
                    continue
            # "a kid's bike": the form would lose what hangs on it.
            if codes[phrase.stop : phrase.stop + 1] not in ("S", "H"):
                found.append((phrase.unit, phrase.stop, phrase.lemma, number))
        return found

    def _cues(self, word: str) -> Iterator[str]:
        for plural in (False, True):
            yield (noun_form(self._lexicon, word, plural=plural) or word).partition(" ")[0]

    def _form(self, parse: Parse, index: int, new: str) -> str | None:
        return noun_form(self._lexicon, new, plural=parse.tokens[index].tag in ("NNS", "NNPS"))


class AdjectiveSynonym(Synonyms):
    """Another word for the same quality, before a noun."""

    role = "attribute"
    needs = Needs.ATTRIBUTES

    def _sites(self, parse: Parse) -> list[tuple[int, int, str, int]]:
        groups, tokens = self._groups, parse.tokens
        return [
            (index, index + 1, tokens[index].lower, number)
            for number, phrase in enumerate(parse.phrases)
            for index in phrase.attributes
            if tokens[index].lower in groups and index not in parse.units and tokens[index].tag == "JJ"
        ]

    def _form(self, parse: Parse, index: int, new: str) -> str:
        return new


class VerbSynonym(Synonyms):
    """Another verb for the same deed, in the same form."""

    role = "action"
    needs = Needs.VERBS

    def _sites(self, parse: Parse) -> list[tuple[int, int, str, int]]:
        groups, codes = self._groups, parse.codes
        return [
            (index, index + 1, token.lemma, -1)
            for index, token in enumerate(parse.tokens)
            if token.lemma in groups
            and codes[index] in "VG"
            and token.tag in ("VBZ", "VBP", "VBG")
            and not any(phrase.start <= index < phrase.stop for phrase in parse.phrases)
            and codes[index + 1 : index + 2] in tuple("DCJNu")  # with an object, and no particle after it
        ]

    def _cues(self, word: str) -> Iterator[str]:
        for tag in ("VB", "VBZ", "VBG"):
            yield verb_form(self._lexicon, word, tag) or word

    def _form(self, parse: Parse, index: int, new: str) -> str | None:
        return verb_form(self._lexicon, new, parse.tokens[index].tag)


class FixedSynonym(Synonyms):
    """Fixed wording that means the same, word for word: "next to" and "beside", "full of" and "filled with"."""

    role = "phrase"

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        super().__init__(rule, lexicon)
        self._starts: dict[str, list[tuple[str, ...]]] = {}
        for group in sorted(self._groups, key=lambda words: (-words.count(" "), words)):
            words = tuple(group.split(" "))
            self._starts.setdefault(words[0], []).append(words)

    def _sites(self, parse: Parse) -> list[tuple[int, int, str, int]]:
        starts, tokens = self._starts, parse.tokens
        found = []
        if parse.words.isdisjoint(starts):
            return []
        after = 0
        for index, token in enumerate(tokens):
            if index < after or token.lower not in starts:
                continue
            for words in starts[token.lower]:
                stop = index + len(words)
                if tuple(t.lower for t in tokens[index:stop]) == words and self._stands(parse, index, stop):
                    found.append((index, stop, " ".join(words), -1))
                    after = stop
                    break
        return found

    def _stands(self, parse: Parse, start: int, stop: int) -> bool:
        """Whether the wording is neither part of a longer unit nor a caption's last word."""
        unit = parse.units.get(start)
        inside = any(first < start < end or start <= first < stop < end for first, (end, _) in parse.units.items())
        if inside or (unit is not None and unit[0] > stop) or parse.codes[stop : stop + 1] not in tuple("DCJNuM"):
            return False
        # "the two dogs", "a two story house": what counts must open a phrase, and of several things.
        phrase = next((phrase for phrase in parse.phrases if phrase.quantity == start), None)
        return phrase is None or (phrase.plural and phrase.start == start and parse.codes[start - 1 : start] != "D")

    def _form(self, parse: Parse, index: int, new: str) -> str:
        return new
