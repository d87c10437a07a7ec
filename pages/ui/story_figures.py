"""The figures of a story: bars and lines with their intervals, dots, a map of heads, a graph of layers, or a table."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import state, widgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from case_studies._story import Figure


WIDE = 560
"""Pixels of a figure in a file."""


def draw(figure: Figure, key: str) -> None:
    """A figure with its caption."""
    if figure.kind == "table":
        table(figure)
    for number, one in enumerate(() if figure.kind == "table" else apart(figure)):
        wide = "content" if figure.kind == "heads" else "stretch"
        made = chart(one, state.dark())
        st.altair_chart(made, theme=None, width=wide, alt=figure.caption, key=f"{key}.{number}")
    widgets.small(figure.caption)


def apart(figure: Figure) -> list[Figure]:
    """The graphs of a figure one by one, so that each can be as wide as the page; another figure as it is."""
    import pandas as pd

    if figure.kind != "graph":
        return [figure]
    ends = ["target", "source"]
    parts = list(dict.fromkeys(pd.concat([figure.frame[end] for end in ends])))
    rows = figure.frame.assign(**{end: pd.Categorical(figure.frame[end], parts) for end in ends})
    return [replace(figure, frame=mine) for _, mine in rows.groupby("series", sort=False)]


def drawings(figure: Figure) -> tuple[Callable[[], Any], ...]:
    """What makes a figure for a file: light, and of a width of its own."""
    if figure.kind == "table":
        return ()

    def drawing(one: Figure) -> Callable[[], Any]:
        size = {} if one.kind == "heads" else {"width": WIDE}
        return lambda: chart(one, dark=False).properties(**size)

    return tuple(drawing(one) for one in apart(figure))


def table(figure: Figure) -> None:
    """The rows as they stand, numbers with three digits."""
    rows = [
        [f"{one:.3g}".replace("-", "−") if isinstance(one, float) else one for one in row]
        for row in figure.frame.itertuples(index=False, name=None)
    ]
    widgets.table([str(name) for name in figure.frame.columns], rows, figure.caption)


def chart(figure: Figure, dark: bool) -> Any:
    """A figure as an Altair chart, in the colours of the theme."""
    look = charts.look(dark)
    made = {"bars": _bars, "lines": _lines, "dots": _dots, "heads": _heads, "graph": _graph}[figure.kind](
        figure, look
    )
    words: dict[str, Any] = {
        "labelColor": look["text"],
        "titleColor": look["text"],
        "titleFontWeight": "normal",
    }
    lines: dict[str, Any] = {
        "gridColor": look["line"],
        "gridOpacity": 0.5,
        "domainColor": look["line"],
        "tickColor": look["line"],
    }
    return (
        made.configure_axis(**words, **lines, labelFontSize=12, titleFontSize=12)
        .configure_legend(**words, orient="top", labelFontSize=12, symbolStrokeWidth=3, labelLimit=240)
        .configure_view(stroke=None)
        .properties(background=look["page"], padding={"left": 4, "right": 14, "top": 6, "bottom": 4})
    )


def _digits(name: str, title: str = "") -> Any:
    import altair as alt

    return alt.Tooltip(f"{name}:Q", title=title or name, format=".3f")


def _level(figure: Figure, look: dict[str, str], axis: str) -> list[Any]:
    """The line that marks a value, where there is one."""
    import altair as alt

    if figure.level is None:
        return []
    at = {axis: alt.datum(figure.level)}
    return [
        alt.Chart().mark_rule(aria=False, color=look["plus"], strokeDash=[5, 4], strokeWidth=1.5).encode(**at)
    ]


def _bars(figure: Figure, look: dict[str, str]) -> Any:
    import altair as alt

    rows = figure.frame
    base = alt.Chart(rows).encode(
        y=alt.Y(
            "label:N", sort=None, title=figure.axes[1] or None, axis=alt.Axis(labelLimit=190, ticks=False)
        ),
        tooltip=["label", *(_digits(name) for name in ("value", "low", "high") if name in rows)],
    )
    title = figure.axes[0] or None
    x = alt.X("value:Q", title=title, axis=alt.Axis(tickCount=6))
    layers = [base.mark_bar(color=look["amount"], height={"band": 0.6}).encode(x=x)]
    sizes = [abs(value) for value in rows["value"].tolist()]
    none = [size <= 0.01 * max(sizes) for size in sizes]
    if any(none):  # such a bar cannot be seen
        tick = base.mark_tick(aria=False, color=look["amount"], thickness=4, size=18).encode(x=x)
        layers.append(tick.properties(data=rows[none]))
    if {"low", "high"} <= set(rows):
        layers.append(
            base.mark_rule(aria=False, color=look["text"], strokeWidth=2).encode(
                x=alt.X("low:Q", title=title), x2="high:Q"
            )
        )
    return alt.layer(*layers, *_level(figure, look, "x"), data=rows).properties(
        width="container", height=alt.Step(30)
    )


def _axis(figure: Figure, name: str, number: int) -> Any:
    """The x axis: in the given order where it says words, else to scale."""
    import altair as alt

    title = figure.axes[number] or None
    if isinstance(figure.frame[name].iloc[0], Real):
        whole = all(float(one).is_integer() for one in figure.frame[name])
        ticks = alt.Axis(tickMinStep=1, format="d") if whole else alt.Axis(tickCount=8)
        return alt.X(f"{name}:Q", title=title, scale=alt.Scale(zero=False), axis=ticks)
    return alt.X(f"{name}:O", sort=None, title=title, axis=alt.Axis(labelAngle=0))


def _series(figure: Figure, look: dict[str, str]) -> dict[str, Any]:
    """Colour and dash of the series."""
    import altair as alt

    if "series" not in figure.frame:
        return {}
    names = list(dict.fromkeys(figure.frame["series"]))
    pens = [look[name] for name in ("amount", "plus", "minus", "muted", "mark", "text")]
    dashes = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [1, 3])
    domain = [pens[k % len(pens)] for k in range(len(names))]
    longest = max(map(len, names))
    columns = 3 if longest <= 12 else 2 if longest <= 20 else 1
    key = alt.Legend(columns=columns, symbolOpacity=1, symbolType="stroke", symbolSize=300)
    if figure.kind == "dots":
        key = alt.Legend(columns=columns)
    return {
        "color": alt.Color("series:N", title=None, sort=None, scale=alt.Scale(domain=names, range=domain), legend=key),
        "strokeDash": alt.StrokeDash(
            "series:N", title=None, sort=None, legend=key,
            scale=alt.Scale(domain=names, range=[dashes[k % len(dashes)] for k in range(len(names))]),
        ),
    }  # fmt: skip


def _lines(figure: Figure, look: dict[str, str]) -> Any:
    import altair as alt

    rows, series = figure.frame, _series(figure, look)
    tips = [name for name in ("series", "x") if name in rows]
    tips += [_digits(name) for name in ("value", "low", "high") if name in rows]
    base = alt.Chart(rows).encode(x=_axis(figure, "x", 0), tooltip=tips)
    title = figure.axes[1] or None
    paint: dict[str, Any] = {} if series else {"color": look["amount"]}
    colour = {k: v for k, v in series.items() if k == "color"}
    layers = []
    if {"low", "high"} <= set(rows):
        band = base.mark_area(opacity=0.16, **paint)
        layers.append(band.encode(y=alt.Y("low:Q", title=title), y2="high:Q", **colour))
    line = base.mark_line(strokeWidth=2.5, **paint).encode(y=alt.Y("value:Q", title=title), **series)
    dots = base.mark_circle(size=45, opacity=1, **paint).encode(y=alt.Y("value:Q", title=title), **colour)
    return alt.layer(*layers, line, dots, *_level(figure, look, "y"), data=rows).properties(
        width="container", height=300
    )


def _dots(figure: Figure, look: dict[str, str]) -> Any:
    import altair as alt

    rows, series = figure.frame, _series(figure, look)
    series.pop("strokeDash", None)
    paint: dict[str, Any] = {} if series else {"color": look["amount"]}
    tips = [name for name in ("label", "series") if name in rows]
    dots = (
        alt.Chart(rows)
        .mark_circle(size=60, opacity=0.8, **paint)
        .encode(
            x=_axis(figure, "x", 0),
            y=alt.Y("value:Q", title=figure.axes[1] or None, scale=alt.Scale(zero=False)),
            tooltip=[*tips, _digits("x"), _digits("value")] if isinstance(rows["x"].iloc[0], Real) else [*tips, "x", _digits("value")],
            **series,
        )
    )  # fmt: skip
    return alt.layer(dots, *_level(figure, look, "y"), data=rows).properties(width="container", height=320)


def _heads(figure: Figure, look: dict[str, str]) -> Any:
    import altair as alt

    rows: Any = figure.frame
    top = float(rows["value"].abs().max()) or 1.0
    if float(rows["value"].min()) < 0:
        scale = alt.Scale(
            domain=[-top, 0, top], range=[look["minus"], look["page"], look["plus"]], interpolate="rgb"
        )
    else:
        scale = alt.Scale(domain=[0, top], range=[look["page"], look["amount"]], interpolate="rgb")
    axis: dict[str, Any] = {
        "domain": False,
        "ticks": False,
        "labelAngle": 0,
        "labelOverlap": True,
        "grid": False,
    }
    across, down = (title or name for title, name in zip(figure.axes, ("head", "layer"), strict=True))
    size = alt.Step(max(9, min(34, 290 // max(1, int(rows["head"].nunique())))))
    order = list(dict.fromkeys(rows["layer"])) if isinstance(rows["layer"].iloc[0], str) else "ascending"
    return (
        alt.Chart(rows)
        .mark_rect(stroke=look["line"], strokeWidth=0.5)
        .encode(
            x=alt.X("head:O", title=across, axis=alt.Axis(orient="top", **axis)),
            y=alt.Y("layer:O", sort=order, title=down, axis=alt.Axis(**axis)),
            color=alt.Color(
                "value:Q", scale=scale, title=None, legend=alt.Legend(orient="bottom", gradientLength=220, format=".2~f")
            ),
            tooltip=["layer", "head", alt.Tooltip("value:Q", format=".4f")],
        )
        .properties(width=size, height=size)
    )  # fmt: skip


def _graph(figure: Figure, look: dict[str, str]) -> Any:
    """Layers from left to right, the parts of a text below each other; a click on a part shows its lines alone."""
    import altair as alt

    rows: Any = figure.frame
    parts, name = list(rows["source"].cat.categories), str(rows["series"].iloc[0])
    lines = rows.assign(
        x=rows["layer"] - 1, x2=rows["layer"], y=rows["target"].cat.codes, y2=rows["source"].cat.codes
    ).astype({"source": str, "target": str})
    ends = [(layer, k) for layer in range(int(rows["layer"].max()) + 1) for k in range(len(parts))]
    nodes = type(rows)([{"x": layer, "y": k, "part": parts[k]} for layer, k in ends])
    pick = alt.selection_point(name="part", fields=["part"], on="click", toggle=False)
    shown = "!isValid(part.part) || indexof(part.part, datum.source) >= 0 || indexof(part.part, datum.target) >= 0"
    x = alt.X("x:Q", title=figure.axes[0] or None, axis=alt.Axis(tickMinStep=1, grid=False, format="d"))
    named = f"datum.value == null ? '' : {parts!r}[datum.value]"
    y = alt.Y(
        "y:Q",
        title=None,
        scale=alt.Scale(domain=[-0.5, len(parts) - 0.5], reverse=True, nice=False),
        axis=alt.Axis(
            values=list(range(len(parts))), labelExpr=named, grid=False, ticks=False, labelPadding=9
        ),
    )
    edges = alt.Chart(lines).mark_rule(aria=False, color=look["amount"], strokeCap="round").encode(
        x=x, x2="x2:Q", y=y, y2="y2:Q",
        size=alt.Size("weight:Q", legend=None, scale=alt.Scale(range=[0.4, 8], domain=[0, float(lines["weight"].max()) or 1.0])),
        opacity=alt.condition(shown, alt.value(0.75), alt.value(0.06)),
        tooltip=["layer", alt.Tooltip("source", title="gets"), alt.Tooltip("target", title="from"), alt.Tooltip("weight:Q", format=".3f")],
    )  # fmt: skip
    dots = (
        alt.Chart(nodes)
        .mark_circle(size=110, opacity=1, color=look["text"], cursor="pointer")
        .encode(x=x, y=y, tooltip=["part"])
    )
    title = alt.Title(name.capitalize(), color=look["text"], anchor="start", fontWeight="normal")
    whole = edges + dots.add_params(pick)
    return whole.properties(width="container", height=30 * len(parts), title=title)
