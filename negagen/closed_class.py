"""Small closed classes of English words that operations and checks ask about."""

from __future__ import annotations

from typing import Final

NEGATIONS: Final = frozenset(["no", "not", "n't", "without", "never", "nobody", "none", "nothing"])
SINGULAR_PRONOUNS: Final = frozenset("he she it his her its it's him himself herself itself".split())
POSSESSIVES: Final = frozenset("his her its it's their my our your him them himself herself themselves itself".split())
"""Words that refer back to one of the things a caption names, possessive or not."""
