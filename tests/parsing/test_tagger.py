"""The bundled pipeline and its fast path: same tokens, same tags, in any batch."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import spacy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc

from negagen.errors import PipelineError, ResourceError
from negagen.parsing import component
from negagen.parsing.coarse import coarse_tags, lemma
from negagen.parsing.network import Network, Weights, features
from negagen.parsing.tagger import BundledTagger

MODEL = Path(component.__file__).parent / "model"
HAND_TAGGED = Path(__file__).parents[1] / "data" / "hand_tagged.jsonl"

CAPTIONS = [
    "A man rides a wave on a yellow surfboard.",
    "two dogs playing with a frisbee in the snow",
    "A parked motorcycle stands next to a brick wall",
    "Three sheep graze in a green field .",
    "The girl's umbrella isn't open, but it's raining.",
    "A close-up of a half-eaten sandwich on a plate.",
    "People are waiting to board the 8:30 a.m. train.",
    'A sign that says "NO PARKING" hangs outside.',
]
ODD = [
    "",
    " ",
    "\n\t ",
    "  A cat   on\ta\nmat. ",
    "\u00a0A\u00a0dog\u2003runs\u200b fast",
    ": ) smile :) :( 8-D",
    "don't can't it's 5'10\" tall, U.S.A. e.g. Mr. Smith",
    "http://example.com/a?b=c me@example.org #tag @name",
    "(a) [b] {c} ... !!! ?? -- \u2014 \u2013 \u2026",
    "caf\u00e9 na\u00efve \u732b \U0001f436\U0001f436 e\u0301",
    "a" * 300 + " b",
    "x\x1cy\x85z",
    "10km 3,000 $5.00 50% 1/2 two-thirds o'clock 's '' ``",
    "and/or him/her w/o (unknown) 'quoted' \"double\"",
]


@pytest.fixture(scope="module")
def nlp() -> Language:
    return spacy.load(MODEL)


@pytest.fixture(scope="module")
def tagger(nlp: Language) -> BundledTagger[tuple[str, str]]:
    return BundledTagger(nlp, lambda word, tag: (word, tag))


def expected(nlp: Language, text: str) -> tuple[list[int], list[tuple[str, str]]]:
    words = [token for token in nlp(text) if not token.is_space]
    return [token.idx for token in words], [(token.text, token.tag_) for token in words]


@pytest.mark.parametrize("text", CAPTIONS + ODD)
def test_fast_path_equals_the_doc(nlp: Language, tagger: BundledTagger[tuple[str, str]], text: str) -> None:
    assert tagger.tag([text]) == [expected(nlp, text)]


@settings(max_examples=200, deadline=None)
# spaCy looks for emoticons and quotes across white space ("0:) )", "' '"), which the fast path does not: no colon, and
# no apostrophes with nothing but space between.
@given(st.text(alphabet=st.sampled_from("aA bz.,'\"-)(/\u00a0\t\n0s!\u00e9"), max_size=30))
def test_fast_path_equals_the_doc_on_any_text(text: str) -> None:
    assume(re.search(r"'\s+'", text) is None)
    nlp, tagger = _shared()
    assert tagger.tag([text]) == [expected(nlp, text)]


def _shared() -> tuple[Language, BundledTagger[tuple[str, str]]]:
    if not _SHARED:
        nlp = spacy.load(MODEL)
        _SHARED.append((nlp, BundledTagger(nlp, lambda word, tag: (word, tag))))
    return _SHARED[0]


_SHARED: list[tuple[Language, BundledTagger[tuple[str, str]]]] = []


def test_tags_do_not_depend_on_the_batch(tagger: BundledTagger[tuple[str, str]]) -> None:
    texts = [*CAPTIONS, *ODD] * 60
    alone = {text: tagger.tag([text])[0] for text in texts}
    for size in (1, 2, 3, 7, 64, 600, len(texts)):
        for at in range(0, len(texts), size):
            for text, got in zip(texts[at : at + size], tagger.tag(texts[at : at + size]), strict=True):
                assert got == alone[text]


def test_offsets_point_at_the_words(tagger: BundledTagger[tuple[str, str]]) -> None:
    for text, (starts, tokens) in zip(CAPTIONS + ODD, tagger.tag(CAPTIONS + ODD), strict=True):
        assert all(text.startswith(word, at) for at, (word, _) in zip(starts, tokens, strict=True))


def test_tokens_are_shared(nlp: Language) -> None:
    tagger: BundledTagger[object] = BundledTagger(nlp, lambda word, tag: object())
    (_, first), (_, second) = tagger.tag(["a cat on a mat", "a cat on a mat"])
    assert first[1] is second[1]


def test_caches_are_bounded(nlp: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    from negagen.parsing import tagger as module

    monkeypatch.setattr(module, "MAX_CHUNKS", 20)
    tagger = BundledTagger(nlp, lambda word, tag: (word, tag))
    texts = [f"word{i} and thing{i}" for i in range(2000)]
    assert tagger.tag(texts) == [expected(nlp, text) for text in texts]
    assert len(tagger._chunks) < 2000


def test_given_words_are_tagged(nlp: Language) -> None:
    words = ["A", "man", "rides", "a", "wave", "."]
    doc = nlp(Doc(nlp.vocab, words=words))
    assert [token.tag_ for token in doc] == ["DT", "NN", "VBZ", "DT", "NN", "."]
    assert [token.pos_ for token in doc] == ["DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"]
    assert [token.lemma_ for token in doc] == ["a", "man", "ride", "a", "wave", "."]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("Two dogs playing in the snow", "CD NNS VBG IN DT NN"),
        ("two dogs play in the snow", "CD NNS VBP IN DT NN"),
        ("A red bus parked on the street", "DT JJ NN VBN IN DT NN"),
        ("Giraffe standing next to a tree.", "NN VBG RB IN DT NN ."),
        ("a woman holds a tennis racket", "DT NN VBZ DT NN NN"),
        ("A living room with a couch and a stop sign", "DT NN NN IN DT NN CC DT NN NN"),
    ],
)
def test_caption_grammar(nlp: Language, text: str, tags: str) -> None:
    assert " ".join(token.tag_ for token in nlp(text)) == tags


def test_accuracy_on_hand_tagged_captions(nlp: Language) -> None:
    lines = HAND_TAGGED.read_text(encoding="utf-8").splitlines()
    sentences = [json.loads(line) for line in lines]
    docs = nlp.pipe(Doc(nlp.vocab, words=sentence["words"]) for sentence in sentences)
    gold = [tag for sentence in sentences for tag in sentence["tags"]]
    found = [token.tag_ for doc in docs for token in doc]
    assert sum(a == b for a, b in zip(found, gold, strict=True)) >= 0.975 * len(gold)


def test_case_does_not_make_names(nlp: Language) -> None:
    for text in ("A dog runs", "a dog runs", "A DOG RUNS", "A Dog Runs"):
        assert nlp(text)[1].tag_ == "NN"


def test_survives_bytes_disk_and_pickle(nlp: Language, tmp_path: Path) -> None:
    text = CAPTIONS[0]
    tags = [token.tag_ for token in nlp(text)]
    nlp.to_disk(tmp_path / "copy")
    for other in (spacy.load(tmp_path / "copy"), spacy.blank("en").from_config(nlp.config).from_bytes(nlp.to_bytes())):
        assert [token.tag_ for token in other(text)] == tags
    again = pickle.loads(pickle.dumps(nlp.get_pipe(component.COMPONENT)))
    assert [token.tag_ for token in again(nlp.make_doc(text))] == tags


def test_at_most_six_megabytes() -> None:
    assert sum(file.stat().st_size for file in MODEL.rglob("*") if file.is_file()) <= 6_000_000


def test_other_pipelines_are_refused() -> None:
    with pytest.raises(PipelineError, match="negagen_tagger"):
        BundledTagger(spacy.blank("en"), lambda word, tag: word)


def test_missing_or_damaged_weights_are_named(tmp_path: Path) -> None:
    tagger = component.WindowTagger()
    with pytest.raises(ResourceError, match=r"weights\.npz"):
        tagger.from_disk(tmp_path)
    (tmp_path / "weights.npz").write_bytes(b"not an archive")
    with pytest.raises(ResourceError, match="reinstall"):
        tagger.from_disk(tmp_path)
    with pytest.raises(ResourceError, match="no weights"):
        tagger(spacy.blank("en")("a cat"))


def test_network_agrees_with_a_slow_reference(nlp: Language) -> None:
    weights: Weights = nlp.get_pipe(component.COMPONENT).weights  # type: ignore[attr-defined]
    network = Network(weights)
    words = "A small white dog is sitting on the Couch .".split()
    ids = np.array([network.type_id(word) for word in words])
    found = [network.tags[i] for i in network.predict(ids, np.array([len(words)]))]
    assert found == slow_tags(weights, words)


def slow_tags(weights: Weights, words: list[str]) -> list[str]:
    """The network word by word, in Python integers and float64."""
    rows = {name: row for row, name in enumerate(weights.features)}
    radius = weights.first.shape[0] // 2
    hidden = weights.first.shape[2]
    reach = weights.second.shape[0] // hidden // 2

    def vector(i: int) -> npt.NDArray[np.int64]:
        names = features(words[i]) if 0 <= i < len(words) else ["<pad>"]
        total: npt.NDArray[np.int64] = weights.embedding[[rows[n] for n in names if n in rows]].sum(0, dtype=np.int64)
        return total

    first = []
    for i in range(len(words)):
        total = np.rint(weights.first_bias + 8)
        for offset in range(-radius, radius + 1):
            exact = vector(i + offset) @ weights.first[radius + offset].astype(np.int64)
            total = total + np.clip(np.rint(exact * weights.first_scale.astype(np.float64)), -4095, 4095)
        first.append(np.clip(total, 0, 127 * 16) // 16)
    tags = []
    for i in range(len(words)):
        near = [first[j] if 0 <= j < len(words) else np.zeros(hidden) for j in range(i - reach, i + reach + 1)]
        second = np.concatenate(near) @ weights.second * weights.second_scale + weights.second_bias
        third = np.rint(np.clip(second, 0, 127)) @ weights.third * weights.third_scale + weights.third_bias
        tags.append(weights.tags[int(third.argmax())])
    return tags


def test_coarse_tags_tell_auxiliaries() -> None:
    words = "the dog has been fed and has a bowl".split()
    tags = "DT NN VBZ VBN VBN CC VBZ DT NN".split()
    assert coarse_tags(words, tags) == "DET NOUN AUX AUX VERB CCONJ VERB DET NOUN".split()


@pytest.mark.parametrize(
    ("word", "tag", "expected"),
    [
        ("Dogs", "NNS", "dog"),
        ("riding", "VBG", "ride"),
        ("was", "VBD", "be"),
        ("men", "NNS", "man"),
        ("larger", "JJR", "large"),
        ("Paris", "NNP", "Paris"),
        ("n't", "RB", "not"),
        ("An", "DT", "a"),
        ("qwerted", "VBD", "qwert"),
    ],
)
def test_lemmas(word: str, tag: str, expected: str) -> None:
    assert lemma(word, tag) == expected
