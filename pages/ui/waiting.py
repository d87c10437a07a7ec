"""Waiting for long work: a bar, a button to stop, and what came of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import state, widgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from pages.ui.tasks import Task

QUICK = 0.4
"""Seconds that a page waits at once; most work is done by then and nothing flickers."""


def follow(slot: str, task: Task, draw: Callable[[Any], None], place: str = "") -> None:
    """Show how far the work of a slot is, and draw its result when it is there; `place` tells two lookers apart."""
    task.done.wait(QUICK)
    st.fragment(_look, run_every=0.5 if task.running else None)(
        f"{slot}{place}", slot, task, draw, task.running
    )


def _look(key: str, slot: str, task: Task, draw: Callable[[Any], None], began: bool) -> None:
    task.seen, running = time.monotonic(), task.running
    if running:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(task.share, text=f"{task.phase or 'Computing'} …")
            st.button("Stop", on_click=task.stop.set, icon=":material/stop_circle:", key=f"stop.{key}")
    elif began:
        st.rerun()
    elif task.result is not None:
        draw(task.result)
    else:
        if task.failed:
            widgets.say("error", task.failed)
        label = "Try again" if task.failed else "Stopped. Start again"
        st.button(
            label, on_click=state.drop_task, args=(slot,), icon=":material/refresh:", key=f"again.{key}"
        )
