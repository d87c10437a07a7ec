"""A page on a narrow screen: its pickers are as wide as the column, and a table that goes on sideways shows it."""

from __future__ import annotations

import streamlit as st

_ROW = "[data-testid=stMain] [data-testid=stHorizontalBlock]"
_BOX = f"{_ROW}>[data-testid=stElementContainer]:has"
_PICKERS = (
    f"{_BOX}(>[data-testid=stSelectbox]),{_BOX}(>*>[data-testid=stSlider]),"
    f"{_ROW}>[data-testid=stLayoutWrapper]:has(>*>*>[data-testid=stSelectbox])"
)
_TABLES = ".al-scroll,[data-testid=stMain] [role=region][style*=overflow-x]"
_FADE = "mask:linear-gradient(to left,transparent,#000 3rem) 0 0 no-repeat;mask-size"
STYLE = (
    "<style>.stMarkdownBadge{white-space:normal!important;overflow-wrap:anywhere}.al-narrow{display:none}"
    f"@keyframes al-more{{from,90%{{{_FADE}:100% 100%}}to{{{_FADE}:calc(100% + 3rem) 100%}}}}"
    "@media(max-width:640px){"
    f"{_PICKERS}{{flex:1 1 100%!important;width:100%!important;max-width:100%!important}}"
    f"{_BOX}(>[data-testid=stNumberInput]){{flex:1 1 7rem!important}}"
    ".al-narrow{display:block;font-size:.82rem;margin:0}"
    f"{_TABLES}{{animation:al-more linear both;animation-timeline:scroll(self inline)}}"  # nothing to scroll: no fade
    "}</style>"
)


def style() -> None:
    """The rules, once a page."""
    st.html(STYLE)


def sideways() -> None:
    """Below a table that is wider than a narrow screen: a word that it scrolls."""
    st.html("<p class='al-narrow'>The table scrolls sideways.</p>")
