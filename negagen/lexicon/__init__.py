"""Word classes of captions: what may replace what, what must not, forms, articles, frequencies.

The file that `load` reads is compiled by ``scripts/lexicon/build.py`` from ``rules/en/lexicon`` and WordNet;
nothing here opens WordNet.
"""

from negagen.lexicon.articles import Articles
from negagen.lexicon.reader import Lexicon, load
from negagen.lexicon.values import Entry, NumberEntry, RelationEntry, Unit, families_of, family_of

__all__ = [
    "Articles",
    "Entry",
    "Lexicon",
    "NumberEntry",
    "RelationEntry",
    "Unit",
    "families_of",
    "family_of",
    "load",
]
