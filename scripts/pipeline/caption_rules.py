"""What captions are like, as rules on tags: they settle where the taggers differ and undo errors they share.

Each rule says what Penn Treebank practice asks for in a caption; a tag of None leaves a word out of training.
Word lists are short on purpose: most decisions come from the votes of all captions for a word in that place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

Tags = list[str | None]

NOUN: Final = ("NN", "NNS")
NAMES: Final = frozenset("NNP NNPS".split())
BASE: Final = frozenset("VB VBP".split())
OPENERS: Final = frozenset("DT PRP$ CD JJ JJR JJS NN NNS NNP NNPS VBN VBG PDT WDT WP PRP `` $".split())
COLOURS: Final = frozenset(
    "white black red blue green yellow brown pink purple gray grey tan beige teal maroon turquoise blonde blond".split())
# Gerunds that name the kind of thing after them, not what it is doing: a dining room, a cutting board.
GERUND_MODIFIERS: Final = frozenset(
    """living dining parking cutting baking frying swimming shopping sewing washing wedding waiting sleeping cooking
    boxing bowling landing steering crossing serving fishing hiking racing writing reading mixing drinking running
    walking skiing surfing skating boarding docking rowing recording riding welding dressing lighting training
    playing measuring ironing changing building painting seating""".split())
GERUND_HEADS: Final = frozenset(
    """room rooms area areas lot lots space spaces table tables board boards sheet pan pans dish dishes pool pools cart
    carts machine machines party dress gown cake suit station bag bags utensils equipment ring gloves alley strip gear
    wheel sign signs light signal plate platter tray boat boats pole poles trail trails track stick sticks desk bowl
    fountain glass glasses shoes shoe path paths resort slope slopes board boards park rink ramp meter meters garage
    space spot lane dock docks ground field course cup center centre supplies tools competition contest lessons
    lesson school class trip hall site materials complex buildings bars lift counter fixture fixtures""".split())
PARTICLE_VERBS: Final = frozenset(
    """hold holds holding held put puts putting take takes taking took taken throw throws throwing thrown show shows
    showing pick picks picking picked set sets setting lift lifts lifting lifted blow blows blowing blew blown cut cuts
    cutting pull pulls pulling pulled check checks checking checked try tries trying set sets turn turns turning turned
    shut hang hangs open opens opening line lined fill filling wipe wiping knock knocking give gives giving hand
    handing drop dropping close closing pass passing fold folded""".split())
UP_DOWN: Final = frozenset("up down over through across around along by past off on in under".split())
PLURAL_SUBJECTS: Final = frozenset("NNS NNPS".split())
LET: Final = frozenset("let lets letting make makes making help helps helping watch watches watching see".split())


@dataclass
class Caption:
    """Words of a caption with the votes of two taggers and the second one's confidence."""

    words: list[str]
    first: list[str]
    second: list[str]
    p: list[float]
    lower: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lower = [w.lower() for w in self.words]


@dataclass
class Votes:
    """What all captions together say about a word."""

    overall: dict[str, Counter[str]]
    prenominal: dict[str, Counter[str]]
    capital: Counter[str]
    small: Counter[str]


def shouted(words: list[str]) -> bool:
    """Whether a caption's capitals mean nothing: all words capitals, or all begin with one."""
    letters = [w for w in words if w.isalpha()]
    long = [w for w in letters if len(w) > 3]
    return bool(letters) and ((all(w.isupper() for w in letters) and len(letters) > 2)
                              or (len(long) > 3 and sum(w[0].isupper() for w in long) > 0.8 * len(long)))


def prenominal(tags: list[str], i: int) -> bool:
    """Whether word i stands in a noun phrase right before a noun, after its determiner or another modifier."""
    if i + 1 >= len(tags) or tags[i + 1] not in ("NN", "NNS"):
        return False
    return i == 0 or tags[i - 1] in ("DT", "PRP$", "CD", "JJ", "IN", "CC", ",", "POS")


