"""The table of the shared task on a page: all rows with all columns, in the order of one of them."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core import charts
from pages.ui import board, state, widgets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attnlab_core.rounds import Column, Line
    from attnlab_core.rounds._export import Table

RANK, TITLE, TEAM, SUBMISSION = "Rank", "Title", "Team", "Submission"
BETTER = {"higher": "Higher is better.", "lower": "Lower is better.", "neither": "Neither way is better."}


def show(table: Table) -> None:
    """The table: what a column means is its tooltip, and stands below for those without a mouse."""
    from attnlab_core.rounds._export import head

    names = [RANK, TITLE, TEAM, *table.heads(), SUBMISSION]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.selectbox(
            "Sort by", names, key="sort", bind="query-params", width=260,
            help="Of a figure the best row stands first, or the highest where neither way is better. Ranks stay as they are.",
        )  # fmt: skip
        turned = st.toggle("The other way round", key="turned", bind="query-params")
    st.html(_html(table, by or RANK, turned=turned))
    with st.expander("What the columns mean"):
        st.markdown(
            "\n".join(
                f"- **{widgets.plain(head(one))}**: {widgets.plain(one.caption)} {BETTER[one.better]}"
                for one in table.columns
            )
        )


def ordered(table: Table, by: str, *, turned: bool = False) -> list[Line]:
    """The rows in the order of a column; where they are the same there, in that of the table. What has no number comes last."""
    if by == RANK:
        return list(table.lines[::-1] if turned else table.lines)
    figures = dict(zip(table.heads(), table.columns, strict=True))
    if by in figures:
        return _by_figure(table.lines, figures[by], turned=turned)
    keys: dict[str, Callable[[Line], str | int]] = {
        TITLE: lambda line: line.title.casefold(),
        TEAM: lambda line: _team(line).casefold(),
        SUBMISSION: lambda line: line.number,
    }
    return sorted(table.lines, key=keys[by], reverse=turned)


def _by_figure(lines: Sequence[Line], column: Column, *, turned: bool) -> list[Line]:
    def value(line: Line) -> float:
        found = line.figures.get(column.name, {}).get("mean")
        return math.nan if found is None else float(found)

    known = [line for line in lines if math.isfinite(value(line))]
    rest = [line for line in lines if not math.isfinite(value(line))]
    return [*sorted(known, key=value, reverse=_falls(column, turned=turned)), *rest]


def _falls(column: Column, *, turned: bool) -> bool:
    return (column.better != "lower") != turned


def _team(line: Line) -> str:
    return "baseline" if line.baseline else line.team


def _html(table: Table, by: str, *, turned: bool) -> str:
    """The rows as HTML; it scrolls within its own box, and every text of a team's is escaped."""
    from attnlab_core.rounds._export import head, rank

    colours = charts.look(state.dark())
    line = f"border-bottom:1px solid {colours['line']}"
    cell = f"style='padding:.3rem .8rem .3rem 0;text-align:left;vertical-align:top;white-space:nowrap;{line}'"
    named = f"style='padding:.3rem .8rem .3rem 0;text-align:left;min-width:11rem;max-width:22rem;overflow-wrap:anywhere;{line}'"
    tips = {
        RANK: board.TIES,
        TITLE: "What the team calls it.",
        TEAM: "Whose it is; a baseline is a row that is always there.",
    }
    tips |= {
        head(one): f"{one.caption} {BETTER[one.better]} Mean and 95 % interval." for one in table.columns
    }
    tips[SUBMISSION] = "Its number."
    falls = {head(one): _falls(one, turned=turned) for one in table.columns}.get(by, turned)
    way, arrow = ("descending", "↓") if falls else ("ascending", "↑")
    sort, arrows = {by: f" aria-sort='{way}'"}, {by: f" <span aria-hidden='true'>{arrow}</span>"}
    heads = "".join(
        f"<th scope='col'{sort.get(name, '')} title='{html.escape(tip)}' style='position:sticky;top:0;background:{colours['page']};"
        f"padding:.3rem .8rem .3rem 0;text-align:left;white-space:nowrap;cursor:help;{line}'>{html.escape(name)}{arrows.get(name, '')}</th>"
        for name, tip in tips.items()
    )
    body = ""
    for one in ordered(table, by, turned=turned):
        pen = f" style='color:{colours['muted']}'" if one.baseline else ""
        numbers = [text.replace("-", "−").replace("..", " to ") for text in table.cells(one)]
        cells = "".join(f"<td {cell}><bdi>{html.escape(text)}</bdi></td>" for text in (_team(one), *numbers))
        body += (
            f"<tr{pen}><td {cell}>{rank(one)}</td><th scope='row' {named}>"
            f"<bdi style='font-weight:400'>{html.escape(one.title)}</bdi></th>{cells}<td {cell}>{one.number}</td></tr>"
        )
    return (
        "<div role='region' tabindex='0' aria-label='The table' style='overflow:auto;max-height:34rem'>"
        "<table style='border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.92rem'>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )
