"""What the other captions of the same picture support: an edit that one of them bears out is no negative."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import KEEP, Context, SiblingFacts
from negagen.closed_class import NEGATIONS
from negagen.lexicon import Entry, Lexicon
from negagen.types import Candidate, Parse, Verdict

_NAMED: Final = Verdict("reject", "a sibling caption names it")
_DESCRIBED: Final = Verdict("reject", "a sibling caption describes it so")
_DONE: Final = Verdict("reject", "a sibling caption says that it is done")
_RELATED: Final = Verdict("reject", "a sibling caption relates them so")
_COUNTED: Final = Verdict("reject", "a sibling caption's count allows it")
_DENIED: Final = Verdict("reject", "a sibling caption denies it too")
_UNKNOWN: Final = Verdict("keep", "an addition that nothing speaks against", 0.5)
_SILENT: Final = Verdict("keep", "an addition of which the sibling captions are silent", 0.8)

_SPELT: Final = {"grey": "gray", "greyish": "grayish"}
_LESS: Final = "less"  # "a hatless man" has no hat


def check_siblings(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Judge a candidate against the sibling captions; without these only an addition loses weight."""
    if not context.siblings:
        return _UNKNOWN if candidate.operation == "add" else KEEP
    if not context.facts:
        context.facts.append(_gather(context))
    facts = context.facts[0]
    if candidate.operation == "swap":
        return _swap(parse, candidate, context.lexicon, facts)
    if candidate.operation == "negate":
        if candidate.role == "verb":
            # "not" comes after an auxiliary, whose lemma says nothing, and before the verb.
            at = candidate.splices[0].start
            verbs = {candidate.old, *(token.lemma for token in parse.tokens[at : at + 2])}
            return KEEP if verbs.isdisjoint(facts.denied_verbs) else _DENIED
        return _DENIED if candidate.role == "object" and candidate.old in facts.denied else KEEP
    if candidate.role == "object":
        entries = context.lexicon.noun(candidate.new), context.lexicon.noun(candidate.old)
        if _supported(candidate.new, *entries, facts.nouns):
            return _NAMED
        return _SILENT if candidate.operation == "add" else KEEP
    if candidate.role == "attribute":
        return _attribute(parse, candidate.sites[0], candidate.old, candidate.new, context.lexicon, facts)
    if candidate.role == "action":
        entries = context.lexicon.action(candidate.new), context.lexicon.action(candidate.old)
        return _DONE if _supported(candidate.new, *entries, facts.verbs) else KEEP
    if candidate.role == "relation":
        return _relation(parse, candidate, context.lexicon, facts)
    return _count(parse, candidate, context.lexicon, facts) if candidate.role == "count" else KEEP


def _supported(new: str, entry: Entry | None, old: Entry | None, said: set[str]) -> bool:
    """Whether something said means `new`; what fits the old word as well ("person") says nothing."""
    if new in said:
        return True
    return entry is not None and not said.isdisjoint(
        entry.excluded - (old.excluded if old is not None else frozenset())
    )


def _attribute(parse: Parse, site: int, old: str, new: str, lexicon: Lexicon, facts: SiblingFacts) -> Verdict:
    noun = parse.phrases[site].lemma
    said = {_SPELT.get(word, word) for word, other in facts.attributes if lexicon.alike(noun, other)}
    if _SPELT.get(new, new) in said:
        return _DESCRIBED
    return _DESCRIBED if _supported(new, lexicon.attribute(new), lexicon.attribute(old), said) else KEEP


def _relation(parse: Parse, candidate: Candidate, lexicon: Lexicon, facts: SiblingFacts) -> Verdict:
    if candidate.relation < 0:
        return KEEP
    relation = parse.relations[candidate.relation]
    left, right = parse.phrases[relation.subject].lemma, parse.phrases[relation.object].lemma
    old = lexicon.relation(candidate.old)
    vague = {candidate.old} if old is None else {candidate.old, *old.entails, *old.overlaps}
    for one, _, name, other in facts.relations:
        entry = lexicon.relation(name)
        if not name:
            continue
        if lexicon.alike(one, left) and lexicon.alike(other, right):
            if name in vague - {candidate.new}:
                continue
            said = {name} if entry is None else {name, *entry.entails, *entry.overlaps}
        elif entry is not None and entry.converse and lexicon.alike(one, right) and lexicon.alike(other, left):
            said = {entry.converse}
        else:
            continue
        if candidate.new in said:
            return _RELATED
    return KEEP


