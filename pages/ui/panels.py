"""Parts of pages that draw results: explanations as they finish, and attention before and after an edit."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import editing, shown, state, widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import altair as alt
    import pandas as pd

    from attnlab_core.edits import Edit
    from attnlab_core.methods import Attribution
    from attnlab_core.run import Run
    from pages.ui.backend import Job, Question

MOST_TOKENS = 32
FIVE = ("raw_attention", "attention_rollout", "attention_flow", "atman", "integrated_gradients")


def explain(question: Question, todo: Mapping[str, Mapping[str, Any]], draw: Callable[[Job], None]) -> None:
    """Run methods in the background and draw what is there, again and again until all is there."""
    job = state.job(question, {name: dict(params) for name, params in todo.items()})
    pause = 0.3 if len(question.prompt.text) < 400 else 1.5  # a long text takes a while to draw
    st.fragment(_look, run_every=pause if job.running else None)(job, draw, job.running)


def _look(job: Job, draw: Callable[[Job], None], began: bool) -> None:
    job.seen, running = time.monotonic(), job.running
    draw(job)
    if running:
        done = len(job.found) + len(job.failed)
        share = (done + job.progress) / max(len(job.todo), 1)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.progress(min(share, 1.0), text=f"{done} of {len(job.todo)} methods done")
            st.button("Stop", on_click=job.stop.set, icon=":material/stop_circle:", key="stop")
    elif began:
        st.rerun()
    elif len(job.found) + len(job.failed) < len(job.todo):
        st.button("Stopped. Run the rest", on_click=state.restart, icon=":material/play_arrow:", key="rest")


def heading(
    title: str,
    name: str,
    chart: Callable[[], alt.TopLevelMixin],
    frame: pd.DataFrame,
    document: Callable[[], dict[str, Any]],
) -> None:
    """A heading with the menu of downloads of the figure below it."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.header(widgets.plain(title), anchor=False, width="content")
        if len(frame):
            widgets.downloads(name, chart, frame, document)
            shown.figure(name, title=title)


def answer(
    before: Run, after: Run | None = None, edits: Sequence[Edit] = (), hint: str = "", live: bool = True
) -> None:
    """The model's answer, and with an edited run what it was before, with the downloads of the figure.

    Args:
        before: The run without edits.
        after: The edited one.
        edits: What was edited.
        hint: A line for where nothing is edited yet.
        live: Whether a screen reader is to hear of every change of the answer.
    """
    from attnlab_core import record

    dark, new = state.dark(), None if after is None else after.probabilities
    said = str(charts.verdict(before.probabilities, new, dark=dark))
    st.html(said if live else said.replace("role='status'", "role='group' aria-label='Answer'"))
    st.html(charts.probability_bars(before.probabilities, new, dark=dark))
    marked = editing.marks(before, edits)
    if marked and not before.lab.pictures:  # below the bars, so that these do not move when it comes
        st.html(charts.text_strip(editing.words(before), marked=marked, dark=dark))
    frame = before.to_frame() if after is None else before.to_frame().merge(
        after.to_frame(), "outer", on="answer", suffixes=("_before", "_after"), sort=False
    )  # fmt: skip
    document = (lambda: record.of_run(before)) if after is None else (lambda: record.of_run(after, before))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        calls = len(before.lab.calls)
        widgets.small(
            hint if after is None else f"{after.edited_calls} of {calls} attention calls were edited."
        )
        widgets.downloads(
            "answer", lambda: charts.probability_chart(before.probabilities, new), frame, document
        )


def frame_of(job: Job, by: str, specials: bool, first: bool) -> pd.DataFrame:
    """The score frame of what a job has found so far, in the order it was asked for."""
    return charts.score_frame(found_by(job), by, specials, first)


def found_by(job: Job) -> list[Attribution]:
    """What a job has found so far, in the order it was asked for."""
    return [job.found[name] for name, _ in job.todo if name in job.found]