def count_votes(captions: list[Caption]) -> Votes:
    """Add up both taggers' opinions by word, by word before a noun, and how each word is capitalised."""
    overall: dict[str, Counter[str]] = defaultdict(Counter)
    before: dict[str, Counter[str]] = defaultdict(Counter)
    capital: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for c in captions:
        skip = shouted(c.words)
        for i, word in enumerate(c.lower):
            overall[word][c.first[i]] += 1
            overall[word][c.second[i]] += 1
            if prenominal(c.second, i):
                before[word][c.first[i]] += 1
                before[word][c.second[i]] += 1
            if i and not skip:
                (capital if c.words[i][0].isupper() else small)[word] += 1
    return Votes(overall, before, capital, small)


def is_name(word: str, votes: Votes) -> bool:
    """Whether captions write the word with a capital inside a sentence more often than not."""
    return votes.capital[word] > votes.small[word]


def common(word: str, votes: Votes, plural: bool) -> str:
    """Return the best tag for a word that is not a name after all."""
    tags = Counter({t: n for t, n in votes.overall[word].items() if t not in NAMES})
    if tags:
        return tags.most_common(1)[0][0]
    return "NNS" if plural else "NN"


def settle(c: Caption, votes: Votes) -> Tags:
    """Return one tag a word, or None where nothing decides."""
    first = [_base_form(c, c.first, i) for i in range(len(c.words))]
    second = [_base_form(c, c.second, i) for i in range(len(c.words))]
    tags: Tags = []
    for i, word in enumerate(c.lower):
        a, b = first[i], second[i]
        if a in NAMES or b in NAMES:
            a, b = (_name(c, votes, i, t) for t in (a, b))
        if a == b:
            tags.append(a)
            continue
        seen = votes.overall[word]
        best, n = seen.most_common(1)[0]
        if n >= 20 and n >= 0.93 * sum(seen.values()) and best in (a, b):
            tags.append(best)
        elif c.p[i] >= (0.9 if {a, b} in UNSETTLED else 0.7):
            tags.append(b)
        else:
            tags.append(None)
    for rule in RULES:
        rule(c, tags, votes)
    return tags


UNSETTLED: Final = ({"JJ", "VBN"}, {"RP", "RB"}, {"JJ", "NN"}, {"NN", "NNS"})


def _base_form(c: Caption, tags: list[str], i: int) -> str:
    """VB or VBP, whichever the words before license: taggers confuse the two in captions."""
    tag = tags[i]
    if tag not in BASE:
        return tag
    before = [t for t in tags[max(0, i - 3):i] if t != "RB"]
    if before and before[-1] in ("TO", "MD"):
        return "VB"
    if before[-2:] == ["MD", "PRP"] or any(w in LET for w in c.lower[max(0, i - 4):i]) or "do" in c.lower[:i][-3:]:
        return tag
    if before and before[-1] == "CC" and any(t in ("TO", "MD") for t in tags[max(0, i - 9):i]):
        return tag
    if c.lower[i] == "be":
        return "VB"
    return "VBP" if before and before[-1] in ("NNS", "NNP", "NNPS", "NN", "WDT", "PRP", "CC", "DT", "CD") else tag


def _name(c: Caption, votes: Votes, i: int, tag: str) -> str:
    """Names keep their tag only where the capital means something."""
    if tag not in NAMES:
        return tag
    word = c.lower[i]
    if (is_name(word, votes) and votes.capital[word] > 1) or (not votes.small[word] and c.words[i][0].isupper() and i):
        return tag
    if i and c.words[i][0].isupper() and not shouted(c.words) and votes.small[word] < 5:
        return tag
    return common(word, votes, word.endswith("s") and not word.endswith("ss"))


