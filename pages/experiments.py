"""Experiments over whole data sets: what an edit does, and how good explanations are."""

from __future__ import annotations

import streamlit as st

from pages.ui import experimenting, narrow, past, question, sharing, shell

shell.ensure(__file__)
narrow.style()
sharing.title("Experiments")
st.markdown(
    "From one sentence or picture to a data set: what changes of attention do to a model’s answers, and how good explanations "
    "are, with intervals and beside what chance does."
)
controls, results = st.columns([4, 7], gap="large")
with controls:
    name = question.model(pictures=None)
    asked = experimenting.ask(name)
with results:
    experimenting.show(name, asked)
past.show()
