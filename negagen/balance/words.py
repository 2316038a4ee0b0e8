"""Words as 64-bit keys, and the class that stands for a word where the word itself is too rare to count."""

from __future__ import annotations

import re
from typing import Final

from negagen.lexicon import Lexicon
from negagen.seeding import key_of

START: Final = "\x02"
END: Final = "\x03"
_WORD: Final = re.compile(r"\w+|[^\w\s]")
_MAX_WORDS: Final = 200_000
_ARTICLES: Final = {"an": "a"}
_NOUN_TAGS: Final = ("NN", "NNS")
_VERB_TAGS: Final = ("VBG", "VBZ", "VBN", "VBD", "VB")


class Words:
    """Gives each lower-case word its key and the key of its class; remembers what it has met.

    Both are functions of the word alone, never of its place or of whether it was edited. "a" and "an" are one
    word: which of them stands is settled by the next one.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._known: dict[str, tuple[int, int]] = {}
        self._split: dict[str, list[tuple[int, int]]] = {}
        self.start, self.end = self._learn(START), self._learn(END)

    def keys(self, text: str) -> list[tuple[int, int]]:
        """(key, class key) of each word of `text`, which is in lower case; both in [0, 2**63)."""
        found = self._split.get(text)
        if found is None:
            if len(self._split) >= _MAX_WORDS:
                self._split.clear()
            found = self._split[text] = self.keys_once(text)
        return found

    def keys_once(self, text: str) -> list[tuple[int, int]]:
        """The same for a text that is not met again, such as a whole caption."""
        return [self._known.get(word) or self._learn(word) for word in split(text)]

    def _learn(self, word: str) -> tuple[int, int]:
        if len(self._known) >= _MAX_WORDS:
            self._known.clear()
        folded = _ARTICLES.get(word, word)
        found = self._known[word] = (key_of(folded) >> 1, key_of("class", self.class_of(folded)) >> 1)
        return found

    def class_of(self, word: str) -> str:
        """The name of the word's class: family and number of a noun, class of an attribute, form of a verb.

        Function words and words that the lexicon does not know stand for themselves.
        """
        lexicon = self._lexicon
        number = lexicon.number(word)
        if number is not None:
            return f"number {'vague' if number.vague else min(number.low, 3)}"
        attribute = lexicon.attribute(word)
        if attribute is not None and attribute.classes:
            return f"attribute {attribute.classes[0]}"
        for tag in _NOUN_TAGS:
            lemma = lexicon.lemma(word, tag)
            entry = lexicon.noun(lemma) if lemma is not None else None
            if entry is not None and entry.classes:
                return f"{tag} {entry.classes[0].partition('.')[0]}"
        for tag in _VERB_TAGS:
            lemma = lexicon.lemma(word, tag)
            if lemma is not None and lexicon.action(lemma) is not None:
                return f"verb {tag}"
        return word


def split(text: str) -> list[str]:
    """Words and punctuation marks of a text, in lower case: a "close-up" is three."""
    return _WORD.findall(text.lower())
