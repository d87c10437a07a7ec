"""Take hold of the attention: paint it, stack edits of it, follow its gradient, and see the answer before and after."""

from __future__ import annotations

import streamlit as st

from attnlab_core.catalog import catalog
from pages.ui import (
    cards,
    carrying,
    comparing,
    gauge,
    gradient_tab,
    headmap,
    optimise_tab,
    presets,
    question,
    sharing,
    shell,
    workbench,
)

shell.ensure(__file__)
sharing.title("Edit attention")
st.markdown(
    "Paint over a head’s attention, or choose words that are to get more or less of it. The weights of the model stay as "
    "they are, and every row of attention still sums to one."
)
controls, results = st.columns([3, 8], gap="medium")
with controls:
    name, lab, run = question.ask()
    presets.button()
    carrying.from_link()
    cards.show(lab, run)
    drafted = cards.add(lab, run)
    carrying.panel(name, run, drafted)
now = workbench.outcome(name, run, drafted)
with results:
    presets.told(name, run, now.after, now.edits)
    heads, boxes = st.columns([5, 3], gap="medium")
    with boxes:
        layer, head, colour = headmap.choose(run)
    with heads:
        headmap.measured(name, run, now.after, now.edits, colour, layer, head)
    workbench.show(name, run, drafted, layer, head)
    gauge.learn(name, run)
views = {"Before and after": comparing.show, "Gradient": gradient_tab.show}
if "bias" in catalog("attnlab_core.edits"):  # the form in which a search gives what it finds
    views["Optimise"] = optimise_tab.show
for title, tab in zip(views, st.tabs(list(views), key="view", bind="query-params"), strict=True):
    if tab.open:
        with tab:
            if title != "Before and after":
                gradient_tab.target_box(run, now.after or run)
            views[title](name, run, now, layer, head)
