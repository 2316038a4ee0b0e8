"""The report as one HTML file: nothing in it is fetched from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from negagen.audit import plots
from negagen.audit.attacks import Attack
from negagen.audit.contents import Spread
from negagen.audit.rates import Rate
from negagen.audit.report import Audit
from negagen.page import image, marked, page, table
from negagen.seeding import Stream, key_of

_MOST_ROWS = 40
_SAMPLES = 5


def render(audit: Audit) -> str:
    """The report of `audit`, with a few pairs of each category; the same audit gives the same text.

    Raises `ResourceError` if matplotlib is not installed.
    """
    name = escape(Path(audit.pairs.source).name)
    body = "".join(
        [
            _head(audit, name),
            _attacks(audit),
            _gaps(audit),
            _words(audit),
            _contents(audit),
            _overlaps(audit),
            _samples(audit),
            _how(audit),
        ]
    )
    return page(f"Audit of {Path(audit.pairs.source).name}", body)


def _head(audit: Audit, name: str) -> str:
    pairs, contents, worst = audit.pairs, audit.contents, audit.worst
    distance = abs(audit.blind_accuracy - 0.5)
    tone = "good" if distance <= 0.05 else "fair" if distance <= 0.1 else "bad"
    share = "n/a" if contents.coverage is None else f"{contents.coverage:.1%}"
    sample = ", a seeded sample" if pairs.sampled else ""
    omitted = "".join(f" Left out: {count:,} {escape(reason)}." for reason, count in pairs.omitted.items())
    cards = [
        (tone, f"{audit.blind_accuracy:.1%}", f"blind accuracy, {escape(worst.title)}"),
        ("", f"{len(pairs):,}", "pairs of caption and negative"),
        ("", f"{len(pairs.captions):,}", f"captions{sample}"),
        ("", share, "of the captions have a negative"),
    ]
    made = "".join(f'<div class="card {tone}"><b>{value}</b><span>{text}</span></div>' for tone, value, text in cards)
    return (
        f"<h1>Audit of {name}</h1><p class=note>Which negatives can be told from captions without the picture,"
        f" and what else is in the file.{omitted}</p><div class=cards>{made}</div>"
    )


def _attacks(audit: Audit) -> str:
    attacks = audit.attacks
    overall = {"all pairs": {one.name: one.overall for one in attacks}}
    parts = overall | _parts(attacks, "by_category")
    out = (
        "<section><h2>Blind accuracy</h2><p class=note>How often a judge that sees no picture picks the true caption."
        " 50% is what a coin gets: the text gives nothing away. Further off in either direction is worse."
        " What rests on few pairs is faint."
        f"</p>{image(plots.accuracies(attacks, parts), 'Blind accuracy by attack and category')}"
    )
    out += _rates("category", attacks, parts)
    if rules := _parts(attacks, "by_rule"):
        out += "<h3>By rule</h3>" + _rates("rule", attacks, rules)
    return out + "</section>"


def _parts(attacks: Sequence[Attack], split: str) -> dict[str, dict[str, Rate]]:
    names = dict.fromkeys(name for one in attacks for name in getattr(one, split))
    return {
        name: {one.name: getattr(one, split)[name] for one in attacks if name in getattr(one, split)} for name in names
    }


def _rates(kind: str, attacks: Sequence[Attack], parts: dict[str, dict[str, Rate]]) -> str:
    rows = []
    for name, rates in list(parts.items())[:_MOST_ROWS]:
        cells = [escape(name), f"{max(one.pairs for one in rates.values()):,}"]
        for attack in attacks:
            one = rates.get(attack.name)
            cells.append(f"{one.accuracy:.1%} <small>{100 * one.low:.1f}-{100 * one.high:.1f}</small>" if one else "")
        rows.append(cells)
    more = len(parts) - len(rows)
    note = f"<p class=note>and {more} more, in the JSON.</p>" if more > 0 else ""
    return table([kind, "pairs", *(one.title for one in attacks)], rows) + note


def _gaps(audit: Audit) -> str:
    return (
        "<section><h2>How sure the judges are</h2><p class=note>Score of the caption minus score of its negative."
        " Negatives that give nothing away are as often left of zero as right of it. The outermost bars hold all that"
        " is further out.</p>"
        f"{image(plots.gap_histograms(audit.attacks), 'Histograms of score gaps')}</section>"
    )


def _words(audit: Audit) -> str:
    if not audit.for_negatives and not audit.for_captions:
        return ""
    return (
        "<section><h2>Words that tell</h2><p class=note>Pairs in which the negative has the word more often than its"
        " caption : pairs in which the caption does. Marks set off by a space begin with ␣.</p>"
        f"{image(plots.telling(audit.for_negatives, audit.for_captions), 'Most telling words')}</section>"
    )


def _contents(audit: Audit) -> str:
    one, pairs = audit.contents, max(1, len(audit.pairs))
    rows = [
        [
            f"captions with {number} negative{'' if number == 1 else 's'}",
            f"{count:,}",
            f"{count / max(1, len(audit.pairs.captions)):.1%}",
        ]
        for number, count in one.per_caption.items()
    ][:12]
    rows += [
        [
            "negatives that say what their caption says",
            f"{one.same_as_caption:,}",
            f"{one.same_as_caption / pairs:.2%}",
        ],
        [
            "negatives that another caption of the picture says",
            f"{one.same_as_sibling:,}",
            f"{one.same_as_sibling / pairs:.2%}",
        ],
        ["negatives that repeat one of the same caption", f"{one.repeated:,}", f"{one.repeated / pairs:.2%}"],
        ["pairs where the negative alone denies (no, not, without)", "", f"{one.denies_negative:.1%}"],
        ["pairs where the caption alone denies", "", f"{one.denies_caption:.1%}"],
        *_spread("words changed", one.words_changed),
        *_spread("characters changed", one.characters_changed),
    ]
    return f"<section><h2>Contents</h2>{table(['', 'number', 'share'], rows)}</section>"


def _spread(what: str, spread: Spread) -> list[list[str]]:
    return [
        [f"{what}, on average", f"{spread.mean:.1f}", ""],
        [f"{what}, at the 90th percentile", f"{spread.p90:.0f}", ""],
    ]


def _overlaps(audit: Audit) -> str:
    if not audit.overlaps:
        return ""
    rows = [
        [
            escape(Path(one.benchmark).name), f"{one.touched:,} of {one.texts:,}", f"{one.captions.exact:,}",
            f"{one.captions.near:,}", f"{one.negatives.exact:,}", f"{one.negatives.near:,}",
        ]
        for one in audit.overlaps
    ]  # fmt: skip
    head = ["benchmark", "its texts found here", "captions, same", "near", "negatives, same", "near"]
    return f"<section><h2>Overlap with benchmarks</h2>{table(head, rows)}</section>"


def _samples(audit: Audit) -> str:
    pairs = audit.pairs
    by_category: dict[str, list[int]] = {}
    for index, category in enumerate(pairs.categories):
        by_category.setdefault(category, []).append(index)
    gaps = {one.name: dict(zip(one.pairs.tolist(), one.gaps.tolist(), strict=True)) for one in audit.attacks}
    out = (
        "<section><h2>Samples</h2><p class=note>What left is red, what came is green; beside it how many of the"
        " attacks find the caption.</p>"
    )
    for category, indices in sorted(by_category.items()):
        stream = Stream(key_of("samples", audit.settings.get("seed", 0), category))
        out += f"<h3>{escape(category) or 'no category'} <span class=note>{len(indices):,} pairs</span></h3>"
        chosen = sorted({indices[stream.below(len(indices))] for _ in range(_SAMPLES)})
        for index in chosen:
            scored = [by_pair[index] for by_pair in gaps.values() if index in by_pair]
            told = f"{sum(gap > 0 for gap in scored)} of {len(scored)}"
            shown = marked(pairs.captions[pairs.caption_of[index]], pairs.negatives[index])
            rule = f", {escape(pairs.rules[index])}" if pairs.rules[index] else ""
            out += f"<div class=sample><div>{shown}</div><span>{told}{rule}</span></div>"
    return out + "</section>"


def _how(audit: Audit) -> str:
    settings = audit.settings
    fitted = "the file named as reference" if settings.get("reference") else "captions of other groups"
    cut = sum(attack.truncated for attack in audit.attacks)
    long = (
        f" The language model read only the beginning of {cut:,} texts, which it has no positions for." if cut else ""
    )
    return (
        "<section><h2>How it was measured</h2><p class=note>No judge scores what it was fitted on: the trained ones are"
        f" cross-fitted in {settings['folds']} folds by group, the n-gram model is fitted on {fitted}. A group"
        " is the captions of one picture where the file tells, else one caption. A tie counts half. Intervals are 95%,"
        " Wilson's at the effective number of pairs under the cluster-robust variance by group."
        f" Seed {settings.get('seed', 0)}; {audit.pairs.rows:,} rows read, layout {escape(audit.pairs.layout)}.{long}"
        "</p></section>"
    )
