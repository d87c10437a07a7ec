"""A case study as an illustrated story: told from the record that comes with it, or from one that is made while one waits."""

from __future__ import annotations

import importlib
import json
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.models import shipped
from pages.ui import links, narrow, sharing, shell, shown, state, story_figures, waiting, widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from case_studies._story import Closing, Record, Step, Try
    from pages.ui.tasks import Task

SLOT = "study"
SIZE = 2**19
"""Bytes that a record takes in memory."""
ICONS = {"compare": ":material/compare_arrows:", "manipulate": ":material/tune:"}


def page(name: str) -> None:
    """All of a study's page below the frame."""
    study = importlib.import_module(f"case_studies.{name}")
    narrow.style()
    sharing.title(study.TITLE)
    st.markdown(f"#### {study.QUESTION}")
    record, model = _chosen(name, study)
    if record is None:
        widgets.say("info", "No record comes with this study. Compute it live to read its story.")
        return
    try:
        steps, closing = study.story(record)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        widgets.say(
            "error",
            f"The story cannot be told from these figures ({type(error).__name__}). Choose another model.",
        )
        return
    for number, step in enumerate(steps, 1):
        _step(number, step, model)
    _end(closing)
    _noted(study, record, steps, closing)
    st.download_button(
        "Download the record", lambda: json.dumps(record, ensure_ascii=False, indent=1) + "\n",
        f"attentionlab-{name}.json", "application/json", on_click="ignore", icon=":material/download:",
    )  # fmt: skip


def _chosen(name: str, study: Any) -> tuple[Record | None, str]:
    """The record whose story is told, and the model as a link names it; draws the box and the button that choose."""
    from case_studies import _story

    if said := getattr(study, "READ_ONLY", ""):
        return _read_only(name, said)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            model = _model(study)
            st.button(
                "Compute again, live", on_click=_begin, args=(name, model), icon=":material/sensors:", key="live",
                help="All figures, now, on this server: a few minutes. The story stays readable meanwhile.",
            )  # fmt: skip
            if state.get(f"_live_{name}"):
                st.button("Show the record", on_click=_leave, args=(name,), icon=":material/history:")
        record, live = _story.recorded(name), False
        if state.get(f"_live_{name}") == model:
            task = state.task(SLOT, (model, SLOT, name), _make(name, model), SIZE)
            waiting.follow(SLOT, task, lambda _: None)
            record, live = (task.result, True) if task.result is not None else (record, False)
        if record is not None:
            _badge(record, live)
    return record, model if live or record is None else str(record["model"]["name"])


def _read_only(name: str, said: str) -> tuple[Record | None, str]:
    """The record of a study that cannot be computed here, and the words for how it can elsewhere."""
    from case_studies import _story

    record = _story.recorded(name)
    with st.container(border=True):
        if record is not None:
            _badge(record, live=False)
        st.markdown(said)
    return record, str(record["model"]["name"]) if record is not None else ""


def _model(study: Any) -> str:
    task = shipped()[study.MODEL].task
    known = getattr(study, "MODELS", None) or [
        n for n, card in shipped().items() if card.task == task and not card.pictures
    ]
    chosen = st.selectbox(
        "Model", sorted(known, key=lambda n: n != study.MODEL), accept_new_options=True, key="of", width=320, bind="query-params",
        help="For “Compute again”. A shipped model, or type the id of a Hugging Face model for the same task, with "
        "`@revision` if you like, or the path of a folder.",
    )  # fmt: skip
    return str(chosen or study.MODEL).strip()


def _begin(name: str, model: str) -> None:
    state.backend().forget(model)
    state.drop_task(SLOT)
    state.put(f"_live_{name}", model)


def _leave(name: str) -> None:
    state.drop_task(SLOT)
    state.put(f"_live_{name}", None)


def _make(name: str, model: str) -> Callable[[Task], Any]:
    """The work: wait for the model, then run the study."""
    backend = state.backend()

    def make(task: Task) -> Any:
        from case_studies import _story

        task.phase = f"Loading {widgets.plain(model)}"
        loading = backend.lab(model)
        while not loading.done():
            task.watch(round(100 * backend.progress.get(model, 0.0)), 100)
            time.sleep(0.05)
        try:
            lab = loading.result()
        except CancelledError:
            return None
        task.phase = f"Asking {widgets.plain(model)}"
        return _story.run(name, lab, seed=0)

    return make


def _badge(record: Record, live: bool) -> None:
    """When and with what the shown figures were made."""
    model = record["model"]
    parts = [("revision", model.get("revision")), ("weights", model.get("digest"))]
    which = ", ".join([str(model["name"]), *(f"{part} {value}" for part, value in parts if value)])
    day, hour = str(record["made"])[:10], str(record["made"])[11:16]
    if live:
        st.badge(
            widgets.plain(f"Live: computed on {day} at {hour} UTC with {which}"),
            icon=":material/sensors:",
            color="green",
        )
    else:
        st.badge(widgets.plain(f"Recorded on {day} with {which}"), icon=":material/history:", color="gray")


def _step(number: int, step: Step, model: str) -> None:
    """One step: its text and what it opens on the left, its figure on the right."""
    st.divider()
    said, seen = st.columns([5, 6], gap="large") if step.figure is not None else (st.container(), None)
    with said:
        st.header(widgets.plain(f"{number}. {step.title}"), anchor=False)
        st.markdown(step.text)
        with st.container(horizontal=True):
            for one in step.tries:
                _try(one, model)
    if step.figure is not None and seen is not None:
        with seen:
            story_figures.draw(step.figure, f"story.{number}")


def _try(one: Try, model: str) -> None:
    st.page_link(
        shell.page(one.page), label=widgets.plain(one.label), icon=ICONS[one.page], query_params=query(one, model),
    )  # fmt: skip


def query(one: Try, model: str) -> Mapping[str, str]:
    """What the address of a state says; a state may have a model of its own."""
    said = {"model": one.model or model, "text": one.text, "second": one.second or ""}
    said["e"] = links.pack([dict(edit) for edit in one.edits]) if one.edits else ""
    return {key: value for key, value in said.items() if value}


def _noted(study: Any, record: Record, steps: Sequence[Step], closing: Closing) -> None:
    """Note the story for a report and a session."""
    made = f"Figures of {str(record['made'])[:10]}, with the model {record['model']['name']}."
    shown.figure("question", text=f"**{study.QUESTION}** {made}", document=lambda: dict(record))
    for number, step in enumerate(steps, 1):
        name = f"step_{number}"
        shown.figure(name, title=f"{number}. {step.title}", text=step.text)
        if step.figure is not None:
            shown.figure(name, caption=step.figure.caption, charts=story_figures.drawings(step.figure))
            shown.numbers(name, step.figure.frame)
    for title, lines in (
        ("Found", closing.found),
        ("Not found", closing.not_found),
        ("How sure", closing.sure),
    ):
        if lines:
            shown.figure(title.lower().replace(" ", "_"), title=title, text="\n\n".join(lines))


def _end(closing: Closing) -> None:
    """What was found, what was not, and how sure one is."""
    st.divider()
    told = (
        ("Found", ":material/check_circle:", closing.found),
        ("Not found", ":material/do_not_disturb_on:", closing.not_found),
        ("How sure", ":material/straighten:", closing.sure),
    )
    with st.container(border=True):
        for place, (title, icon, lines) in zip(st.columns(3, gap="medium"), told, strict=True):
            if lines:
                with place:
                    st.header(f"{icon} {title}", anchor=False)
                    st.markdown("\n".join(f"- {line}" for line in lines))
