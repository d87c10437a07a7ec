"""The search on the page: attention that makes an answer likely, how little of it suffices, and what chance would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from attnlab_core import charts
from pages.ui import figures, gradients, stack, state, waiting, widgets
from pages.ui.workbench import Outcome

if TYPE_CHECKING:
    from attnlab_core.optimise import Search
    from attnlab_core.run import Run

SHARE = 0.9
DRAWS = 20
CAUTION = (
    "That a verdict can be turned this way proves little: attention has so many cells that it can be nudged, nearly "
    "invisibly, into almost any verdict. What says something is how small the change can be, and whether a change of the "
    "same size at random does as much. Both stand beside the result."
)


class Found(NamedTuple):
    """A search, and what puts it in proportion."""

    search: Search
    small: Search | None
    counts: list[int]
    effects: list[float]
    control: list[float]


def show(name: str, run: Run, now: Outcome, layer: int, head: int) -> None:
    """The settings, the progress and the result."""
    after = now.after or run
    target = gradients.wished(after)
    st.markdown(
        f"Search for attention that makes **{widgets.plain(target)}** likely, from the attention as it is now. {CAUTION}"
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        close = st.slider(
            "Stay close (λ)", 0.0, 20.0, 1.0, 0.5, key="lambda", bind="query-params", width=230,
            help="What a distance from the attention as it is counts against the gain: 0 is no hold at all. The distance is the "
            "KL divergence of each row, in nats, mean over rows.",
        )  # fmt: skip
        steps = st.slider("Steps at most", 10, 200, 60, 10, key="steps", bind="query-params", width=230)
        places = {
            "everywhere": None,
            f"layer {layer} only": (layer, None),
            f"layer {layer}, head {head} only": (layer, head),
        }
        where = st.selectbox("May change", list(places), key="may", width=230, persist_state="page")
        asked = (name, "search", after.prompt, now.edits, target, close, steps, places[where])
        if st.button(
            "Search",
            key="search",
            type="primary" if not state.dark() else "secondary",
            icon=":material/search:",
        ):
            state.drop_task("search")
            state.put("_search", (asked, after))
    held = state.get("_search")
    if held is None or held[0][:3] != asked[:3]:
        return
    key, at = held
    if key != asked:
        widgets.small(
            "This search began from the attention and the settings as they were when it was started."
        )
    waiting.follow("search", state.task("search", key, lambda task: find(task, at, key), 2**20), _draw)


def find(task: Any, run: Run, asked: Any) -> Found:
    """Search, then measure how few cells suffice and what chance does. Runs in the background."""
    from attnlab_core.edits import Where
    from attnlab_core.errors import BadInput
    from attnlab_core.optimise import optimise

    *_, target, close, steps, place = asked
    where = (
        None if place is None else Where(layers=(place[0],), heads=None if place[1] is None else (place[1],))
    )
    task.phase = "Searching"
    search = optimise(run, target, plausibility=close, steps=steps, where=where)
    cells = len(search.edit.cells)
    counts = sorted(
        {n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, cells) if 0 < n <= cells}
    )
    try:
        task.phase = "Looking for the smallest part"
        small = search.smallest(SHARE)
        task.phase = "Measuring effect against size"
        effects = search.sizes(counts)
    except BadInput:  # nothing was gained
        return Found(search, None, [], [], [])
    task.phase = "Trying the same at random"
    return Found(search, small, counts, effects, search.control(DRAWS))


def _draw(found: Found) -> None:
    search, dark = found.search, state.dark()
    left, right = st.columns([4, 5], gap="medium")
    with left, st.container(border=True):
        after = None if search.after is search.before else search.after.probabilities
        st.html(charts.verdict(search.before.probabilities, after, dark=dark))
        st.html(charts.probability_bars(search.before.probabilities, after, dark=dark))
        widgets.small(
            f"{len(search.trace) - 1} steps in {charts.duration(search.seconds)}; it ended because {_because(search)}."
        )
    with right:
        st.altair_chart(
            figures.trace(search, dark),
            theme=None,
            width="stretch",
            alt=f"P({search.target}) and distance by step",
        )
    for line in figures.in_words(found.search, found.small, found.control, SHARE):
        st.markdown(f"- {widgets.plain(line)}")
    if found.small is None:
        return
    st.markdown("**How much of it is needed**")
    st.altair_chart(
        figures.sizes(search, found.counts, found.effects, found.control, dark), theme=None, width="stretch",
        alt=f"P({search.target}) by the number of cells that are kept, the largest changes first",
    )  # fmt: skip
    with st.container(horizontal=True):
        _button("Open as an edit", search, f"Found for “{search.target}”", "open-found")
        label = f"Only the smallest part that carries {100 * SHARE:.0f} %"
        _button(label, found.small, f"Found for “{search.target}”, smallest part", "open-small")


def _button(label: str, search: Search, name: str, key: str) -> None:
    st.button(label, on_click=stack.add, args=(search.edit.to_json(), name), key=key, icon=":material/add:")


def _because(search: Search) -> str:
    enough = "" if search.stopped[:1] != "P" else ", which was enough"
    return f"{search.stopped}{enough}. Kept is the step that was best by likelihood and distance together"
