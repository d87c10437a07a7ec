"""The graph of attention as an Altair chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from attnlab_core.charts._colours import css, palette
from attnlab_core.charts._files import _altair, _dress
from attnlab_core.prompt import subscripted

if TYPE_CHECKING:
    from collections.abc import Sequence


def graph_chart(
    frame: pd.DataFrame,
    keys: Sequence[str],
    queries: Sequence[str],
    *,
    layers: int,
    reach: float | None = None,
    dark: bool = False,
    title: str = "",
) -> Any:
    """Tokens down, layers across, the input on the left; a line's width and opacity say its weight.

    Args:
        frame: One row an edge: `layer`, `query`, `key` (positions), `weight`.
        keys: The texts of the input tokens.
        queries: Those of the positions after the layers.
        layers: How many there are.
        reach: The weight that gets the full width; None is the largest.
        dark: Draw for a dark page.
        title: A line above the chart.
    """
    alt, c = _altair(), palette(dark)
    top = reach or max(frame["weight"].tolist(), default=1.0) or 1.0
    share = (frame["weight"] / top).clip(upper=1)
    lines = pd.DataFrame(
        {
            "x": frame["layer"], "x2": frame["layer"] + 1, "y": frame["key"], "y2": frame["query"],
            "width": 0.6 + 4.4 * share, "shade": 0.12 + 0.78 * share,
        }
    )  # fmt: skip
    keys, queries = subscripted(keys), subscripted(queries)
    nodes = [(0, k, text, "right") for k, text in enumerate(keys)]
    nodes += [(level, k, text, "left") for level in range(1, layers + 1) for k, text in enumerate(queries)]
    dots = pd.DataFrame(nodes, columns=["x", "y", "text", "side"])
    names = ["input", *(str(layer) for layer in range(layers))]
    x = alt.X(
        "x:Q", title="after layer", scale=alt.Scale(domain=[0, layers], nice=False),
        axis=alt.Axis(
            orient="top", values=list(range(layers + 1)), labelExpr=f"{names}[datum.value]", domain=False, ticks=False,
        ),
    )  # fmt: skip
    size = max(len(keys), len(queries))
    y = alt.Y("y:Q", title=None, axis=None, scale=alt.Scale(domain=[size - 0.5, -0.5], nice=False))
    edges = alt.Chart(lines).mark_rule(aria=False, color=css(c.amount), strokeCap="round").encode(
        x=x, y=y, x2="x2:Q", y2="y2:Q", strokeWidth=alt.StrokeWidth("width:Q", scale=None), opacity=alt.Opacity("shade:Q", scale=None),
    )  # fmt: skip
    points = alt.Chart(dots).mark_circle(color=css(c.muted), size=14, opacity=1).encode(x=x, y=y)
    words = [
        alt.Chart(dots[ends]).mark_text(align=align, dx=dx, fontSize=12, color=css(c.text)).encode(x=x, y=y, text="text:N")
        for ends, align, dx in ((dots["x"] == 0, "right", -8), (dots["x"] == layers, "left", 8))
    ]  # fmt: skip
    drawn = alt.layer(edges, points, *words).properties(
        width=max(240, 110 * layers), height=max(60, 18 * size)
    )
    made = _dress(drawn, c, title)
    made.padding = {"left": 130, "right": 130, "top": 12, "bottom": 12}
    return made
