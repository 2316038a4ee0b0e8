"""What an operation proposes for a caption, over many streams, realised but not yet judged."""

import re
from itertools import pairwise
from typing import Any, Final

from negagen.checks import context_of, judge
from negagen.lexicon import load
from negagen.ops import OPERATIONS, Operation
from negagen.parsing import load_parser
from negagen.realise import apply_edits, realise
from negagen.ruleset import Rule, load_rules
from negagen.seeding import Stream
from negagen.types import Candidate, Parse, Verdict

LEXICON: Final = load()
PARSER: Final = load_parser("bundled", LEXICON)
SHIPPED: Final = {rule.name: rule for rule in load_rules()}
STREAMS: Final = 32

_ARTICLE: Final = re.compile(r"\b(an?) ([^\W_]+(?:['-][^\W_]+)*)", re.IGNORECASE)


def parse(caption: str) -> Parse:
    return PARSER.parse([caption])[0]


def operation(rule: Rule | str) -> Operation:
    """The operation of a shipped rule, by its name, or of one made by `rule_of`."""
    known = SHIPPED[rule] if isinstance(rule, str) else rule
    return OPERATIONS[known.op, known.role](known, LEXICON)


def rule_of(op: str, role: str, category: str, **more: Any) -> Rule:
    """A rule that no file holds."""
    return Rule.model_validate(
        {"name": "of-a-test", "op": op, "role": role, "category": category, "about": "-", "source": "-", **more}
    )


def candidates(rule: Rule | str, caption: str, streams: int = STREAMS) -> list[Candidate]:
    """All candidates over `streams` streams; each is asked for twice, and must be sound and come out the same."""
    parsed = parse(caption)
    op = operation(rule)
    found: list[Candidate] = []
    for key in range(streams):
        drawn = list(op.propose(parsed, Stream(key)))
        assert drawn == list(op.propose(parsed, Stream(key)))
        for candidate in drawn:
            assert_sound(parsed, candidate)
        found += drawn
    return found


def assert_sound(parsed: Parse, candidate: Candidate) -> None:
    """Splices lie within the caption, in order and apart, and the edits made of them give the text."""
    assert candidate.splices
    for splice in candidate.splices:
        assert 0 <= splice.start <= splice.stop <= len(parsed.tokens)
        assert splice.start < splice.stop or splice.text
    for one, other in pairwise(candidate.splices):
        assert one.stop <= other.start
        assert one.start < other.start
    assert all(0 <= site < len(parsed.phrases) for site in candidate.sites)
    edits, text = realise(LEXICON, parsed, candidate.splices)
    assert apply_edits(parsed.text, edits) == text


def texts(rule: Rule | str, caption: str, streams: int = STREAMS) -> set[str]:
    """The realised texts of `candidates`."""
    parsed = parse(caption)
    return {realise(LEXICON, parsed, candidate.splices)[1] for candidate in candidates(rule, caption, streams)}


def assert_fluent(caption: str, made: set[str]) -> None:
    """Articles fit what follows them, the capital stays at the start, and spacing is the caption's."""
    for text in made:
        for article, word in _ARTICLE.findall(text):
            assert article.lower() == LEXICON.article(word), text
        assert text[0].isupper() == caption[0].isupper(), text
        assert "  " not in text, text
        assert text == text.strip(), text
        assert " ." not in text, text


def judged(rule: Rule | str, caption: str, streams: int = STREAMS) -> dict[str, Verdict]:
    """What the checks say of each text that the operation proposes."""
    parsed = parse(caption)
    context = context_of(LEXICON, parsed)
    return {
        realise(LEXICON, parsed, candidate.splices)[1]: judge(parsed, candidate, context)
        for candidate in candidates(rule, caption, streams)
    }
