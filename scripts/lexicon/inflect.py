"""Inflected forms for the compiled lexicon: lemminflect, corrected by inflection.toml."""

from __future__ import annotations

from functools import cache
from typing import Any

from lemminflect import getInflection, getLemma

VERB_TAGS = ("VBZ", "VBG", "VBD", "VBN")


class Inflector:
    """Forms of lemmas and lemmas of forms; the last word of a multi-word noun is inflected."""

    def __init__(self, table: dict[str, Any]) -> None:
        self._plural: dict[str, str] = table["plural"]
        self._verb: dict[str, list[str]] = table["verb"]
        self._singular = {plural: lemma for lemma, plural in self._plural.items()}
        self._verb_lemma = {
            (form, tag): lemma
            for lemma, forms in self._verb.items()
            for tag, form in zip(VERB_TAGS, forms, strict=True)
        }
        self.mass = frozenset(table["nouns"]["mass"])
        self.plural_only = frozenset(table["nouns"]["plural_only"])

    def plural(self, lemma: str) -> str:
        """ "slice of pizza" is inflected at its head, "suit and tie" at both, others at the last word."""
        for joint in (" of ", " with ", " in "):
            if joint in lemma:
                first, _, rest = lemma.partition(joint)
                return self.plural(first) + joint + rest
        if " and " in lemma:
            return " and ".join(map(self.plural, lemma.split(" and ")))
        head, space, last = lemma.rpartition(" ")
        return head + space + (self._plural.get(lemma) or self._plural.get(last) or _first(last, "NNS"))

    def noun(self, lemma: str, *, singular: bool, plural: bool) -> dict[str, str]:
        """A plural-only lemma is its own plural."""
        if not singular:
            return {"NNS": lemma}
        return {"NN": lemma, "NNS": self.plural(lemma)} if plural else {"NN": lemma}

    def verb(self, lemma: str) -> dict[str, str]:
        forms = self._verb.get(lemma) or [_first(lemma, tag) for tag in VERB_TAGS]
        return {"VB": lemma, **dict(zip(VERB_TAGS, forms, strict=True))}

    def lemma(self, form: str, tag: str) -> str:
        """The lemma of a lower-case form tagged NN, NNS, VB, VBZ, VBG, VBD or VBN."""
        if tag in ("NN", "VB") or (tag == "NNS" and form in self.plural_only):
            return form
        if tag == "NNS" and form in self._singular:
            return str(self._singular[form])
        if (form, tag) in self._verb_lemma:
            return str(self._verb_lemma[form, tag])
        return _lemma(form, "NOUN" if tag == "NNS" else "VERB")


@cache
def _first(lemma: str, tag: str) -> str:
    found = getInflection(lemma, tag=tag)
    return str(found[0]) if found else lemma


@cache
def _lemma(form: str, part: str) -> str:
    found = getLemma(form, upos=part)
    return str(found[0]) if found else form
