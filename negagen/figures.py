"""Pictures as SVG text that refers to nothing outside itself: what the reports' plots share."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from negagen.errors import ResourceError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT = "#26292e", "#d9dce1"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, its size in inches. Raises `ResourceError` if matplotlib is not installed."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ResourceError("the HTML report needs matplotlib: pip install 'negagen[audit]'.") from error
    with rc_context({"font.size": 9}):
        return Figure(figsize=(width, height), layout="constrained")


def plain(axes: Any) -> None:
    """Axes without a frame on the top and the right."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9aa0a8")
    axes.tick_params(colors=INK, labelsize=8.5)
    axes.xaxis.label.set_color(INK)
    axes.xaxis.label.set_size(9)
    axes.set_axisbelow(True)


def svg(drawn: Figure) -> str:
    """The figure as SVG; the same figure gives the same bytes."""
    from matplotlib import rc_context

    target = io.StringIO()
    # A fixed salt and no date: the same figure gives the same bytes.
    with rc_context({"svg.hashsalt": "negagen", "svg.fonttype": "path"}):
        drawn.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return target.getvalue()
