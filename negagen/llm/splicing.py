"""From proposals to candidates: what a model would put in a slot becomes splices like those of a rule, or a refusal.

A replacement is read in its place by the same parser as captions are. It must be of the kind that the slot asks for;
its number or verb form is made to fit, articles and capitals are left to `realise`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import MappingProxyType
from typing import Final, NamedTuple

from lemminflect import getAllLemmas

from negagen.lexicon import Entry, Lexicon
from negagen.lexicon.selection import load_selection
from negagen.llm.slots import WORDS, Proposal, Slot
from negagen.llm.words import compound_of, is_attribute, is_known, is_noun, is_verb, noun_in
from negagen.ops.context import accepts, is_described, number_of, subject_of, verb_and_preposition
from negagen.ops.objects import fits_noun
from negagen.ops.pronouns import pronoun_splices
from negagen.parsing import Parser
from negagen.parsing.remembered import Remembered
from negagen.realise import noun_form, title_case, verb_form
from negagen.types import Candidate, Parse, Phrase, Splice

MOST_CHARACTERS: Final = 40
_MOST_WORDS: Final[Mapping[str, int]] = MappingProxyType(
    {"object": 3, "attribute": 2, "relation": 4, "action": 1, "count": 3}
)
_COMMON: Final = 100  # a million words: rarer, and no place can be expected to have it
_LEADING: Final = frozenset("a an the some this that these those his her its their".split())
_COUNTING: Final = frozenset(["a", "an", "another", "each", "every", "either", "neither"])
_TRIMMED: Final = " \t\"'`“”‘’.,;:*"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a proposal cannot become a candidate; a short constant that runs are counted by."""

    reason: str


EMPTY: Final = Refusal("model: nothing, or no words")
LONG: Final = Refusal("model: longer than a span")
NAME: Final = Refusal("model: a proper name")
SAME: Final = Refusal("model: what stands there already")
IMPLAUSIBLE: Final = Refusal("model: implausible, it says itself")
WORDLESS: Final = Refusal("model: no known word")
KINDRED: Final = Refusal("model: a kind of what stands there")
ECHO: Final = Refusal("model: repeats an exemplar")
KIND: Final[Mapping[str, Refusal]] = MappingProxyType(
    {
        "object": Refusal("model: no noun, or more than one"),
        "attribute": Refusal("model: no attribute"),
        "relation": Refusal("model: no known preposition"),
        "action": Refusal("model: no verb"),
        "count": Refusal("model: no number of several"),
    }
)
FORM: Final = Refusal("model: no form that fits")
UNFIT: Final = Refusal("model: cannot be said there")
UNUSUAL: Final = Refusal("model: captions do not say so there")


def candidates(
    lexicon: Lexicon, parser: Parser | Remembered, proposed: Sequence[tuple[Parse, Slot, Proposal]]
) -> list[Candidate | Refusal]:
    """A candidate or refusal for each proposal, in order; `Parse` is that of the slot's caption."""
    out: list[Candidate | Refusal] = []
    cleaned = [cleaned_text(lexicon, parse, slot, proposal) for parse, slot, proposal in proposed]
    texts = [
        None if isinstance(text, Refusal) else f"{slot.text[: slot.start]}{text}{slot.text[slot.end :]}"
        for text, (_, slot, _) in zip(cleaned, proposed, strict=True)
    ]
    parsed = iter(parser.parse([text for text in texts if text is not None]))
    for text, (parse, slot, proposal) in zip(cleaned, proposed, strict=True):
        if isinstance(text, Refusal):
            out.append(text)
            continue
        placed = _Placed.of(next(parsed), slot.start, slot.start + len(text))
        if placed is None:
            out.append(KIND[slot.role])
        elif proposal.echoes:
            out.append(ECHO)
        elif not proposal.plausible:
            out.append(IMPLAUSIBLE)
        else:
            out.append(_FITTERS[slot.role](_Case(lexicon, parse, slot, text, placed)))
    return out


def cleaned_text(lexicon: Lexicon, parse: Parse, slot: Slot, proposal: Proposal) -> str | Refusal:
    """The words that a proposal would put in a slot, without those around the slot that it repeats."""
    text = " ".join(proposal.replacement.strip(_TRIMMED).split())
    if len(proposal.replacement) > 4 * MOST_CHARACTERS or "\n" in proposal.replacement.strip():
        return LONG
    if not text or not WORDS.fullmatch(text):
        return EMPTY
    words = text.split(" ")
    if slot.role == "object" and words[0].lower() in _LEADING:
        words = words[1:]
    before = [token.lower for token in parse.tokens[: slot.first]]
    after = [token.lower for token in parse.tokens[slot.stop :]]
    for size in range(min(len(words) - 1, len(before)), 0, -1):
        if [word.lower() for word in words[:size]] == before[-size:]:
            words = words[size:]
            break
    for size in range(min(len(words) - 1, len(after)), 0, -1):
        if [word.lower() for word in words[-size:]] == after[:size]:
            words = words[:-size]
            break
    text = " ".join(words)
    if not words or len(words) > _MOST_WORDS[slot.role] or len(text) > MOST_CHARACTERS:
        return LONG if words else EMPTY
    # A capital that starts a sentence or a title says nothing; one of a word that captions never write small does.
    if any(word != word.lower() and not lexicon.frequency(word.lower()) for word in words):
        return NAME
    if " ".join(words[1:]) != " ".join(words[1:]).lower() and not (parse.text.isupper() or title_case(parse)):
        return NAME
    text = text.lower()
    return SAME if text == slot.span.lower() else text


