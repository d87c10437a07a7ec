"""The menu Share, in the same place on every page: a link, a session file, a report, and how to cite. No host is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import citing, session
from attnlab_core.errors import AttentionLabError
from pages.ui import reopening, shown, state, tour, widgets

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "share"
STYLE = """<style>
.st-key-title-row{flex-wrap:nowrap!important;align-items:flex-start}
.st-key-title-row>:first-child{flex:1 1 0!important;min-width:0}
.st-key-title-row>:last-child{flex:0 0 auto!important;width:auto!important;padding-top:.35rem}
.st-key-share-slot button{white-space:nowrap}
[data-testid=stPopoverBody]:has(.st-key-share-body){width:min(30rem,92vw)}
</style>"""
WITHOUT_REPORT = ("models",)
DOWN = ":material/download:"


def title(text: str) -> None:
    """The heading of a page, and the menu beside it."""
    shown.board().title = text
    st.html(STYLE)
    with st.container(horizontal=True, key="title-row"):
        st.title(text, anchor=False)
        with st.container(key="share-slot", width="content"):
            state.put("_drawing", True)
            _menu()
            state.put("_drawing", False)
    tour.show(shown.board().page)


@st.fragment
def _menu() -> None:
    """Made when it is opened, so that it says what is on the page then.

    Where the whole page is drawn anew below an open menu, nothing of it is there yet; the menu then says what was before.
    """
    here = shown.before() if state.get("_drawing") else shown.board()
    with st.popover("Share", icon=":material/share:", key=KEY, on_change="rerun") as box:
        if not box.open:
            return
        with st.container(key="share-body", gap="small"):
            _link(here)
            _session(here)
            if here.page not in WITHOUT_REPORT:
                _report(here)
            _cite(here)


def _link(here: shown.Board) -> None:
    st.markdown("**Link.** It reopens the page as it is now.")
    try:
        st.code(address(here), language=None, wrap_lines=True)
    except ValueError:
        widgets.say("info", "These edits are too large for a link. Save the session as a file.")


def address(here: shown.Board) -> str:
    """The address that reopens a page as it is. Raises `ValueError` where its edits are too large for one."""
    found = shown.now(here)
    return state.link("" if found.page == "start" else found.page, **shown.parameters(found))


def _session(here: shown.Board) -> None:
    states = shown.visits(here)
    pages = f"this page and {len(states) - 1} more" if len(states) > 1 else "this page"
    st.markdown(
        "**Session.** What is set on every page of this visit, and the numbers of this page, as one file."
    )
    st.download_button(
        f"Save the session ({pages})", lambda: written(here, states), "attentionlab-session.json", "application/json",
        on_click="ignore", icon=DOWN, key="share.session", width="stretch",
    )  # fmt: skip
    reopening.box()


def written(here: shown.Board, states: tuple[session.State, ...]) -> str:
    """The session as a file; made when it is asked for, away from the visit."""
    records, left = [], []
    for one in here.figures.values():
        if one.document is None:
            continue
        try:
            records.append({"page": here.page, "name": one.name, "record": one.document()})
        except AttentionLabError:
            left.append(one.name)
    return session.Session(here.page, states, tuple(records), tuple(left)).to_text()


def _report(here: shown.Board) -> None:
    st.markdown("**Report.** This page as one file that opens in any browser, without a network.")
    if not here.figures:
        widgets.small("There is nothing on the page yet that could go into a report.")
        return
    st.download_button(
        "Save the report (HTML)", _reporter(here), f"attentionlab-{here.page}.html", "text/html", on_click="ignore", icon=DOWN,
        key="share.report", width="stretch",
    )  # fmt: skip


def _reporter(here: shown.Board) -> Callable[[], str]:
    from pages.ui import page_report

    try:
        link = address(here)
    except ValueError:
        link = ""
    found = shown.now(here)
    model = _summary(found.model)
    return lambda: page_report.made(here, found, model, link)


def _summary(name: str) -> dict[str, Any]:
    """What is known of a model that is loaded."""
    return next((one.lab.summary() for one in state.backend().loaded() if one.name == name), {})


def _cite(here: shown.Board) -> None:
    st.markdown("**To cite**")
    st.code(citing.bibtex(), language=None, wrap_lines=True)
    for name, source in here.cited.items():
        if source:
            widgets.small(f"{name}: {source}")
