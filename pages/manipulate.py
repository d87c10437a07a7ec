"""Take hold of the attention: choose words, how much, in which layers and heads, and see the answer before and after."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import links, panels, shell, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run


def current(lab: Lab, run: Run) -> Edit | None:
    """The edit that the widgets describe; None while no word is chosen."""
    from attnlab_core.catalog import catalog
    from attnlab_core.edits import Where
    from attnlab_core.knobs import caption, title

    known, words = catalog("attnlab_core.edits"), run.encoding.words
    texts = [word.text for word in words]
    chosen = widgets.words_box("Words that get more or less attention", texts, "w")
    op = st.selectbox(
        "What happens to them",
        list(known),
        format_func=lambda name: title(known[name]),
        key="op",
    )
    values = widgets.knobs_of(known[op], f"e.{op}")
    with st.expander("Where: layers, heads, and who attends", icon=":material/layers:"):
        layers = several("Layers", range(lab.layers), "layers", "all layers")
        heads = several("Heads", range(lab.heads), "heads", "all heads")
        labels = widgets.unique(texts)
        queries = several(
            "Words that attend", range(len(words)), "q", "all words and special tokens", labels.__getitem__
        )
    widgets.small(caption(known[op]))
    if not chosen:
        return None
    where = Where(
        layers=layers, heads=heads, keys=widgets.places(run.encoding, [words[k] for k in chosen]),
        queries=widgets.places(run.encoding, [words[k] for k in queries]) if queries else None,
    )  # fmt: skip
    return known[op](**values, where=where)


def several(label: str, options: Any, key: str, all_of: str, shown: Any = str) -> tuple[int, ...] | None:
    """Some of the options, or None for all of them."""
    chosen = st.multiselect(
        label, list(options), placeholder=all_of, key=key, format_func=shown, persist_state="session"
    )
    return tuple(chosen) or None


def kept_edits() -> list[Edit]:
    """The edits that were put on the stack, with a button each to take them off."""
    from attnlab_core.edits import edit_from_json

    kept: list[dict[str, Any]] = state.get("kept", [])
    for number, said in enumerate(kept):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.code(json.dumps(said, ensure_ascii=False), language="json", wrap_lines=True)
            st.button("Remove", key=f"drop.{number}", icon=":material/close:", on_click=drop, args=(number,))
    return [edit_from_json(said) for said in kept]


def drop(number: int) -> None:
    state.put("kept", [said for k, said in enumerate(state.get("kept", [])) if k != number])


def keep(said: dict[str, Any]) -> None:
    state.put("kept", [*state.get("kept", []), said])
    state.put("w", [])


def take_along(name: str, run: Run, edits: list[Edit]) -> None:
    """The edits as JSON, as a command and as a link."""
    said = [edit.to_json() for edit in edits]
    command = ["python", "-m", "attnlab_core", "run", "--model", name, "--text", run.prompt.text]
    command += ["--second", run.prompt.second] if run.prompt.second else []
    for edit in said:
        command += ["--edit", json.dumps(edit, ensure_ascii=False)]
    st.header("Take it along", anchor=False)
    as_json, as_command, as_python = st.tabs(["JSON", "Command line", "Python"])
    as_json.code(json.dumps(said, ensure_ascii=False), language="json", wrap_lines=True)
    as_command.code(shlex.join(command), language="bash", wrap_lines=True)
    as_python.code(
        f"import attnlab_core as al\n\nrun = al.load({name!r}).run(al.Prompt({run.prompt.text!r}, {run.prompt.second!r}))\n"
        f"edited = run.again(*map(al.edit_from_json, {said!r}))\nprint(run.probabilities, edited.probabilities)",
        wrap_lines=True,
    )
    widgets.share("manipulate", **widgets.in_link(), e=links.pack(said))


shell.ensure(__file__)
st.title("Edit attention", anchor=False)
st.markdown(
    "Choose words and change how much attention they get. The weights of the model stay as they are; every row of "
    "attention still sums to one."
)
controls, results = st.columns([4, 7], gap="large")
with controls:
    name, lab, run = widgets.ask()
    panels.restore_edits(run)
    edits, after = [], None
    try:
        edits = kept_edits()
        edit = current(lab, run)
        if edit is not None:
            edits = [*edits, edit]
            st.button(
                "Keep this edit and add another", on_click=keep, args=(edit.to_json(),), icon=":material/add:"
            )
        after = state.backend().run(Question(name, run.prompt, tuple(edits))) if edits else None
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
with results:
    with st.container(border=True):
        if not edits:
            widgets.say(
                "info",
                "Choose a word on the left: it then gets twice the attention, until you say otherwise.",
            )
        panels.answer(run, after, edits if after is not None else ())
    if after is not None:
        take_along(name, run, edits)
panels.attention_maps(run, after)
