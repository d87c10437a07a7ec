"""The search on the page: attention that makes an answer likely, how little of it suffices, and what chance would do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from attnlab_core import charts
from pages.ui import cards, carry_over, figures, gauge, gradients, state, waiting, widgets
from pages.ui.workbench import Outcome

if TYPE_CHECKING:
    from attnlab_core.run import Run
    from attnlab_core.search import Search

SHARE = 0.9
DRAWS = 20
CAUTION = (
    "That a verdict can be turned this way proves little: attention has so many cells that it can be nudged, nearly "
    "invisibly, into almost any verdict. What says something is how small the change can be, whether a change of the same "
    "size at random does as much, and whether it works on other sentences. All of that stands below the result."
)
PRICE = (
    "One unit of implausibility is about what the same words get in other sentences, or the same patches in other pictures: how far each head’s attention is from the "
    "model’s own here, and how much odder its shape is, mean over heads."
)
AWAY = (
    "Nothing is known yet of what is usual for this model, so what counts is the distance from its attention as it is: the KL "
    "divergence of each row, in nats, mean over rows."
)


class Found(NamedTuple):
    """A search, and what puts it in proportion.

    Attributes:
        search: The search.
        small: The part of it that carries most of the effect.
        fewest: The fewest cells that turn the verdict; None where it does not turn.
        heads: The fewest heads that do.
        counts: Numbers of cells.
        effects: The effect of so many.
        control: Effects of the same change at random places.
    """

    search: Search
    small: Search | None
    fewest: Search | None
    heads: Search | None
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
            "Stay plausible (λ)", 0.0, 20.0, 1.0, 0.5, key="lambda", bind="query-params", width=230,
            help=f"What counts against the gain in likelihood: 0 is no hold at all. {PRICE if gauge.reference(run) else AWAY}",
        )  # fmt: skip
        steps = st.slider("Steps at most", 10, 200, 60, 10, key="steps", bind="query-params", width=230)
        places = {
            "everywhere": None,
            f"layer {layer} only": (layer, None),
            f"layer {layer}, head {head} only": (layer, head),
        }
        where = st.selectbox("May change", list(places), key="may", width=230, bind="query-params")
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
    waiting.follow(
        "search",
        state.task("search", key, lambda task: find(task, at, key), 2**20),
        lambda found: _draw(name, found),
    )


def find(task: Any, run: Run, asked: Any) -> Found:
    """Search, then measure how few cells suffice and what chance does. Runs in the background."""
    from attnlab_core.edits import Where
    from attnlab_core.errors import BadInput
    from attnlab_core.search import optimise

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
        return Found(search, None, None, None, [], [], [])
    task.phase = "Trying the same at random"
    control = search.control(DRAWS)
    fewest = heads = None
    if search.flipped:
        task.phase = "Looking for the fewest cells that turn the verdict"
        fewest = search.fewest()
        task.phase = "Looking for the fewest heads"
        heads = search.fewest("head")
    return Found(search, small, fewest, heads, counts, effects, control)


def _draw(name: str, found: Found) -> None:
    search, dark = found.search, state.dark()
    left, right = st.columns([4, 5], gap="medium")
    with left, st.container(border=True):
        after = None if search.after is search.before else search.after.probabilities
        st.html(charts.verdict(search.before.probabilities, after, dark=dark))
        st.html(charts.probability_bars(search.before.probabilities, after, dark=dark))
        widgets.small(
            f"{len(search.trace) - 1} steps in {charts.duration(search.seconds)}; it ended because {_because(search)}."
        )
        if search.after is not search.before:
            gauge.show(search.before.plain, search.after)
    with right:
        st.altair_chart(
            figures.trace(search, dark),
            theme=None,
            width="stretch",
            alt=f"P({search.target}) and what λ holds against it, by step",
        )
    told = figures.in_words(search, found.small, found.fewest, found.heads, found.control, SHARE)
    st.markdown("\n".join(f"- {widgets.plain(line)}" for line in told))
    if found.small is None:
        return
    st.markdown("**How much of it is needed**")
    st.altair_chart(
        figures.sizes(search, found.counts, found.effects, found.control, dark), theme=None, width="stretch",
        alt=f"P({search.target}) by the number of cells that are kept, the largest changes first",
    )  # fmt: skip
    with st.container(horizontal=True):
        cards.use("Open as an edit", search.edit.to_json(), f"Found for “{search.target}”", "open-found")
        label = f"Only the smallest part that carries {100 * SHARE:.0f} %"
        cards.use(
            label, found.small.edit.to_json(), f"Found for “{search.target}”, smallest part", "open-small"
        )
        if found.fewest is not None:
            edit = found.fewest.edit.to_json()
            cards.use("The fewest cells", edit, f"Found for “{search.target}”, fewest cells", "open-fewest")
    if search.before.prompt.second is None:
        carry_over.show(name, search, found.fewest)


def _because(search: Search) -> str:
    enough = "" if search.stopped[:1] != "P" else ", which was enough"
    return f"{search.stopped}{enough}. Kept is the step that was best by likelihood and distance together"
