"""What a file of negatives gives away without the pictures, and what else is in it."""

from negagen.audit.attacks import Attack, run_attacks
from negagen.audit.formats import Columns, load
from negagen.audit.pairs import Pairs
from negagen.audit.rates import Rate

__all__ = ["Attack", "Columns", "Pairs", "Rate", "load", "run_attacks"]