def _fixed(c: Caption, tags: Tags, votes: Votes) -> None:
    """Expressions that have one analysis."""
    lower = c.lower
    for i, word in enumerate(lower):
        after = lower[i + 1] if i + 1 < len(lower) else ""
        before = lower[i - 1] if i else ""
        if word == "next" and after == "to":
            tags[i] = "RB"
            tags[i + 1] = "IN"
        elif word == "close" and "up" in lower[i + 1:i + 3] and after in ("up", "-"):
            if before in ("a", "the", "") or i == 0:
                end = i + 1 + (after == "-")
                tags[i] = "JJ"
                last = end + 1 == len(lower) or lower[end + 1] in ("of", "on", ".", "with", "in", "at", "that")
                tags[end] = "NN" if last or after == "-" else "RP"
        elif word == "close" and after == "to" and tags[i] != "VB":
            tags[i] = "RB" if i and tags[i - 1] in ("VBG", "RB", "VBZ") and before not in ("is", "are") else tags[i]
        elif word in ("a", "an", "the") and tags[i] != "DT":
            tags[i] = "DT"
        elif word in ("out", "off", "outside", "inside") and after == "of":
            tags[i] = "IN" if before not in ("the", "an") else "NN"
        elif word == "each" and after == "other":
            tags[i], tags[i + 1] = "DT", "JJ"
        elif word == "front" and after == "of" and before == "in":
            tags[i] = "NN"
        elif word == "upside" and after == "down":
            tags[i] = tags[i + 1] = "RB"
        elif (word == "in" and after in ("front", "between", "the")) or (word in ("on", "in", "at", "with", "for", "from") and after in ("a", "an", "the", "it", "his", "her", "their", "its")):
            tags[i] = "IN"
        elif word == "all" and after in ("the", "of", "kinds", "types"):
            tags[i] = "PDT" if after == "the" else "DT"
        elif word == "half" and after in ("a", "an", "the"):
            tags[i] = "PDT"
        elif word == "half" and i + 1 < len(lower) and tags[i + 1] in ("VBN", "JJ"):
            tags[i] = "RB"
        elif word == "about" and after == "to":
            tags[i], tags[i + 1] = "JJ", "TO"
        elif word == "one" and after == "of":
            tags[i] = "CD"
        elif word == "there" and after in ("is", "are", "was", "were", "'s", "appears", "seems"):
            tags[i] = "EX"
        elif word in ("it", "them", "him", "himself", "herself", "itself", "themselves"):
            tags[i] = "PRP"
        elif word == "people":
            tags[i] = "NNS"
        elif (word == "stop" and after in ("sign", "signs", "light", "lights")) or (word == "living" and after in ("room", "rooms", "area", "space", "areas")):
            tags[i] = "NN"
        elif word in ("bear", "bears") and before in ("teddy", "polar", "brown", "stuffed", "black", "grizzly", "white", "toy"):
            tags[i] = "NN" if word == "bear" else "NNS"
        elif word == "teddy" or (word == "skate" and after in ("board", "boards", "park", "boarder", "ramp", "parks")):
            tags[i] = "NN"
        elif word in ("surf", "snow", "ski", "wake", "white", "chalk") and after in ("board", "boards"):
            tags[i] = "NN" if word != "white" else tags[i]
            tags[i + 1] = "NN" if after == "board" else "NNS"


STANDS_ALONE: Final = frozenset("that this another each some all both these those either".split())


def _determined(c: Caption, tags: Tags, votes: Votes) -> None:
    """After a determiner or preposition, no finite verb: what looks like one there is a noun or adjective."""
    for i, tag in enumerate(tags):
        if tag in ("VB", "VBP", "VBZ", "VBD", "MD", "UH") and i and tags[i - 1] in ("DT", "PRP$"):
            if c.lower[i - 1] in STANDS_ALONE or c.lower[i] in ("is", "are", "has", "have", "was", "does", "be"):
                continue
            noun = Counter({t: n for t, n in votes.overall[c.lower[i]].items() if t in ("NN", "NNS", "JJ")})
            tags[i] = noun.most_common(1)[0][0] if noun else None


