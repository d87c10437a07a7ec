"""The shared task: rounds, their tables, and a place to submit."""

from __future__ import annotations

import streamlit as st

from attnlab_core.errors import BadInput
from pages.ui import board, board_rows, board_send, sharing, shell

shell.ensure(__file__)
sharing.title("Leaderboard")
st.markdown(
    "What others found with this lab, side by side: explanations, edits and claims, each scored here on the same sentences. Numbers "
    "that a team gives of its own work do not count, and rows that chance could put in another order share a rank."
)
try:
    chosen = board.choose()
    if chosen is not None:
        board.about(chosen)
        board_rows.show(chosen)
        board_send.show(chosen)
except BadInput as error:
    board.trouble(error)
