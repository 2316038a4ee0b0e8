"""What `--scorer` does: blind accuracy of a language model with and without it, on captions that nothing was fitted on.

Every 25th picture is held out. A blindness model and the scorer's weights are fitted on the others; negatives of the
captions held out are drawn by that model alone, and with the scorer, and judged by the scorer and by `negagen audit`.

    python benchmarks/scorer.py captions.parquet --lm SmolLM2-135M-Instruct.Q4_1.gguf
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from negagen import Negator
from negagen.audit.attacks import measured, run_attacks
from negagen.audit.pairs import Pairs
from negagen.balance.fitting import fit_model
from negagen.balance.scoring import fit_scorer
from negagen.judges.causal import CausalScorer
from negagen.seeding import key_of

RESULTS = Path(__file__).parent / "results" / "scorer.json"


class Counted:
    """A scorer that remembers what it has scored, and counts texts and seconds."""

    def __init__(self, scorer: CausalScorer) -> None:
        self._scorer, self._known = scorer, dict[str, float]()
        self.fingerprint = scorer.fingerprint
        self.texts, self.seconds = 0, 0.0

    def gaps(self, caption: str, negatives: Sequence[str]) -> NDArray[np.float64]:
        """As the scorer's own."""
        new = [text for text in dict.fromkeys([caption, *negatives]) if text not in self._known]
        began = time.perf_counter()
        self._known.update(zip(new, self._scorer.score(new).tolist(), strict=True))
        self.texts, self.seconds = self.texts + len(new), self.seconds + time.perf_counter() - began
        return np.array([self._known[text] - self._known[caption] for text in negatives])


def main() -> None:
    """Measure, print, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", type=Path, help="Parquet file with the columns caption and image_id")
    parser.add_argument("--lm", type=Path, required=True, help="the scorer: a causal language model")
    parser.add_argument("--limit", type=int, default=900, help="held-out captions to draw for")
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args()
    table = pq.read_table(given.captions, columns=["caption", "image_id"])
    out = np.array([key_of("held out", image) % 25 == 0 for image in table["image_id"].to_pylist()])
    fitted_on, held_out = table.filter(pa.array(~out)), table.filter(pa.array(out)).slice(0, given.limit)
    pairs = list(zip(fitted_on["caption"].to_pylist(), fitted_on["image_id"].to_pylist(), strict=True))
    scorer = Counted(CausalScorer(given.lm))
    negator = Negator(k=4)
    model = fit_model(negator, lambda: pairs, len(pairs), siblings=True)
    weights = fit_scorer(negator, scorer, model, lambda: pairs, siblings=True)
    found: dict[str, Any] = {"captions": held_out.num_rows, "fit": spent(scorer, weights.captions)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        replace(model, about={**model.about, "scorer": weights.to_json()}).save(path)
        found["with"] = judged(Negator(k=4, model=path, scorer=scorer), held_out, scorer)
        found["without"] = judged(Negator(k=4, model=path), held_out, scorer)
    print(json.dumps(found, indent=2))
    given.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def judged(negator: Negator, table: pa.Table, scorer: Counted) -> dict[str, Any]:
    """Coverage of the negator's negatives, and the accuracy of each judge."""
    texts, images = table["caption"].to_pylist(), table["image_id"].to_pylist()
    shown: dict[object, list[str]] = {}
    for text, image in zip(texts, images, strict=True):
        shown.setdefault(image, []).append(text)
    beside = [[other for other in shown[image] if other != text] for text, image in zip(texts, images, strict=True)]
    before = scorer.texts, scorer.seconds
    results = list(negator.pipe(texts, siblings=beside))
    cost = spent(scorer, len(texts), *before)
    rows = [
        (result.text or "", negative.text, image)
        for result, image in zip(results, images, strict=True)
        for negative in result.negatives
    ]
    pairs = Pairs.of(
        [one for one, _, _ in rows], [other for _, other, _ in rows], groups=[image for _, _, image in rows]
    )
    gaps = np.array([-scorer.gaps(caption, [negative])[0] for caption, negative, _ in rows])
    attacks = (*run_attacks(pairs), measured("causal-lm", pairs, np.arange(len(rows)), gaps))
    return {
        "coverage": round(sum(bool(result.negatives) for result in results) / len(results), 4),
        "negatives_a_caption": round(len(rows) / len(results), 3),
        "cost": cost,
        "attacks": {attack.name: attack.overall.to_json() for attack in attacks},
    }


def spent(scorer: Counted, captions: int, texts: int = 0, seconds: float = 0.0) -> dict[str, Any]:
    """What the scorer did since it had scored `texts` in `seconds`."""
    many, long = scorer.texts - texts, scorer.seconds - seconds
    return {
        "captions": captions,
        "texts": many,
        "texts_a_second": round(many / long, 1) if long else None,
    }


if __name__ == "__main__":
    main()
