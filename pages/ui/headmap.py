"""A small map of all heads, to see where something happens and to choose one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import state, waiting, widgets

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.run import Run

MEASURES = {
    "change": "change by the edits",
    "gradient": "gradient",
    "entropy": "entropy",
    "first": "attention to the first token",
}
UNIT = {"change": "%", "gradient": "nats", "entropy": "bits", "first": "%"}
MEANING = {
    "change": "The share of its attention that the edits moved, mean over rows.",
    "gradient": "How steeply the answer below would move with this head’s attention: the length of the gradient.",
    "entropy": "How spread out its attention is, in bits, mean over rows: 0 is all on one token.",
    "first": "The share of its attention that rests on the first token, mean over rows.",
}
KEY = "heads_map"


def choose(run: Run) -> tuple[int, int, str]:
    """Layer, head and colouring, as boxes: the way for the keyboard."""
    layers, heads = run.pattern.weights.shape[:2]
    with st.container(horizontal=True):
        layer = st.selectbox("Layer", range(layers), layers // 2, key="layer", width=110, bind="query-params")
        head = st.selectbox("Head", range(heads), 0, key="head", width=110, bind="query-params")
    by = st.selectbox(
        "Colour", list(MEASURES), format_func=MEASURES.__getitem__, key="colour", bind="query-params",
        help=" ".join(f"*{MEASURES[name].capitalize()}*: {text}" for name, text in MEANING.items()),
    )  # fmt: skip
    return layer, head, by


def show(values: Any, layer: int, head: int, by: str, wanted: str = "") -> None:
    """The map; a click chooses a head.

    Args:
        values: One number for each layer and head.
        layer: Of the chosen head, which is outlined.
        head: Its number.
        by: What the numbers are.
        wanted: What was asked for, where it is something else.
    """
    unlike = (
        "No edit acts yet: entropy until then." if wanted == "change" != by else "Click a head to open it."
    )
    st.html(legend(by, float(values.max()), unlike))
    st.altair_chart(
        chart(values, layer, head, by), theme=None, key=KEY, on_select=_picked, selection_mode="head", width="content",
        alt=f"All heads by {MEASURES[by]}: layers down, heads across. Chosen: layer {layer}, head {head}.",
    )  # fmt: skip


def legend(by: str, top: float, remark: str) -> str:
    """What the colours of the map mean; two lines, whatever they say, so that nothing below moves."""
    look = charts.look(state.dark())
    page, full, line, muted = (look[name] for name in ("page", "amount", "line", "muted"))
    most = f"{100 * top:.3g} %" if UNIT[by] == "%" else f"{top:.3g} {UNIT[by]}"
    ramp = (
        f"<i style='display:inline-block;width:4.5em;height:.8em;margin:0 .35em;vertical-align:-.05em;border-radius:.2em;"
        f"border:1px solid {line};background:linear-gradient(90deg,{page},{full})'></i>"
    )
    cut = (
        "margin:0;height:1.45em;line-height:1.45em;overflow:hidden;text-overflow:ellipsis;white-space:nowrap"
    )
    return (
        f"<div style='font-size:.88rem'><p style='{cut}'>{MEASURES[by].capitalize()}: 0{ramp}{most}</p>"
        f"<p style='{cut};color:{muted}'>{remark}</p></div>"
    )


def _picked() -> None:
    event = state.get(KEY) or {}
    for spot in (event.get("selection") or {}).get("head") or ():
        state.put("layer", int(spot["layer"]))
        state.put("head", int(spot["head"]))


def chart(values: Any, layer: int, head: int, by: str) -> Any:
    """All heads as coloured squares."""
    import altair as alt
    import pandas as pd

    look = charts.look(state.dark())
    page, full, line, text, mark = (look[name] for name in ("page", "amount", "line", "text", "plus"))
    rows = [(i, j, round(float(v), 6)) for i, row in enumerate(values.tolist()) for j, v in enumerate(row)]
    table = pd.DataFrame(rows, columns=["layer", "head", "value"])
    top = float(values.max()) or 1.0
    heads = int(values.shape[1])
    step = _step(heads)
    pick = alt.selection_point(name="head", fields=["layer", "head"], on="click", toggle=False, empty=False)
    axis: dict[str, Any] = {"domain": False, "ticks": False, "labelAngle": 0, "labelOverlap": True}
    base = alt.Chart(table).encode(
        x=alt.X("head:O", title="head", axis=alt.Axis(orient="top", **axis)),
        y=alt.Y("layer:O", title="layer", axis=alt.Axis(**axis)),
    )
    squares = base.mark_rect(stroke=line, strokeWidth=0.5, cursor="pointer").encode(
        color=alt.Color("value:Q", legend=None, scale=alt.Scale(type="sqrt", domain=[0, top], range=[page, full], interpolate="rgb")),
        tooltip=["layer", "head", alt.Tooltip("value", title=MEASURES[by], format=".3~g")],
    ).add_params(pick)  # fmt: skip
    chosen = base.transform_filter(f"datum.layer == {layer} && datum.head == {head}")
    outline = chosen.mark_rect(fillOpacity=0, stroke=mark, strokeWidth=2.5)
    size = {"width": alt.Step(step), "height": alt.Step(step)}
    words: dict[str, Any] = {"labelColor": text, "titleColor": text, "titleFontWeight": "normal"}
    return (
        (squares + outline)
        .properties(**size, background=page, padding={"left": 4, "right": 4, "top": 4, "bottom": 4})
        .configure_axis(**words, grid=False)
        .configure_view(stroke=None)
    )


def measured(
    name: str, run: Run, after: Run | None, edits: tuple[Edit, ...], by: str, layer: int, head: int
) -> None:
    """Work out the numbers of the chosen colouring and draw the map; the gradient may take a while."""
    now = run if after is None else after
    weights = now.pattern.weights
    layers, heads = weights.shape[:2]
    st.html(f"<style>.st-key-heads-box{{min-height:{layers * _step(heads) + 96}px}}</style>")
    if by == "gradient":
        from pages.ui import gradients

        with st.container(key="heads-box", gap=None):
            waiting.follow(
                "gradient",
                gradients.task(name, now, edits),
                lambda found: show(found.heads(), layer, head, by),
                "map",
            )
        return
    wanted = by
    if by == "change" and after is None:
        by = "entropy"
    if by == "entropy":
        from torch import special

        values = special.entr(weights).sum(-1).mean(-1) / 0.6931471805599453
    elif by == "first":
        values = weights[..., 0].mean(-1)
    else:
        values = moved(run, now)
    with st.container(key="heads-box", gap=None):
        show(values, layer, head, by, wanted)


def _step(heads: int) -> int:
    """The side of a square, in pixels."""
    return max(8, min(22, 300 // heads))


def moved(before: Run, after: Run) -> Any:
    """The share of attention that went elsewhere, by layer and head: the mean total variation of the rows."""
    return (after.pattern.weights - before.pattern.weights).abs().sum(-1).mean(-1) / 2


def most_changed(before: Run, after: Run, most: int = 5) -> None:
    """The heads whose attention changed most, as a table."""
    values = moved(before, after)
    top = values.flatten().topk(min(most, values.numel()))
    rows = [
        (*divmod(place, values.shape[1]), f"{100 * value:.1f} %")
        for value, place in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        if value > 0
    ]
    widgets.table(["Layer", "Head", "Attention moved"], rows, "The heads that changed most")
