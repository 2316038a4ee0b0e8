"""What a file of negatives gives away without the pictures, and what else is in it."""

from negagen.audit.attacks import ATTACKS, TRAINED, Attack, run_attacks
from negagen.audit.contents import Contents
from negagen.audit.formats import Columns, load
from negagen.audit.overlap import Overlap
from negagen.audit.pairs import Pairs
from negagen.audit.rates import Rate
from negagen.audit.report import Audit, audit
from negagen.audit.telling import Word

__all__ = [
    "ATTACKS",
    "TRAINED",
    "Attack",
    "Audit",
    "Columns",
    "Contents",
    "Overlap",
    "Pairs",
    "Rate",
    "Word",
    "audit",
    "load",
    "run_attacks",
]