def _modifiers(c: Caption, tags: Tags, votes: Votes) -> None:
    """A word before a noun gets the tag that all captions together give it there (stuffed animal, plastic cup)."""
    for i, tag in enumerate(tags):
        if tag not in ("JJ", "NN", "VBN", "VBD", "VBG", "NNP", "RB", None) or i + 1 >= len(tags):
            continue
        word, after = c.lower[i], c.lower[i + 1]
        if tag in ("VBG", "NN", "JJ", None) and word in GERUND_MODIFIERS and after in GERUND_HEADS:
            if i == 0 or tags[i - 1] in ("DT", "JJ", "PRP$", "CD", "IN", "CC"):
                tags[i] = "NN"
                continue
        known = [t or "" for t in tags]
        if not prenominal(known, i):
            continue
        if word.endswith("ing"):
            seen = Counter({t: n for t, n in votes.prenominal[word].items() if t in ("VBG", "JJ", "NN")})
            doing = seen["VBG"] + seen["JJ"] >= 0.7 * sum(seen.values())
            if tag != "VBG" and {c.first[i], c.second[i]} & {"VBG", "JJ"} and doing and seen["VBG"]:
                tags[i] = "VBG"
            continue
        if word in COLOURS:
            tags[i] = "JJ"
            continue
        seen = Counter({t: n for t, n in votes.prenominal[word].items() if t in ("JJ", "NN", "VBN")})
        if sum(seen.values()) >= 6:
            best, n = seen.most_common(1)[0]
            if n >= 0.6 * sum(seen.values()) and tag in ("JJ", "NN", "VBN", "VBD", "RB", None):
                tags[i] = best


def _colours(c: Caption, tags: Tags, votes: Votes) -> None:
    """Colour words are adjectives before a noun, in a series and after a copula; alone after a preposition, nouns."""
    for i, word in enumerate(c.lower):
        if word == "orange" or word not in COLOURS:
            continue
        after = tags[i + 1] if i + 1 < len(tags) else None
        before = tags[i - 1] if i else None
        if after in ("NN", "NNS", "JJ", "NNP", "VBN", "HYPH", "CD", "VBG") or (tags[i] in NAMES and not c.words[i].istitle()) or before in ("VBZ", "VBP", "RB") or after == "CC" or before == "CC":
            tags[i] = "JJ"
    for i, word in enumerate(c.lower):
        if word in ("orange", "gold", "silver") and i + 1 < len(tags):
            after = c.lower[i + 1]
            if word == "orange" and after in ("slices", "slice", "juice", "peel", "peels", "tree", "trees", "halves"):
                tags[i] = "NN"
            elif tags[i + 1] in ("NN", "NNS", "JJ", "VBN") or (after in ("and", ",") and i + 2 < len(tags) and (
                    c.lower[i + 2] in COLOURS)):
                tags[i] = "JJ" if word != "gold" or tags[i] != "NN" else "NN"


def _participles(c: Caption, tags: Tags, votes: Votes) -> None:
    """A past form after a noun and before no object is a reduced relative: a bus parked at the curb."""
    for i, tag in enumerate(tags):
        if tag not in ("VBD", "VBN", None) or not i:
            continue
        if tag is None and not {c.first[i], c.second[i]} <= {"VBD", "VBN"}:
            continue
        word = c.lower[i]
        if word in ("was", "were", "did", "went", "took", "rode", "ate"):
            continue
        before = tags[i - 1]
        after = tags[i + 1] if i + 1 < len(tags) else "."
        transitive = after in ("DT", "PRP$", "PRP", "CD")
        by_itself = any(t == "VBD" for j, t in enumerate(c.first) if j != i)
        if before in ("NN", "NNS", "NNP", ",", "CC", "PRP") and not transitive and not by_itself and (
                before != "PRP" or c.lower[i - 1] in ("it", "them", "him")):
            if c.first[i] == c.second[i] == "VBD" and word in INTRANSITIVE:
                continue
            tags[i] = "VBN"
        elif before in ("VBZ", "VBP") and c.lower[i - 1] in ("is", "are", "has", "have", "'s"):
            tags[i] = "VBN"


INTRANSITIVE: Final = frozenset(
    "walked jumped looked smiled waited came fell stared appeared happened sat stood went".split())


