"""The figure of a table of ranks: a row each, its interval, and which rows are baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from attnlab_core.charts._colours import look, palette
from attnlab_core.charts._files import _altair, _dress

if TYPE_CHECKING:
    from attnlab_core.charts._reports import Width

WIDE = 640
KINDS = ("submission", "baseline")


def board_chart(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    percent: bool = False,
    dark: bool = False,
    width: Width = WIDE,
) -> Any:
    """Rows in their order, each named above its interval, so that long names fit a narrow screen.

    Args:
        rows: `rank` and `name` as they are read, `baseline`, and `value`, `low` and `high`; a row without a finite value
            keeps its name alone.
        title: Of the axis.
        percent: Whether values are shares, drawn as percentages.
        dark: Draw for a dark page.
        width: In pixels, or "container" for as wide as the place it stands in.
    """
    alt, colours = _altair(), look(dark)
    table = pd.DataFrame([_row(place, row, 100.0 if percent else 1.0) for place, row in enumerate(rows)])
    pens = [colours["amount"], colours["muted"]]
    kind = alt.Color(
        "kind:N", title=None, scale=alt.Scale(domain=list(KINDS), range=pens), legend=alt.Legend(orient="top")
    )
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=list(KINDS), range=["circle", "diamond"]))
    tips = [
        alt.Tooltip("rank:N", title="rank"),
        alt.Tooltip("name:N", title="row"),
        *(alt.Tooltip(f"{name}:N", title=name) for name in ("kind", "interval")),
    ]
    base = alt.Chart(table).encode(
        y=alt.Y("place:O", axis=None, scale=alt.Scale(paddingInner=0, paddingOuter=0)), tooltip=tips
    )
    grid = {"grid": True, "gridColor": colours["line"], "gridOpacity": 0.6}
    flat = not table[["low", "high"]].to_numpy(dtype=float, na_value=0.0).any()
    scale = alt.Scale(domain=[-1, 1]) if flat else alt.Undefined
    x = alt.X("value:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5, **grid))
    spans = base.mark_rule(aria=False, strokeWidth=2.5, yOffset=9).encode(
        x=alt.X("low:Q", title=title), x2="high:Q", color=kind
    )
    dots = base.mark_point(filled=True, size=80, opacity=1, yOffset=9).encode(x=x, color=kind, shape=shape)
    text = {"align": "left", "baseline": "middle", "fontSize": 13, "dy": -8, "limit": alt.ExprRef("width")}
    around = {
        "color": colours["page"],
        "stroke": colours["page"],
        "strokeWidth": 4,
    }  # keeps lines out of the letters
    names = [
        base.mark_text(aria=False, **text, **pen).encode(x=alt.value(0), text="said:N")
        for pen in (around, {"color": colours["text"]})
    ]
    zero = alt.Chart(pd.DataFrame({"at": [0.0]})).mark_rule(
        aria=False, color=colours["muted"], strokeDash=[4, 4]
    )
    layers = [zero.encode(x="at:Q"), spans, dots, *names]
    return _dress(alt.layer(*layers).properties(width=width, height=alt.Step(40)), palette(dark), "")


def _row(place: int, row: Mapping[str, Any], scale: float) -> dict[str, Any]:
    numbers = {name: _number(row[name], scale) for name in ("value", "low", "high")}
    said = (
        "no number" if numbers["value"] is None else "{value:.3g} ({low:.3g} to {high:.3g})".format(**numbers)
    )
    rank, name = str(row["rank"]), str(row["name"])
    kind = KINDS[bool(row["baseline"])]
    return {
        "place": place,
        "rank": rank,
        "name": name,
        "said": f"{rank}\u2002{name}",
        "kind": kind,
        "interval": said,
    } | numbers


def _number(value: float | None, scale: float) -> float | None:
    return None if value is None or not math.isfinite(value) else scale * float(value)
