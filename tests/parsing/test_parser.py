"""Any spaCy pipeline may stand in for the bundled one; a wrong one is explained."""

from pathlib import Path

import pytest
import spacy

from negagen import Negator
from negagen.errors import PipelineError
from negagen.lexicon import load
from negagen.parsing import load_parser
from negagen.parsing.parser import BUNDLED_PATH

TEXTS = ["A brown dog chases a white cat.", " two  dogs\ton a bed ", "", "A T-shirt isn't red"]


def test_a_pipeline_by_path_gives_the_same_parses_as_the_fast_path() -> None:
    fast = load_parser("bundled", load()).parse(TEXTS)
    slow = load_parser(str(BUNDLED_PATH), load()).parse(TEXTS)
    for a, b in zip(fast, slow, strict=True):
        assert [(t.text, t.tag) for t in a.tokens] == [(t.text, t.tag) for t in b.tokens]
        assert a.starts == b.starts
        assert a.codes == b.codes


def test_offsets_point_into_the_text() -> None:
    for found in load_parser("bundled", load()).parse(TEXTS):
        assert [found.text[s : s + len(t.text)] for s, t in zip(found.starts, found.tokens, strict=True)] == [
            t.text for t in found.tokens
        ]


def test_a_pipeline_without_tagger_is_refused(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(PipelineError, match="has no tagger"):
        Negator(pipeline=str(tmp_path / "blank"))


def test_a_pipeline_with_other_tags_is_refused(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    tagger = nlp.add_pipe("tagger")
    tagger.add_label("ADJA")  # type: ignore[attr-defined]
    nlp.initialize()
    nlp.to_disk(tmp_path / "other")
    with pytest.raises(PipelineError, match="Penn Treebank tags"):
        Negator(pipeline=str(tmp_path / "other"))("A dog on a bed")
