"""The same deed in another voice or tense: "a dog chases a cat" -> "a cat is chased by a dog"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from negagen.closed_class import POSSESSIVES
from negagen.lexicon import Lexicon
from negagen.realise import inner_text, verb_form
from negagen.seeding import Stream
from negagen.types import Candidate, Needs, Parse, Phrase, Splice

if TYPE_CHECKING:
    from negagen.ruleset import Rule

_FINITE: Final = frozenset(["VBZ", "VBP", "VBD", "MD"])
_SCENES: Final = frozenset(["place", "nature", "building"])


def _stands(phrase: Phrase) -> bool:
    return phrase.determiner >= 0 or phrase.quantity >= 0 or phrase.plural


class ChangeVoice:
    """Active to passive and back, for the verbs of `target.words`, at the caption's start.

    "a man riding a horse" becomes "a horse being ridden by a man", "a dog chases a cat" becomes "a cat is chased by a
    dog", and the reverse. Behind the second phrase may stand only the caption's end or where it all happens; who is
    said to do it must be a person or an animal ("parked by a lake" is no passive).
    """

    needs: ClassVar[Needs] = Needs.RELATIONS

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._verbs = frozenset(rule.target.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        relation = parse.relations[0]
        if relation.subject or relation.object != 1 or relation.verb < 0:
            return
        p, q = parse.phrases[:2]
        verb = parse.tokens[relation.verb]
        if verb.lemma not in self._verbs or p.start or not self._alone(parse, p, q):
            return
        passive = verb.tag == "VBN" and relation.name == "by"
        if passive:
            chain, agent = parse.codes[p.stop : relation.start], q
            ends = relation.stop == q.start
        else:
            chain, agent = parse.codes[p.stop : q.start], p
            ends = relation.kind == "verb"
        if not ends or not agent.animate:
            return
        new = self._active(parse, chain, verb.lemma, q) if passive else self._passive(parse, chain, verb.lemma, q)
        if new is None:
            return
        splices = (
            Splice(0, p.stop, inner_text(parse, q.start, q.stop)),
            Splice(p.stop, q.start, new),
            Splice(q.start, q.stop, inner_text(parse, 0, p.stop)),
        )
        yield Candidate(splices, "paraphrase", "voice", verb.lemma, verb.lemma, (0, 1), 0)

    def _alone(self, parse: Parse, p: Phrase, q: Phrase) -> bool:
        if not POSSESSIVES.isdisjoint(parse.words) or p.lemma == q.lemma or not (_stands(p) and _stands(q)):
            return False
        if "S" in parse.codes[: q.stop + 1] or "M" in parse.codes[: q.stop]:
            return False
        after = parse.codes[q.stop :]
        if after in ("", "."):
            return True
        scene = parse.phrases[2] if len(parse.phrases) == 3 else None
        if scene is None or scene.family not in _SCENES or scene.quantity >= 0:
            return False
        where = parse.codes[q.stop : scene.start]
        place = parse.tokens[q.stop].lower in ("on", "in", "at", "down", "through", "along", "across", "near")
        return where == "I" and place and parse.codes[scene.stop :] in ("", ".")

    def _passive(self, parse: Parse, chain: str, lemma: str, q: Phrase) -> str | None:
        participle = verb_form(self._lexicon, lemma, "VBN")
        verb = parse.tokens[parse.phrases[0].stop]
        if participle is None:
            return None
        be = "are" if q.plural else "is"
        if chain == "G":
            return f"being {participle} by"
        if chain == "BG" and verb.lower in ("is", "are"):
            return f"{be} being {participle} by"
        return f"{be} {participle} by" if chain == "V" and verb.tag in ("VBZ", "VBP") else None

    def _active(self, parse: Parse, chain: str, lemma: str, q: Phrase) -> str | None:
        be = "are" if q.plural else "is"
        doing = verb_form(self._lexicon, lemma, "VBG")
        words = [parse.tokens[parse.phrases[0].stop + i].lower for i in range(len(chain))]
        if doing is None or words[:-1] == []:
            return doing
        if words[:-1] == ["being"]:
            return doing
        if words[:-1] in (["is", "being"], ["are", "being"]):
            return f"{be} {doing}"
        return verb_form(self._lexicon, lemma, "VB" if q.plural else "VBZ") if words[:-1] in (["is"], ["are"]) else None


class ChangeTense:
    """A caption's one verb between its three usual forms: "a man riding", "a man is riding", "a man rides".

    Where the subject opens the caption, nothing else in it is finite and no other verb stands beside the one. Verbs of
    `unless.words` tell a state, and have no progressive form.
    """

    needs: ClassVar[Needs] = Needs.VERBS

    def __init__(self, rule: Rule, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._except = frozenset(rule.unless.words)

    def propose(self, parse: Parse, stream: Stream) -> Iterator[Candidate]:
        found = self._subject(parse)
        if found is None:
            return
        stop, plural = found
        tokens, codes = parse.tokens, parse.codes
        index = stop + 1 if codes[stop] == "B" else stop
        if index >= len(tokens) or codes[index] not in "VG" or index in parse.units:
            return
        if codes[index + 1 : index + 2] in ("V", "G") or _ends_in_a_verb(parse, stop):
            return
        verb = tokens[index]
        finite = [i for i, token in enumerate(tokens) if token.tag in _FINITE]
        if verb.lemma in self._except or finite != ([] if codes[stop] == "G" else [stop]):
            return
        doing = verb_form(self._lexicon, verb.lemma, "VBG")
        does = verb_form(self._lexicon, verb.lemma, "VB" if plural else "VBZ")
        if doing is None or does is None or verb.lower not in (doing, does):
            return
        if codes[stop] == "B" and (tokens[stop].lower != ("are" if plural else "is") or verb.tag != "VBG"):
            return
        old = parse.text[parse.starts[stop] : parse.end(index)].lower()
        # "a man rides a horse and holds", "a man riding a horse and holding": the second verb would have to follow.
        chained = any(code == "A" and codes[i + 1 : i + 2] in ("V", "G") for i, code in enumerate(codes))
        forms = (
            (doing, f"{'are' if plural else 'is'} {doing}")
            if chained
            else (doing, f"{'are' if plural else 'is'} {doing}", does)
        )
        if chained and old == does:
            return
        for new in stream.shuffled([form for form in forms if form != old]):
            yield Candidate((Splice(stop, index + 1, new),), "paraphrase", "tense", verb.lemma, verb.lemma, (0,))

    def _subject(self, parse: Parse) -> tuple[int, bool] | None:
        """The token behind the subject, and whether it is plural; None where the subject is not clear."""
        if not parse.phrases or parse.phrases[0].start:
            return None
        first, plural = parse.phrases[0], parse.phrases[0].plural
        stop = first.stop
        if len(parse.phrases) > 1 and parse.codes[stop : stop + 1] == "A" and parse.phrases[1].start == stop + 1:
            if parse.tokens[stop].lower != "and":
                return None
            stop, plural = parse.phrases[1].stop, True
        if any(token.lower == "of" for token in parse.tokens[first.start : first.stop]) and not first.plural:
            return None  # "two slices of pizza"
        return (stop, plural) if first.entry is not None and stop < len(parse.tokens) else None


def _ends_in_a_verb(parse: Parse, stop: int) -> bool:
    """Whether the subject that ends before `stop` took in the verb of its own: "a man skateboarding", read as a noun.

    "An apartment building" has none: only who is alive does something.
    """
    last, before = parse.tokens[stop - 1], parse.tokens[stop - 2] if stop > 1 else None
    if before is None or not last.lower.endswith("ing") or before.code != "N" or before.entry is None:
        return False
    return any(name.startswith(("person", "animal")) for name in before.entry.classes)
