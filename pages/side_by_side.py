"""Two things side by side: two models, two sentences, two edits or two methods, and what differs between them."""

from __future__ import annotations

import streamlit as st

from pages.ui import carrying, narrow, sharing, shell, sides, sides_shown

shell.ensure(__file__)
narrow.style()
sharing.title("Side by side")
st.markdown(
    "Two models, two sentences, two edits or two methods: what each says, and the difference. What you do not set apart is the same in "
    "both, so that a difference has one cause."
)
sides.arrive()
carrying.from_link()
sides.presets()
both = sides.ask()
sides_shown.predictions(both)
sides_shown.explanations(both)
sides_shown.attention(both)
carrying.hold()
