"""Before and after, side by side: the pattern, the heads that changed most, and what a language model writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import headmap, panels, state, waiting, widgets
from pages.ui.workbench import Outcome

if TYPE_CHECKING:
    from attnlab_core.generation import Generation
    from attnlab_core.run import Run


def show(name: str, run: Run, now: Outcome, layer: int, head: int) -> None:
    """Everything that compares the edited run with the plain one."""
    of = widgets.one_of(
        "Attention of",
        ["this head", "the mean of all heads"],
        "of",
        "this head",
        label_visibility="collapsed",
    )
    panels.attention_maps(run, now.after, layer, head if of == "this head" else None)
    if now.after is not None:
        st.header("The heads that changed most", anchor=False)
        headmap.most_changed(run, now.after)
    if run.lab.task == "causal":
        written(name, run, now)


def written(name: str, run: Run, now: Outcome) -> None:
    """How the model goes on with the text, without and with the edits."""
    st.header("The text goes on", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        tokens = st.slider("Tokens", 5, 60, 20, 5, key="more_tokens", width=240, bind="query-params")
        asked = (name, "written", run.prompt, now.edits, tokens)
        if st.button("Let it write", key="write", icon=":material/edit_note:"):
            state.put("_written", asked)
    if state.get("_written") != asked:
        return

    def make(task: Any) -> list[Generation]:
        from attnlab_core.generation import generate

        del task
        return [generate(one, tokens=tokens) for one in (run, now.after) if one is not None]

    def draw(found: list[Generation]) -> None:
        for column, title, text in zip(st.columns(2), ("As it is", "Edited"), found, strict=False):
            with column:
                st.markdown(f"**{title}**")
                st.markdown(f"{widgets.plain(run.prompt.text)} **{widgets.plain(text.text)}**")

    waiting.follow("written", state.task("written", asked, make), draw)
