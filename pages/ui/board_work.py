"""Who scores what was submitted: a process of its own, never the page."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from attnlab_core.rounds.board import Board

OFF = "ATTENTIONLAB_WORKER"
BY_HAND = "Nobody scores at the moment, and this app starts no worker. Start one: python -m attnlab_core task worker"
EVERY = 15.0
"""Seconds between two looks for a worker."""


def hand_over(board: Board, number: int) -> None:
    """Queue what a submission waits for, and see to it that somebody scores."""
    from attnlab_core.rounds import worker

    worker.enqueue(
        board, board.waiting(number)
    )  # where the queue does not answer, a worker finds it all the same
    _seen.clear()
    keep(board)


def keep(board: Board) -> str:
    """While something waits: see to it that somebody scores; a line where nobody will."""
    return _seen(board, board.id)


@st.cache_data(ttl=EVERY, max_entries=4, show_spinner=False)
def _seen(_board: Board, where: str) -> str:
    """Start a worker where none is alive."""
    from attnlab_core.rounds import worker

    del where
    try:
        if worker.alive(_board):
            return ""
        if os.environ.get(OFF) == "0":
            return BY_HAND
        worker.start(_board.url)
    except BadInput as error:
        return str(error)
    return ""
