"""`negagen doctor`: is everything here that negagen needs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from negagen.cli.extras import EXTRAS

if TYPE_CHECKING:
    from collections.abc import Callable

_CORE = ("spacy", "pyarrow", "numpy", "rapidfuzz", "lemminflect", "pydantic", "typer", "rich", "fsspec")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False) -> None:
    """Check the installation.

    Reports versions, extras and the resources that come with negagen, with their paths. Exits with status 1
    if one of these resources is missing or damaged.

    \b
    Examples:
      negagen doctor
      negagen doctor --json
    """
    found = examine()
    if as_json:
        from negagen.cli.console import print_json

        print_json(found)
    else:
        _show(found)
    if found["problems"]:
        raise typer.Exit(1)


def examine() -> dict[str, Any]:
    """All that `--json` prints: versions, extras, and per resource its path and version or fault."""
    import platform
    import sys

    import negagen

    found: dict[str, Any] = {
        "negagen": negagen.__version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _CORE},
        "extras": {
            extra: {
                "installed": all(map(_version, names)),
                "packages": {name: _version(name) for name in names},
            }
            for extra, names in EXTRAS.items()
        },
        "problems": [f"{name} is not installed: reinstall negagen" for name in _CORE if _version(name) is None],
    }
    for name, look in (
        ("lexicon", _lexicon),
        ("rules", _rules),
        ("pipeline", _pipeline),
        ("negator", _negator),
    ):
        found[name] = _try(name, look, found["problems"])
    return found


def _try(name: str, look: Callable[[], dict[str, Any]], problems: list[str]) -> dict[str, Any]:
    try:
        return look()
    except Exception as error:  # noqa: BLE001  whatever is broken is what this command is to report
        problem = f"{name}: {error}" if str(error) else f"{name}: {type(error).__name__}"
        if problem.partition(": ")[2] not in " ".join(problems):
            problems.append(problem)
        return {"path": None, "problem": problem}


def _pipeline() -> dict[str, Any]:
    from negagen.lexicon import load
    from negagen.parsing.parser import BUNDLED_PATH, DEFAULT_PIPELINE, load_parser

    parser = load_parser(DEFAULT_PIPELINE, load())
    return {"path": str(BUNDLED_PATH), "name": parser.name, "version": parser.version}


def _lexicon() -> dict[str, Any]:
    from importlib.resources import files

    from negagen.lexicon import load
    from negagen.lexicon.reader import FILE_NAME

    lexicon = load()
    return {"path": str(files("negagen.lexicon") / FILE_NAME), "fingerprint": lexicon.fingerprint}


def _rules() -> dict[str, Any]:
    from negagen.ruleset import default_directory, fingerprint, load_rules

    rules = load_rules()
    return {"path": str(default_directory()), "rules": len(rules), "fingerprint": fingerprint(rules)}


def _negator() -> dict[str, Any]:
    from negagen import Negator

    result = Negator()("A brown dog chases a white cat.")
    if not result.negatives:
        raise RuntimeError(f"no negative for a plain caption ({result.status}: {result.reason})")
    return {"negatives": len(result.negatives), "example": result.negatives[0].text}


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _show(found: dict[str, Any]) -> None:
    from rich.text import Text

    from negagen.cli.console import console

    target = console()
    target.print(Text(f"negagen {found['negagen']}, Python {found['python']}, {found['platform']}", "bold"))
    target.print(Text("  " + ", ".join(f"{name} {version}" for name, version in found["packages"].items())))
    target.print(Text("\nextras", "bold"))
    for extra, state in found["extras"].items():
        missing = [name for name, version in state["packages"].items() if version is None]
        note = "installed" if not missing else f"not installed (pip install 'negagen[{extra}]')"
        target.print(Text(f"  {extra:<11} {note}"))
    target.print(Text("\nresources", "bold"))
    for name in ("pipeline", "lexicon", "rules"):
        state = found[name]
        note = state.get("version") or state.get("fingerprint") or "missing or damaged"
        target.print(Text(f"  {name:<11} {state['path'] or ''}  {note}"))
    for problem in found["problems"]:
        target.print(Text(f"\nproblem: {problem}", "red"))
    if not found["problems"]:
        target.print(Text("\nall well", "green"))
