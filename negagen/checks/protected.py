"""Edits that would tear an idiom, a compound or a name, or treat a pronoun as a noun."""

from __future__ import annotations

from typing import Final

from negagen.checks.context import KEEP, Context
from negagen.realise import sentence_start, title_case
from negagen.types import Candidate, Parse, Verdict

_IDIOM: Final = Verdict("reject", "inside an idiom or compound")
_NAME: Final = Verdict("reject", "inside a proper name")
_PRONOUN: Final = Verdict("reject", "a pronoun is not a noun")


def check_protected(parse: Parse, candidate: Candidate, context: Context) -> Verdict:
    """Judge where a candidate's splices begin and end."""
    if candidate.role == "object" and candidate.old and context.lexicon.protected(candidate.old):
        return _PRONOUN
    if context.plain:
        return KEEP
    codes = parse.codes
    for splice in candidate.splices:
        start, stop = splice.start, splice.stop
        covered = codes[start:stop]
        if "Z" in covered or (start == stop and codes[start - 1 : start + 1] == "ZZ"):
            return _IDIOM
        if covered and (covered[-1] == "u" or (stop < len(codes) and codes[stop] in "jci" and stop not in parse.units)):
            return _IDIOM
        if covered and _names(parse, start, stop, inflected=candidate.role == "count"):
            return _NAME
        named = "M" in covered or (start and codes[start - 1] == "M") or codes[stop : stop + 1] == "M"
        if candidate.role in ("object", "count") and covered and named:
            return _NAME
    return KEEP


def _names(parse: Parse, start: int, stop: int, *, inflected: bool) -> bool:
    """Whether a capital marks one of the tokens as a name; of an inflected word, any capital does ("STOP sign")."""
    for index in range(start, stop):
        token = parse.tokens[index]
        if token.text[0].isupper() and (inflected or token.title) and not sentence_start(parse, index):
            return not title_case(parse) and not parse.text.isupper()
    return False
