"""The tour: seven pages in a prepared state, with one sentence each on what to look at. It waits beside, and never in the way.

Who skips it is not offered it for a month, as a cookie of this app says; its links open it all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.components.v2 import component

from pages.ui import links, state

if TYPE_CHECKING:
    from collections.abc import Mapping

PARAMETER = "tour"
OFF = "off"
COOKIE = "attnlab_tour"
SAID = f"{COOKIE}={OFF}; Path=/; Max-Age={30 * 24 * 3600}; SameSite=Lax"
_say = component("attentionlab.tour", js="export default ({ data }) => { document.cookie = data; }")
TWICE = links.pack([{"op": "scale", "factor": 2.0, "where": {"keys": ["nothing"]}}])


@dataclass(frozen=True)
class Step:
    """One stop: a page, its name in a link, what to look at, and the state it is in."""

    page: str
    label: str
    look: str
    query: Mapping[str, str]


STEPS = (
    Step(
        "start", "Turn a word up",
        "Move the dial below: “nothing” gets more attention or less, and the verdict follows.",
        {"w": "nothing", "x": "×2"},
    ),
    Step(
        "compare", "Compare explanations",
        "Several methods explain one answer. Read a column downwards: where do they disagree about a word?",
        {},
    ),
    Step(
        "heads", "Look at every head",
        "Each small map is one head. Choose one with a click or the arrow keys: some look at the word before, some at one word only.",
        {"layer": "2", "head": "1"},
    ),
    Step(
        "manipulate", "Edit attention",
        "One edit is on the stack: twice the attention on “nothing”. Switch its card off and on, or paint cells of the map.",
        {"e": TWICE},
    ),
    Step(
        "negation", "Read a case study",
        "A question, told step by step with figures. Each example opens in the page it was made with.",
        {},
    ),
    Step(
        "experiments", "Ask a whole data set",
        "One sentence proves little. Here each change of attention stands beside a random one of the same size.",
        {},
    ),
    Step(
        "leaderboard", "See what others found",
        "Teams submit explanations, edits and claims, and each is scored here on the same sentences. Choose a row to see what it is.",
        {},
    ),
)  # fmt: skip

BEYOND: dict[str, tuple[str, str, dict[str, str]]] = {
    "models": ("Bring a model of your own", "deployed_code", {}),
    "images": (
        "Paint over a picture",
        "brush",
        {"view": "Brush", "lowered": "66.67.68.75.76.77.78.85.86.87.88.95.96.97"},
    ),
}
"""Where the last step leads: page → label, icon, state. Of the picture the moon is painted away, and the answer is the star."""


def now(page: str) -> int | None:
    """The number of the step that this visit of a page is, from 0; None where it is none. It counts as seen from now on."""
    said = st.query_params.get(PARAMETER, "")
    if said == OFF:
        state.put("_tour_off", True)
    number = int(said) - 1 if said in {str(k + 1) for k in range(len(STEPS))} else None
    if number is None or STEPS[number].page != page or state.get("_tour_off"):
        return None
    state.put("_tour", seen() | {number})
    return number


def seen() -> frozenset[int]:
    """The steps that this visitor has seen."""
    return state.get("_tour", frozenset())


def show(page: str) -> None:
    """What there is of the tour on a page: the step it is at, on the first page the offer, elsewhere nothing."""
    number = now(page)
    if number is not None:
        _step(number)
    elif page == STEPS[0].page and not _skipped() and len(seen()) < len(STEPS):
        _offer()
    if state.get("_tour_left"):
        with st.container(key="tour-left"):
            st.html("<style>.st-key-tour-left{display:none}</style>")
            _say(key="tour.cookie", data=SAID)


def _skipped() -> bool:
    """Whether the visitor skipped it: in this visit, or in one before that a cookie tells of and that goes on nowhere."""
    return bool(state.get("_tour_off")) or (not seen() and st.context.cookies.get(COOKIE) == OFF)


def _step(number: int) -> None:
    with st.container(border=True, key="tour"):
        st.markdown(f"**Tour, {number + 1} of {len(STEPS)}.** {STEPS[number].look}")
        with st.container(horizontal=True, vertical_alignment="center"):
            if number + 1 < len(STEPS):
                _link(number + 1, "Next: ", ":material/arrow_forward:")
            else:
                for page, (label, icon, query) in BEYOND.items():
                    st.page_link(_script(page), label=label, icon=f":material/{icon}:", query_params=query)
            last = number + 1 == len(STEPS)
            st.button("Done" if last else "End the tour", on_click=_leave, key="tour.leave", type="tertiary")


def _offer() -> None:
    unseen = min(set(range(len(STEPS))) - seen())
    with st.container(border=True, key="tour", horizontal=True, vertical_alignment="center"):
        begun = f"You have seen {len(seen())} of {len(STEPS)} steps of the tour."
        st.markdown(begun if seen() else "New here? Three minutes show the app.", width="content")
        _link(unseen, "Go on: " if seen() else "Begin: ", ":material/arrow_forward:")
        with st.popover("All steps", type="tertiary", key="tour.all"):
            for k in range(len(STEPS)):
                _link(k, f"{k + 1}. ", ":material/check:" if k in seen() else ":material/circle:")
        st.button("Skip", on_click=_leave, key="tour.leave", type="tertiary")


def _link(number: int, before: str, icon: str) -> None:
    step = STEPS[number]
    query = {**step.query, PARAMETER: str(number + 1)}
    st.page_link(
        _script(step.page), label=before + step.label, icon=icon, query_params=query, width="content"
    )


def _script(page: str) -> Path:
    return Path(__file__).resolve().parents[1] / f"{page}.py"


def _leave() -> None:
    """No word of the tour any more: in this visit, wherever its address is opened again, and for a while in this browser."""
    state.put("_tour_off", True)
    state.put("_tour_left", True)
    st.query_params[PARAMETER] = OFF
