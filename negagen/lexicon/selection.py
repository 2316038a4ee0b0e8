"""Which nouns captions put after which verb, preposition and attribute, so that a replacement fits its place.

A class says that a couch and a tree exclude one another; only usage says that one does not sit on a tree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from negagen.errors import ResourceError

FILE_NAME: Final = "selection.json"
FORMAT: Final = 1
ANY_VERB: Final = "*"
_MIN_SHARE: Final = 0.0004


class Selection:
    """Counts of nouns by context; immutable."""

    def __init__(self, contexts: Mapping[str, tuple[int, Mapping[str, int]]]) -> None:
        self._allowed: dict[str, frozenset[str]] = {
            context: frozenset(noun for noun, count in nouns.items() if count >= total * _MIN_SHARE)
            for context, (total, nouns) in contexts.items()
        }

    def allows(self, verb: str, preposition: str, noun: str) -> bool:
        """Whether captions use `noun` after the verb (lemma) and preposition, either of which may be "".

        Where the pair is too rare to judge, the preposition alone decides; where that is too, anything goes.
        """
        allowed = self._allowed.get(context_name(verb, preposition))
        if allowed is None and preposition:
            allowed = self._allowed.get(context_name(ANY_VERB, preposition))
        return allowed is None or noun in allowed

    def allows_attribute(self, word: str, noun: str) -> bool | None:
        """Whether captions use `noun` after the attribute; None where the attribute is too rare to judge."""
        allowed = self._allowed.get(attribute_context(word))
        return None if allowed is None else noun in allowed


@cache
def load_selection() -> Selection:
    """The counts of the installed package. Raises `ResourceError` when the file is missing or damaged."""
    path = files("negagen.lexicon") / FILE_NAME
    try:
        document = json.loads(path.read_bytes())
        if document.get("format") != FORMAT:
            raise ResourceError(f"{path}: expected format {FORMAT}, found {document.get('format')}; reinstall negagen")
        return Selection({name: (total, nouns) for name, (total, nouns) in document["contexts"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResourceError(f"{path}: not a file of selection counts ({error!r}); reinstall negagen") from error


def attribute_context(word: str) -> str:
    """The name of the place after an attribute (lower case)."""
    return f"{word} _"


def context_name(verb: str, preposition: str) -> str:
    """The name of the place after a verb (lemma) and a preposition, either of which may be ""."""
    return f"{verb} {preposition}".strip()