@dataclass(frozen=True, slots=True)
class _Placed:
    """The replacement as it was read in its place: tokens `[first, stop)` of `parse`."""

    parse: Parse
    first: int
    stop: int

    @classmethod
    def of(cls, parse: Parse, start: int, end: int) -> _Placed | None:
        """None where the characters `[start, end)` are no whole tokens."""
        starts = parse.starts
        first = next((i for i, at in enumerate(starts) if at == start), -1)
        stop = first + sum(1 for _ in takewhile(lambda at: at < end, starts[first:]))
        return cls(parse, first, stop) if first >= 0 and parse.end(stop - 1) == end else None

    @property
    def codes(self) -> str:
        return self.parse.codes[self.first : self.stop]


class _Case(NamedTuple):
    """A replacement of the right size, and where it would stand."""

    lexicon: Lexicon
    parse: Parse
    slot: Slot
    text: str
    placed: _Placed


def _candidate(slot: Slot, splices: tuple[Splice, ...], new: str) -> Candidate:
    sites = (slot.phrase,) if slot.phrase >= 0 else ()
    operation = "paraphrase" if slot.positive else "replace"
    return Candidate(splices, operation, slot.role, slot.old, new, sites, slot.relation)


def _object(case: _Case) -> Candidate | Refusal:
    lexicon, parse, slot, text, placed = case
    phrase = parse.phrases[slot.phrase]
    codes, own = placed.codes, placed.parse
    if codes[-1] != "N" or codes.strip("uN"):
        return KIND["object"]
    read = next((each for each in own.phrases if each.stop == placed.stop), None)
    head = own.tokens[placed.stop - 1]
    lemma = read.lemma if read is not None and read.unit == placed.first else head.lemma
    lemma = lemma if " " in lemma or len(codes) == 1 else f"{text.rpartition(' ')[0]} {lemma}"
    plural = phrase.plural or (phrase.quantity >= 0 and _several(lexicon, parse, phrase))
    entry = lexicon.noun(lemma)
    if lexicon.protected(lemma) or (entry is None and lexicon.protected(lemma.rpartition(" ")[2])):
        return KIND["object"]
    last = text.rpartition(" ")[2]
    compound = None if entry is not None or is_known(lexicon, last, joined=False) else compound_of(lexicon, last)
    if compound is not None:  # no list has it, and the parser's guess at its lemma is none to go by
        form = compound.form(lexicon, plural=plural)
        if form is None or len(codes) > 1:
            return FORM
        if _kindred(lexicon, slot.old, compound.last):
            return KINDRED
        text, lemma = form, compound.lemma
    elif entry is None:
        found = noun_in(lexicon, text, plural=plural, counted=_is_counted(parse, phrase))
        if found is None:
            return FORM
        lemma, text = found
    elif plural != (head.tag in ("NNS", "NNPS")) or (entry.plural_only and not plural):
        form = noun_form(lexicon, lemma, plural=plural)
        if form is None:
            return FORM
        text = form
    if not all(is_known(lexicon, word) for word in (*text.split(), *lemma.split()[-1:])):
        return WORDLESS
    if entry is None and not is_noun(lexicon, lemma.rpartition(" ")[2]):
        return KIND["object"]
    if entry is not None:
        if not (fits_noun(parse, phrase, entry) and accepts(parse, slot.phrase, entry)):
            return UNFIT
        if not slot.positive and _common(entry) and not is_described(load_selection(), parse, slot.phrase, entry):
            return UNUSUAL
    splice = Splice(slot.first, slot.stop, text)
    pronouns = pronoun_splices(parse, lemma) if phrase.family == "person" else []
    if pronouns is None:
        return UNFIT
    return _candidate(slot, tuple(sorted([splice, *pronouns], key=lambda each: each.start)), lemma)


