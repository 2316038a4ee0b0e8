"""`negagen rules`: see, check and begin rule files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from negagen.cli.options import Rules

rules = typer.Typer(
    help="See, check and begin rules.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@rules.command("list")
def list_rules(
    paths: Rules = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """List all rules.

    \b
    Examples:
      negagen rules list
      negagen rules list --rules my-rules/
    """
    from negagen.ruleset import load_rules

    found = load_rules(paths or None)
    if as_json:
        from negagen.cli.console import print_json

        fields = ("name", "op", "role", "category", "makes", "enabled", "about", "source", "path")
        print_json([{field: getattr(rule, field) for field in fields} for rule in found])
        return
    from rich.table import Table
    from rich.text import Text

    from negagen.cli.console import console, plain_box

    target = console()
    table = Table(box=plain_box(target), show_edge=False, pad_edge=False, header_style="bold")
    for heading in ("name", "operation", "category"):
        table.add_column(heading, no_wrap=True)
    table.add_column("what it does", ratio=1)
    for rule in found:
        about = rule.about if rule.enabled else f"(off) {rule.about}"
        table.add_row(Text(rule.name), Text(f"{rule.op} {rule.role}"), Text(rule.category), Text(about))
    target.print(table)
    off = sum(not rule.enabled for rule in found)
    target.print(
        f"{len(found)} rules, {off} of them off unless --categories names theirs; see one with"
        " `negagen rules show NAME`."
        if off
        else f"{len(found)} rules; see one with `negagen rules show NAME`."
    )


@rules.command()
def show(
    name: Annotated[str, typer.Argument(help="The rule's name, as in `negagen rules list`.", show_default=False)],
    paths: Rules = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
) -> None:
    """Show one rule.

    What it does, where it comes from, and its examples as diffs.

    \b
    Example:
      negagen rules show replace-colour
    """
    from negagen.errors import RuleError
    from negagen.ruleset import load_rules, nearest

    found = {rule.name: rule for rule in load_rules(paths or None)}
    if name not in found:
        raise RuleError(f"no rule {name!r}{nearest(name, found)}")
    rule = found[name]
    if as_json:
        from negagen.cli.console import print_json

        print_json({**rule.model_dump(mode="json", by_alias=True), "path": rule.path})
        return
    from rich.text import Text

    from negagen.cli.console import console, is_colourful
    from negagen.cli.diff import from_texts, styled

    target = console()
    colour = is_colourful(target)
    target.print(Text(rule.name, "bold"))
    for label, value in (
        ("about", rule.about),
        ("operation", f"{rule.op} {rule.role}"),
        ("category", rule.category),
        ("makes", rule.makes),
        ("weight", f"{rule.weight:g}" + ("" if rule.enabled else " (off unless its category is asked for)")),
        ("source", rule.source),
        ("file", rule.path),
    ):
        target.print(Text(f"  {label:<10} {value}"))
    for example in rule.example:
        target.print(Text(f"\n   {example.caption}"))
        for mark, texts in (("may  ", example.allows), ("never", example.forbids)):
            for text in texts:
                target.print(styled(from_texts(example.caption, text), colour, f"   {mark}  "))
        if example.silent:
            target.print(Text("   the rule leaves this caption alone", "dim"))


@rules.command()
def check(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Rule files or folders; the shipped rules if none.", show_default=False),
    ] = None,
) -> None:
    """Check rule files.

    Checks their form, and that every rule does what its own examples say. Exits with status 1 if a rule is wrong.

    \b
    Examples:
      negagen rules check
      negagen rules check my-rules/weather.toml
    """
    from negagen.rulecheck import check_rules
    from negagen.ruleset import load_rules

    found = load_rules(paths or None)
    problems = check_rules(found)
    for problem in problems:
        typer.echo(str(problem))
    examples = sum(len(rule.example) for rule in found)
    if problems:
        typer.echo(f"{_number(len(problems), 'problem')} in {_number(len(found), 'rule')}.", err=True)
        raise typer.Exit(1)
    typer.echo(f"{_number(len(found), 'rule')} with {_number(examples, 'example')}: all well.")


@rules.command()
def new(
    name: Annotated[str, typer.Argument(help="The new rule's name: small letters and hyphens.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write. [default: NAME.toml]", show_default=False),
    ] = None,
) -> None:
    """Begin a rule file.

    What it writes works as it is, to be changed into yours.

    \b
    Example:
      negagen rules new weather
      negagen rules check weather.toml
      negagen preview "A man walks on a sunny beach" --rules weather.toml
    """
    import re

    from negagen.errors import OutputError, RuleError
    from negagen.ruleset import TEMPLATE

    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise RuleError(f"{name!r} is no rule name: use small letters, digits and hyphens, as in replace-weather.")
    path = output or Path(f"{name}.toml")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(TEMPLATE.replace("{name}", name))
    except FileExistsError as error:
        raise OutputError(f"{path} already exists: choose another name with -o PATH.") from error
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error
    typer.echo(f"Wrote {path}. Edit it, then: negagen rules check {path}")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
