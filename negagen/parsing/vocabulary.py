"""Word forms with their tags, looked up in the lexicon once and shared between captions."""

from __future__ import annotations

from typing import Final

from lemminflect import getLemma

from negagen.lexicon import Lexicon
from negagen.parsing.codes import code_of
from negagen.types import Opening, Token

_UPOS: Final = {"N": "NOUN", "V": "VERB", "J": "ADJ", "R": "ADV"}
_MAX_TOKENS: Final = 200_000
_HYPHENS: Final = frozenset("-\u2010\u2011")


class Vocabulary:
    """Makes and keeps `Token`s. Bounded: it forgets everything when it holds 200,000 of them."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._tokens: dict[tuple[str, str], Token] = {}
        self._units = _openings(lexicon)

    def token(self, text: str, tag: str) -> Token:
        """The shared token for a word form and its Penn Treebank tag."""
        token = self._tokens.get((text, tag))
        if token is None:
            if len(self._tokens) >= _MAX_TOKENS:
                self._tokens.clear()
            token = self._tokens[text, tag] = self._make(text, tag)
        return token

    def _make(self, text: str, tag: str) -> Token:
        lexicon = self.lexicon
        lower = text.lower()
        lemma = lexicon.lemma(lower, tag) or _guess_lemma(lower, tag)
        number = lexicon.number(lower)
        entry = None
        if tag in ("NN", "NNS") and not lexicon.protected(lower):
            entry = lexicon.noun(lemma)
        elif tag[:2] == "VB":
            entry = lexicon.action(lemma)
        return Token(
            text=text,
            lower=lower,
            tag=tag,
            lemma=lemma,
            code=code_of(lower, tag, is_number=number is not None),
            entry=entry,
            attribute=lexicon.attribute(lower) if tag[:2] in ("JJ", "NN", "VB") else None,
            number=number,
            opens=self._units.get(lower),
            title=text[0].isupper() and (len(text) == 1 or text[1:].islower()),
            article=lower in ("a", "an"),
        )


def _openings(lexicon: Lexicon) -> dict[str, dict[str, tuple[Opening, ...]]]:
    """Units by their first and second token, longest first."""
    found: dict[str, dict[str, list[Opening]]] = {}
    for units in lexicon.units.values():
        for unit in units:
            words = tuple(part for word in unit.words for part in _split_hyphens(word))
            if len(words) > 1:
                found.setdefault(words[0], {}).setdefault(words[1], []).append((words, unit))
    return {
        first: {second: tuple(sorted(group, key=lambda item: -len(item[0]))) for second, group in by_second.items()}
        for first, by_second in found.items()
    }


def _split_hyphens(word: str) -> list[str]:
    """spaCy's tokeniser makes hyphens between letters tokens of their own."""
    parts = [""]
    for letter in word:
        if letter in _HYPHENS:
            parts += [letter, ""]
        else:
            parts[-1] += letter
    return [part for part in parts if part]


def _guess_lemma(lower: str, tag: str) -> str:
    upos = _UPOS.get(tag[0])
    if upos is None or not lower.isascii() or tag in ("RP", "VB", "NN", "JJ", "NNP"):
        return lower
    found = getLemma(lower, upos=upos)
    return found[0].lower() if found else lower
