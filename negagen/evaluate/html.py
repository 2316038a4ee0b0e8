"""The report as one HTML file: nothing in it is fetched from anywhere."""

from __future__ import annotations

from html import escape

from negagen.evaluate import plots
from negagen.evaluate.changes import changed
from negagen.evaluate.compare import Comparison
from negagen.evaluate.intervals import Difference
from negagen.evaluate.report import Report, Score, benchmarks_of
from negagen.page import image, page, table

_STYLE = """
.change { display: flex; gap: 16px; padding: 10px 0; border-bottom: 1px solid #eceef1; align-items: flex-start; }
.change .pictures { flex: none; display: flex; gap: 6px; }
.change img { width: 132px; height: 132px; object-fit: cover; border-radius: 6px; margin: 0; background: #eceef1; }
.change .words { flex: 1; min-width: 0; }
.change ins { background: #fbe3df; color: #97291d; font-weight: 600; }
.change del { background: #dcf2e4; color: #1d6340; text-decoration: none; }
td small { white-space: nowrap; }
.up { color: #24704a; font-weight: 600; } .down { color: #b3372a; font-weight: 600; }
.flag { background: #fbeecf; color: #7a5200; border-radius: 4px; padding: 0 5px; font-size: 12px; }
.subset { background: #e7ecfb; color: #2c468f; border-radius: 4px; padding: 0 5px; font-size: 12px; }
"""
_MOST_ROWS = 60
_CHANGES = 20


def render(report: Report) -> str:
    """The page of a report, with the items that changed most; the same report gives the same text.

    Raises `ResourceError` if matplotlib is not installed.
    """
    found = report.comparisons()
    body = "".join(
        [
            _head(report, found),
            _overview(report, found),
            _pareto(report),
            *(_benchmark(report, name, found) for name in benchmarks_of(report.models)),
            _changes(report),
            _how(report),
        ]
    )
    return page(f"Evaluation of {', '.join(report.names)}", body, _STYLE)


def _head(report: Report, found: tuple[Comparison, ...]) -> str:
    first, last = report.names[0], report.names[-1]
    cards = []
    for label, value in (("composition", report.composition), ("retention", report.retention)):
        now, before = value(last), value(first)
        if now != now:
            continue
        change = f" ({100 * (now - before):+.1f})" if last != first and before == before else ""
        tone = "" if not change or abs(now - before) < 0.005 else "good" if now > before else "bad"
        cards.append((tone, f"{100 * now:.1f}{change}", f"{label} of {escape(last)}"))
    shared = sum(one.shared_with_blind for one in found if one.after == last)
    if len(report.models) > 1:
        better = sum(one.certain and one.difference.value > 0 for one in found if one.after == last)
        worse = sum(one.certain and one.difference.value < 0 for one in found if one.after == last)
        cards.append(("", f"{better} / {worse}", "benchmarks surely better / worse"))
        cards.append(("fair" if shared else "", str(shared), "gains that blind judges share"))
    else:
        cards.append(("", str(len(report.models[0].results)), "benchmarks"))
    made = "".join(f'<div class="card {tone}"><b>{value}</b><span>{text}</span></div>' for tone, value, text in cards)
    return (
        f"<h1>Evaluation of {escape(', '.join(report.names))}</h1>"
        "<p class=note>Scores in per cent; a tie is wrong. Composition and"
        f" retention are means of the headline scores, retention of retrieval and classification.</p>"
        f"<div class=cards>{made}</div>"
    )


def _overview(report: Report, found: tuple[Comparison, ...]) -> str:
    changes = {(one.benchmark, one.after): one for one in found}
    rows = []
    for name in benchmarks_of(report.models):
        results = [model.results.get(name) for model in report.models]
        first = next(one for one in results if one is not None)
        subset = " <span class=subset>subset</span>" if first.missing > 0 else ""
        cells = [f"{escape(name)} <small>{escape(first.headline)}</small>{subset}", first.extent]
        for model, result in zip(report.models, results, strict=True):
            cells.append(_cell(None if result is None else result.score, changes.get((name, model.name))))
        controls = report.controls.get(name, ())
        cells.append("<br>".join(f"{100 * one.value:.1f} <small>{escape(one.name)}</small>" for one in controls))
        cells.append(f"{100 * first.score.chance:.1f}")
        rows.append(cells)
    head = ["benchmark", "items", *map(escape, report.names), "blind", "chance"]
    return (
        "<section><h2>Benchmarks</h2><p class=note>With 95% intervals. Differences are from"
        f" {escape(report.names[0])}; a star marks those below 5% by the paired test, corrected for their number."
        " <span class=flag>blind</span> marks a gain that is found mostly or only where a judge that sees no picture"
        f" finds the answer too.</p>{image(plots.headlines(report), 'Scores by benchmark and model')}"
        f"{table(head, rows)}</section>"
    )


def _pareto(report: Report) -> str:
    values = [(report.composition(name), report.retention(name)) for name in report.names]
    if any(part != part for pair in values for part in pair) or len(values) < 2:
        return ""
    return (
        "<section><h2>Composition against retention</h2><p class=note>Up is better at composition, right is less"
        " forgotten. No model of this report is better in both than those on the line.</p>"
        f"{image(plots.pareto(report), 'Composition against retention')}</section>"
    )


