"""The edits as something to take along: JSON, a command, Python, a file, a link; and back again."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import editing, naming, shown, stack, state, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.edits import Edit
    from attnlab_core.run import Run

LONGEST = 20_000
"""Letters of code that are shown; more goes into a file."""


def from_link() -> None:
    """Put the edits of the link that this visit came with on the stack."""
    said = state.opened("e")
    if said is None:
        return

    def take() -> None:
        state.put("_stack", tuple(stack.unpack(said)))
        for key in ("_undo", "_redo"):
            state.put(key, [])
        editing.clear()
        stack.refresh()
        look_at_painted()

    stack.quietly(take, "The edits of this link do not fit")


def look_at_painted() -> None:
    """Turn to the first head that was painted."""
    for card in stack.cards():
        place = card.edit.get("where", {})
        if card.edit["op"] == "draw" and len(place.get("layers", ())) == len(place.get("heads", ())) == 1:
            state.put("layer", place["layers"][0])
            state.put("head", place["heads"][0])
            return


def panel(name: str, run: Run, drafted: Edit | None) -> None:
    """Everything that takes the edits elsewhere, and the way back."""
    cards = [*stack.cards(), *([stack.Card(0, drafted.to_json())] if drafted else [])]
    hold(cards)
    with st.popover("Files and code", icon=":material/save:"):
        if cards:
            code(name, run, [edit.to_json() for edit in stack.edits(tuple(cards))])
            st.download_button(
                "Save as a file", lambda: document(name, run, cards), "attentionlab-edits.json", "application/json",
                on_click="ignore", icon=":material/download:",
            )  # fmt: skip
        st.file_uploader(
            "Load a saved file", ["json"], key="file", on_change=from_file, max_upload_size=stack.MOST_BYTES >> 20
        )  # fmt: skip
    problem = state.get("_unread")
    if problem:
        widgets.say("error", problem)


def document(name: str, run: Run, cards: Sequence[stack.Card]) -> str:
    """A file that holds the edits and what they were made for."""
    said = {
        "schema": "attentionlab.edits",
        "version": 1,
        "model": name,
        "text": run.prompt.text,
        "second": run.prompt.second,
        "edits": stack.pack(cards),
    }
    return json.dumps(said, ensure_ascii=False, indent=1) + "\n"


def hold(cards: Sequence[stack.Card] | None = None) -> None:
    """Let the page's link and session hold the edits: those of the stack, or what is given."""
    shown.holds(edits=stack.pack(stack.cards() if cards is None else cards))
    shown.remember()


def from_file() -> None:
    """Take over an uploaded file: its edits, and the model and the texts they were made for."""
    upload = state.get("file")
    if upload is None:
        return

    def take() -> None:
        cards, more = stack.read_file(upload.getvalue())
        for key in ("model", "text", "second"):
            if key in more:
                state.put(key, more[key][: widgets.MOST_LETTERS])
        if "model" in more:
            state.put("_suited", more["model"])
        stack.change(tuple(cards))
        editing.clear()
        stack.refresh()
        look_at_painted()

    stack.quietly(take, "This file could not be loaded")


def code(name: str, run: Run, said: list[dict[str, Any]]) -> None:
    """The edits as JSON, as a command and as Python."""
    asked = naming.parse(name)
    model, settings = (
        asked.name,
        {key: value for key, value in asdict(asked).items() if value and key != "name"},
    )
    command = ["python", "-m", "attnlab_core", "run", "--model", model, "--text", run.prompt.text]
    command += [part for key, value in settings.items() for part in (f"--{key}", value)]
    command += ["--second", run.prompt.second] if run.prompt.second else []
    for edit in said:
        command += ["--edit", json.dumps(edit, ensure_ascii=False)]
    version = "".join(f", {key}={value!r}" for key, value in settings.items())
    python = (
        f"import attnlab_core as al\n\nrun = al.load({model!r}{version}).run(al.Prompt({run.prompt.text!r}, {run.prompt.second!r}))\n"
        f"edited = run.again(*map(al.edit_from_json, {said!r}))\nprint(run.probabilities, edited.probabilities)"
    )
    as_text = json.dumps(said, ensure_ascii=False)
    for tab, text in zip(
        st.tabs(["JSON", "Command line", "Python"]), (as_text, shlex.join(command), python), strict=True
    ):
        if len(text) <= LONGEST:
            tab.code(text, language=None, wrap_lines=True)
        else:
            with tab:
                widgets.small(f"{len(text):,} letters are too many to show. Save them as a file.")
