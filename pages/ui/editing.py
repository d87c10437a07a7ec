"""Edits on a page: described by widgets, kept on a stack, taken along as text, brought back by a link."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import knobs, links, state, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    values = knobs.knobs_of(known[op], f"e.{op}")
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
            st.code(json.dumps(said, ensure_ascii=False), language=None, wrap_lines=True)
            st.button("Remove", key=f"drop.{number}", icon=":material/close:", on_click=drop, args=(number,))
    return [edit_from_json(said) for said in kept]


def drop(number: int) -> None:
    state.put("kept", [said for k, said in enumerate(state.get("kept", [])) if k != number])


def keep(said: dict[str, Any]) -> None:
    state.put("kept", [*state.get("kept", []), said])
    widgets.set_words((), "w", ())


def take_along(name: str, run: Run, edits: list[Edit]) -> None:
    """The edits as JSON, as a command and as a link."""
    said = [edit.to_json() for edit in edits]
    model, _, revision = name.partition("@")
    command = ["python", "-m", "attnlab_core", "run", "--model", model, "--text", run.prompt.text]
    command += ["--revision", revision] if revision else []
    command += ["--second", run.prompt.second] if run.prompt.second else []
    for edit in said:
        command += ["--edit", json.dumps(edit, ensure_ascii=False)]
    version = f", revision={revision!r}" if revision else ""
    st.header("Take it along", anchor=False)
    as_json, as_command, as_python = st.tabs(["JSON", "Command line", "Python"])
    as_json.code(json.dumps(said, ensure_ascii=False), language=None, wrap_lines=True)
    as_command.code(shlex.join(command), language=None, wrap_lines=True)
    as_python.code(
        f"import attnlab_core as al\n\nrun = al.load({model!r}{version}).run(al.Prompt({run.prompt.text!r}, {run.prompt.second!r}))\n"
        f"edited = run.again(*map(al.edit_from_json, {said!r}))\nprint(run.probabilities, edited.probabilities)",
        language=None,
        wrap_lines=True,
    )
    widgets.share("manipulate", **widgets.in_link(), e=links.pack(said))


def words(run: Run) -> list[tuple[int, str]]:
    """The words of a run with their first positions."""
    return [(word.positions[0], word.text) for word in run.encoding.words]


def marks(run: Run, edits: Sequence[Edit]) -> dict[int, str]:
    """The words whose attention is edited: first position → `×2` or the edit's name."""
    marked: dict[int, list[str]] = {}
    for edit in edits:
        keys = set(edit.settle(run.encoding, run.lab).where.keys or ())
        factor = getattr(edit, "factor", None)
        for word in run.encoding.words:
            if keys & set(word.positions):
                marked.setdefault(word.positions[0], []).append(edit.op if factor is None else f"×{factor:g}")
    return {position: " ".join(remarks) for position, remarks in marked.items()}


def restore(run: Run) -> None:
    """Take the edits of a link: the last one into the widgets where they can hold it, the others onto the stack."""
    from attnlab_core.catalog import catalog
    from attnlab_core.edits import edit_from_json

    said = state.opened("e")
    if not isinstance(said, list) or not said:
        return
    try:
        edits = [edit_from_json(one) for one in said[:50]]
        last = edits[-1].settle(run.encoding, run.lab)
    except AttentionLabError as error:
        widgets.say("error", f"The edits of this link do not fit: {widgets.told(error)}")
        return
    keys, queries = (_whole(run, chosen) for chosen in (last.where.keys, last.where.queries))
    if not keys or (last.where.queries and not queries) or last.where.part:
        state.put("kept", [edit.to_json() for edit in edits])
        return
    state.put("kept", [edit.to_json() for edit in edits[:-1]])
    state.put("op", last.op)
    widgets.set_words([word.text for word in run.encoding.words], "w", keys)
    state.put("q", queries)
    state.put("layers", list(last.where.layers or ()))
    state.put("heads", list(last.where.heads or ()))
    given = {name: value for name, value in edits[-1].to_json().items() if name not in ("op", "where")}
    knobs.restore(catalog("attnlab_core.edits"), {last.op: given}, "e")


def _whole(run: Run, positions: Any) -> list[int]:
    """The numbers of the words that make up exactly these positions; none where they do not."""
    wanted = set(positions or ())
    found = [k for k, word in enumerate(run.encoding.words) if set(word.positions) <= wanted]
    return found if {p for k in found for p in run.encoding.words[k].positions} == wanted else []
