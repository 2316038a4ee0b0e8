"""Denials taken back: "a man without a hat" -> "a man with a hat", "is not riding" -> "is riding"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from negagen.closed_class import NEGATIONS
from negagen.lexicon import Lexicon
from negagen.realise import verb_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule


class Affirm:
    """Says what the caption denies. The only edit of a caption's negation; words of `unless.words` follow a "no" that
    denies nothing ("a no parking sign").
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._except = frozenset(rule.unless.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        if NEGATIONS.isdisjoint(parse.words):
            return
        sites = [index for index, token in enumerate(parse.tokens) if token.lower in NEGATIONS]
        for index in stream.shuffled(sites):
            lower = parse.tokens[index].lower
            if lower == "no":
                splices = self._no(parse, index)
            elif lower == "without":
                splices = self._without(parse, index)
            else:
                splices = self._not(parse, index) if lower in ("not", "n't") else ()
            if splices:
                yield Candidate(splices, "negate", "denial", lower, "", ())

    def _no(self, parse: Parse, index: int) -> tuple[Splice, ...]:
        number = next((n for n, phrase in enumerate(parse.phrases) if phrase.start == index), -1)
        if number < 0 or (index and parse.codes[index - 1] in "DN"):
            return ()
        phrase = parse.phrases[number]
        words = {token.lower for token in parse.tokens[phrase.start : phrase.stop]}
        if phrase.entry is None or phrase.stop == index + 1 or words & self._except:
            return ()
        following = parse.tokens[index + 1]
        if following.article:  # "riding no a motorcycle": a slip, which denies nothing
            return ()
        if phrase.plural or phrase.entry.mass:
            if index == 0:
                return (Splice(0, 2, following.text),)
            return (Splice(index, index + 1, ""),)
        return (Splice(index, index + 1, self._lexicon.article(following.lower)),)

    def _without(self, parse: Parse, index: int) -> tuple[Splice, ...]:
        phrase = next((phrase for phrase in parse.phrases if phrase.start == index + 1), None)
        if phrase is None or (index and parse.codes[index - 1] == "A"):  # "with and without"
            return ()
        # "without any trees"
        if parse.tokens[phrase.start].lower == "any":
            following = parse.tokens[phrase.start + 1]
            article = "" if phrase.plural or (phrase.entry is not None and phrase.entry.mass) else "a"
            text = f"with {self._lexicon.article(following.lower)}" if article else "with"
            return (Splice(index, index + 2, text),)
        singular = not phrase.plural and phrase.determiner < 0 and phrase.quantity < 0
        mass = phrase.entry is not None and phrase.entry.mass
        return () if singular and not mass else (Splice(index, index + 1, "with"),)

    def _not(self, parse: Parse, index: int) -> tuple[Splice, ...]:
        if not index or index + 1 >= len(parse.tokens):
            return ()
        before, after = parse.tokens[index - 1], parse.tokens[index + 1]
        if before.lemma == "do" or before.lower in ("does", "do"):
            # "a do not enter sign"; "does not flip or have": the second verb would have to follow.
            told = index > 1 and parse.codes[index - 2] in "NW" and "or" not in parse.words
            if after.tag != "VB" or before.lower not in ("does", "do") or not told:
                return ()
            form = verb_form(self._lexicon, after.lemma, "VBZ" if before.lower == "does" else "VB")
            return (Splice(index - 1, index + 2, form),) if form else ()
        if before.lower in ("ca", "wo", "why", "if", "or", "but") or after.lower in ("only", "even", "yet", "quite"):
            return ()
        # "is not wet", "will not eat", "a boy not eating"; a bare "not" elsewhere is a part of something else.
        whole = parse.codes[index - 1] in "BX" or (parse.codes[index - 1] == "N" and after.code in "GE")
        return (Splice(index, index + 1, ""),) if whole else ()
