"""The stack of edits on the page: a card each, with everything that can be done to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import editing, sentences, stack, state, widgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run

_TOOLS = ", ".join(
    f"[class*=st-key-]{which} [data-testid=stMarkdownContainer]"
    for which in (
        ".st-key-undo",
        ".st-key-redo",
        "[class*=-arrow_upward]",
        "[class*=-arrow_downward]",
        "[class*=-delete]",
    )
)
TOOLS = (
    f"<style>{_TOOLS}{{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}}</style>"
)
"""Buttons of the cards show their icon only; their names are there for those who listen."""


def use(label: str, edit: dict[str, Any], name: str, key: str) -> None:
    """A button that puts an edit on top. A callback would not do: in a fragment it draws the fragment alone anew."""
    if st.button(label, key=key, icon=":material/add:"):
        stack.add(edit, name)
        st.rerun()


def show(lab: Lab, run: Run) -> None:
    """The cards in the order in which they act, and the steps back and forth."""
    cards = stack.cards()
    st.html(TOOLS)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.header(f"Edits ({len(cards)})" if cards else "Edits", anchor=False, width="content")
        with st.container(horizontal=True, gap="small", width="content"):
            _tool("undo", "Undo the last change of the edits", stack.undo, off=not state.get("_undo"))
            _tool("redo", "Redo what was undone", stack.redo, off=not state.get("_redo"))
    for place, card in enumerate(cards):
        with st.container(border=True, gap="small", key=f"card-{card.number}"):
            _card(card, lab, run, place == 0, place == len(cards) - 1)


def add(lab: Lab, run: Run) -> Edit | None:
    """The form of a new edit, which acts while it is being made; the edit, or None while it is nothing yet."""
    with st.container(border=True):
        st.markdown("**Add an edit**")
        try:
            drafted = editing.draft(lab, run)
        except AttentionLabError as error:
            widgets.say("error", widgets.told(error))
            return None
        if drafted is None:
            return None
        widgets.small(f"Acts now: {sentences.of_edit(drafted.to_json(), run.encoding)}.")
        with st.container(horizontal=True):
            st.button(
                "Keep it, and add another", on_click=_keep, args=(drafted,), icon=":material/add:", key="keep"
            )
            st.button("Discard", on_click=editing.clear, key="discard", type="tertiary")
    return drafted


def _keep(drafted: Edit) -> None:
    stack.add(drafted.to_json())
    editing.clear()


def _card(card: stack.Card, lab: Lab, run: Run, first: bool, last: bool) -> None:
    prefix, said = f"c{card.number}.{stack.generation()}.", sentences.of_edit(card.edit, run.encoding)
    st.toggle(
        widgets.plain(card.name or said), card.on, key=f"{prefix}on", on_change=_switch, args=(card.number, f"{prefix}on")
    )  # fmt: skip
    if card.name:
        widgets.small(said)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        for icon, hint, by, off in (
            ("arrow_upward", "Let it act earlier", -1, first),
            ("arrow_downward", "Let it act later", 1, last),
        ):
            _tool(icon, hint, stack.move, (card.number, by), off=off, key=f"{prefix}{icon}")
        with st.popover("Change", type="tertiary", key=f"{prefix}open", on_change="rerun") as box:
            if box.open:
                _change(card, lab, run, prefix)
        _tool("delete", "Take this edit off the stack", stack.drop, (card.number,), key=f"{prefix}delete")


def _change(card: stack.Card, lab: Lab, run: Run, prefix: str) -> None:
    """The card's name and its form; what changes there is on the stack at once."""
    from attnlab_core.edits import edit_from_json

    key = f"{prefix}name"
    st.text_input(
        "Name", card.name, max_chars=80, key=key, on_change=_rename, args=(card.number, key),
        placeholder="none: the edit in words",
    )  # fmt: skip
    try:
        new = edit_from_json(editing.changed(card.edit, lab, run, f"{prefix}knob.")).to_json()
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        return
    if new != edit_from_json(card.edit).to_json():
        stack.alter(card.number, edit=new)
        st.rerun()


def _switch(number: int, key: str) -> None:
    stack.alter(number, on=bool(state.get(key)))


def _rename(number: int, key: str) -> None:
    stack.alter(number, name=str(state.get(key) or "").strip())


def _tool(
    icon: str,
    hint: str,
    act: Callable[..., None],
    args: tuple[int, ...] = (),
    *,
    off: bool = False,
    key: str = "",
) -> None:
    """A small button that shows its icon; what it does is its hint, and its name for those who do not see it."""
    st.button(
        hint,
        icon=f":material/{icon}:",
        help=hint,
        key=key or icon,
        type="tertiary",
        disabled=off,
        on_click=act,
        args=args,
    )
