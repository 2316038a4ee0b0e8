"""What human captions say of English, counted. The measures judge negatives by it, not by negagen's lexicon.

Everything here is read off a list of captions: which article people put before a word, which words they
capitalise inside a sentence, which words are singular count nouns, which are verbs in the third person.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

TOKEN = re.compile(r"\d+(?:[:.,/]\d+)*\w*|[^\W_]+(?:['’][^\W\d_]+)?|[^\w\s]")
SENTENCE_END = frozenset(".!?")

# What may stand right after a noun phrase: it ends the search for the phrase's last word.
PREPOSITIONS = frozenset(
    "in on at with of by near next beside behind above below under underneath over through across along "
    "around against between among inside outside into onto from to for during before after past towards "
    "toward off up down out while as like beneath within without upon about".split()
)
BE_HAVE = {
    "is": "singular",
    "was": "singular",
    "has": "singular",
    "are": "plural",
    "were": "plural",
    "have": "plural",
}
DETERMINERS = frozenset("a an the his her their its this that these those some two three four five".split())
_CLOSING = frozenset(".,;:!?)") | {"and", "or", "but", "that", "who", "which", "where"}
BREAKS = PREPOSITIONS | _CLOSING | BE_HAVE.keys() | {"being", "there", "both", "each", "other", "one", "ones"}

IRREGULAR_PLURALS = {
    "men": "man", "women": "woman", "people": "person", "children": "child", "feet": "foot", "teeth": "tooth",
    "geese": "goose", "mice": "mouse", "oxen": "ox", "knives": "knife", "wives": "wife", "leaves": "leaf",
    "loaves": "loaf", "shelves": "shelf", "scarves": "scarf", "wolves": "wolf", "calves": "calf",
    "firemen": "fireman", "policemen": "policeman", "snowmen": "snowman", "fishermen": "fisherman",
    "businessmen": "businessman", "policewomen": "policewoman", "grandchildren": "grandchild",
}  # fmt: skip
INVARIANT = frozenset(
    "sheep deer fish moose bison elk aircraft series species shrimp salmon cattle pants jeans shorts "
    "scissors glasses sunglasses trousers pajamas tongs pliers binoculars goggles stairs headquarters "
    "crossroads salad broccoli fruit offspring swine squid trout means".split()
)
_SINGULAR_IN_S = ("ss", "us", "is", "ics", "gas", "vas", "christmas", "atlas")


@dataclass(frozen=True, slots=True)
class Reference:
    """Counts over captions. All words are lower-case.

    `words` counts every word; `articles` maps a word to how often "a" and "an" stand before it; `inside`
    and `capitals` count a word inside a sentence, and how often it begins with a capital there; `singular`
    holds count nouns in the singular, `verbs` verbs in the third person singular.
    """

    words: Counter[str]
    articles: dict[str, Counter[str]]
    inside: Counter[str]
    capitals: Counter[str]
    singular: frozenset[str]
    verbs: frozenset[str]

    @classmethod
    def of(cls, captions: Iterable[str]) -> Reference:
        """Count `captions`. A word must occur twice in a telling place to enter `singular` or `verbs`."""
        words: Counter[str] = Counter()
        inside: Counter[str] = Counter()
        capitals: Counter[str] = Counter()
        articles: dict[str, Counter[str]] = {}
        after_article: Counter[str] = Counter()
        ends_phrase: Counter[str] = Counter()
        after_subject: Counter[str] = Counter()
        for caption in captions:
            tokens = TOKEN.findall(caption)
            lower = [token.lower() for token in tokens]
            words.update(lower)
            # A caption in capitals, or in Title Case, says nothing of which words are names.
            ordinary = sum(token[0].isupper() for token in tokens) <= max(2, len(tokens) // 3)
            for index, word in enumerate(lower[1:], 1):
                before = lower[index - 1]
                following = lower[index + 1] if index + 1 < len(lower) else "."
                if ordinary and before not in SENTENCE_END:
                    inside[word] += 1
                    capitals[word] += tokens[index][0].isupper()
                if before in ("a", "an"):
                    articles.setdefault(word, Counter())[before] += 1
                    if following in PREPOSITIONS or following in BE_HAVE or following == ".":
                        after_article[word] += 1
                elif before in ("two", "three", "several", "many") and following in PREPOSITIONS | {
                    ".",
                    "are",
                }:
                    after_article[singular_of(word) or ""] += 1
                elif index >= 2 and lower[index - 2] in ("a", "an", "the"):
                    if singular_of(word) and (following in DETERMINERS or following in PREPOSITIONS):
                        after_subject[word] += 1
                    elif before not in BREAKS and (following in PREPOSITIONS or following in BE_HAVE):
                        ends_phrase[word] += 1
        verbs = frozenset(word for word, count in after_subject.items() if count >= 2)
        for word, count in ends_phrase.items():
            # "a tennis player in": the second noun counts if it has a plural and is no verb.
            if words[word + "s"] >= 2 and word + "s" not in verbs and count >= 3:
                after_article[word] += count
        singular = frozenset(
            word for word, count in after_article.items() if count >= 2 and _may_be_noun(word, count, words)
        )
        return cls(words, articles, inside, capitals, singular - IRREGULAR_PLURALS.keys(), verbs)

    def plural(self, word: str, *, sure: bool = False) -> bool:
        """Whether `word` is a plural; if `sure`, whether of a word seen as a count noun, not as any word."""
        if word in INVARIANT or word in self.singular:
            return False
        stem = singular_of(word)
        if stem is None:
            return False
        return word in IRREGULAR_PLURALS or stem in (self.singular if sure else self.words)

    def name(self, word: str) -> bool:
        """Whether people write `word` with a capital inside a sentence, more often than not."""
        return word == "i" or (self.inside[word] > 0 and 2 * self.capitals[word] > self.inside[word])


def _may_be_noun(word: str, count: int, words: Counter[str]) -> bool:
    """Whether `count` places of a noun are more than slips ("a standing on", "a rusted in")."""
    if not word.isalpha() or word in INVARIANT or word in BREAKS or word == "made":
        return False
    if words[singular_of(word) or ""] >= 2:
        return False
    if word.endswith("ing") or (word.endswith("ed") and not words[word + "s"]):
        return False
    return count >= 0.02 * words[word]


def singular_of(word: str) -> str | None:
    """The singular that `word` looks like the plural of, or None."""
    if word in IRREGULAR_PLURALS:
        return IRREGULAR_PLURALS[word]
    if not word.endswith("s") or word.endswith(_SINGULAR_IN_S) or len(word) < 4:
        return None
    if word.endswith("ies") and len(word) > 4 and word not in ("cookies", "movies", "ties", "pies", "zombies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes", "buses")) or word in ("potatoes", "tomatoes"):
        return word[:-2]
    return word[:-1]
