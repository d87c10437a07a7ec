"""What each written token rests on: a matrix of sources and written tokens, one row of it on the text, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import panels, shown, state, waiting, widgets

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.costs import MethodCost
    from attnlab_core.generation import Generation
    from attnlab_core.run import Run
    from attnlab_core.sources import Sources
    from pages.ui.next_told import Told

FIRST = "attention_rollout"
AT_ONCE = 6.0
"""Seconds up to which work begins without being asked for."""


def show(name: str, run: Run, after: Run | None, told: Told) -> None:
    """The choice of a method, what it costs, and the matrix."""
    from attnlab_core.knobs import caption, title
    from attnlab_core.methods import methods

    st.header("What each new token rests on", anchor=False)
    known = methods()
    labels = {title(known[one]): one for one in sorted(known, key=lambda one: one != FIRST)}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        label = st.selectbox("Method", list(labels), key="by_method", bind="query-params", width=240)
        method = labels[label]
        whose = "as it is"
        if told.edited is not None:
            whose = widgets.one_of("Text", list(told.states), "whose", "edited")
        first = st.toggle(
            "First token", key="with_first", bind="query-params",
            help="Attention that has nothing to do tends to rest on the first token, which then outshines all others.",
        )  # fmt: skip
    shown.methods(method)
    one = told.states[whose]
    read = run if whose == "as it is" or after is None else after
    widgets.small(caption(known[method]))
    if not one.ids:
        widgets.say("info", "The model wrote nothing, so there is nothing to explain.")
        return
    key = (name, "sources", read.prompt, read.edits, one.ids, method)
    if not _wanted(key, read, one, method, told):
        return
    task = state.task("sources", key, lambda work: _explain(work, read, one, method))

    waiting.follow("sources", task, lambda found: _draw(read, found, first))
    if not task.running and task.result is not None:
        _row(task.result, first)


def _draw(run: Run, found: Sources, first: bool) -> None:
    frame = found.to_frame(first=first)
    if frame.empty:
        widgets.say("info", "Only the first token is there to rest on, and it is not shown. Switch it on.")
        return
    _matrix(found, frame)
    if not first:
        _hidden(found)
    _downloads(run, found, frame)


def _wanted(key: Any, run: Run, told: Generation, method: str, says: Told) -> bool:
    """Say what it costs; whether to begin: at once where that is little, else when it is asked for."""
    known = state.get("_cost")
    cost = known[1] if known is not None and known[0] == key else costs(run, told, method, says)
    state.put("_cost", (key, cost))
    if cost.refused:
        widgets.say("error", cost.refused)
        return False
    many = len(told.ids)
    passes, seconds = (cost.passes + 1) * many, (cost.seconds + says.reading.seconds) * many
    widgets.small(
        f"{many} explanations, up to {passes:,} passes through the model, about {charts.duration(seconds)}."
    )
    if seconds <= AT_ONCE or state.get("_explain") == key:
        return True
    if st.button("Explain every token", key="explain", icon=":material/play_arrow:"):
        state.drop_task("sources")
        state.put("_explain", key)
        return True
    return False


def costs(run: Run, told: Generation, method: str, says: Told) -> MethodCost:
    """What explaining the last written token takes; those before it have less to read."""
    from attnlab_core.costs import estimate
    from attnlab_core.targets import Target

    before = run.encoding.extended(told.ids[:-1], told.tokens[:-1])
    whole = run.lab.read(run.prompt, before, run.edits)
    return estimate(whole, {method: {}}, Target(told.ids[-1]), says.reading).methods[0]


def _explain(task: Any, run: Run, told: Generation, method: str) -> Sources:
    from attnlab_core.sources import explain

    task.phase = "Explaining token by token"
    return explain(run, told, method)


def _downloads(run: Run, found: Sources, frame: pd.DataFrame) -> None:
    from attnlab_core import record

    widgets.downloads(
        "sources", lambda: chart(found, frame), frame,
        lambda: record.header(run) | {"tokens": list(found.texts)} | found.to_json(),
    )  # fmt: skip


def chart(found: Sources, frame: pd.DataFrame) -> Any:
    """The matrix as a heat map."""
    from attnlab_core.expectation import piece

    written = [piece(text) for text in found.told.tokens]
    return charts.source_chart(
        frame,
        found.texts,
        written,
        signed=found.found[0].signed,
        dark=state.dark(),
        title=found.found[0].label,
    )


def _matrix(found: Sources, frame: pd.DataFrame) -> None:
    made = chart(found, frame)
    rows, columns = len(found.found), frame["position"].nunique()
    made.encoding.x.axis.labelOverlap = True
    size: dict[str, Any] = {"width": "container", "height": 110 + 20 * rows}
    st.altair_chart(
        made.properties(**size), theme=None,
        alt=f"{found.found[0].label}: {rows} written tokens down, {columns} sources across; the table below has the numbers",
    )  # fmt: skip
    with st.expander("Table: all scores", icon=":material/table:"):
        labels = [
            f"{number + 1} {text}" for number, text in zip(frame["number"], frame["written"], strict=True)
        ]
        table = frame.assign(method=frame["number"], label=labels, signed=found.found[0].signed)
        st.html(charts.score_table(table, dark=state.dark()))
        widgets.small("Colours here are scaled to the strongest source of each row.")


def _hidden(found: Sources) -> None:
    """Say how much of each row the first token would hold."""
    parts = [abs(float(one.scores[0])) / (float(one.scores.abs().sum()) or 1.0) for one in found.found]
    least, most = charts.percent(min(parts)), charts.percent(max(parts))
    text = found.texts[0]
    widgets.small(
        f"The first token, “{text}”, is not shown. It holds {least} to {most} of a row’s scores by size."
    )


def _row(found: Sources, first: bool) -> None:
    """One written token, chosen by a click, with its row on the text."""
    from attnlab_core.expectation import piece

    labels = [f"{k} {widgets.plain(piece(text))}" for k, text in enumerate(found.told.tokens, 1)]
    if state.get("written") is not None and state.get("written") not in labels:
        state.put("written", labels[0])
    chosen = st.pills(
        "Show the row of", labels, default=labels[0], required=True, key="written", bind="query-params"
    )
    one = found.found[labels.index(chosen)]
    frame = charts.score_frame([one], by="token", first=first)
    st.html(charts.word_strips(frame, notes=panels.remarks([one]), dark=state.dark()))
    st.html(charts.legend(one.target, signed=one.signed, unsigned=not one.signed, dark=state.dark()))
