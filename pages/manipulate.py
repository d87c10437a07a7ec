"""Take hold of the attention: choose words, how much, in which layers and heads, and see the answer before and after."""

from __future__ import annotations

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import editing, panels, question, shell, state, widgets
from pages.ui.backend import Question

shell.ensure(__file__)
st.title("Edit attention", anchor=False)
st.markdown(
    "Choose words and change how much attention they get. The weights of the model stay as they are; every row of "
    "attention still sums to one."
)
controls, results = st.columns([4, 7], gap="large")
with controls:
    name, lab, run = question.ask()
    editing.restore(run)
    edits, after = [], None
    try:
        edits = editing.kept_edits()
        edit = editing.current(lab, run)
        if edit is not None:
            edits = [*edits, edit]
            st.button(
                "Keep this edit and add another",
                on_click=editing.keep,
                args=(edit.to_json(),),
                icon=":material/add:",
            )
        after = state.backend().run(Question(name, run.prompt, tuple(edits))) if edits else None
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
with results:
    with st.container(border=True):
        if not edits:
            widgets.say(
                "info",
                "Choose a word: it then gets twice the attention, until you say otherwise.",
            )
        panels.answer(run, after, edits if after is not None else ())
    if after is not None:
        editing.take_along(name, run, edits)
panels.attention_maps(run, after)
