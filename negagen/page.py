"""Pages as one HTML file, of which nothing is fetched from anywhere: what the reports of audit and evaluate share."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from html import escape

_WORDS = re.compile(r"\w+(?:['’]\w+)*|\s+|[^\w\s]")
STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: #f4f5f7; color: #26292e; font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 940px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 25px; margin: 0 0 2px; }
h2 { font-size: 17px; margin: 0 0 4px; }
h3 { font-size: 14px; margin: 18px 0 6px; }
p { margin: 4px 0 10px; }
.note { color: #6b7078; font-size: 13px; }
section { background: #fff; border: 1px solid #e3e5e9; border-radius: 10px; padding: 18px 22px; margin-top: 16px; }
.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 12px; margin-top: 18px; }
.card { background: #fff; border: 1px solid #e3e5e9; border-radius: 10px; padding: 12px 16px; }
.card b { display: block; font-size: 25px; font-weight: 650; line-height: 1.25; }
.card span { color: #6b7078; font-size: 13px; }
.bad b { color: #b3372a; }
.fair b { color: #a86a12; }
.good b { color: #24704a; }
img { width: 100%; height: auto; display: block; margin-top: 6px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 8px; border-bottom: 1px solid #eceef1; }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; color: #6b7078; font-size: 12.5px; }
td small { color: #8a8f98; }
.sample { padding: 5px 0; border-bottom: 1px solid #eceef1; display: flex; gap: 14px; justify-content: space-between; }
.sample span { color: #8a8f98; font-size: 12.5px; white-space: nowrap; padding-top: 2px; }
del { background: #fbe3df; color: #97291d; }
ins { background: #dcf2e4; color: #1d6340; text-decoration: none; font-weight: 600; }
@media (max-width: 640px) { .cards { grid-template-columns: repeat(2, 1fr); } .sample { display: block; } }
"""


def page(title: str, body: str, style: str = "") -> str:
    """A whole document. `title` is plain text, `body` HTML, `style` more rules of CSS."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def marked(caption: str, negative: str) -> str:
    """HTML of both texts in one: words of the caption that left in <del>, words that came in <ins>."""
    before, after = _WORDS.findall(caption), _WORDS.findall(negative)
    out = ""
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        old, new = escape("".join(before[a:b])), escape("".join(after[c:d]))
        if tag == "equal":
            out += old
        else:
            out += _tagged("del", old) + (" " if old and new else "") + _tagged("ins", new)
    return out


def _tagged(tag: str, text: str) -> str:
    """The text in the tag, but for the space around it."""
    inner = text.strip()
    if not inner:
        return f"<{tag}>{text}</{tag}>" if text else ""
    start = text.index(inner)
    return f"{text[:start]}<{tag}>{inner}</{tag}>{text[start + len(inner) :]}"


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    top = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def image(svg: str, alt: str) -> str:
    """An <img> that holds `svg`."""
    data = base64.b64encode(svg.encode()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{data}">'
