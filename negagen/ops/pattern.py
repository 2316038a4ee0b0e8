"""Replacement of whatever a spaCy token pattern matches: for rules that no role describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import spacy
from spacy.matcher import Matcher
from spacy.tokens import Doc

from negagen.errors import RuleError
from negagen.lexicon import Lexicon
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule


class ReplacePattern:
    """Puts one of the rule's `with` texts in the place of each match of its `pattern`.

    Patterns may ask for TEXT, LOWER, LEMMA, TAG, SHAPE, LENGTH, the IS_ flags and REGEX. Slower than the
    roles, since it needs a spaCy Doc of every caption.
    """

    needs: ClassVar[Needs] = Needs.NOTHING

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._choices = rule.replace_with
        self._vocab = spacy.blank("en").vocab
        self._matcher = Matcher(self._vocab, validate=True)
        try:
            self._matcher.add(rule.name, [[dict(token) for token in rule.target.pattern]], greedy="LONGEST")
        except (ValueError, TypeError) as error:
            raise RuleError(f"rule {rule.name!r}: target.pattern is not a spaCy token pattern: {error}") from error

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        tokens = parse.tokens
        doc = Doc(
            self._vocab,
            words=[token.text for token in tokens],
            tags=[token.tag for token in tokens],
            lemmas=[token.lemma for token in tokens],
        )
        for _, start, stop in stream.shuffled(self._matcher(doc)):
            old = " ".join(token.lower for token in tokens[start:stop])
            for new in stream.shuffled(self._choices):
                yield Candidate((Splice(start, stop, new),), "replace", "pattern", old, new.lower(), ())