def _benchmark(report: Report, name: str, found: tuple[Comparison, ...]) -> str:
    models = [model for model in report.models if name in model.results]
    first = models[0].results[name]
    rows = []
    for score in [first.headline, *(one for one in first.scores if one != first.headline)]:
        label = f"<b>{escape(score)}</b>" if score == first.headline else escape(score)
        if score == first.headline and first.macro:
            label += " <small>mean of categories</small>"
        own = first.scores[score]
        cells = [label, f"{own.items:,}"]
        cells += [_cell(model.results[name].scores.get(score)) for model in models]
        rows.append([*cells, f"{100 * own.chance:.1f}", f"{own.ties:,}"])
    out = f"<section><h2>{escape(name)} <span class=note>{first.extent}</span></h2>"
    out += table(["score", "items", *(escape(model.name) for model in models), "chance", "ties"], rows)
    out += _by_category(report, name)
    tests = [one for one in found if one.benchmark == name]
    if tests:
        rows = [
            [
                f"{escape(one.after)} against {escape(one.before)}", _difference(one.difference),
                f"{one.difference.better:,} / {one.difference.worse:,}", f"{one.difference.p:.4f}",
                f"{one.p_corrected:.4f}", _difference(one.with_text), _difference(one.against_text),
            ]
            for one in tests
        ]  # fmt: skip
        head = ["paired", "difference", "better / worse", "p", "corrected", "wording tells", "wording misleads"]
        out += "<h3>Differences</h3>" + table(head, rows)
    said = [f"left out, {escape(reason)}: {count:,}" for reason, count in first.skipped.items()]
    said += [f"{escape(reason)}: {count:,}" for reason, count in first.notes.items()]
    if first.missing > 0:
        said.insert(0, f"<b>This is a score over a subset: {first.extent}</b>")
    return out + (f"<p class=note>{'; '.join(said)}.</p>" if said else "") + "</section>"


def _by_category(report: Report, name: str) -> str:
    models = [model for model in report.models if name in model.results]
    first = models[0].results[name]
    own = first.categories.get(first.headline, {})
    if not own:
        return ""
    picture = image(plots.categories(report, name), f"{name} by category and model")
    controls = report.controls.get(name, ())
    rows = []
    for category in list(own)[:_MOST_ROWS]:
        cells = [escape(category), f"{own[category].items:,}"]
        cells += [_cell(model.results[name].categories.get(first.headline, {}).get(category)) for model in models]
        cells += [f"{100 * one.categories[category]:.1f}" if category in one.categories else "" for one in controls]
        rows.append([*cells, f"{100 * own[category].chance:.1f}"])
    head = ["category", "items", *(escape(model.name) for model in models)]
    head += [f"blind: {escape(one.name)}" for one in controls] + ["chance"]
    note = ""
    if len(own) > plots.MOST_LABELS:
        shown = f"The picture shows the first {plots.MOST_LABELS} of {len(own)} categories"
        more = len(own) - _MOST_ROWS
        note = f"<p class=note>{shown}{f'; {more} more than the table has are in the JSON' if more > 0 else ''}.</p>"
    return f"<h3>{escape(first.headline)} by category</h3>{picture}{table(head, rows)}{note}"


def _changes(report: Report) -> str:
    if len(report.models) < 2:
        return ""
    first, last = report.models[0].name, report.models[-1].name
    found = changed(report, first, last, _CHANGES)
    if not found:
        return ""
    out = (
        f"<section><h2>What changed most from {escape(first)} to {escape(last)}</h2><p class=note>By how much the"
        " margin of the true over the best false candidate grew or shrank. Words that are in the false text alone are"
        " red, those in the true alone green.</p>"
    )
    for one in found:
        tone = "up" if one.after > one.before else "down"
        state = f"{'right' if one.right_before else 'wrong'} → {'right' if one.right_after else 'wrong'}"
        shown = "".join(f'<img alt="" src="{source}">' for source in one.pictures)
        out += (
            f"<div class=change><div class=pictures>{shown or '<span class=note>picture not here</span>'}</div>"
            f"<div class=words>{''.join(f'<p>{text}</p>' for text in one.texts)}"
            f"<p class=note>{escape(one.benchmark)}, {escape(one.category) or 'no category'}, {escape(one.item)}:"
            f" margin {one.before:+.3f} → <span class={tone}>{one.after:+.3f}</span>, {state}</p></div></div>"
        )
    return out + "</section>"


def _how(report: Report) -> str:
    settings = report.settings
    models = "".join(
        f"<br>{escape(model.name)}: {escape(model.path) or 'given as it was'}, weights {model.fingerprint[:12]},"
        f" {model.seconds:.1f} s, encoded {model.encoded.get('pictures', 0):,} pictures and"
        f" {model.encoded.get('texts', 0):,} texts"
        for model in report.models
    )
    return (
        "<section><h2>How it was measured</h2><p class=note>Cosines of normalised features. Right means above by more"
        " than a millionth: a tie is wrong, and so is what is not a number. Intervals: bootstrap of whole pictures;"
        " tests: sign flips of whole pictures, Holm's correction over all comparisons. Blind judges are fitted on other"
        " pictures' texts than those they judge (five folds); their ties are shared. Where a picture is chosen, or two"
        " texts are each right once, a judge without a picture is at chance by construction."
        f" Seed {settings.get('seed', 0)}.{models}</p></section>"
    )


def _cell(one: Score | None, change: Comparison | None = None) -> str:
    if one is None:
        return ""
    out = f"{100 * one.value:.1f} <small>{100 * one.low:.1f}-{100 * one.high:.1f}</small>"
    if change is not None:
        tone = "" if not change.certain else "up" if change.difference.value > 0 else "down"
        star = "*" if change.certain else ""
        out += f"<br><span class='{tone}'>{100 * change.difference.value:+.1f}{star}</span>"
        if change.shared_with_blind:
            out += " <span class=flag>blind</span>"
    return out


def _difference(one: Difference | None) -> str:
    if one is None:
        return ""
    return f"{100 * one.value:+.1f} <small>{100 * one.low:+.1f} to {100 * one.high:+.1f}</small>"
