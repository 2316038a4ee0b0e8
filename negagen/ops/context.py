"""Where a phrase stands: the verb and preposition that it is the object of."""

from __future__ import annotations

from negagen.lexicon.selection import context_name
from negagen.types import Parse, Relation


def context_of(parse: Parse, relation: Relation) -> str:
    """The context that `relation` puts its object in: "sit on", "ride", "in"; "" for a coordination."""
    if relation.kind == "coordination":
        return ""
    return context_name(parse.tokens[relation.verb].lemma if relation.verb >= 0 else "", relation.name)
