"""The phrase grammar: base noun phrases and what stands between them, found over one letter a token.

A caption is short and mostly noun phrases joined by prepositions and verbs, so that regular expressions over
the letters of `codes` find what the rules need; a dependency parser would cost more than all the rest.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from negagen.lexicon import Lexicon, Unit
from negagen.types import Parse, Phrase, Relation, Token

_ATOM = r"(?:R?(?:Jj*|[GE])(?:H(?:Jj*|[GEN]))*|[NJF]H[JEG])"
_MODIFIERS = rf"(?:{_ATOM}(?:(?:,?A|,)(?={_ATOM}))?)*"
# With no determiner or number before it, "-ing N" is a verb with its object, and a participle is a
# modifier only where no subject stands before it.
_BARE = rf"(?:(?:R?Jj*|[NJF]H[JEG]|(?<![BNMXOuV])E(?=[uNM]))(?:(?:,?A|,)(?={_ATOM}))?{_MODIFIERS})?"
_PHRASE: Final = re.compile(
    rf"(?P<det>[DS]+)?(?P<count>Cc*)?"
    rf"(?P<mods>(?(det){_MODIFIERS}|(?(count){_MODIFIERS}|{_BARE})))"
    rf"(?P<noun>(?:[uNM][uNMH]*)?[NM])"
)
_GAP: Final = re.compile(r"[,WR]*(?P<chain>[BXTVGE][BXTVGER]*)?R?(?P<particle>I*?)(?P<prep>Ii*)?R?")
_BE_FORMS: Final = frozenset(["is", "are", "was", "were"])
_FINITE_TAGS: Final = frozenset(["VBZ", "VBP", "VBD", "MD"])
UNKNOWN: Final = -1  # in `Parse.finite`: a verb may agree with the phrase, but which one cannot be said
_UNIT_CODES: Final = {
    "noun": ("u", "N"),
    "attribute": ("J", "j"),
    "relation": ("I", "i"),
    "count": ("C", "c"),
}


class Gap(NamedTuple):
    """What a run of letters between two phrases amounts to; indices are relative to the run.

    `verb` is the main verb and `finite` the word that agrees with the subject, -1 where there is none.
    """

    kind: str
    verb: int
    finite: int
    start: int
    stop: int


@lru_cache(maxsize=4096)
def read_gap(codes: str) -> Gap | None:
    """Classify the letters after a phrase; None where the grammar does not understand them."""
    if codes in (",", "A", ",A"):
        return Gap("coordination", -1, -1, 0, len(codes))
    match = _GAP.match(codes)
    if match is None or not codes:
        return None
    chain, base = match["chain"] or "", max(match.start("chain"), 0)
    verb = max((base + i for i, code in enumerate(chain) if code in "VGE"), default=-1)
    finite = base if chain and chain[0] in "BXV" else -1
    start, stop = match.span("prep")
    if match.end() < len(codes):
        # Something else follows ("is red and ..."): who agrees with whom is known, the relation is not.
        return Gap("", verb, finite, 0, 0) if chain else None
    if start < 0:
        start = stop = len(codes)
        kind = "verb" if verb >= 0 else "copula" if chain else ""
    else:
        kind = "verb+preposition" if verb >= 0 else "preposition"
    return Gap(kind, verb, finite, start, stop)


def parse_tokens(text: str, tokens: list[Token], starts: list[int], lexicon: Lexicon) -> Parse:
    """Find units, phrases and relations. `tokens[i]` stands at offset `starts[i]` of `text`."""
    codes = "".join([token.code for token in tokens])
    units: dict[int, tuple[int, Unit]] = {}
    codes = _mark_units(tokens, codes, units)
    phrases = tuple([_phrase(match, tokens, codes, units, lexicon) for match in _PHRASE.finditer(codes)])
    finite: dict[int, int] = {}
    relations = _relations(tokens, codes, phrases, units, finite)
    words = frozenset([token.lower for token in tokens])
    return Parse(text, tokens, starts, codes, units, phrases, relations, finite, words)


def _mark_units(tokens: list[Token], codes: str, units: dict[int, tuple[int, Unit]]) -> str:
    """Find multi-word units, longest first from the left, and recode their letters."""
    marked: list[str] | None = None
    after = 0
    last = len(tokens) - 1
    for i, opens in enumerate([token.opens for token in tokens]):
        if opens is None or i < after or i == last:
            continue
        for words, unit in opens.get(tokens[i + 1].lower, ()):
            stop = i + len(words)
            if stop - 1 > last or (len(words) > 2 and [t.lower for t in tokens[i:stop]] != list(words)):
                continue
            # "people watch a bird house", "a bus stops": a verb neither begins nor ends a noun unit.
            if unit.kind == "noun" and (codes[i] in "VBX" or codes[stop - 1] in "VBX"):
                continue
            # "a couple is posing": two people, not a count of anything.
            if unit.kind == "count" and (stop > last or codes[stop] not in "NMJGECRH"):
                continue
            units[i] = (stop, unit)
            after = stop
            marked = marked or list(codes)
            if unit.kind == "noun":
                marked[i:stop] = ["u"] * (len(words) - 1) + ["N"]
            else:
                first, further = _UNIT_CODES.get(unit.kind, ("Z", "Z"))
                marked[i:stop] = [first] + [further] * (len(words) - 1)
            break
    return codes if marked is None else "".join(marked)


def _phrase(
    match: re.Match[str],
    tokens: list[Token],
    codes: str,
    units: dict[int, tuple[int, Unit]],
    lexicon: Lexicon,
) -> Phrase:
    (start, stop), (determiner, _), (count, _), (mods, mods_stop), _ = match.regs
    unit = mods_stop
    head = stop - 1
    attributes = [i for i in range(mods, mods_stop) if codes[i] in "JGE"]
    while codes[unit : unit + 1] == "N" and codes[unit + 1 : unit + 2] in ("N", "u") and unit not in units:
        if unit == head or tokens[unit].attribute is None:
            break
        attributes.append(unit)
        unit += 1
    token = tokens[head]
    # "a rhinoceros": an article says that a head that looks plural is not.
    lemma, entry, compound = token.lemma, token.entry, unit < head
    if compound:
        known = units.get(unit)
        if known is not None and known[0] == stop:
            lemma, compound = known[1].lemma, False
            entry = lexicon.noun(lemma)
    return Phrase(
        start,
        stop,
        determiner,
        count,
        tuple(attributes),
        unit,
        head,
        lemma,
        token.tag in ("NNS", "NNPS") and not (determiner >= 0 > count and tokens[determiner].lower in ("a", "an")),
        compound,
        entry,
        _family(entry.classes) if entry is not None else "",
    )


@lru_cache(maxsize=4096)
def _family(classes: tuple[str, ...]) -> str:
    return classes[0].partition(".")[0] if classes else ""


def _relations(
    tokens: list[Token],
    codes: str,
    phrases: tuple[Phrase, ...],
    units: dict[int, tuple[int, Unit]],
    finite: dict[int, int],
) -> tuple[Relation, ...]:
    relations: list[Relation] = []
    # The phrases that a later participle, a later finite verb, and a verb after "while" would take for their subject.
    near = main = last_subject = 0
    last = len(phrases) - 1
    for i, left in enumerate(phrases):
        if codes[max(left.start - 2, 0) : left.start] == "OB" and tokens[left.start - 2].lower == "there":
            finite[i] = left.start - 1 if tokens[left.start - 1].lower in _BE_FORMS else UNKNOWN
        base = left.stop
        between = codes[base : phrases[i + 1].start] if i < last else codes[base:]
        clause, opens, rest = between.partition("K")
        gap = read_gap(clause)
        if gap is None and any(token.tag in _FINITE_TAGS for token in tokens[base : base + len(clause)]):
            finite.setdefault(main, UNKNOWN)
            finite.setdefault(i, UNKNOWN)
        if gap is not None and not gap.kind and gap.finite < 0:
            gap = None  # "a game where a player ...": a clause with a subject of its own
        subject = i
        if gap is not None and gap.finite >= 0:
            # "a man in a hat rides": the man; "a man and a dog who rides": the nearest one.
            subject = i if "W" in clause else main
            finite.setdefault(subject, base + gap.finite)
        elif gap is not None and gap.verb >= 0 and not left.animate:
            subject = near
        if gap is not None and (gap.verb >= 0 or gap.finite >= 0):
            last_subject = subject
        if opens:
            # "sits while holding a cat" goes on with its subject, "sits while a cat sleeps" does not.
            gap, base, subject = read_gap(rest), base + len(clause) + 1, last_subject
            if gap is not None and (gap.verb < 0 or gap.finite >= 0):
                gap = None
        if gap is None:
            near = main = i + 1
            continue
        if gap.finite >= 0:
            main = i + 1
        if gap.verb >= 0 or gap.finite >= 0:
            near = i + 1
        if i < last and gap.kind:
            relations.append(_relation(gap, subject, i + 1, base, tokens, units))
    return tuple(relations)


def _relation(
    gap: Gap, subject: int, object_: int, base: int, tokens: list[Token], units: dict[int, tuple[int, Unit]]
) -> Relation:
    start, stop = base + gap.start, base + gap.stop
    name = ""
    if start < stop and gap.kind != "coordination":
        known = units.get(start)
        name = known[1].lemma if known is not None else tokens[start].lower
    verb = base + gap.verb if gap.verb >= 0 else -1
    return Relation(subject, object_, gap.kind, verb, gap.finite >= 0, name, start, stop)