def _gerunds(c: Caption, tags: Tags, votes: Votes) -> None:
    """An -ing word after a noun and before an object, preposition, particle or the end says what the noun does."""
    for i, tag in enumerate(tags):
        word = c.lower[i]
        if not word.endswith("ing") or tag not in ("NN", "JJ", "NNP", "VBG", None) or not i or len(word) < 5:
            continue
        if votes.overall[word]["VBG"] < 0.5 * sum(votes.overall[word].values()):
            continue
        after = tags[i + 1] if i + 1 < len(tags) else "."
        before = tags[i - 1]
        if before in ("NN", "NNS", "PRP", "VBZ", "VBP", "NNP") and after in ("DT", "IN", "RP", "RB", "PRP$", "TO", ".", "PRP"):
            if before in ("VBZ", "VBP") or tag is None or before == "NNS" or c.second[i] == "VBG":
                tags[i] = "VBG"


def _s_forms(c: Caption, tags: Tags, votes: Votes) -> None:
    """Settle plural noun against third person: a singular subject, an -s word, then what follows a verb."""
    has_finite = [t in ("VBZ", "VBP", "VBD", "MD") for t in tags]
    for i, tag in enumerate(tags):
        word = c.lower[i]
        if (tag is not None and tag not in ("VBZ", "NNS")) or not word.endswith("s") or not i:
            continue
        if "VBZ" not in (c.first[i], c.second[i]):
            continue
        after = tags[i + 1] if i + 1 < len(tags) else "."
        before = tags[i - 1]
        if word in ("is", "has", "does", "'s", "was"):
            continue
        if tag == "VBZ" and before in ("DT", "PRP$", "POS") and c.lower[i - 1] not in STANDS_ALONE:
            tags[i] = "NNS"
        elif tag is None and before in ("NN", "NNP", "WDT", "PRP", "RB") and after in (
                "DT", "IN", "PRP$", "RP", "RB", "VBG", "TO", "CD", "JJ", "VBN", ".", "PRP") and not any(
                has_finite[max(0, i - 4):i]):
            tags[i] = "VBZ"


def _places(c: Caption, tags: Tags, votes: Votes) -> None:
    """Particle, preposition or adverb: a preposition has its noun phrase after it."""
    for i, tag in enumerate(tags):
        word = c.lower[i]
        after = tags[i + 1] if i + 1 < len(tags) else "."
        before = c.lower[i - 1] if i else ""
        if word in ("outside", "inside", "behind", "near", "above", "below", "underneath", "around", "past", "along",
                    "beside", "by", "across", "through", "over", "under", "down"):
            if tag in ("IN", "RP", "RB", "NN", "JJ", None) and after in ("DT", "PRP$", "NN", "NNS", "CD", "PRP", "JJ"):
                if tag != "NN" and not (word in ("outside", "inside") and after in ("NN", "NNS", "JJ")) and not (
                        before in PARTICLE_VERBS and tag == "RP") and tags[i - 1 if i else 0] not in ("DT",):
                    tags[i] = "IN"
            elif word in ("outside", "inside") and after in (".", "CC", ",", "VBG", "IN", "TO") and tag in ("IN", None) and (
                    c.lower[i + 1] if i + 1 < len(tags) else "") != "of":
                tags[i] = "RB"
            elif word in ("by", "around") and after in (".", "CC", ",") and tag in ("IN", "RP", None):
                tags[i] = "RB" if word == "around" else "RP"
        if word in ("up", "down", "out", "off", "on", "in") and tag in ("IN", "RB", None):
            if word in ("up", "off", "out") and after in ("DT", "PRP$") and before in PARTICLE_VERBS:
                tags[i] = "RP"
            elif tag == "IN" and after in (".", "CC", ",") and word in ("up", "down", "out", "off"):
                tags[i] = "RP" if i and tags[i - 1] in ("VBG", "VBZ", "VBN", "VB", "VBP") else None


POSTURE: Final = frozenset(
    """sit sits sitting sat lay lays laying laid lie lies lying lain stand stands standing stood bend bends bending bent
    squat squats squatting crouch crouches crouching crouched kneel kneels kneeling lean leans leaning hunch hunched
    curl curls curled curling line lined lines dress dressed stack stacked pile piled wrap wrapped""".split())


