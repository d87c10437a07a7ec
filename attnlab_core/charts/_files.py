"""Figures as Altair charts: for notebooks, and for SVG and PNG files made without a network."""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from attnlab_core.charts._colours import FONT, Palette, css, ink, likeliest, mix, number, palette
from attnlab_core.charts._frames import numbered, shares
from attnlab_core.prompt import named, subscripted

if TYPE_CHECKING:
    import altair as alt

SLANTED = 10
"""Columns of a heat map up to which their names are slanted; those of more stand upright, and some are left out where they would touch."""


def score_chart(frame: pd.DataFrame, *, target: str = "", dark: bool = False, title: str = "") -> alt.Chart:
    """Methods down, words across, each cell with its word and its share.

    Args:
        frame: A score frame.
        target: What was explained; with it the colours are told in words.
        dark: Draw for a dark page.
        title: A line above the chart.
    """
    alt, c, table = _altair(), palette(dark), numbered(shares(frame))
    table = table.assign(text=[named(str(t), n) for t, n in zip(table["text"], table["number"], strict=True)])
    paints = [mix(s, bool(g), c) for s, g in zip(table["share"], table["signed"], strict=True)]
    table = table.assign(
        paint=[css(p) for p in paints], ink=[css(ink(p)) for p in paints],
        number=[number(s, bool(g)) for s, g in zip(table["share"], table["signed"], strict=True)],
    )  # fmt: skip
    width = 9 * max((len(str(t)) for t in table["text"]), default=4) + 14
    base = alt.Chart(table).encode(
        x=alt.X("position:O", axis=None),
        y=alt.Y(
            "label:N",
            sort=list(table["label"].unique()),
            title=None,
            axis=alt.Axis(domain=False, ticks=False),
        ),
        tooltip=["label", "text", "score"],
    )
    inks = alt.Color("ink:N", scale=None)
    cells = base.mark_rect(cornerRadius=4).encode(color=alt.Color("paint:N", scale=None))
    words = base.mark_text(fontSize=13, dy=-6).encode(text="text:N", color=inks)
    numbers = base.mark_text(fontSize=10, dy=9).encode(text="number:N", color=inks)
    size = {"width": alt.Step(min(max(width, 44), 110)), "height": alt.Step(40)}
    told = [
        f"orange +: for “{target}”; purple −: against it; blue: amount of attention, which takes no side",
        "every row is scaled to its own strongest word",
    ]
    return _dress((cells + words + numbers).properties(**size), c, title, told if target else [])


def agreement_chart(matrix: pd.DataFrame, *, dark: bool = False, title: str = "") -> alt.Chart:
    """Rank correlations as a heat map with numbers."""
    alt, c = _altair(), palette(dark)
    names = [str(name) for name in matrix.columns]
    rows = [(a, b, float(matrix.loc[a, b])) for a in names for b in names]
    table = pd.DataFrame(rows, columns=["a", "b", "r"])
    paints = [mix(0 if math.isnan(r) else r, True, c) for r in table["r"]]
    table = table.assign(paint=[css(p) for p in paints], ink=[css(ink(p)) for p in paints])
    base = alt.Chart(table).encode(
        x=alt.X("a:N", sort=names, title=None, axis=alt.Axis(labelAngle=-40, domain=False, ticks=False)),
        y=alt.Y("b:N", sort=names, title=None, axis=alt.Axis(domain=False, ticks=False)),
    )
    cells = base.mark_rect(cornerRadius=4).encode(color=alt.Color("paint:N", scale=None))
    numbers = base.mark_text(fontSize=12).encode(
        text=alt.Text("r:Q", format="+.2f"), color=alt.Color("ink:N", scale=None)
    )
    return _dress((cells + numbers).properties(width=alt.Step(58), height=alt.Step(36)), c, title)


