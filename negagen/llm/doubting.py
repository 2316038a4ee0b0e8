"""What is to be thought of a model's candidate that passed the checks: the checks know only the lexicon's words."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from negagen.checks import Context, judge
from negagen.checks.company import content
from negagen.checks.lexical import TOGETHER
from negagen.checks.siblings import check_siblings
from negagen.lexicon import Entry, Lexicon, families_of
from negagen.lexicon.company import load_company
from negagen.lexicon.selection import load_selection
from negagen.llm.contrary import contrary
from negagen.llm.people import people_of
from negagen.ops.context import is_idiomatic
from negagen.types import Candidate, Parse, Relation, Verdict

STRANGE: Final = 0.5
"""The weight, at most, of a negative that is odd in its caption: half, as of what gives itself away."""

REWORDED: Final = 0.9
NEAR: Final = 0.8
UNSURE: Final = 0.6
_SEEN: Final = 2
_CONTRARY: Final = Verdict("reject", "a contrary of what it should reword")


def judged(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """The verdict of all checks, and of what `contrary` finds in a model's word, which no list of ours has offered."""
    verdict = judge(parse, candidate, context)
    if verdict is TOGETHER:  # which attributes of two kinds do that is asked below, more closely
        verdict = check_siblings(parse, candidate, context)
    if verdict.kind == "keep":
        doubt = contrary(parse, candidate, context)
        return doubt if doubt.kind == "reject" else replace(verdict, weight=min(verdict.weight, doubt.weight))
    if verdict.kind != "positive" or candidate.operation != "paraphrase":
        return verdict
    old = _entry(context.lexicon, candidate.role, candidate.old)
    new = _entry(context.lexicon, candidate.role, candidate.new)
    if old is None or new is None:
        return replace(verdict, reason="synonym, says the model", weight=UNSURE)
    if candidate.new in old.group and candidate.old in new.group:
        return replace(verdict, weight=REWORDED)
    if candidate.new in old.replacements or candidate.old in new.replacements:
        return _CONTRARY
    near = candidate.new in old.excluded or candidate.old in new.excluded
    return replace(verdict, reason="synonym, says the model", weight=NEAR if near else UNSURE)


def at_home(lexicon: Lexicon, parse: Parse, candidate: Candidate) -> bool:
    """Whether a new thing is of a kind with what stands there, or captions put it in such a place.

    They do where they have it after that verb and preposition, beside what it is there related to, and where the
    lexicon says that things like it do what is done there. Rules take nothing else. A model may know better than
    captions do, or not think at all ("walking in the moose", "a mop posing"): what is neither is to weigh less. Of
    words that the lexicon does not know this cannot be told, but that they do something.
    """
    if candidate.role != "object" or candidate.operation != "replace":
        return True
    number = candidate.sites[0]
    old, new = parse.phrases[number].entry, lexicon.noun(candidate.new)
    before, after = people_of(lexicon, candidate.old, candidate.new)
    if before is not None and after is not None:
        return True
    if new is not None and old is not None and not families_of(old).isdisjoint(families_of(new)):
        return True
    done = [
        _does(parse, relation, new)
        for relation in parse.relations
        if relation.subject == number and _acts(parse, relation)
    ]
    if not all(done):
        return False
    if new is None:
        return after is None
    return is_idiomatic(load_selection(), parse, number, new) and (bool(done) or _is_named(parse, number, new))


def _is_named(parse: Parse, number: int, new: Entry) -> bool:
    """Whether captions name `new` beside one of the things that phrase `number` is related to: or beside any of the
    caption's words, where it is to none.
    """
    words, phrase = load_company().words, parse.phrases[number]
    related = {
        r.object if r.subject == number else r.subject for r in parse.relations if number in (r.subject, r.object)
    }
    names = [parse.phrases[other].lemma for other in related] or [
        word for index, word in content(parse) if not phrase.unit <= index < phrase.stop
    ]
    return any(words[name].nouns.get(new.lemma, 0) >= _SEEN for name in names if name in words)


def _acts(parse: Parse, relation: Relation) -> bool:
    return relation.verb >= 0 and parse.tokens[relation.verb].lemma != "be"


def _does(parse: Parse, relation: Relation, new: Entry | None) -> bool:
    """Whether the lexicon says that things like `new` do what the relation's verb says."""
    verb = parse.tokens[relation.verb].entry
    if verb is None or new is None:
        return False
    frame = "transitive" if relation.kind == "verb" else "intransitive"
    return any(sense.frame == frame and sense.subjects and sense.suits_subject(new) for sense in verb.senses)


def verified(verdict: Verdict, both: bool) -> Verdict:
    """A verdict after the model was asked, in other words, whether caption and candidate can both be true."""
    if verdict.kind == "keep":
        if both:
            return Verdict("reject", "both may be true, says the model")
        return replace(verdict, weight=max(verdict.weight, 0.9))
    if not both:
        return Verdict("reject", "not both can be true, says the model")
    return replace(verdict, weight=max(verdict.weight, REWORDED))


def _entry(lexicon: Lexicon, role: str, word: str) -> Entry | None:
    if role == "object":
        return lexicon.noun(word)
    if role == "attribute":
        return lexicon.attribute(word)
    return lexicon.action(word) if role == "action" else None
