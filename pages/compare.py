"""Several explanations of one answer, side by side: coloured words, numbers, time, and how far they agree."""

from __future__ import annotations

import streamlit as st

from pages.ui import explaining, links, panels, question, shell, widgets
from pages.ui.backend import Question

shell.ensure(__file__)
st.title("Compare explanations", anchor=False)
st.markdown(
    "One answer, explained in several ways. The methods ask different questions and seldom agree: how far they do is "
    "measured below. A high attention weight alone is not an explanation."
)
controls, results = st.columns([4, 7], gap="large")
with controls:
    name, lab, run = question.ask()
    with st.container(border=True):
        panels.answer(run)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = explaining.target_of(lab, run)
    todo = explaining.choose()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        by = st.segmented_control(
            "Show", ["words", "tokens"], default="words", required=True, key="by", bind="query-params"
        )
        specials = st.toggle(
            "Special tokens", False, key="specials", bind="query-params", disabled=by == "words"
        )
        first = st.toggle(
            "First token", True, key="first", bind="query-params",
            help="Attention that has nothing to do tends to rest on the first token and on special ones.",
        )  # fmt: skip
    kept = {method: params for method, params in todo.items() if params}
    widgets.share("compare", **widgets.in_link(), k=links.pack(kept) if kept else "")
with results:
    if not todo:
        widgets.say("info", "Choose at least one method.")
        st.stop()
    view = {
        "by": "token" if by == "tokens" else "word",
        "specials": specials and by == "tokens",
        "first": first,
    }
    panels.explain(Question(name, run.prompt, (), target), todo, lambda job: explaining.draw(job, run, view))