def _attribute(case: _Case) -> Candidate | Refusal:
    lexicon, parse, slot, text, placed = case
    entry = lexicon.attribute(text)
    if slot.old in getAllLemmas(text).get("ADJ", ()):
        return SAME  # "fatter" of "fat"
    if entry is None and (placed.codes.strip("JjGER") or placed.codes[-1] == "R" or not is_attribute(text)):
        return KIND["attribute"]
    if entry is None and not all(is_known(lexicon, word) for word in text.split()):
        return WORDLESS
    if entry is not None and not any(sense.suits(parse.phrases[slot.phrase].entry) for sense in entry.senses):
        return UNFIT
    phrase = parse.phrases[slot.phrase]
    if not slot.positive and _common(phrase.entry) and load_selection().allows_attribute(text, phrase.lemma) is False:
        return UNUSUAL
    return _candidate(slot, (Splice(slot.first, slot.stop, text),), text)


def _relation(case: _Case) -> Candidate | Refusal:
    lexicon, parse, slot, text, _ = case
    entry = lexicon.relation(text)
    if entry is None or entry.viewpoint:
        return KIND["relation"]
    if not entry.may_precede(parse.phrases[slot.phrase].entry):
        return UNFIT
    return _candidate(slot, (Splice(slot.first, slot.stop, text),), text)


def _action(case: _Case) -> Candidate | Refusal:
    lexicon, parse, slot, text, placed = case
    token = placed.parse.tokens[placed.first]
    lemma = token.lemma if token.tag.startswith("VB") else _verb_lemma(lexicon, text)
    if lemma is None:
        return KIND["action"]
    entry = lexicon.action(lemma)
    if entry is None and not is_verb(lexicon, lemma):
        return WORDLESS
    if slot.relation >= 0:
        relation = parse.relations[slot.relation]
        _, preposition = verb_and_preposition(parse, relation)
        thing = parse.phrases[relation.object]
        if not slot.positive and _common(thing.entry) and not load_selection().allows(lemma, preposition, thing.lemma):
            return UNUSUAL
    subject = subject_of(parse, parse.relations[slot.relation] if slot.relation >= 0 else None, slot.first)
    if entry is not None and subject is not None and not any(sense.suits_subject(subject) for sense in entry.senses):
        return UNFIT
    if entry is not None and not _stands(parse, slot, lexicon.action(slot.old), entry):
        return UNFIT
    form = verb_form(lexicon, lemma, parse.tokens[slot.first].tag)
    return FORM if form is None else _candidate(slot, (Splice(slot.first, slot.stop, form),), lemma)


def _count(case: _Case) -> Candidate | Refusal:
    lexicon, _, slot, text, _ = case
    entry = lexicon.number(text)
    if entry is None or not entry.plural:
        return KIND["count"]
    return _candidate(slot, (Splice(slot.first, slot.stop, text),), entry.word)


_FITTERS: Final = MappingProxyType(
    {"object": _object, "attribute": _attribute, "relation": _relation, "action": _action, "count": _count}
)


def _several(lexicon: Lexicon, parse: Parse, phrase: Phrase) -> bool:
    entry = number_of(lexicon, parse, phrase.quantity)
    return entry is not None and entry.plural


def _is_counted(parse: Parse, phrase: Phrase) -> bool:
    return phrase.quantity >= 0 or (phrase.determiner >= 0 and parse.tokens[phrase.determiner].lower in _COUNTING)


def _kindred(lexicon: Lexicon, old: str, new: str) -> bool:
    """Whether what has `new` as its last part may be an `old`: a smartphone is a phone."""
    entry = lexicon.noun(old)
    return old == new or old.endswith(f" {new}") or (entry is not None and new in entry.excluded)


def _stands(parse: Parse, slot: Slot, old: Entry | None, new: Entry) -> bool:
    """Whether the new verb takes an object, or the preposition that follows, so far as the old one does."""
    following = parse.tokens[slot.stop] if slot.stop < len(parse.tokens) else None
    if slot.relation >= 0:
        transitive = parse.relations[slot.relation].kind == "verb"
    else:
        transitive = following is not None and following.code in "DO"
    preposition = "" if transitive or following is None or following.code in ",." else following.lower
    frame = "transitive" if transitive else "intransitive"

    def fits(verb: Entry) -> bool:
        senses = [sense for sense in verb.senses if sense.frame == frame]
        return any(not preposition or sense.takes(preposition) for sense in senses)

    return old is None or not fits(old) or fits(new)


def _common(noun: Entry | None) -> bool:
    """Whether a noun is so frequent in captions that its absence from a place there says something."""
    return noun is not None and noun.frequency >= _COMMON


def _verb_lemma(lexicon: Lexicon, word: str) -> str | None:
    """The lemma of a verb that was read as something else in its place; None if no verb looks so."""
    for tag in ("VBG", "VBZ", "VB"):
        lemma = lexicon.lemma(word, tag)
        if lemma is not None and lexicon.action(lemma) is not None:
            return lemma
    return None
