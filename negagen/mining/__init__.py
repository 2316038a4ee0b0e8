"""What fools a model: its score of every candidate of a pool, and the hardest of these kept (`negagen mine`).

ConMe (arXiv 2406.08164) lets the model to be trained pick its own hard negatives; here it picks among candidates that
rules made and checks passed, so that what each changes is known.
"""

from __future__ import annotations

from negagen.mining.keeping import Keep
from negagen.mining.mine import mine
from negagen.mining.summary import Mined

__all__ = ["Keep", "Mined", "mine"]
