"""What the open page shows, noted while it is drawn: its link, its session file and its report are made of this.

Nothing is computed here: figures are kept as what makes them, the very functions that the buttons for downloads hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import session
from pages.ui import links, state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import altair as alt
    import pandas as pd

    from attnlab_core.methods import Attribution
    from attnlab_core.report import Report

PACKED = ("e", "k", "session", "tour")
"""Parameters of an address that are not taken over as they stand."""
DRAFTED = ("w", "ws", "sw", "sws", "among")
"""Those of the edit that is being made."""
NAMED = {"model": "model", "text": "text", "second": "second", "target": "target", "rather": "rather"}
TITLES = {
    "answer": "The model’s answer",
    "heads": "Attention",
    "graph": "The graph of attention",
    "expected": "What it expected",
    "continuation": "How it goes on",
    "sources": "What each new token rests on",
}


@dataclass
class Figure:
    """A figure of the page; what is None it has not."""

    name: str
    title: str = ""
    text: str = ""
    body: Callable[[], str] | None = None
    charts: tuple[Callable[[], alt.TopLevelMixin], ...] = ()
    frame: pd.DataFrame | None = None
    document: Callable[[], dict[str, Any]] | None = None
    caption: str = ""


@dataclass
class Board:
    """One page as it was drawn last.

    Attributes:
        page: Its name.
        title: Its heading.
        figures: By name, in the order in which they were first drawn.
        held: What its link says beyond the widgets that are bound to the address.
        notes: How to read it: name → paragraphs.
        cited: What to cite: name → source.
    """

    page: str
    title: str = ""
    figures: dict[str, Figure] = field(default_factory=dict)
    held: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    cited: dict[str, str] = field(default_factory=dict)


def begin(page: str) -> None:
    """A page is drawn anew; what it showed before is kept until then."""
    last = board()
    state.put("_board_before", last if last.page == page else None)
    state.put("_board", Board(page))


def before() -> Board:
    """The page as it was before it is drawn anew; as it is where it was not drawn before."""
    return state.get("_board_before") or board()


def board() -> Board:
    """The page that is drawn."""
    state.begin("_board", Board(""))
    return state.get("_board")


def figure(name: str, **parts: Any) -> None:
    """Note a figure, or more of one: its title, text, body, charts, frame, document or caption."""
    known = board().figures.setdefault(name, Figure(name, TITLES.get(name, "")))
    for part, value in parts.items():
        if value:
            setattr(known, part, value)


def numbers(name: str, frame: pd.DataFrame) -> None:
    """Note the numbers behind a figure."""
    figure(name)
    board().figures[name].frame = frame


def holds(**parameters: Any) -> None:
    """Note what the link has to say beyond bound widgets: model, text, second, edits, knobs, runs, options."""
    board().held.update(parameters)


def methods(*names: str) -> None:
    """Note that methods were used, with what their makers say of them."""
    from attnlab_core.citing import about, source
    from attnlab_core.knobs import caption, title
    from attnlab_core.methods import methods as known

    for name in names:
        method = known()[name]
        board().notes.setdefault(title(method), [caption(method), about(method)])
        board().cited[title(method)] = source(method)


def report(of: Report) -> None:
    """Note an experiment's report: what was found, its figures, its tables, and what to mind."""
    from attnlab_core import charts
    from attnlab_core.analysis import headline

    name = f"report_{len(board().figures)}"
    figure(name, title=of.title, text="\n\n".join(headline(of)), document=of.to_json)
    for number, (caption, chart) in enumerate(charts.report_charts(of)):
        figure(f"{name}_{number}", caption=caption, charts=(lambda chart=chart: chart,))
    for table in of.tables:
        figure(f"{name}_{table}", title=f"Table: {table}")
        numbers(f"{name}_{table}", of.to_frame(table))
    board().notes[of.title] = list(of.notes)


def explained(found: Sequence[Attribution]) -> None:
    """The same of explanations, with what each says of its own numbers."""
    for one in found:
        methods(one.method)
        lines = board().notes[one.label][:2]
        board().notes[one.label] = [*lines, one.aggregation, *(f"Mind: {note}" for note in one.notes)]


def now(of: Board | None = None) -> session.State:
    """What is set on the page, as a link or a session says it."""
    here = of or board()
    said = {key: tuple(st.query_params.get_all(key)) for key in st.query_params if key not in PACKED}
    plain = {
        name: str(here.held.get(name) or (said.pop(key, None) or ("",))[0]) for key, name in NAMED.items()
    }
    for key in NAMED:
        said.pop(key, None)
    chosen = said.pop("m", ())
    if "edits" in here.held:  # the edit that is being made is one of them
        said = {key: values for key, values in said.items() if key not in DRAFTED}
    runs = tuple(str(number) for number in here.held.get("runs", ()))
    return session.State(
        here.page, **plain, methods=chosen, edits=tuple(here.held.get("edits", ())), knobs=here.held.get("knobs", {}),
        options=said | here.held.get("options", {}) | ({"runs": runs} if runs else {}),
    )  # fmt: skip


def remember(of: Board | None = None) -> None:
    """Note the state of the page among those of this visit."""
    found = now(of)
    if found.page:
        others = {page: one for page, one in state.get("_visits", {}).items() if page != found.page}
        state.put("_visits", {**others, found.page: found})


def visits(of: Board | None = None) -> tuple[session.State, ...]:
    """The states of all pages of this visit."""
    remember(of)
    return tuple(state.get("_visits", {}).values())


def parameters(of: session.State) -> dict[str, Any]:
    """A state as an address says it.

    Raises:
        ValueError: The edits are too large for one.
    """
    said: dict[str, Any] = {key: list(values) for key, values in of.options.items()}
    said |= {key: getattr(of, name) for key, name in NAMED.items()} | {"m": list(of.methods)}
    said["e"] = links.pack(list(of.edits)) if of.edits else ""
    said["k"] = links.pack({name: dict(values) for name, values in of.knobs.items()}) if of.knobs else ""
    return {key: value for key, value in said.items() if value not in ("", [], ())}
