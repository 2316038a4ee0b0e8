"""Compounds that say no more than their parts, which must not hide an attribute from the rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sources import Sources, WordClass


def without_transparent(sources: Sources, compounds: dict[str, Any]) -> Sources:
    """`sources` with no noun that is an attribute of the listed classes before another noun, unless it is opaque."""
    classes, opaque = set(compounds["classes"]), set(compounds["opaque"]) | set(sources.idioms)
    attributes = {
        word.text for one in sources.attributes if one.name in classes for group in one.groups for word in group
    }
    nouns = {word.text for one in sources.nouns for group in one.groups for word in group}

    def is_transparent(text: str) -> bool:
        first, _, rest = text.partition(" ")
        return rest in nouns and first in attributes and text not in opaque

    def cleaned(one: WordClass) -> WordClass:
        groups = (tuple(word for word in group if not is_transparent(word.text)) for group in one.groups)
        return replace(one, groups=tuple(group for group in groups if group))

    return replace(
        sources,
        nouns=[cleaned(one) for one in sources.nouns],
        never=[text for text in sources.never if not is_transparent(text)],
        compounds=[text for text in sources.compounds if not is_transparent(text)],
    )
