"""Charts and sentences of a search: its course, and its size beside its effect."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

from attnlab_core import charts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

    from attnlab_core.search import Search


def _dressed(chart: Any, look: dict[str, str]) -> Any:
    words: dict[str, Any] = {
        "labelColor": look["text"],
        "titleColor": look["text"],
        "titleFontWeight": "normal",
    }
    return (
        chart.configure_axis(
            **words, gridColor=look["line"], gridOpacity=0.5, domainColor=look["line"], tickColor=look["line"]
        )
        .configure_view(stroke=None)
        .properties(background=look["page"], padding={"left": 4, "right": 12, "top": 8, "bottom": 4})
    )


def trace(search: Search, dark: bool) -> alt.VConcatChart:
    """P(target) and what λ holds against it, step by step: implausibility, or the distance where no reference is known."""
    import altair as alt

    from attnlab_core import plausibility

    look, frame = charts.look(dark), search.to_frame()
    held, title = (
        ("distance", "distance (nats)")
        if plausibility.reference(search.before.lab) is None
        else ("implausibility", "implausibility")
    )
    base = alt.Chart(frame).encode(x=alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1)))
    likely = base.mark_line(color=look["amount"], strokeWidth=2.5).encode(
        y=alt.Y("probability:Q", title=f"P({search.target})"[:30], scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        tooltip=["step", alt.Tooltip("probability", format=".3f"), alt.Tooltip(held, format=".4f")],
    )  # fmt: skip
    far = base.mark_line(color=look["plus"], strokeWidth=2.5, strokeDash=[6, 3]).encode(
        y=alt.Y(f"{held}:Q", title=title, axis=alt.Axis(tickCount=3)),
        tooltip=["step", alt.Tooltip(held, format=".4f")],
    )  # fmt: skip
    size: dict[str, Any] = {"width": "container", "height": 120}
    return _dressed(
        alt.vconcat(likely.properties(**size), far.properties(**{**size, "height": 80}), spacing=6), look
    )


def sizes(
    search: Search, counts: Sequence[int], effects: Sequence[float], control: Sequence[float], dark: bool
) -> alt.LayerChart:
    """P(target) by how many cells are kept, and where the same changes on random cells end."""
    import altair as alt
    import pandas as pd

    look, start = charts.look(dark), search.trace[0].log_probability
    table = pd.DataFrame({"cells": list(counts), "p": [_likely(start, effect) for effect in effects]})
    chance = pd.DataFrame(
        {"cells": [counts[-1]] * len(control), "p": [_likely(start, effect) for effect in control]}
    )
    x = alt.X(
        "cells:Q",
        title="cells kept, the largest changes first",
        scale=alt.Scale(type="log", domain=[1, max(counts[-1], 2)], nice=False),
    )
    y = alt.Y(
        "p:Q", title=f"P({search.target})"[:30], scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")
    )
    tips = [alt.Tooltip("cells"), alt.Tooltip("p", title="probability", format=".3f")]
    curve = alt.Chart(table).mark_line(
        color=look["amount"], strokeWidth=2.5, point={"color": look["amount"], "size": 45}
    )
    dots = alt.Chart(chance).mark_tick(color=look["plus"], thickness=2, width=16, orient="horizontal")
    both = curve.encode(x=x, y=y, tooltip=tips) + dots.encode(x=x, y=y, tooltip=tips)
    return _dressed(both.properties(width="container", height=220), look)


def _likely(start: float, effect: float) -> float:
    return math.exp(min(0.0, start + effect))


def in_words(
    search: Search,
    small: Search | None,
    fewest: Search | None,
    one_head: Search | None,
    control: Sequence[float],
    share: float,
) -> list[str]:
    """What the search comes to, in plain sentences made of its numbers."""
    if small is None:
        return [f"Nothing was found that makes {search.target} likelier."]
    told, few = search.figures(), small.figures()
    start = search.trace[0].log_probability
    moved = 100 * float(told["minimality"] or 0)
    lines = [
        f"P({search.target}) goes from {charts.percent(_likely(start, 0))} to {charts.percent(_likely(start, search.effect))}; "
        + ("the verdict turns." if search.flipped else "the verdict stays."),
        f"The found change touches {told['cells']:,} cells in {told['heads']} heads and moves {moved:.2g} % of the attention, "
        "mean over all rows.",
        f"{few['cells']:,} cells in {few['heads']} heads carry {100 * share:.0f} % of the effect"
        + (
            ", and with them alone the verdict turns, too."
            if small.flipped
            else ", and with them alone the verdict stays."
        ),
    ]
    if fewest is not None and one_head is not None:
        least, heads = fewest.figures(), one_head.figures()["heads"]
        lines.append(
            f"Searching on with fewer and fewer cells, {_count(least['cells'], 'cell')} in "
            f"{_count(least['heads'], 'head')} still turn the verdict; so {'does' if heads == 1 else 'do'} {_count(heads, 'whole head')}. A smaller "
            "change may exist."
        )
    if control:
        ends = sorted(_likely(start, effect) for effect in control)
        lines.append(
            f"The same changes on random cells of the same heads, {len(control)} times: P({search.target}) ends between "
            f"{charts.percent(ends[0])} and {charts.percent(ends[-1])}, {charts.percent(median(ends))} at the median (ticks in the "
            "chart below)."
        )
    if told["faithfulness"] is not None:
        lines.append(
            f"Among the other answers, {told['faithfulness']:.2g} nats of change (KL divergence; 0 is none)."
        )
    return lines


def _count(count: float | None, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