def missing_from(job: Job) -> dict[str, str]:
    """Methods of a job without scores: label → why."""
    from attnlab_core.knobs import title
    from attnlab_core.methods import methods

    labels = {name: title(methods()[name]) for name, _ in job.todo if name not in job.found}
    return {
        label: job.failed.get(name)
        or (
            f"computing, {job.progress:.0%}"
            if job.running and name == job.current
            else "waiting"
            if job.running
            else "stopped"
        )
        for name, label in labels.items()
    }


def remarks(found: Sequence[Attribution]) -> dict[str, str]:
    """The small print of each method: how its numbers came about, and what to mind."""
    return {a.method: " ".join((a.aggregation, *(f"Mind: {note}" for note in a.notes))) for a in found}


def attention_maps(before: Run, after: Run | None, layer: int, head: int | None) -> None:
    """Heat maps of one layer, of one head or the mean over all: as it is, edited, and the change."""
    title, named = st.container(), "mean of all heads" if head is None else f"head {head}"
    table = attention_frame(before, after, layer, head)
    texts = [token.text for token in before.tokens]
    shown = sorted({*table["query"], *table["key"]})
    if len(shown) < len(texts):
        widgets.small(f"The {len(shown)} tokens that get the most attention, of {len(texts)}.")
    names = (
        {"before": "As it is"}
        if after is None
        else {"before": "As it is", "after": "Edited", "change": "Change"}
    )
    top = float(table[[name for name in names if name != "change"]].max(axis=None))
    maps, columns, named_columns = {}, st.columns(3, gap="small"), shown[:: 1 + len(shown) // 16]
    if after is None:
        with columns[1]:
            widgets.small("Once an edit acts, the edited attention and the difference stand here.")
    for column, (name, heading) in zip(columns, names.items(), strict=False):
        reach = max(map(abs, table[name].tolist()), default=0.0) or 1e-6 if name == "change" else top
        maps[name] = charts.attention_chart(
            table.assign(weight=table[name]),
            texts,
            signed=name == "change",
            top=reach,
            dark=state.dark(),
            title=heading,
        )
        maps[name].encoding.x["axis"]["values"] = named_columns  # of many, as many as do not overlap
        size = {"width": "container", "height": 150 + (22 if len(shown) <= 16 else 17) * len(shown)}
        with column:
            st.altair_chart(
                maps[name].properties(**size),
                theme=None,
                alt=f"{heading}: attention of layer {layer}, {named}",
            )
    with title:
        heading_of_maps(f"Layer {layer}, {named}: before and after", maps, table, before)


def heading_of_maps(name: str, maps: dict[str, Any], table: pd.DataFrame, before: Run) -> None:
    heading(
        name, "attention", lambda: side_by_side(maps), table,
        lambda: {"model": before.lab.summary(), "text": before.prompt.text, "cells": table.to_dict("records")},
    )  # fmt: skip


def side_by_side(maps: dict[str, Any]) -> Any:
    """Heat maps as one picture."""
    import altair as alt

    bare = []
    for chart in maps.values():
        copy = chart.copy()
        copy.config = copy.padding = copy.background = alt.Undefined
        bare.append(copy)
    first = next(iter(maps.values()))
    whole = alt.hconcat(*bare).resolve_scale(color="independent")
    whole.config, whole.padding, whole.background = first.config, first.padding, first.background
    return whole


def attention_frame(before: Run, after: Run | None, layer: int, head: int | None) -> pd.DataFrame:
    """One layer's attention, of one head or the mean over heads; of long texts the most attended tokens only."""
    import numpy as np
    import pandas as pd

    tables = {}
    for name, run in (("before", before), ("after", after)):
        if run is not None:
            weights = run.pattern.weights[layer]
            tables[name] = (weights.mean(0) if head is None else weights[head]).double().numpy()
    got = np.maximum.reduce([table.sum(0) for table in tables.values()])
    kept = np.sort(np.argsort(-got, kind="stable")[:MOST_TOKENS])
    query, key = (axis.ravel() for axis in np.meshgrid(kept, kept, indexing="ij"))
    frame = pd.DataFrame({"query": query, "key": key})
    for name, table in tables.items():
        frame[name] = table[query, key].round(6)
    return frame if after is None else frame.assign(change=(frame["after"] - frame["before"]).round(6))
