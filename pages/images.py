"""A model that reads pictures: which patches its answer rests on, and what it answers where attention to them is changed."""

from __future__ import annotations

import streamlit as st

from pages.ui import (
    brush,
    gradient_tab,
    narrow,
    panels,
    patch_gradient,
    patch_maps,
    patch_search,
    picturing,
    sharing,
    shell,
    widgets,
)

VIEWS = {"Explain": None, "Brush": brush.show, "Gradient": patch_gradient.show, "Search": patch_search.show}

shell.ensure(__file__)
narrow.style()
sharing.title("Images")
st.markdown(
    "A vision transformer cuts a picture into patches and reads them as words are read. Which patches does its answer rest on, and "
    "what does it answer when attention to some is changed? A patch with much attention need not matter."
)
controls, results = st.columns([3, 8], gap="medium")
with controls:
    name, lab, run = picturing.ask()
with results:
    view = widgets.one_of("View", list(VIEWS), "view", "Explain", label_visibility="collapsed")
show, asked = VIEWS[view], None
with controls:
    if view in ("Gradient", "Search"):
        gradient_tab.target_box(run, run)
    if view in ("Explain", "Search"):
        with st.container(border=True):
            panels.answer(run)
    if show is None:
        asked = patch_maps.ask(lab, run)
with results:
    if asked is not None:
        patch_maps.show(name, run, asked)
    elif show is not None:
        show(name, run)
