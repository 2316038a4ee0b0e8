"""Two taggers' opinions on captions, what they come to by word, and the first decision between them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

Tags = list[str | None]

NAMES: Final = frozenset(("NNP", "NNPS"))
BASE: Final = frozenset(("VB", "VBP"))
# verbs whose object does something in the bare form: watches a man ride
PERCEIVING: Final = frozenset(
    "let lets letting make makes making help helps helping watch watches watching see".split()
)
# pairs that need more of the second tagger's confidence than others
UNSETTLED: Final = ({"JJ", "VBN"}, {"RP", "RB"}, {"JJ", "NN"}, {"NN", "NNS"})


@dataclass
class Caption:
    """Words of a caption with the votes of two taggers and the second one's confidence in its own."""

    words: list[str]
    first: list[str]
    second: list[str]
    confidence: list[float]
    lower: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lower = [word.lower() for word in self.words]


@dataclass
class Votes:
    """What all captions together say about a word: its tags, those before a noun, and its capitals."""

    overall: dict[str, Counter[str]]
    prenominal: dict[str, Counter[str]]
    capital: Counter[str]
    small: Counter[str]

    def mostly(self, word: str, tag: str, share: float) -> bool:
        """Whether more than `share` of the votes for the word are for the tag."""
        seen = self.overall[word]
        return seen[tag] > share * sum(seen.values())


def shouted(words: list[str]) -> bool:
    """Whether a caption's capitals mean nothing: all words capitals, or all begin with one."""
    letters = [word for word in words if word.isalpha()]
    long = [word for word in letters if len(word) > 3]
    if len(letters) > 2 and all(word.isupper() for word in letters):
        return True
    return len(long) > 3 and sum(word[0].isupper() for word in long) > 0.8 * len(long)


def prenominal(tags: Tags | list[str], i: int) -> bool:
    """Whether word i stands right before a noun, after a determiner or another modifier or first."""
    if i + 1 >= len(tags) or tags[i + 1] not in ("NN", "NNS"):
        return False
    return i == 0 or tags[i - 1] in ("DT", "PRP$", "CD", "JJ", "IN", "CC", ",", "POS")


def count_votes(captions: list[Caption]) -> Votes:
    """Add up both taggers' opinions, and how each word inside a caption is capitalised."""
    votes = Votes(defaultdict(Counter), defaultdict(Counter), Counter(), Counter())
    for caption in captions:
        skip = shouted(caption.words)
        for i, word in enumerate(caption.lower):
            both = (caption.first[i], caption.second[i])
            votes.overall[word].update(both)
            if prenominal(caption.second, i):
                votes.prenominal[word].update(both)
            if i and not skip:
                (votes.capital if caption.words[i][0].isupper() else votes.small)[word] += 1
    return votes


def choose(caption: Caption, votes: Votes) -> Tags:
    """Return the tag that both taggers give, or that the votes or the second tagger's confidence favour."""
    tags: Tags = []
    for i, word in enumerate(caption.lower):
        a, b = (base_form(caption, opinion, i) for opinion in (caption.first, caption.second))
        if a in NAMES or b in NAMES:
            a, b = (name_or_not(caption, votes, i, tag) for tag in (a, b))
        seen = votes.overall[word]
        best, count = seen.most_common(1)[0]
        if a == b:
            tags.append(a)
        elif count >= 20 and count >= 0.93 * sum(seen.values()) and best in (a, b):
            tags.append(best)
        elif caption.confidence[i] >= (0.9 if {a, b} in UNSETTLED else 0.7):
            tags.append(b)
        else:
            tags.append(None)
    return tags


def base_form(caption: Caption, tags: list[str], i: int) -> str:
    """VB or VBP, whichever the words before license: taggers confuse the two in captions."""
    tag, lower = tags[i], caption.lower
    if tag not in BASE:
        return tag
    before = [t for t in tags[max(0, i - 3) : i] if t != "RB"]
    last = before[-1] if before else ""
    if last in ("TO", "MD"):
        return "VB"
    if before[-2:] == ["MD", "PRP"] or PERCEIVING.intersection(lower[max(0, i - 4) : i]) or "do" in lower[:i][-3:]:
        return tag
    if last == "CC" and {"TO", "MD"}.intersection(tags[max(0, i - 9) : i]):
        return tag
    if lower[i] == "be":
        return "VB"
    return "VBP" if last in ("NNS", "NNP", "NNPS", "NN", "WDT", "PRP", "CC", "DT", "CD") else tag


def name_or_not(caption: Caption, votes: Votes, i: int, tag: str) -> str:
    """Names keep their tag only where the capital means something; else the word's best other tag."""
    if tag not in NAMES:
        return tag
    word = caption.lower[i]
    inside = i > 0 and caption.words[i][0].isupper()
    small = votes.small[word]
    usual = votes.capital[word] > max(1, small)
    if usual or (inside and (not small or (small < 5 and not shouted(caption.words)))):
        return tag
    others = Counter({t: n for t, n in votes.overall[word].items() if t not in NAMES})
    if others:
        return others.most_common(1)[0][0]
    return "NNS" if word.endswith("s") and not word.endswith("ss") else "NN"
