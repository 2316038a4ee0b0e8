"""What WordNet knows of a noun in the sense that captions use: synonyms, hypernyms and hyponyms."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HYPERNYM_STEPS = 6
HYPONYM_STEPS = 3
FILES = (
    "data.noun",
    "data.verb",
    "data.adj",
    "data.adv",
    "index.noun",
    "index.verb",
    "index.adj",
    "index.adv",
)

# The lexicographer files of WordNet 3, in the order of their numbers (lexnames(5WN)).
_LEXICOGRAPHER = {
    "adj": ["all", "pert"],
    "adv": ["all"],
    "noun": (
        "Tops act animal artifact attribute body cognition communication event feeling food group location "
        "motive object person phenomenon plant possession process quantity relation shape state substance "
        "time"
    ).split(),
    "verb": (
        "body change cognition communication competition consumption contact creation emotion motion "
        "perception possession social stative weather"
    ).split(),
}
_PARTS = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}


class WordNetError(Exception):
    """WordNet's files are not where they were said to be."""


class WordNet:
    """Look-ups restricted to the senses below given anchor synsets."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def senses(self, lemma: str, anchors: Iterable[str]) -> list[Any]:
        """Synsets of `lemma` at or below an anchor, commonest first."""
        wanted = set(map(self.synset, anchors))
        found = self._reader.synsets(lemma.replace(" ", "_"), pos="n")
        return [s for s in found if any(wanted.intersection(path) for path in s.hypernym_paths())]

    def synset(self, name: str) -> Any:
        """The synset called `name`, such as ``dog.n.01``; raises `WordNetError` for an unknown one."""
        try:
            return self._reader.synset(name)
        except (LookupError, ValueError) as error:
            raise WordNetError(f"anchors.toml: WordNet has no synset {name!r}") from error

    def near(self, synset: Any) -> set[Any]:
        """The synset, kinds of it, and what it is a kind of."""
        found = {synset}
        found.update(synset.closure(_above, depth=HYPERNYM_STEPS))
        found.update(synset.closure(_below, depth=HYPONYM_STEPS))
        return found


def _above(synset: Any) -> Any:
    return synset.hypernyms() + synset.instance_hypernyms()


def _below(synset: Any) -> Any:
    return synset.hyponyms()


@contextmanager
def open_wordnet(folder: Path) -> Iterator[WordNet]:
    """WordNet from a folder of its database files, read through NLTK.

    NLTK reads corpora only below its own data path and wants ``lexnames`` and ``index.sense`` beside
    them, which Debian's ``wordnet-base`` lacks, so the files are laid out afresh in a temporary folder.
    Nothing here looks senses up by key, so an empty ``index.sense`` will do.
    Raises `WordNetError` when files are missing.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise WordNetError(
            f"{folder}: no WordNet database here ({missing[0]} is missing); install Debian's wordnet-base "
            "and pass --wordnet /usr/share/wordnet, or the folder of any WordNet 3.x 'dict'"
        )
    import nltk
    from nltk.corpus.reader.wordnet import WordNetCorpusReader

    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "corpora" / "wordnet"
        home.mkdir(parents=True)
        for path in folder.iterdir():
            if path.is_file():
                shutil.copy(path, home / path.name)
        (home / "index.sense").touch()
        (home / "lexnames").write_text(_lexnames(), encoding="ascii")
        nltk.data.path.insert(0, temporary)
        try:
            root = nltk.data.find("corpora/wordnet")
            yield WordNet(WordNetCorpusReader(root, None))
        finally:
            nltk.data.path.remove(temporary)


def _lexnames() -> str:
    names = [
        *((f"adj.{name}", "adj") for name in _LEXICOGRAPHER["adj"]),
        *((f"adv.{name}", "adv") for name in _LEXICOGRAPHER["adv"]),
        *((f"noun.{name}", "noun") for name in _LEXICOGRAPHER["noun"]),
        *((f"verb.{name}", "verb") for name in _LEXICOGRAPHER["verb"]),
        ("adj.ppl", "adj"),
    ]
    return "".join(f"{number:02d}\t{name}\t{_PARTS[part]}\n" for number, (name, part) in enumerate(names))
