"""What the checks know beside the parse and the candidate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from negagen.lexicon import Lexicon
from negagen.types import Parse, Verdict

KEEP: Final = Verdict("keep")


@dataclass(frozen=True, slots=True)
class Context:
    """What a caption's candidates have in common.

    `lemmas` are those of the caption, `capitals` tells whether it has any beyond its first letter, and `taken` holds
    the folded texts that a further negative must differ from.
    """

    lexicon: Lexicon
    lemmas: frozenset[str]
    capitals: bool = True
    taken: set[str] = field(default_factory=set)


def caption_lemmas(parse: Parse) -> frozenset[str]:
    """Lemmas of the caption's words and units."""
    lemmas = {token.lemma for token in parse.tokens}
    lemmas.update(phrase.lemma for phrase in parse.phrases)
    return frozenset(lemmas)