def _swap(parse: Parse, candidate: Candidate, lexicon: Lexicon, facts: SiblingFacts) -> Verdict:
    left, right = candidate.sites
    if candidate.role == "attribute":
        verdict = _attribute(parse, left, candidate.old, candidate.new, lexicon, facts)
        return verdict if verdict is not KEEP else _attribute(
            parse, right, candidate.new, candidate.old, lexicon, facts
        )  # fmt: skip
    if candidate.role == "count":
        return _exchanged(parse, candidate, lexicon, facts)
    relation = parse.relations[candidate.relation]
    verb = parse.tokens[relation.verb].lemma if relation.verb >= 0 else ""
    subject, thing = parse.phrases[relation.subject].lemma, parse.phrases[relation.object].lemma
    for one, done, name, other in facts.relations:
        same = name == relation.name if relation.name else done == verb
        if same and lexicon.alike(one, thing) and lexicon.alike(other, subject):
            return _RELATED
    return KEEP


def _exchanged(parse: Parse, candidate: Candidate, lexicon: Lexicon, facts: SiblingFacts) -> Verdict:
    """Of two exchanged counts the one that grew makes the text false: a smaller one holds anyway."""
    (left, right), old, new = candidate.sites, lexicon.number(candidate.old), lexicon.number(candidate.new)
    if old is not None and new is not None and new.low > old.low:
        return _count_of(parse, left, candidate.old, candidate.new, lexicon, facts)
    return _count_of(parse, right, candidate.new, candidate.old, lexicon, facts)


def _count(parse: Parse, candidate: Candidate, lexicon: Lexicon, facts: SiblingFacts) -> Verdict:
    return _count_of(parse, candidate.sites[0], candidate.old, candidate.new, lexicon, facts)


def _count_of(parse: Parse, site: int, was: str, becomes: str, lexicon: Lexicon, facts: SiblingFacts) -> Verdict:
    old, new = lexicon.number(was), lexicon.number(becomes)
    if old is None or new is None:
        return KEEP
    noun = parse.phrases[site].lemma
    for low, high, other in facts.counts:
        silent = low <= old.low and old.high <= high  # "dogs" fits two as well as three
        if not silent and low <= new.high and new.low <= high and lexicon.alike(noun, other):
            return _COUNTED
    return KEEP


def _gather(context: Context) -> SiblingFacts:
    facts = SiblingFacts()
    for parse in context.siblings:
        if not parse.memo:
            parse.memo.append(_said(parse, context.lexicon))
        facts.add(parse.memo[0])
    return facts


def _said(parse: Parse, lexicon: Lexicon) -> SiblingFacts:
    facts = SiblingFacts()
    tokens, phrases = parse.tokens, parse.phrases
    for phrase in phrases:
        lead = {tokens[i].lower for i in range(max(phrase.start - 1, 0), phrase.unit)}
        if not NEGATIONS.isdisjoint(lead):
            facts.denied.add(phrase.lemma)
            continue
        facts.nouns.update((phrase.lemma, tokens[phrase.head].lemma))
        for index in phrase.attributes:
            unit = parse.units.get(index)
            facts.attributes.add((unit[1].lemma if unit else tokens[index].lower, phrase.lemma))
        number = tokens[phrase.quantity].number if phrase.quantity >= 0 else None
        if number is not None:
            facts.counts.add((number.low, number.high, phrase.lemma))
        elif phrase.plural and phrase.determiner < 0:
            facts.counts.add((2, 1_000_000, phrase.lemma))
    for token in tokens:
        if token.lower.endswith(_LESS) and lexicon.noun(token.lower.removesuffix(_LESS)):
            facts.denied.add(token.lower.removesuffix(_LESS))
    for index, code in enumerate(parse.codes):
        if code in "VGE":
            (facts.denied_verbs if _denied(parse, index) else facts.verbs).add(tokens[index].lemma)
    for r in parse.relations:
        verb = tokens[r.verb].lemma if r.verb >= 0 else ""
        if r.verb < 0 or not _denied(parse, r.verb):
            facts.relations.add((phrases[r.subject].lemma, verb, r.name, phrases[r.object].lemma))
    return facts


def _denied(parse: Parse, verb: int) -> bool:
    """Whether a negation stands before the verb, adverbs and auxiliaries aside ("is not currently riding")."""
    for index in range(verb - 1, -1, -1):
        if parse.tokens[index].lower in NEGATIONS:
            return True
        if parse.codes[index] not in "RBX":
            return False
    return False
