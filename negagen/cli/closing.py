"""What a run of `negagen generate` says when it is over, or broken off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from negagen.batch import Report
    from negagen.llm.settings import LanguageSettings


def report_json(report: Report) -> dict[str, object]:
    """What `--json` prints."""
    return {
        "output": report.written_to,
        **report.counts.to_json(),
        "resumed_rows": report.resumed,
        "seconds": round(report.seconds, 3),
        "start_seconds": round(report.start_seconds, 3),
        "captions_per_second": round(report.rows_per_second, 1),
        "peak_rss_bytes": report.peak_rss[0],
        "worker_peak_rss_bytes": list(report.peak_rss[1:]),
        "fingerprint": report.fingerprint,
        "config": report.config,
        **({} if report.usage is None else {"language_model": usage_json(report)}),
    }


def usage_json(report: Report) -> dict[str, object]:
    """What the language model was asked in this run, and what that cost where prices are known."""
    if report.usage is None:
        return {}
    cost = {} if report.price is None else {"cost": round(report.price.cost(report.usage), 6)}
    return {**report.usage.to_json(), **cost}


def close(report: Report, to_stderr: bool) -> None:
    """Print the counts, the speed, and where the output is."""
    from negagen.cli.console import console, print_counts

    target = console(error=to_stderr)
    print_counts(target, report.counts)
    peak = max(report.peak_rss) / (1 << 20)
    resumed = f" ({report.resumed:,} of them by an earlier run)" if report.resumed else ""
    target.print(
        f"{report.counts.rows:,} captions{resumed}, {report.counts.negatives:,} negatives in"
        f" {report.seconds:.1f} s: {report.rows_per_second:,.0f} captions/s, at most {peak:,.0f} MiB a"
        " process."
    )
    if report.usage is not None:
        _print_usage(target, report)
    target.print(f"Written to {report.written_to}")


def _print_usage(target: Console, report: Report) -> None:
    from negagen.llm.budget import SPENT

    usage = report.usage
    if usage is None:
        return
    cost = "" if report.price is None else f", {report.price.cost(usage):,.4f} paid"
    target.print(
        f"Language model: {usage.asked:,} answers and {usage.cached:,} from the cache, {usage.prompt_tokens:,} +"
        f" {usage.completion_tokens:,} tokens, {usage.tokens_per_second:,.0f} tokens/s{cost}."
    )
    for reason, times in sorted(usage.failures.items()):
        if reason != SPENT:
            target.print(f"  failed {times:,} times: {reason}")
    if rows := sum(times for reason, times in report.counts.reason.items() if reason.endswith(SPENT)):
        target.print(f"  The budget is spent: {rows:,} captions were left to the rules alone, or asked about in part.")


def unreadable(report: Report, cache: Path | None) -> str | None:
    """A warning if answers of the language model, kept in `cache`, could not be read: by negatives alone none would be
    seen.
    """
    read = report.usage.read if report.usage is not None else {}
    wrong = sum(times for state, times in read.items() if state.startswith("unreadable"))
    if not wrong:
        return None
    cut = sum(times for state, times in read.items() if state.startswith("unreadable") and state.endswith("cut off"))
    more = f" {cut:,} were cut off by the limit of their tokens: give more with --llm-max-tokens." if cut else ""
    again = "; the next run asks for them again" if report.usage is not None and report.usage.asks_again else ""
    return (
        f"warning: {wrong:,} of {sum(read.values()):,} answers of the language model could not be read.{more} Look at"
        f" them with `negagen answers {cache} --unreadable`{again}."
    )


def _all_useless(report: Report) -> str:
    """What to say of a language model that was asked, and of which nothing could be used; else ""."""
    usage = report.usage
    if usage is None or any(times for state, times in usage.read.items() if not state.startswith("unreadable")):
        return ""
    from negagen.llm.budget import SPENT

    failed = {reason: times for reason, times in usage.failures.items() if reason != SPENT}
    spent = usage.failures[SPENT] and not report.resumed  # by an earlier run, parts of which are in the output
    if not usage.read.total() and not failed and not spent:
        return ""
    most = max(failed, key=lambda reason: failed[reason], default="")
    because = f" {sum(failed.values()):,} requests failed, most of them so: {most}." if most else ""
    because += " The budget is spent: give a larger --llm-budget." if spent else ""
    return f"warning: nothing came of the language model; negatives are by rules alone.{because}"


def useless(report: Report, column: str) -> list[str]:
    """Why the run ends with status 1: nothing could be used of the rows, or of what the language model said."""
    return [warning for warning in (_all_wrong(report, column), _all_useless(report)) if warning]


def _all_wrong(report: Report, column: str) -> str:
    """What to say of a run none of whose rows could be used; else ""."""
    from negagen.batch.stats import ranked

    counts = report.counts
    if not counts.rows or counts.status["error"] < counts.rows:
        return ""
    reason, times = ranked(counts.reason)[0]
    return (
        f"warning: none of the {counts.rows:,} rows could be used: {reason!r} in {times:,} of them. Is {column!r} the"
        " column of captions? Choose another with --column NAME."
    )


def what_is_left(target: Path, language_model: LanguageSettings | None) -> str:
    """What a run that was interrupted leaves for the next one."""
    from negagen.batch.run import parts_folder

    folder = parts_folder(target)
    parts = len(list(folder.glob("part-*.arrow"))) if folder.is_dir() else 0
    chat = None if language_model is None or language_model.masked else language_model
    answers = None if chat is None else chat.cache_beside(target)
    if not parts and answers is not None and answers.exists():
        return (
            f"interrupted before the first part was done; the language model's answers are kept in {answers}.\n"
            "Run the same command again to go on from them."
        )
    if not parts:
        return "interrupted before the first part was done; nothing was written."
    return (
        f"interrupted: {parts} finished parts are kept in {folder}.\n"
        "Run the same command again to go on from there, or with --resume never to start over."
    )
