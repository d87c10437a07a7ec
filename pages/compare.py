"""Several explanations of one answer, side by side: coloured words, numbers, time, and how far they agree."""

from __future__ import annotations

import streamlit as st

from pages.ui import costing, explaining, narrow, panels, question, sharing, shell, shown, widgets
from pages.ui.backend import Question

UNITS = {"words": "word", "tokens": "token", "sentences": "sentence"}

shell.ensure(__file__)
narrow.style()
sharing.title("Compare explanations")
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
        by = widgets.one_of(
            "Show",
            list(UNITS),
            "by",
            "words",
            help="Scores of the tokens of a word or a sentence are added up.",
        )
        specials = st.toggle(
            "Special tokens", False, key="specials", bind="query-params", disabled=by != "tokens"
        )
        first = st.toggle(
            "First token", True, key="first", bind="query-params",
            help="Attention that has nothing to do tends to rest on the first token and on special ones.",
        )  # fmt: skip
    kept = {method: params for method, params in todo.items() if params}
    shown.holds(knobs=kept)
with results:
    if not todo:
        widgets.say("info", "Choose at least one method.")
        st.stop()
    view = {
        "by": UNITS[by],
        "specials": specials and by == "tokens",
        "first": first,
    }
    asked = Question(name, run.prompt, (), target)
    todo = costing.agreed(asked, run, todo)
    panels.explain(asked, todo, lambda job: explaining.draw(job, run, view))
