"""Cards of the shipped models, and what is loaded on this server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core.weights import DTYPES
from pages.ui import shell, state, widgets
from pages.ui.bringing import TASKS, numbers, size

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.models import Card

IMAGES = (("images", "See what it looks at", "image"),)
PAGES = (
    ("compare", "Compare explanations", "compare_arrows"),
    ("heads", "See its heads", "grid_view"),
    ("manipulate", "Edit its attention", "tune"),
)


def facts(card: Card) -> str:
    """What the configuration and the files say, in one line."""
    config = json.loads((card.folder / "config.json").read_text(encoding="utf-8"))
    disk = sum(file.stat().st_size for file in card.folder.glob("*.safetensors")) / 2**20
    labels = " or ".join(str(label) for label in (config.get("id2label") or {}).values())
    labels_pictures = card.pictures and card.task == "classification"
    does = ("labels a picture" if labels_pictures else TASKS.get(card.task, card.task)) + (
        f" as {labels}" if labels and card.task == "classification" else ""
    )
    return f"It {does}. {disk:.0f} MB on disk."


def show(card: Card) -> None:
    """One shipped model."""
    with st.container(border=True):
        st.header(widgets.plain(card.name), anchor=False)
        st.markdown(widgets.plain(card.summary))
        st.markdown(widgets.plain(facts(card)))
        onward(card.name, card.pictures)
        with st.expander(
            "Model card: data, licence, accuracy, known failures", icon=":material/description:"
        ):
            body = re.sub(r"\A---\n.*?\n---\n\s*(# [^\n]*\n)?", "", card.text, flags=re.DOTALL)
            st.markdown(re.sub(r"^(#+) ", r"#\1 ", body, flags=re.MULTILINE))


def onward(name: str, pictures: bool = False) -> None:
    """Where a model can be looked at."""
    key = "vision" if pictures else "model"
    with st.container(horizontal=True):
        for page, label, icon in IMAGES if pictures else PAGES:
            st.page_link(shell.page(page), label=label, icon=f":material/{icon}:", query_params={key: name})


def loaded() -> None:
    """The models that are in memory, with what each found when it checked itself."""
    backend = state.backend()
    if not backend.lab().done():  # the default one, which every server loads first
        _look_again()
    there = backend.loaded()
    if not there:
        widgets.small("No model is in memory yet. The default one is on its way.")
        return
    rows = [
        (one.name, *about(one.lab), size(one.bytes), one.lab.check.text.removeprefix("Checked: "))
        for one in there
    ]
    head = ("Name", "Task", "Kind", "Parameters", "Device", "Numbers", "Memory", "Check on loading")
    widgets.table(head, rows, "Models that are loaded now")


@st.fragment(run_every=0.5)
def _look_again() -> None:
    if state.backend().lab().done():
        st.rerun()


def about(lab: Lab) -> tuple[str, ...]:
    """Task, kind, parameters, device and number format of a model."""
    said = lab.summary()
    kind = f"{said['architecture']}, {said['layers']} layers, {said['heads']} heads"
    short = {long: short for short, long in DTYPES.items()}.get(said["dtype"]) or str(said["dtype"])
    return said["task"], kind, numbers(said["parameters"]), said["device"], short