def probability_chart(
    before: Mapping[str, float], after: Mapping[str, float] | None = None, *, most: int = 6, dark: bool = False,
    title: str = "",
) -> alt.Chart:  # fmt: skip
    """The probability of every label, before and after an edit."""
    alt, c = _altair(), palette(dark)
    names = likeliest(before, after, most)
    states = {"as it is": before} if after is None else {"as it is": before, "edited": after}
    table = pd.DataFrame(
        [(n, s, p.get(n, 0.0)) for n in names for s, p in states.items()], columns=["label", "state", "p"]
    )
    colour = alt.Scale(domain=["as it is", "edited"], range=[css(c.muted), css(c.amount)])
    chart = alt.Chart(table).mark_bar(cornerRadius=3).encode(
        x=alt.X("p:Q", title="probability", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        y=alt.Y("label:N", sort=names, title=None),
        yOffset=alt.YOffset("state:N", sort=list(states)),
        color=alt.Color("state:N", title=None, scale=colour, legend=None if after is None else alt.Legend(orient="top")),
        tooltip=["label", "state", alt.Tooltip("p:Q", format=".1%")],
    )  # fmt: skip
    return _dress(chart.properties(width=360, height=alt.Step(18)), c, title)


def attention_chart(
    frame: pd.DataFrame,
    texts: list[str],
    *,
    signed: bool = False,
    top: float = 1.0,
    dark: bool = False,
    title: str = "",
) -> alt.Chart:
    """A heat map of one layer and head: rows attend, columns are attended to.

    Args:
        frame: Columns `query`, `key` (positions) and `weight`.
        texts: The text of every position.
        signed: The weights are changes and may be negative.
        top: The weight that gets the full colour; the same for charts to be compared.
        dark: Draw for a dark page.
        title: A line above the chart.
    """
    alt, c, texts = _altair(), palette(dark), subscripted(texts)
    table = pd.DataFrame(
        {"q": frame["query"], "k": frame["key"], "w": frame["weight"].astype("float64").round(4)}
    )
    table = table.assign(row=[texts[q] for q in table["q"]], column=[texts[k] for k in table["k"]])
    steps = (-1, -0.6, -0.25, 0, 0.25, 0.6, 1) if signed else (0, 0.25, 0.6, 1)
    scale = alt.Scale(
        domain=[v * top for v in steps],
        range=[css(mix(v, signed, c)) for v in steps],
        clamp=True,
        interpolate="rgb",
    )
    named = [
        f"{text} " if text == "if" else text for text in texts
    ]  # Vega takes a lone "if" for a name of its own
    many = len(set(table["k"])) > SLANTED
    axis = {
        "labelExpr": f"{json.dumps(named)}[datum.value]",
        "labelOverlap": "greedy" if many else False,
        "labelLimit": 110,
        "labelPadding": 5,
        "domain": False,
        "ticks": False,
        "labelFontSize": 12,
    }
    chart = alt.Chart(table).mark_rect(stroke=css(c.page), strokeWidth=1).encode(
        x=alt.X("k:O", title="attended to", axis=alt.Axis(orient="top", labelAngle=-90 if many else -55, **axis)),
        y=alt.Y("q:O", title="attends", axis=alt.Axis(**axis)),
        color=alt.Color("w:Q", scale=scale, legend=alt.Legend(title=None, orient="bottom", gradientLength=140, format=".2g", values=[-top, 0, top] if signed else [0, top / 2, top])),
        tooltip=[alt.Tooltip("row:N", title="from"), alt.Tooltip("column:N", title="to"), alt.Tooltip("w:Q", format=".3f")],
    )  # fmt: skip
    return _dress(chart.properties(width=alt.Step(26), height=alt.Step(26)), c, title)


def svg(chart: alt.TopLevelMixin) -> str:
    """The chart as SVG text, made on this machine without a network."""
    return importlib.import_module("vl_convert").vegalite_to_svg(chart.to_dict())


def png(chart: alt.TopLevelMixin, scale: float = 2) -> bytes:
    """The chart as a PNG picture, made on this machine without a network."""
    return importlib.import_module("vl_convert").vegalite_to_png(chart.to_dict(), scale=scale)


def _dress(chart: Any, c: Palette, title: str, told: Sequence[str] = ()) -> Any:
    text = {
        "labelColor": css(c.text),
        "titleColor": css(c.muted),
        "titleFontWeight": "normal",
        "labelLimit": 240,
    }
    heading = {"text": title, "anchor": "start", "fontSize": 14, "color": css(c.text), "offset": 12}
    below = {"subtitle": list(told), "subtitleColor": css(c.muted)} if told else {}
    chart = chart.properties(
        padding={"left": 12, "right": 12, "top": 12, "bottom": 12},
        background=css(c.page),
        **({"title": heading | below} if title or told else {}),
    )
    return (
        chart.configure(font=FONT)
        .configure_axis(**text, grid=False)
        .configure_view(stroke=None)
        .configure_legend(**text)
    )


def _altair() -> Any:
    return importlib.import_module("altair")  # half a second that HTML figures need not wait for
