"""Bringing a model that is not shipped: what it costs, what it is for where it does not say, and what its check found."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from attnlab_core.uploads import PREFIX
from pages.ui import naming, state, waiting, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.lab import Lab
    from attnlab_core.models import Weight

TASKS = {
    "classification": "labels a text",
    "matching": "says which caption fits a picture",
    "visual_answering": "answers a question about a picture",
    "masked": "fills in a masked word",
    "causal": "goes on with a text",
    "answering": "finds the answer to a question in a context",
}
FORMATS = {
    "fp32": "fp32: single precision",
    "bf16": "bf16: half the memory, 3 digits",
    "fp16": "fp16: half the memory, 4 digits, small range",
}
SAYS = "as its configuration says"
CHECK = (
    "On loading, the model read a sentence of its own tokens twice, once watched and once not. As many attention calls were seen "
    "as its configuration promises, and this is the greatest difference between the two answers."
)


def size(count: float) -> str:
    """Bytes for people.

    >>> size(45.4 * 2**20), size(1.5 * 2**30), size(2048)
    ('45.4 MB', '1.5 GB', '2 kB')
    """
    for unit, word in ((2**30, "GB"), (2**20, "MB")):
        if count >= unit:
            return f"{count / unit:,.3g} {word}"
    return f"{count / 2**10:,.0f} kB"


def numbers(count: int) -> str:
    """A number of parameters for people.

    >>> numbers(22_713_986), numbers(7_241_732_096), numbers(3200)
    ('22.7 million', '7.24 billion', '3,200')
    """
    for unit, word in ((10**9, "billion"), (10**6, "million")):
        if count >= unit:
            return f"{count / unit:.3g} {word}"
    return f"{count:,}"


def offer(name: str) -> None:
    """What a model is and costs, and a button that loads it. Nothing is loaded before that is pressed."""
    if name.startswith(PREFIX):
        widgets.small(f"{told(name)} It was brought as files to this server.")
    else:
        widgets.small(
            f"{name} is not one of the shipped models. It is read from its folder or fetched from the Hub."
        )
    cost(name)
    label = f"Load {widgets.plain(name if len(name) <= 40 else 'it')}"
    st.button(label, key="load", type="primary", icon=":material/download:", on_click=partial(_load, name))


def _load(name: str) -> None:
    state.backend().forget(name)
    state.backend().lab(name)


def cost(name: str) -> None:
    """What loading a model takes, in one line; looked up in the background."""

    def weigh(_: Any) -> Weight:
        from attnlab_core.models import weigh

        asked = naming.parse(name)
        return weigh(asked.name, revision=asked.revision, dtype=asked.dtype, task=asked.task)

    def draw(found: Weight) -> None:
        files = f"{size(found.disk)} on disk"
        if found.download:
            files = f"{size(found.download)} to fetch, less what is here already"
        widgets.small(
            f"It has {numbers(found.parameters)} parameters (known from {found.source}): {files}, and "
            f"{size(found.memory)} of memory in {naming.parse(name).dtype or 'fp32'}."
        )

    waiting.follow("weigh", state.task("weigh", (name, "weigh"), weigh), draw)


def told(name: str) -> str:
    """What an upload is called by who brought it; the name itself for everything else."""
    from attnlab_core import uploads

    if not name.startswith(PREFIX):
        return name
    try:
        return f"“{uploads.find(naming.parse(name).name).label}”."
    except AttentionLabError as error:
        return widgets.told(error)


def ask_task(name: str, choices: Sequence[str], box: str = "model") -> None:
    """Ask what a model was trained for, where its configuration does not say; `box` is the widget that holds its name."""
    widgets.say(
        "info", f"The configuration of {name} does not say what the model was trained for. What is it to do?"
    )
    chosen = st.selectbox(
        "Task", list(choices), format_func=_task, index=None, placeholder="Choose a task", key=f"task.{box}"
    )
    if chosen:
        asked = naming.parse(name)
        whole = str(naming.Named(asked.name, asked.revision, chosen, asked.dtype, asked.device))

        def take() -> None:
            state.put(box, whole)
            _load(whole)

        st.button(f"Load it as one that {TASKS[chosen]}", key=f"load.{box}", type="primary", on_click=take)


def _task(task: str) -> str:
    return f"{task}: {TASKS.get(task, task)}"


def checked(lab: Lab) -> None:
    """What the lab found when it checked itself."""
    st.markdown(f":small[{widgets.plain(lab.check.text)}]", help=CHECK)


def wishes() -> naming.Named | None:
    """The boxes for a model of one's own: its name, task, number format and device; None while no name is typed."""
    typed = st.text_input(
        "Hub id or folder", key="bring", bind="query-params", placeholder="openai-community/gpt2, owner/name@revision, or a folder",
    ).strip()  # fmt: skip
    with st.container(horizontal=True):
        task = st.selectbox(
            "Task",
            [SAYS, *TASKS],
            format_func=lambda one: _task(one) if one in TASKS else one,
            key="bring.task",
            bind="query-params",
            width=250,
        )
        number = st.selectbox(
            "Numbers", list(FORMATS), format_func=FORMATS.__getitem__, key="bring.dtype", bind="query-params", width=250,
            help="Half precision takes half the memory and gives slightly other answers. On a processor it is often slower.",
        )  # fmt: skip
        device = st.selectbox(
            "Device", devices(), key="bring.device", bind="query-params", width=140,
            help="*auto* is the graphics card where there is one. A link opened on a server without that device uses what is there.",
        )  # fmt: skip
    if not typed:
        return None
    try:
        asked = naming.parse(typed)
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        return None
    return naming.Named(
        asked.name,
        asked.revision,
        asked.task if task == SAYS else task,
        asked.dtype if number == "fp32" else number,
        asked.device if device == "auto" else device,
    )


def devices() -> list[str]:
    """What a model may be put on here; CUDA only where torch, once it is loaded, finds it."""
    torch = sys.modules.get("torch")
    there = torch is not None and hasattr(torch, "cuda") and torch.cuda.is_available()
    return ["auto", "cpu", *(["cuda"] if there else [])]
