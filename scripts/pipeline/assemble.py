"""Put trained weights and spaCy's English tokenizer together as the pipeline that negagen ships.

python scripts/pipeline/assemble.py --weights weights.npz --out negagen/parsing/model --version 0.1.0
"""

from __future__ import annotations

import argparse
from pathlib import Path

import spacy

from negagen.parsing.component import COMPONENT, LEMMATIZER, WindowTagger
from negagen.parsing.network import Weights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--version", required=True)
    args = parser.parse_args()
    nlp = spacy.blank("en")
    tagger = nlp.add_pipe(COMPONENT)
    if not isinstance(tagger, WindowTagger):
        raise SystemExit(f"{COMPONENT} is not negagen's tagger; install negagen so that its entry points are found")
    tagger.use(Weights.from_bytes(args.weights.read_bytes()))
    nlp.add_pipe(LEMMATIZER, name="lemmatizer")
    nlp.meta.update(
        spacy_version=">=3.8.0,<3.9.0",
        name="negagen_captions",
        version=args.version,
        description="Penn Treebank tags, universal parts of speech and lemmas for image captions",
        author="the negagen authors",
        license="CC BY-SA 4.0",
        sources=[
            {"name": "Universal Dependencies English EWT", "license": "CC BY-SA 4.0"},
            {"name": "COCO 2017 captions (validation), tagged by machine", "license": "CC BY 4.0"},
        ],
    )
    card = (args.out / "README.md").read_text(encoding="utf-8") if (args.out / "README.md").exists() else None
    nlp.to_disk(args.out)
    if card is not None:
        (args.out / "README.md").write_text(card, encoding="utf-8")
    size = sum(f.stat().st_size for f in args.out.rglob("*") if f.is_file())
    print(f"{args.out}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
