"""The frame around every page: routing, navigation, the tab's title and icon."""

from __future__ import annotations

import importlib
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import reopening, shown, state, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
_ROUTED: ContextVar[bool] = ContextVar("attnlab_routed", default=False)

STYLE = """<style>
[data-testid=stMainBlockContainer]{padding:2.6rem 3rem 4rem;max-width:1280px}
[data-testid=stSidebarUserContent]{padding-top:1rem}
[data-testid=stHeadingWithActionElements] h2{padding-top:.4rem}
[class*=st-key-rtl-]{direction:rtl}
[data-testid=stMain] textarea,[data-testid=stMain] input[type=text]{unicode-bidi:plaintext}
[data-tag]{color:inherit!important;background:none!important;box-shadow:inset 0 0 0 1px currentColor}
[data-testid=stWidgetLabel][disabled]{color:inherit!important}
@media(max-width:640px){[data-testid=stMainBlockContainer]{padding:4rem 1rem 3rem}}
</style>"""

DARK = (
    "<style>[data-testid=stBaseButton-primary]{color:#14161b}"
    "button[kind=tertiary]:is(:hover,:focus,:active,[aria-expanded=true]){color:#7ab7ff!important}</style>"
)
"""The primary colour of the dark theme is a light one; what Streamlit makes of it under the pointer is too dark to read."""


@dataclass(frozen=True)
class Entry:
    """A page: the name of its file in `pages/`, which is its address too, its title, its icon, and what it belongs to."""

    name: str
    title: str
    icon: str
    group: str = ""


def page(name: str) -> Path:
    """The script of a page; an absolute path is right whatever the entry point."""
    return ROOT / "pages" / f"{name}.py"


def main(entries: Sequence[Entry], alone: str | None = None) -> None:
    """Route to a page and draw the frame around it; `alone` is a page that is run as the main script."""
    first = alone or entries[0].name
    # An icon given to st.Page would be the tab's icon and be fetched from outside.
    routes = [st.Page(page(e.name), title=e.title, default=e.name == first) for e in entries]
    chosen = st.navigation(routes, position="hidden")
    st.set_page_config(f"{chosen.title} · AttentionLab", page_icon=str(ROOT / "favicon.png"), layout="wide")
    st.html(STYLE + DARK if state.dark() else STYLE)
    state.backend()
    here = chosen.url_path or first
    state.enter(chosen.url_path)
    shown.begin(here)
    reopening.arrive(here)
    with st.sidebar:
        st.markdown("**AttentionLab**")
        for entry, before in zip(entries, (None, *entries), strict=False):
            if before is not None and entry.group != before.group:
                widgets.small(entry.group)
            more = reopening.beyond(entry.name)
            st.page_link(page(entry.name), label=entry.title, icon=entry.icon, query_params=more)
        widgets.small("Attention is not an explanation by itself. What you type stays with this server.")
    token = _ROUTED.set(True)
    try:
        chosen.run()
        shown.remember()
    finally:
        _ROUTED.reset(token)


def ensure(file: str) -> None:
    """The first line of every page: draw the frame when the page was not reached through `app.py`.

    On a fresh server Streamlit answers the first visit to `/compare` by running `pages/compare.py` by itself.
    """
    if not _ROUTED.get():
        me, entry = (
            Path(file).resolve(),
            Path(getattr(sys.modules["__main__"], "__file__", "") or "").resolve(),
        )
        main(importlib.import_module("app").PAGES, alone=me.stem if me == entry else None)
        st.stop()
