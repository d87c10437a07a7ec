"""The results of the shared task on a page: their figure, the table, one row opened, and files of them."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import board, board_table, shown, state, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.rounds import Column, Line
    from attnlab_core.rounds._export import Table
    from attnlab_core.rounds.board import Board, Entry
    from pages.ui.board import Chosen

FIGURE = "leaderboard"
MOST = 30
"""Rows in the figure, beside the baselines; the table has all."""


@st.cache_data(max_entries=32, show_spinner="Ranking …")
def _table(_board: Board, where: str, name: str, track: str, split: str, signature: tuple[Any, ...]) -> Table:
    from attnlab_core.rounds._export import tables

    del where, signature
    (found,) = tables(_board, name, track=track, split=split)
    return found


def show(of: Chosen) -> None:
    """All of it.

    Raises:
        BadInput: The database does not answer.
    """
    entries = of.board.submissions(of.entry.name, track=of.track)
    signature = (of.entry.state, *((one.number, one.status) for one in entries))
    table = _table(of.board, of.board.id, of.entry.name, of.track, of.split, signature)
    _waiting(of, entries)
    if not table.lines:
        widgets.say("info", f"Nothing is scored on the {of.split} split of this track yet.")
        return
    _told(table)
    _figure(of, table)
    board_table.show(table)
    _opened(table)


def _waiting(of: Chosen, entries: Sequence[Entry]) -> None:
    """How many are still to be scored; the page looks again when that has changed."""
    st.fragment(_wait, run_every=2.0 if _pending(entries) else None)(of, _pending(entries))


def _wait(of: Chosen, began: int) -> None:
    from pages.ui import board_work

    if not began:
        return

    def look() -> None:
        left = _pending(of.board.submissions(of.entry.name, track=of.track))
        if left != began:
            st.rerun()
        rows = "1 row of this track is" if left == 1 else f"{left} rows of this track are"
        widgets.small(f"{rows} still to be scored. {board_work.keep(of.board)}".strip())

    board.guarded(look)


def _pending(entries: Sequence[Entry]) -> int:
    return sum(one.status in ("queued", "running") for one in entries)


def _told(table: Table) -> None:
    first = table.columns[0]
    st.markdown(
        f"Ranked by **{widgets.plain(first.label)}** on the {table.split} split. Rows with = share a rank: chance alone could put them "
        "in another order.",
        help=f"{widgets.plain(first.caption)} {board_table.BETTER[first.better]}\n\n{board.TIES}",
    )


def _figure(of: Chosen, table: Table) -> None:
    from attnlab_core.rounds._export import head

    first = table.columns[0]
    caption = (
        f"{head(first)}, {of.split} split, with 95 % intervals: {first.caption} {board_table.BETTER[first.better]} Baselines are grey diamonds; the "
        "dashed line is zero."
    )
    lines = [line for k, line in enumerate(table.lines) if k < MOST or line.baseline]
    rows = [_drawn(line, first) for line in lines]
    percent = first.unit in ("%", "points")

    def chart(dark: bool = False, width: Any = 640) -> Any:
        return charts.board_chart(rows, title=head(first), percent=percent, dark=dark, width=width)

    st.altair_chart(
        chart(state.dark(), "container"), theme=None, width="stretch", alt=caption, key="board.chart"
    )
    left = len(table.lines) - len(lines)
    widgets.small(caption + (f" {left} more rows are in the table alone." if left else ""))
    title = f"{of.round.title}: {of.track}"
    shown.figure(FIGURE, title=title, charts=(chart,), caption=caption)
    shown.figure(FIGURE, document=lambda: _documented(of, table))
    shown.numbers(FIGURE, _frame(table))
    _downloads(of, table, chart)


def _drawn(line: Line, first: Column) -> dict[str, Any]:
    from attnlab_core.rounds._export import rank

    figure = line.figures.get(first.name, {})
    name = f"{line.title}, {'baseline' if line.baseline else line.team}"
    said = {"rank": rank(line), "name": name, "baseline": line.baseline}
    return said | {"value": figure.get("mean"), "low": figure.get("low"), "high": figure.get("high")}


def _frame(table: Table) -> Any:
    """The rows as texts; figures with their intervals."""
    import pandas as pd

    from attnlab_core.rounds._export import rank

    return pd.DataFrame(
        {"rank": rank(line), "title": line.title, "team": line.team}
        | dict(zip(table.heads(), table.cells(line), strict=True))
        | {"submission": line.number}
        for line in table.lines
    )


def _documented(of: Chosen, table: Table) -> dict[str, Any]:
    from attnlab_core.rounds import _export

    return _export.document(of.board, of.entry.name, [table])


def _downloads(of: Chosen, table: Table, chart: Any) -> None:
    from attnlab_core.rounds import _export

    def as_json() -> str:
        return json.dumps(_documented(of, table), ensure_ascii=False, indent=1, allow_nan=False)

    files = (
        ("SVG", "image/svg+xml", lambda: charts.svg(chart())),
        ("PNG", "image/png", lambda: charts.png(chart())),
        ("CSV", "text/csv", lambda: _export.as_csv([table]).encode("utf-8-sig")),
        ("JSON", "application/json", as_json),
        ("HTML", "text/html", lambda: _export.page(of.board, of.entry.name, [table])),
    )
    with st.popover("Download", icon=":material/download:", key="board.get"):
        for kind, mime, make in files:
            st.download_button(
                kind, make, f"{of.entry.name}-{of.track}-{of.split}.{kind.lower()}", mime, on_click="ignore",
                key=f"board.get.{kind}", width="stretch",
            )  # fmt: skip


def _opened(table: Table) -> None:
    """One row: what its authors say of it, and what it was scored with."""
    from attnlab_core.rounds._export import rank

    lines = {str(line.number): line for line in table.lines}
    wanted = str(st.query_params.get("row", ""))
    state.put("board.row", wanted if wanted in lines else None)
    chosen = st.selectbox(
        "Open a row", list(lines), index=None, key="board.row", on_change=_pick, placeholder="Its report, and what it was scored with",
        format_func=lambda one: f"{rank(lines[one])} {lines[one].title}, {lines[one].team} ({one})", width=520,
    )  # fmt: skip
    if chosen is None or chosen not in lines:
        return
    line = lines[chosen]
    with st.container(border=True, key="board-row"):
        st.markdown(f"**{widgets.plain(line.title)}**, {widgets.plain(line.team)}, submission {line.number}")
        report = html.escape(table.reports.get(line.number, ""))
        if report:
            st.html(
                f"<div style='white-space:pre-wrap;overflow-wrap:anywhere;max-width:48rem'><bdi>{report}</bdi></div>"
            )
        else:
            widgets.small("There is no report with it.")
        widgets.table(("Fact", "Value"), facts(line), "What it was scored with")


def _pick() -> None:
    """The row is in the address, whatever place it has in the table."""
    number = state.get("board.row")
    if number is None:
        st.query_params.pop("row", None)
    else:
        st.query_params["row"] = str(number)


def facts(line: Line) -> list[tuple[str, str]]:
    """What a row was scored with, in words."""
    known, model = line.facts, line.facts.get("model", {})
    said = [
        ("Scored", line.scored.replace("T", " ").replace("+00:00", " UTC")),
        ("Sentences, SHA-256", known.get("data")),
        ("Model", model.get("name")),
        ("Its revision", model.get("revision")),
        ("Its weights, digest", model.get("digest")),
        ("AttentionLab", known.get("code")),
        ("Version of the metrics", known.get("metrics")),
        ("Seed of the round", known.get("seed")),
    ]
    if "replicated" in known:
        inside = "yes" if known.get("size_inside") else "no"
        said += [
            ("Seed of its sentences", known.get("draw")),
            ("The predicted direction holds", "yes" if known["replicated"] else "no"),
            ("Predicted size", f"{known.get('size')} nats; inside the interval: {inside}"),
        ]
    said += [("To mind", note) for note in known.get("notes", ())]
    return [(name, str(value)) for name, value in said if value not in (None, "")]
