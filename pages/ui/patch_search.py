"""The search over a picture: attention that makes an answer likely, and to which patches it goes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import figures, gauge, gradients, optimise_tab, picturing, shown, state, waiting, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from attnlab_core.run import Run
    from pages.ui.optimise_tab import Found

CELL = 160
"""Bytes that a cell of a found edit takes."""


def show(name: str, run: Run) -> None:
    """The settings, the progress and the result."""
    target = gradients.wished(run)
    st.markdown(
        f"Search for attention that makes **{widgets.plain(target)}** likely. That an answer can be turned this way proves little: "
        "attention has so many cells that nearly any answer can be had. What says something is how small the change can be, and whether "
        "a change of the same size at random does as much; both stand below the result."
    )
    layers = range(len(run.pattern.weights))
    places: dict[str, tuple[int, None] | None] = {"everywhere": None} | {
        f"layer {k} only": (k, None) for k in layers
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        close = st.slider(
            "Stay plausible (λ)", 0.0, 20.0, 1.0, 0.5, key="lambda", bind="query-params", width=200,
            help=f"What counts against the gain in likelihood: 0 is no hold at all. {optimise_tab.PRICE if gauge.reference(run) else optimise_tab.AWAY}",
        )  # fmt: skip
        steps = st.slider("Steps at most", 10, 200, 60, 10, key="steps", bind="query-params", width=200)
        where = st.selectbox("May change", list(places), key="may", width=170, bind="query-params")
        asked = (name, "search", run.prompt, (), target, close, steps, places.get(where))
        kind: Any = "secondary" if state.dark() else "primary"
        if st.button("Search", key="search", type=kind, icon=":material/search:"):
            state.drop_task("search")
            state.put("_search", (asked, run))
    held = state.get("_search")
    if held is None or held[0][:3] != asked[:3]:
        return
    key, at = held
    if key != asked:
        widgets.small(f"Found for {key[4]}, with the settings as they were then. “Search” looks again.")
    task = state.task(
        "search", key, lambda work: optimise_tab.find(work, at, key), CELL * run.pattern.weights.numel()
    )
    waiting.follow("search", task, _draw)


def received(run: Run, layers: Sequence[int]) -> Tensor:
    """What each place gets from all, mean over them, over heads and over these layers."""
    return run.pattern.weights[list(layers)].mean((0, 1, 2))


def _draw(found: Found) -> None:
    search, dark = found.search, state.dark()
    before, after = search.before, search.after
    left, right = st.columns([4, 5], gap="medium")
    with left, st.container(border=True):
        now = None if after is before else after.probabilities
        st.html(charts.verdict(before.probabilities, now, dark=dark))
        st.html(charts.probability_bars(before.probabilities, now, dark=dark))
        if after is not before:
            gauge.show(before, after)
            if gauge.reference(before) is None:
                widgets.small("How unusual is this attention? Not known for this model yet.")
        widgets.small(
            f"{len(search.trace) - 1} steps in {charts.duration(search.seconds)}; it ended because {search.stopped}."
        )
    with right:
        st.altair_chart(
            figures.trace(search, dark), theme=None, width="stretch",
            alt=f"P({search.target}) and what λ holds against it, by step",
        )  # fmt: skip
    told = figures.in_words(search, found.small, found.fewest, found.heads, found.control, optimise_tab.SHARE)
    if after is not before:
        _maps(found)
        shown.figure("search", text=" ".join(told))
    st.markdown("\n".join(f"- {widgets.plain(line)}" for line in told))
    if found.small is not None:
        st.markdown("**How much of it is needed**")
        drawn = partial(figures.sizes, search, found.counts, found.effects, found.control)
        st.altair_chart(
            drawn(dark), theme=None, width="stretch",
            alt=f"P({search.target}) by the number of cells that are kept, the largest changes first",
        )  # fmt: skip
        shown.figure(
            "sizes", title="How much of it is needed", charts=(lambda: drawn(False).properties(width=600),)
        )


def _maps(found: Found) -> None:
    """What each patch gets before and after, on one scale, and the difference on its own."""
    search = found.search
    layers = [k for k, moved in enumerate(search.change.abs().sum((1, 2, 3)).tolist()) if moved] or [0]
    one, two = received(search.before, layers), received(search.after, layers)
    places = [word.positions[0] for word in search.before.encoding.patches]
    top, most = float(max(one[places].max(), two[places].max())), float((two - one)[places].abs().max())
    frames = {
        "Before": picturing.scored(search.before, one, "Before", top),
        "After": picturing.scored(search.before, two, "After", top),
        "Change": picturing.scored(search.before, two - one, "Change"),
    }
    picturing.heading(
        "search", f"Where attention goes to make it “{search.target}”", frames, search.before,
        f"The share of attention that a patch gets, mean over all places, heads and {_these(layers)}. Full colour is {charts.percent(top)}, "
        f"of the change {_points(most)} points.", lambda: {"search": _said(found)},
    )  # fmt: skip
    picturing.row(frames, search.before)
    picturing.scale(
        "0 %", f"{charts.percent(top)} of the attention of all places, mean over heads and {_these(layers)}"
    )
    picturing.scale(f"−{_points(most)}", f"+{_points(most)} points of change", signed=True)


def _these(layers: Sequence[int]) -> str:
    return f"layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))}"


def _said(found: Found) -> dict[str, Any]:
    """The search for a record, with its fewest cells in the place of all."""
    said = found.search.to_json()
    return said | {"edit": None if found.fewest is None else found.fewest.edit.to_json()}


def _points(share: float) -> str:
    return f"{100 * share:.2g}"