def _posture(c: Caption, tags: Tags, votes: Votes) -> None:
    """Sit down, stand up, lean over: particles, unless a noun phrase follows."""
    for i, word in enumerate(c.lower):
        if i and word in ("up", "down", "over") and c.lower[i - 1] in POSTURE:
            after = tags[i + 1] if i + 1 < len(tags) else "."
            if after not in ("DT", "PRP$", "NN", "NNS", "CD", "JJ", "PRP"):
                tags[i] = "RP"


def _possessive_its(c: Caption, tags: Tags, votes: Votes) -> None:
    """Many captions write it's for its: before a noun the 's is possessive."""
    for i, word in enumerate(c.lower):
        if word in ("'s", "\u2019s") and i and c.lower[i - 1] == "it" and i + 1 < len(tags):
            noun = tags[i + 1] in NOUN or (tags[i + 1] in ("JJ", "CD") and i + 2 < len(tags) and tags[i + 2] in NOUN)
            tags[i] = "POS" if noun else "VBZ"


def _numbers(c: Caption, tags: Tags, votes: Votes) -> None:
    """Nouns with one form for both numbers, and a few that taggers put in the wrong one."""
    for i, word in enumerate(c.lower):
        if word in ("sheep", "deer", "bison", "moose") and tags[i] in ("NN", "NNS", None, "VBP", "VB"):
            start = c.lower[max(0, i - 4):i]
            after = c.lower[i + 1] if i + 1 < len(tags) else ""
            if after in ("is", "has", "stands", "looks", "sits", "walks", "lies", "lays", "grazes"):
                tags[i] = "NN"
            elif after in ("are", "have", "stand", "graze", "walk", "eat", "look", "grazing"):
                tags[i] = "NNS" if "a" not in start[-2:] and "one" not in start[-2:] else tags[i]
            elif (start and start[-1] in ("a", "one", "another", "single", "lone", "each")) or (len(start) > 1 and start[-2] in ("a", "one", "another", "A") and tags[i - 1] in ("JJ", "VBN", "NN")):
                tags[i] = "NN"
            elif start and (start[-1] in ("of", "some", "many", "several") or tags[i - 1] == "CD"):
                tags[i] = "NNS"
        elif word in ("skis", "teeth", "drinks") and tags[i] is None:
            tags[i] = "NNS"
        elif word in ("broccoli", "luggage", "selfie", "graffiti") and tags[i] != "NN":
            tags[i] = "NN"
        elif word in ("zebra", "giraffe", "elephant") and tags[i] != "NN":
            many = i and tags[i - 1] == "CD" and c.lower[i - 1] != "one"
            tags[i] = "NNS" if many else "NN"
        elif word == "mid":
            tags[i] = "JJ"
        elif word in ("wii", "nintendo"):
            tags[i] = "NNP"


def _joined(c: Caption, tags: Tags, votes: Votes) -> None:
    """What joins on to a noun is a noun if it mostly is one: a suit and tie, a toilet and sink."""
    for i, tag in enumerate(tags):
        seen = votes.overall[c.lower[i]]
        if tag in BASE and (i == 0 or (tags[i - 1] == "IN" and c.lower[i - 1] == "to")):
            if seen["NN"] > 0.6 * sum(seen.values()):
                tags[i] = "NN"
            elif seen["JJ"] > 0.6 * sum(seen.values()):
                tags[i] = "JJ"
        if tag in ("VBP", "VB", "VBD", "JJ", None) and i > 1 and tags[i - 1] == "CC" and tags[i - 2] in (*NOUN, ","):
            after = tags[i + 1] if i + 1 < len(tags) else "."
            if seen["NN"] > 0.6 * sum(seen.values()) and after in ("IN", ".", ",", "CC", "VBG", "VBZ", "VBP", "VBN"):
                tags[i] = "NN"


RULES: Final = (_fixed, _determined, _modifiers, _colours, _participles, _gerunds, _s_forms, _places, _posture,
                _possessive_its, _numbers, _joined)
