"""From splices over tokens to edits over characters: inflection, articles, capitals, spacing.

Text is never joined from tokens. Each splice becomes an `Edit` of the source caption, and a repair of an
article is an edit of its own, so that whatever no edit touches stays as it was, byte for byte.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from lemminflect import getInflection

from negagen.lexicon import Lexicon
from negagen.parsing.grammar import UNKNOWN
from negagen.types import Edit, Parse, Splice

_FIRST_WORD: Final = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_SHORT: Final = 2
_VERB_TAGS: Final = {"VBP": "VB"}
_PLURAL_BE: Final = {"is": "are", "was": "were", "'s": "'re", "has": "have", "does": "do"}
_SINGULAR_BE: Final = {"are": "is", "were": "was", "'re": "'s", "have": "has", "do": "does"}


def noun_form(lexicon: Lexicon, lemma: str, *, plural: bool) -> str | None:
    """The singular or plural of a noun lemma; None when it has no such form ("a pants", "two breads")."""
    tag = "NNS" if plural else "NN"
    entry = lexicon.noun(lemma)
    return entry.forms.get(tag) if entry is not None else _inflect(lemma, tag)


def verb_form(lexicon: Lexicon, lemma: str, tag: str) -> str | None:
    """The form of a verb lemma for a Penn Treebank tag."""
    tag = _VERB_TAGS.get(tag, tag)
    entry = lexicon.action(lemma)
    return entry.forms.get(tag) if entry is not None else _inflect(lemma, tag)


@lru_cache(maxsize=8192)
def _article(lexicon: Lexicon, word: str) -> str:
    return lexicon.article(word)


@lru_cache(maxsize=8192)
def _inflect(lemma: str, tag: str) -> str | None:
    if tag in ("NN", "VB"):
        return lemma
    first, _, last = lemma.rpartition(" ")
    found = getInflection(last, tag=tag)
    return (f"{first} {found[0]}" if first else found[0]) if found else None


def agreement(lexicon: Lexicon, parse: Parse, phrase: int, *, plural: bool) -> list[Splice] | None:
    """What must change in the verb when phrase number `phrase` becomes singular or plural.

    Returns None when it cannot be said: the verb is not known, or its form disagrees with the phrase as it is, as
    it does where the phrase is one of several conjuncts.
    """
    index = parse.finite.get(phrase)
    if index is None:
        return []
    if index == UNKNOWN:
        return None
    verb, was_plural = parse.tokens[index], parse.phrases[phrase].plural
    if (
        (verb.code == "V" and verb.tag not in ("VBZ", "VBP"))
        or verb.tag == "MD"
        or (verb.tag == "VBD" and verb.code != "B")
    ):
        return []
    singular_form = verb.tag == "VBZ" or verb.lower == "was"
    if singular_form == was_plural:
        return None
    if plural == was_plural:
        return []
    if plural:
        new = _PLURAL_BE.get(verb.lower) or verb_form(lexicon, verb.lemma, "VB")
    else:
        new = _SINGULAR_BE.get(verb.lower) or verb_form(lexicon, verb.lemma, "VBZ")
    return None if new is None else [Splice(index, index + 1, new)]


def sentence_start(parse: Parse, index: int) -> bool:
    """Whether token `index` is the first word of the caption or of a sentence in it."""
    return index == 0 or parse.tokens[index - 1].text in (".", "!", "?", '"', "\u201c", "(")


def inner_text(parse: Parse, start: int, stop: int) -> str:
    """The source text of tokens `[start, stop)` as it would stand inside a sentence.

    A capital that only marks a sentence's start is lowered; names, "I" and words with further capitals keep theirs.
    """
    text = parse.text[parse.starts[start] : parse.end(stop - 1)]
    first = parse.tokens[start]
    if first.code != "M" and first.title and first.text != "I" and (sentence_start(parse, start) or title_case(parse)):
        return text[0].lower() + text[1:]
    return text


def title_case(parse: Parse) -> bool:
    """Whether the caption capitalises its words as a title does, so that capitals do not mark names."""
    words = [token for token in parse.tokens[1:] if len(token.text) > _SHORT and token.text.isalpha()]
    return len(words) > 1 and all(word.title for word in words)


def _titled(parse: Parse, new: str) -> str:
    """`new` as a title writes it: short words ("of", "a") have a capital only if all of the caption's have one."""
    short = [token for token in parse.tokens[1:] if len(token.text) <= _SHORT and token.text.isalpha()]
    every = bool(short) and all(token.text[0].isupper() for token in short)
    return " ".join(
        word[0].upper() + word[1:] if word.islower() and (every or len(word) > _SHORT) else word
        for word in new.split(" ")
    )


def realise(
    lexicon: Lexicon, parse: Parse, splices: tuple[Splice, ...], *, articles: bool = True
) -> tuple[tuple[Edit, ...], str]:
    """The edits that carry out `splices`, repairs included, and the text they give.

    `splices` must be disjoint and in order of `start`. With `articles` off, "a" and "an" stay as they are, which
    only a shuffle wants.
    """
    text, tokens, starts = parse.text, parse.tokens, parse.starts
    if text[1:] != text[1:].lower() and title_case(parse):
        splices = tuple([splice._replace(text=_titled(parse, splice.text)) for splice in splices])
    changes: list[tuple[int, int, str]] = []
    for start, stop, new in splices:
        if articles and start and tokens[start - 1].article:
            following = new or (tokens[stop].text if stop < len(tokens) else "")
            if len(splices) == 1 or not any(other.stop == start != other.start for other in splices):
                _repair_article(lexicon, parse, start - 1, following, changes)
        if start == stop:
            if start:
                at = parse.end(start - 1)
                changes.append((at, at, f" {new}"))
            else:
                changes.append((starts[0], starts[0], f"{new} "))
        elif new:
            if tokens[start].text[0].isupper() and sentence_start(parse, start):
                new = new[0].upper() + new[1:]
            changes.append((starts[start], parse.end(stop - 1), new))
        elif start or stop == len(tokens):
            changes.append((parse.end(start - 1), parse.end(stop - 1), ""))
        else:
            changes.append((starts[0], starts[stop], ""))
    if len(changes) > 1:
        changes.sort()
    if text.isupper():
        changes = [(start, stop, new.upper()) for start, stop, new in changes]
    edits = tuple([Edit(start, stop, text[start:stop], new) for start, stop, new in changes])
    return edits, apply_edits(text, edits)


def _repair_article(
    lexicon: Lexicon, parse: Parse, index: int, following: str, changes: list[tuple[int, int, str]]
) -> None:
    """Add the change of the article at token `index` that the text `following` it asks for, if any."""
    article = parse.tokens[index]
    word = _FIRST_WORD.search(following)
    wanted = _article(lexicon, word.group()) if word is not None else article.lower
    if wanted != article.lower:
        at = parse.starts[index]
        changes.append((at, at + len(article.text), wanted.capitalize() if article.title else wanted))


def apply_edits(text: str, edits: tuple[Edit, ...]) -> str:
    """`text` with `edits`, which must be disjoint and in order, carried out."""
    if len(edits) == 1:
        edit = edits[0]
        return f"{text[: edit.start]}{edit.new}{text[edit.end :]}"
    pieces: list[str] = []
    position = 0
    for edit in edits:
        pieces.append(text[position : edit.start])
        pieces.append(edit.new)
        position = edit.end
    pieces.append(text[position:])
    return "".join(pieces)
