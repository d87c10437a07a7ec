"""Figures of two things side by side, A and B: their answers, and their words on one scale with the difference below."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from attnlab_core.charts._boxes import boxes
from attnlab_core.charts._colours import css, digits, ink, mix, number, paint, palette, percent
from attnlab_core.charts._figures import Figure, _box, _ramp, _swatch, _way
from attnlab_core.charts._files import _altair, _dress
from attnlab_core.charts._style import style
from attnlab_core.prompt import named

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attnlab_core.pairs import Compared

ROWS = (("a", "A"), ("b", "B"), ("difference", "A − B"))
SAID = {"a": "Words as weighed in A", "b": "Words as weighed in B", "difference": "Differences, A minus B"}


def pair_bars(one: Mapping[str, float], two: Mapping[str, float], *, dark: bool = False) -> Figure:
    """The probabilities of the same answers in A and in B, and their difference in points.

    Args:
        one: Answer → probability in A.
        two: The same in B; an answer that either lacks has no difference.
        dark: Draw for a dark page.
    """
    c, rows = palette(dark), []
    for label in dict.fromkeys([*one, *two]):
        p, q = one.get(label), two.get(label)
        bars = "".join(
            f"<i style='width:{100 * (value or 0):.2f}%;background:{css(colour)}'></i>"
            for value, colour in ((p, c.plus), (q, c.amount))
            if value is not None
        )
        known = [(name, value) for name, value in (("A", p), ("B", q)) if value is not None]
        said = ", ".join(f"{name} <b>{percent(value)}</b>" for name, value in known)
        gap = "" if p is None or q is None else f"<span>A − B: {points(p - q)}</span>"
        rows.append(
            f"<div class='al-p' role='listitem'><bdi>{html.escape(label) or '(empty)'}</bdi>"
            f"<span class='al-n'>{said} {gap and '&ensp;' + gap}</span><span class='al-bars' aria-hidden='true'>{bars}</span></div>"
        )
    legend = f"<p class='al-key'>{_swatch(c.plus)} A {_swatch(c.amount)} B</p>"
    return Figure(f"{style(c)}<div class='al' role='list'>{''.join(rows)}</div>{legend}")


def points(difference: float) -> str:
    """A difference of probabilities in points, never minus zero.

    >>> points(-0.00001), points(-0.123)
    ('0.0 points', '−12.3 points')
    """
    return f"{number(100 * difference, True, 1)} points"


def pair_strips(found: Compared, *, dark: bool = False) -> Figure:
    """Three rows of coloured words: A, B and A - B. They wrap alike; a word that one lacks is an empty place there."""
    c, rows = palette(dark), []
    for column, label in ROWS:
        words = "".join(_chip(row, column, found, c) for row in found.frame.to_dict("records"))
        box = f"{_way(found.frame['text'])}{_box(len(found.frame))} aria-label='{SAID[column]}'"
        rows.append(
            f"<div class='al-row'><div class='al-label'>{label}</div><div class='al-body'><div role='list' {box}>{words}</div></div></div>"
        )
    narrow = "<style>.al-pair .al-row{grid-template-columns:3.5rem 1fr}.al-gap{border:1px dashed;opacity:.65}</style>"
    return Figure(f"{style(c)}{narrow}<div class='al al-pair'>{''.join(rows)}</div>")


def _chip(row: Mapping[Any, Any], column: str, found: Compared, c: Any) -> str:
    text, value = html.escape(str(row["text"]), quote=True), row[column]
    sub = f"<sub>{row['number']}</sub>" if row["number"] else ""
    if math.isnan(value):
        who = "A" if math.isnan(row["a"]) else "B"
        said = f"not in {who}" if column == who.lower() else "in one text only"
        return (
            f"<span class='al-w al-gap' role='listitem' title='{text}: {said}'><bdi style='text-decoration:line-through'>{text}{sub}</bdi>"
            f"<small>–</small></span>"
        )
    signed = found.signed or column == "difference"
    shown = number(value, signed, digits(found.top))
    return (
        f"<span class='al-w' role='listitem' style='{paint(value / found.top, signed, c)}' title='{text}: {value:.4g}'>"
        f"<bdi>{text}{sub}</bdi><small dir='ltr'>{shown}</small></span>"
    )


def pair_legend(found: Compared, targets: tuple[str, str], *, dark: bool = False) -> Figure:
    """What the colours and numbers mean, and where the scale ends."""
    c = palette(dark)
    end = number(found.top, False, digits(found.top))
    one, two = (f"“{html.escape(target)}”" for target in targets)
    what = one if one == two else f"{one} in A, {two} in B"
    ramp = ", ".join(css(mix(v, True, c)) for v in (-1, -0.5, 0, 0.5, 1))
    amount = ", ".join(css(mix(v, False, c)) for v in (0, 0.5, 1))
    unit = "share of the strongest word of each side" if found.shares else "score"
    first = (
        f"− against, + for {what}: {_ends('−' + end, ramp, '+' + end)}"
        if found.signed
        else f"A and B, {'size of what speaks for or against' if found.sizes else 'amount; takes no side:'} {what}: {_ends('0', amount, end)}"
    )
    second = f"A − B: {_ends(f'−{end} (more in B)', ramp, f'+{end} (more in A)')}"
    return Figure(
        f"{style(c)}<p class='al-key al-legend'><span>{first}</span><span>{second}</span><span>Unit: {unit}.</span></p>"
    )


def _ends(first: str, stops: str, last: str) -> str:
    """A scale with its ends, on one line."""
    return f"<bdi style='white-space:nowrap'>{first} {_ramp(stops)} {last}</bdi>"


def pair_chart(found: Compared, *, dark: bool = False, title: str = "") -> Any:
    """The same as `pair_strips`, as a picture."""
    c, cells = palette(dark), []
    for place, row in enumerate(found.frame.to_dict("records")):
        word = named(row["text"], row["number"])
        for column, label in ROWS:
            value, signed = row[column], found.signed or column == "difference"
            empty = math.isnan(value)
            colour = c.page if empty else mix(value / found.top, signed, c)
            said = "–" if empty else number(value, signed, digits(found.top))
            cells.append((place, label, word, said, css(colour), css(c.muted if empty else ink(colour))))
    table = pd.DataFrame(cells, columns=["place", "row", "text", "said", "paint", "ink"])
    end = number(found.top, False, digits(found.top))
    told = [f"one scale, to ±{end}" + (", shares of the strongest word of each side" if found.shares else "")]
    return _dress(boxes(table, "place", "row", 44, 140), c, title, told)


def pair_probability_chart(
    one: Mapping[str, float], two: Mapping[str, float], *, dark: bool = False, title: str = ""
) -> Any:
    """The probabilities of the same answers in A and B, as a picture."""
    alt, c = _altair(), palette(dark)
    names = list(dict.fromkeys([*one, *two]))
    rows = [(name, side, p[name]) for name in names for side, p in (("A", one), ("B", two)) if name in p]
    table = pd.DataFrame(rows, columns=["label", "side", "p"])
    chart = alt.Chart(table).mark_bar(cornerRadius=3).encode(
        x=alt.X("p:Q", title="probability", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        y=alt.Y("label:N", sort=names, title=None),
        yOffset=alt.YOffset("side:N", sort=["A", "B"]),
        color=alt.Color("side:N", title=None, scale=alt.Scale(domain=["A", "B"], range=[css(c.plus), css(c.amount)]), legend=alt.Legend(orient="top")),
        tooltip=["label", "side", alt.Tooltip("p:Q", format=".1%")],
    )  # fmt: skip
    return _dress(chart.properties(width=360, height=alt.Step(18)), c, title)
