"""What captions are like, as rules on tags: they settle where the taggers differ and undo errors they share.

Each rule says what Penn Treebank practice asks for in a caption; a tag of None leaves a word out of training.
Word lists are short on purpose: most decisions come from the votes of all captions for a word in that place.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from votes import BASE, NAMES, Caption, Tags, Votes, choose, prenominal

NOUNS: Final = ("NN", "NNS")
NOUN_PHRASE: Final = ("DT", "PRP$", "NN", "NNS", "CD", "PRP", "JJ")
STANDS_ALONE: Final = frozenset("that this another each some all both these those either".split())
COLOURS: Final = frozenset(
    """white black red blue green yellow brown pink purple gray grey tan beige teal maroon turquoise blonde
    blond""".split()
)
INTRANSITIVE: Final = frozenset(
    "walked jumped looked smiled waited came fell stared appeared happened sat stood went".split()
)
# Gerunds that name the kind of thing after them, not what it is doing: a dining room, a cutting board.
GERUND_MODIFIERS: Final = frozenset(
    """living dining parking cutting baking frying swimming shopping sewing washing wedding waiting sleeping
    cooking boxing bowling landing steering crossing serving fishing hiking racing writing reading mixing
    drinking running walking skiing surfing skating boarding docking rowing recording riding welding dressing
    lighting training playing measuring ironing changing building painting seating""".split()
)
GERUND_HEADS: Final = frozenset(
    """room rooms area areas lot lots space spaces table tables board boards sheet pan pans dish dishes pool
    pools cart carts machine machines party dress gown cake suit station bag bags utensils equipment ring gloves
    alley strip gear wheel sign signs light signal plate platter tray boat boats pole poles trail trails track
    stick sticks desk bowl fountain glass glasses shoes shoe path paths resort slope slopes park rink ramp meter
    meters garage spot lane dock docks ground field course cup center centre supplies tools competition contest
    lessons lesson school class trip hall site materials complex buildings bars lift counter fixture
    fixtures""".split()
)
# Verbs that make one verb with a particle and take an object after it: holds up a sign.
PARTICLE_VERBS: Final = frozenset(
    """hold holds holding held put puts putting take takes taking took taken throw throws throwing thrown show
    shows showing pick picks picking picked set sets setting lift lifts lifting lifted blow blows blowing blew
    blown cut cuts cutting pull pulls pulling pulled check checks checking checked try tries trying turn turns
    turning turned shut hang hangs open opens opening line lined fill filling wipe wiping knock knocking give
    gives giving hand handing drop dropping close closing pass passing fold folded""".split()
)
POSTURE: Final = frozenset(
    """sit sits sitting sat lay lays laying laid lie lies lying lain stand stands standing stood bend bends
    bending bent squat squats squatting crouch crouches crouching crouched kneel kneels kneeling lean leans
    leaning hunch hunched curl curls curled curling line lined lines dress dressed stack stacked pile piled wrap
    wrapped""".split()
)
PREPOSITIONS: Final = frozenset(
    """outside inside behind near above below underneath around past along beside by across through over under
    down""".split()
)


def _pairs(table: str) -> dict[tuple[str, str], tuple[str, str | None]]:
    """Read lines of "first|first second|second TAG TAG"; a tag of - leaves the second word as it is."""
    found: dict[tuple[str, str], tuple[str, str | None]] = {}
    for line in table.strip().splitlines():
        firsts, seconds, tag, other = line.split()
        for first in firsts.split("|"):
            for second in seconds.split("|"):
                found[first, second] = (tag, None if other == "-" else other)
    return found


PAIRS: Final = _pairs("""
next to RB IN
each other DT JJ
upside down RB RB
about to JJ TO
one of CD -
all the PDT -
all of|kinds|types DT -
half a|an|the PDT -
in front|between IN -
on|in|at|with|for|from a|an|the|it|his|her|their|its IN -
there is|are|was|were|'s|appears|seems EX -
stop sign|signs|light|lights NN -
living room|rooms|area|space|areas NN -
skate board|boards|park|boarder|ramp|parks NN -
surf|snow|ski|wake|chalk board NN NN
surf|snow|ski|wake|chalk boards NN NNS
white board - NN
white boards - NNS
""")
ALWAYS: Final = {
    **dict.fromkeys("a an the".split(), "DT"),
    **dict.fromkeys("it them him himself herself itself themselves".split(), "PRP"),
    "people": "NNS",
    "teddy": "NN",
    "mid": "JJ",
    "wii": "NNP",
    "nintendo": "NNP",
}
BEARS: Final = frozenset("teddy polar brown stuffed black grizzly white toy".split())


def settle(caption: Caption, votes: Votes) -> Tags:
    """Return one tag a word, or None where nothing decides."""
    tags = choose(caption, votes)
    for rule in RULES:
        rule(caption, tags, votes)
    return tags


def _at(items: Tags, i: int, default: str | None = None) -> str | None:
    return items[i] if 0 <= i < len(items) else default


def _word(caption: Caption, i: int) -> str:
    return caption.lower[i] if 0 <= i < len(caption.lower) else ""


def _expressions(c: Caption, tags: Tags, _votes: Votes) -> None:
    """Words and pairs of words that have one analysis."""
    for i, word in enumerate(c.lower):
        before, after = _word(c, i - 1), _word(c, i + 1)
        if (word, after) in PAIRS:
            tag, other = PAIRS[word, after]
            tags[i] = tags[i] if tag == "-" else tag
            tags[i + 1] = other or tags[i + 1]
        elif word in ALWAYS:
            tags[i] = ALWAYS[word]
        elif word == "close":
            _close(c, tags, i)
        elif word in ("out", "off", "outside", "inside") and after == "of":
            tags[i] = "NN" if before in ("the", "an") else "IN"
        elif word == "front" and (before, after) == ("in", "of"):
            tags[i] = "NN"
        elif word == "half" and _at(tags, i + 1) in ("VBN", "JJ"):
            tags[i] = "RB"
        elif word in ("bear", "bears") and before in BEARS:
            tags[i] = "NN" if word == "bear" else "NNS"


def _close(c: Caption, tags: Tags, i: int) -> None:
    """A close up is a noun phrase; close to is an adverb after a verb of posture or motion."""
    before, after = _word(c, i - 1), _word(c, i + 1)
    hyphen = after == "-"
    end = i + 1 + hyphen
    if after in ("up", "-") and "up" in c.lower[i + 1 : i + 3]:
        if before in ("a", "the", ""):
            last = _word(c, end + 1) in ("", "of", "on", ".", "with", "in", "at", "that")
            tags[i] = "JJ"
            tags[end] = "NN" if last or hyphen else "RP"
    elif after == "to" and tags[i] != "VB" and _at(tags, i - 1) in ("VBG", "RB", "VBZ") and before not in ("is", "are"):
        tags[i] = "RB"


def _determined(c: Caption, tags: Tags, votes: Votes) -> None:
    """After a determiner there is no finite verb: what looks like one is a noun or an adjective."""
    for i, tag in enumerate(tags):
        if tag not in ("VB", "VBP", "VBZ", "VBD", "MD", "UH") or _at(tags, i - 1) not in ("DT", "PRP$"):
            continue
        if _word(c, i - 1) in STANDS_ALONE or c.lower[i] in ("is", "are", "has", "have", "was", "does", "be"):
            continue
        seen = votes.overall[c.lower[i]]
        nominal = Counter({t: n for t, n in seen.items() if t in ("NN", "NNS", "JJ")})
        tags[i] = nominal.most_common(1)[0][0] if nominal else None


def _modifiers(c: Caption, tags: Tags, votes: Votes) -> None:
    """A word before a noun gets the tag that all captions give it there (stuffed animal, plastic cup)."""
    for i, tag in enumerate(tags):
        word = c.lower[i]
        purpose = word in GERUND_MODIFIERS and _word(c, i + 1) in GERUND_HEADS
        after_modifier = i == 0 or tags[i - 1] in ("DT", "JJ", "PRP$", "CD", "IN", "CC")
        if purpose and after_modifier and tag in ("VBG", "NN", "JJ", None):
            tags[i] = "NN"
        elif tag not in ("JJ", "NN", "VBN", "VBD", "VBG", "NNP", "RB", None) or not prenominal(tags, i):
            continue
        elif word.endswith("ing"):
            seen = Counter({t: n for t, n in votes.prenominal[word].items() if t in ("VBG", "JJ", "NN")})
            doing = seen["VBG"] + seen["JJ"] >= 0.7 * sum(seen.values())
            if {c.first[i], c.second[i]} & {"VBG", "JJ"} and doing and seen["VBG"]:
                tags[i] = "VBG"
        elif word in COLOURS:
            tags[i] = "JJ"
        elif tag in ("JJ", "NN", "VBN", "VBD", "RB", None):
            seen = Counter({t: n for t, n in votes.prenominal[word].items() if t in ("JJ", "NN", "VBN")})
            best, count = seen.most_common(1)[0] if seen else ("", 0)
            if sum(seen.values()) >= 6 and count >= 0.6 * sum(seen.values()):
                tags[i] = best


def _colours(c: Caption, tags: Tags, _votes: Votes) -> None:
    """Colour words are adjectives before a noun, in a series and after a copula."""
    for i, word in enumerate(c.lower):
        before, after = _at(tags, i - 1), _at(tags, i + 1)
        if word in COLOURS:
            modifies = after in ("NN", "NNS", "JJ", "NNP", "VBN", "HYPH", "CD", "VBG", "CC")
            false_name = tags[i] in NAMES and not c.words[i].istitle()
            if modifies or false_name or before in ("VBZ", "VBP", "RB", "CC"):
                tags[i] = "JJ"
    for i, word in enumerate(c.lower):
        after_word, after = _word(c, i + 1), _at(tags, i + 1)
        if word == "orange" and after_word in "slices slice juice peel peels tree trees halves".split():
            tags[i] = "NN"
        elif word in ("orange", "silver") or (word == "gold" and tags[i] != "NN"):
            series = after_word in ("and", ",") and _word(c, i + 2) in COLOURS
            if after in ("NN", "NNS", "JJ", "VBN") or series:
                tags[i] = "JJ"


def _participles(c: Caption, tags: Tags, _votes: Votes) -> None:
    """A past form after a noun and before no object is a reduced relative: a bus parked at the curb."""
    for i, tag in enumerate(tags):
        opinions = {c.first[i], c.second[i]}
        word, before = c.lower[i], _at(tags, i - 1)
        if i == 0 or tag not in ("VBD", "VBN", None) or (tag is None and not opinions <= {"VBD", "VBN"}):
            continue
        if word in ("was", "were", "did", "went", "took", "rode", "ate"):
            continue
        noun = before in ("NN", "NNS", "NNP", ",", "CC") or _word(c, i - 1) in ("it", "them", "him")
        has_object = _at(tags, i + 1) in ("DT", "PRP$", "PRP", "CD")
        told_in_past = any(t == "VBD" for j, t in enumerate(c.first) if j != i)
        if noun and not has_object and not told_in_past:
            if opinions != {"VBD"} or word not in INTRANSITIVE:
                tags[i] = "VBN"
        elif before in ("VBZ", "VBP") and _word(c, i - 1) in ("is", "are", "has", "have", "'s"):
            tags[i] = "VBN"


def _gerunds(c: Caption, tags: Tags, votes: Votes) -> None:
    """An -ing word between a noun and an object, preposition or the end says what the noun does."""
    for i, tag in enumerate(tags):
        word, before, after = c.lower[i], _at(tags, i - 1), _at(tags, i + 1, ".")
        if not word.endswith("ing") or len(word) < 5 or tag not in ("NN", "JJ", "NNP", None):
            continue
        if votes.overall[word]["VBG"] < 0.5 * sum(votes.overall[word].values()):
            continue
        if after not in ("DT", "IN", "RP", "RB", "PRP$", "TO", ".", "PRP"):
            continue
        sure = tag is None or c.second[i] == "VBG"
        if before in ("VBZ", "VBP", "NNS") or (before in ("NN", "PRP", "NNP") and sure):
            tags[i] = "VBG"


def _s_forms(c: Caption, tags: Tags, _votes: Votes) -> None:
    """Plural noun or third person: a singular subject, an -s word, then what follows a verb."""
    finite = [tag in ("VBZ", "VBP", "VBD", "MD") for tag in tags]
    for i, tag in enumerate(tags):
        word, before, after = c.lower[i], _at(tags, i - 1), _at(tags, i + 1, ".")
        if i == 0 or tag not in ("VBZ", None) or not word.endswith("s") or "VBZ" not in (c.first[i], c.second[i]):
            continue
        if word in ("is", "has", "does", "'s", "was"):
            continue
        if tag == "VBZ" and before in ("DT", "PRP$", "POS") and _word(c, i - 1) not in STANDS_ALONE:
            tags[i] = "NNS"
        follows_subject = before in ("NN", "NNP", "WDT", "PRP", "RB") and not any(finite[max(0, i - 4) : i])
        if tag is None and follows_subject and after in "DT IN PRP$ RP RB VBG TO CD JJ VBN . PRP".split():
            tags[i] = "VBZ"


def _places(c: Caption, tags: Tags, _votes: Votes) -> None:
    """Particle, preposition or adverb: a preposition has its noun phrase after it."""
    for i, tag in enumerate(tags):
        word, after, after_word = c.lower[i], _at(tags, i + 1, "."), _word(c, i + 1)
        ends = after in (".", "CC", ",")
        around = word in ("outside", "inside")
        with_particle = _word(c, i - 1) in PARTICLE_VERBS
        if word in PREPOSITIONS and after in NOUN_PHRASE and tag in ("IN", "RP", "RB", "JJ", None):
            modifier = around and after in ("NN", "NNS", "JJ")
            if not modifier and not (with_particle and tag == "RP") and _at(tags, i - 1) != "DT":
                tags[i] = "IN"
        elif around and (ends or after in ("VBG", "IN", "TO")) and after_word != "of" and tag in ("IN", None):
            tags[i] = "RB"
        elif word in ("by", "around") and ends and tag in ("IN", "RP", None):
            tags[i] = "RB" if word == "around" else "RP"
        if word in ("up", "off", "out") and after in ("DT", "PRP$") and with_particle and tags[i] != "RP":
            if tag in ("IN", "RB", None):
                tags[i] = "RP"
        elif word in ("up", "down", "out", "off") and tag == "IN" and ends:
            tags[i] = "RP" if _at(tags, i - 1) in ("VBG", "VBZ", "VBN", "VB", "VBP") else None


def _posture(c: Caption, tags: Tags, _votes: Votes) -> None:
    """Sit down, stand up, lean over: particles, unless a noun phrase follows."""
    for i, word in enumerate(c.lower):
        if word in ("up", "down", "over") and _word(c, i - 1) in POSTURE and _at(tags, i + 1) not in NOUN_PHRASE:
            tags[i] = "RP"


def _possessive_its(c: Caption, tags: Tags, _votes: Votes) -> None:
    """Many captions write it's for its: before a noun the 's is possessive."""
    for i, word in enumerate(c.lower):
        if word in ("'s", "\u2019s") and _word(c, i - 1) == "it" and i + 1 < len(tags):
            noun = tags[i + 1] in NOUNS or (tags[i + 1] in ("JJ", "CD") and _at(tags, i + 2) in NOUNS)
            tags[i] = "POS" if noun else "VBZ"


def _numbers(c: Caption, tags: Tags, _votes: Votes) -> None:
    """Nouns with one form for both numbers, and a few that taggers put in the wrong one."""
    for i, word in enumerate(c.lower):
        if word in ("sheep", "deer", "bison", "moose"):
            if tags[i] in ("NN", "NNS", "VBP", "VB", None):
                tags[i] = _number(c, tags, i)
        elif word in ("skis", "teeth", "drinks"):
            tags[i] = tags[i] or "NNS"
        elif word in ("broccoli", "luggage", "selfie", "graffiti"):
            tags[i] = "NN"
        elif word in ("zebra", "giraffe", "elephant") and tags[i] != "NN":
            many = _at(tags, i - 1) == "CD" and _word(c, i - 1) != "one"
            tags[i] = "NNS" if many else "NN"


def _number(c: Caption, tags: Tags, i: int) -> str | None:
    """The number of a sheep, from the verb after it or the words before it."""
    before, earlier, after = _word(c, i - 1), _word(c, i - 2), _word(c, i + 1)
    single = ("a", "one", "another", "single", "lone", "each")
    if after in "is has stands looks sits walks lies lays grazes".split():
        return "NN"
    if after in "are have stand graze walk eat look grazing".split():
        return tags[i] if {"a", "one"} & {before, earlier} else "NNS"
    if before in single or (earlier in single[:3] and _at(tags, i - 1) in ("JJ", "VBN", "NN")):
        return "NN"
    if before in ("of", "some", "many", "several") or _at(tags, i - 1) == "CD":
        return "NNS"
    return tags[i]


def _joined(c: Caption, tags: Tags, votes: Votes) -> None:
    """What joins on to a noun is a noun if it mostly is one: a suit and tie, a toilet and sink."""
    for i, tag in enumerate(tags):
        word, before, after = c.lower[i], _at(tags, i - 1), _at(tags, i + 1, ".")
        no_verb_here = i == 0 or (before == "IN" and _word(c, i - 1) == "to")
        joined = before == "CC" and _at(tags, i - 2) in (*NOUNS, ",")
        goes_on = after in ("IN", ".", ",", "CC", "VBG", "VBZ", "VBP", "VBN")
        if tag in BASE and no_verb_here:
            if votes.mostly(word, "NN", 0.6):
                tags[i] = "NN"
            elif votes.mostly(word, "JJ", 0.6):
                tags[i] = "JJ"
        elif tag in ("VBP", "VB", "VBD", "JJ", None) and joined and goes_on and votes.mostly(word, "NN", 0.6):
            tags[i] = "NN"


RULES: Final = (
    _expressions,
    _determined,
    _modifiers,
    _colours,
    _participles,
    _gerunds,
    _s_forms,
    _places,
    _posture,
    _possessive_its,
    _numbers,
    _joined,
)
