"""The results that are kept: a list, one of them, or two side by side."""

from __future__ import annotations

from typing import Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import experimenting, shown, state, widgets

MOST = 200


def show() -> None:
    """All of it, below the experiment; nothing where no result is kept."""
    from attnlab_core.store import Store

    try:
        store = Store()
        entries = store.find(limit=MOST)
    except AttentionLabError as error:
        widgets.say("warning", widgets.told(error))
        return
    if not entries:
        return
    st.divider()
    st.header("Past runs", anchor=False)
    rows = [entry.to_json() for entry in entries]
    frame = _frame(rows)
    _from_link(rows)
    picked: Any = st.dataframe(
        frame, hide_index=True, width="stretch", on_select="rerun", selection_mode="multi-row", key="past",
        height=min(38 * (len(rows) + 1), 320),
    )  # fmt: skip
    chosen = [rows[k]["id"] for k in picked["selection"]["rows"]]
    shown.holds(runs=chosen)
    widgets.small("Choose one to read it again, or two to see them side by side.")
    try:
        if len(chosen) == 1:
            experimenting.draw(store.get(chosen[0]))
            st.button("Delete this result", icon=":material/delete:", on_click=_remove, args=(chosen[0],))
        elif len(chosen) == 2:
            _beside(store, chosen)
        elif chosen:
            widgets.say("info", "Choose one or two.")
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))


def _from_link(rows: list[dict[str, Any]]) -> None:
    """Choose the results that the address names, once; those that this server has not are left out."""
    wanted = tuple(st.query_params.get_all("runs"))
    if wanted and state.get("_opened_runs") != wanted:
        state.put("_opened_runs", wanted)
        state.put(
            "past", {"selection": {"rows": [k for k, row in enumerate(rows) if str(row["id"]) in wanted]}}
        )


def _frame(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows)[["id", "made", "experiment", "task", "model", "rows", "title"]]


def _beside(store: Any, chosen: list[int]) -> None:
    from attnlab_core.analysis import headline

    one, two = (store.get(number) for number in chosen)
    left, right = st.columns(2, gap="large")
    for place, number, report in ((left, chosen[0], one), (right, chosen[1], two)):
        with place:
            st.markdown(f"**{number}**: {widgets.plain(report.title)}, {report.made[:10]}")
            st.markdown(experimenting.listed(headline(report)))
    if one.experiment != two.experiment:
        widgets.say("info", "They are of different experiments, so there are no figures to put side by side.")
        return
    table = store.compare(*chosen)
    st.dataframe(table, hide_index=True, width="stretch", key="beside")
    for note in table.attrs.get("notes", ()):
        widgets.small(note)


def _remove(number: int) -> None:
    from attnlab_core.store import Store

    Store().remove(number)
    state.put("past", None)
