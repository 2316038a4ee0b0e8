"""`negagen answers`: what a language model said, word for word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from negagen.llm.cache import Stored


def answers(
    file: Annotated[
        Path,
        typer.Argument(help="A cache that `negagen generate --llm` left: OUTPUT.llm.sqlite.", show_default=False),
    ],
    containing: Annotated[
        str, typer.Option(help="Only questions or answers with this text in them, such as a caption.")
    ] = "",
    unreadable: Annotated[bool, typer.Option("--unreadable", help="Only answers that could not be read.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show so many at most.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="All of them, a JSON object a line.")] = False,
) -> None:
    """Show what a language model was asked, and its raw answers.

    \b
    Examples:
      negagen answers captions.negatives.llm.sqlite --unreadable
      negagen answers captions.negatives.llm.sqlite --containing "A brown dog chases a white cat"
      negagen answers captions.negatives.llm.sqlite --json > answers.jsonl
    """
    from contextlib import closing
    from itertools import islice

    from negagen.llm.cache import Kept

    with closing(Kept(file)) as cache:
        found = (each for each in cache.stored() if _wanted(each, containing, unreadable))
        if as_json:
            import json

            for each in found:
                typer.echo(json.dumps(_as_json(each), ensure_ascii=False))
            return
        shown = 0
        for each in islice(found, limit):
            shown += 1
            said = each.answer
            tokens = f"{said.prompt_tokens:,} + {said.completion_tokens:,} tokens"
            typer.echo(f"{each.model}, {each.prompt.partition(' ')[0]}, {tokens}, ended by {said.finish}")
            typer.echo(_indented(each.question))
            typer.echo(f"{_indented(said.text, '  > ')}\n")
        if not shown:
            typer.echo("no such answers")


def _wanted(stored: Stored, containing: str, unreadable: bool) -> bool:
    from negagen.llm.reading import read_both, read_edits

    said = f"{stored.question}\n{stored.answer.text}"
    if containing not in said and _quoted(containing) not in said:
        return False
    if not unreadable:
        return True
    if stored.prompt.startswith("verify "):
        return read_both(stored.answer.text) is None
    spans = sum(line[:1].isdigit() for line in stored.question.splitlines()[1:])
    return read_edits(stored.answer.text, spans).state == "unreadable"


def _quoted(text: str) -> str:
    """A text as it stands within a JSON string, which captions and answers are."""
    import json

    return json.dumps(text, ensure_ascii=False)[1:-1]


def _as_json(stored: Stored) -> dict[str, object]:
    return {
        "key": stored.key,
        "prompt": stored.prompt,
        "model": stored.model,
        "question": stored.question,
        "answer": stored.answer.text,
        "finish": stored.answer.finish,
        "prompt_tokens": stored.answer.prompt_tokens,
        "completion_tokens": stored.answer.completion_tokens,
    }


def _indented(text: str, before: str = "    ") -> str:
    return "\n".join(f"{before}{line}" for line in text.splitlines() or [""])
