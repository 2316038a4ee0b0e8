"""Texts tokenised word by word have the tokens that they have as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from negagen.data import wordwise
from negagen.data.wordwise import Wordwise, is_local

LENGTH = 12
CORPUS = ["a red dog isn't under the table", "the café's two cats, one bus", "猫 and été <m> 3.5 dogs"]
CLIP = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
MARKS = [("<s>", 0), ("</s>", 1)]


def like_clip() -> Any:
    made = Tokenizer(models.BPE(unk_token="<u>", end_of_word_suffix="</w>"))
    blanks = normalizers.Replace(Regex(r"\s+"), " ")
    made.normalizer = normalizers.Sequence([normalizers.NFC(), blanks, normalizers.Lowercase()])
    split = pre_tokenizers.Split(Regex(CLIP), behavior="removed", invert=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    train(made, trainers.BpeTrainer(vocab_size=200, end_of_word_suffix="</w>", special_tokens=special()))
    made.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), trim_offsets=False)
    return made


def like_bert() -> Any:
    made = Tokenizer(models.WordPiece(unk_token="<u>"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    train(made, trainers.WordPieceTrainer(vocab_size=120, special_tokens=special()))
    made.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=MARKS)
    return made


def bare() -> Any:
    made = Tokenizer(models.BPE(unk_token="<u>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    train(made, trainers.BpeTrainer(vocab_size=120, special_tokens=special()))
    return made


def special() -> list[str]:
    return ["<s>", "</s>", "<u>", "<m>"]


def train(made: Any, trainer: Any) -> None:
    trainer.show_progress = False
    made.train_from_iterator(CORPUS, trainer)


MAKERS: dict[str, Any] = {maker.__name__: maker() for maker in (like_clip, like_bert, bare)}
WORDS = st.sampled_from(" ".join(CORPUS).split())
TEXTS = st.one_of(st.text(max_size=20), st.lists(st.one_of(WORDS, st.text(max_size=4)), max_size=14).map(" ".join))


@pytest.mark.parametrize("kind", MAKERS)
@given(texts=st.lists(TEXTS, max_size=6))
def test_tokens_are_those_of_the_whole(kind: str, texts: list[str]) -> None:
    inner = MAKERS[kind]
    inner.enable_truncation(LENGTH)
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    assert is_local(inner)
    assert Wordwise(inner, LENGTH)(texts) == [one.ids for one in inner.encode_batch(texts)]


def test_words_are_forgotten_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordwise, "_MOST", 3)
    inner = like_clip()
    found = Wordwise(inner, LENGTH)
    for texts in (["a red dog", "the bus"], ["two cats", "a red bus"], ["a"], CORPUS):
        inner.no_truncation()
        expected = [one.ids for one in inner.encode_batch(texts)]
        inner.enable_truncation(LENGTH)
        assert [ids[1:-1] for ids in found(texts)] == [ids[1:-1][: LENGTH - 2] for ids in expected]


def prefixed(made: Any) -> None:
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)


def of_sentences(made: Any) -> None:
    made.pre_tokenizer = pre_tokenizers.Metaspace()


def otherwise_split(made: Any) -> None:
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"\w+ ?"), behavior="removed", invert=True)


def with_wide_mark(made: Any) -> None:
    made.add_tokens([AddedToken("red dog")])


def with_greedy_mark(made: Any) -> None:
    made.add_tokens([AddedToken("dog", lstrip=True)])


def begun_with_a_blank(made: Any) -> None:
    made.normalizer = normalizers.Prepend("▁")


def cut_from_the_left(made: Any) -> None:
    made.enable_truncation(LENGTH, direction="left")


def padded(made: Any) -> None:
    made.enable_padding(length=LENGTH)


def said_twice(made: Any) -> None:
    made.post_processor = processors.TemplateProcessing("<s> $A $A </s>", special_tokens=MARKS)


@pytest.mark.parametrize(
    "change",
    [
        prefixed, of_sentences, otherwise_split, with_wide_mark, with_greedy_mark, begun_with_a_blank,
        cut_from_the_left, padded, said_twice,
    ],
)  # fmt: skip
def test_others_are_not_local(change: Callable[[Any], None]) -> None:
    inner = like_clip()
    assert is_local(inner)
    change(inner)
    assert not is_local(inner)
