"""Attention as a graph of tokens and layers: what the browser is sent, and what it says is chosen."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.components.v2 import component

from pages.ui import canvas, carrying, graph_figures, heads_figures, state, widgets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attnlab_core.run import Run
    from pages.ui.graph_figures import Sight

KEY = "graph"
_component = component(
    "attentionlab.graph",
    html=canvas.asset("graph.html"),
    css=canvas.asset("heads.css", "graph.css"),
    js=canvas.asset("canvas.js", "graph_edges.js", "graph_picture.js", "graph.js"),
)


@dataclass(frozen=True)
class View:
    """What is drawn of a graph.

    Attributes:
        least: Edges below this part of the strongest one are not drawn.
        specials: Whether special tokens are shown.
        first: Whether the first token is shown.
        side: Under edits: without them or with them.
        level: Of the node that is picked, 0 for the input; -1 where none is.
        place: Its position.
    """

    least: float = 0.1
    specials: bool = True
    first: bool = True
    side: str = "after"
    level: int = -1
    place: int = -1


def taken(said: Mapping[str, Any], start: View | None = None) -> View:
    """A view from what a browser or an address says; what makes no sense is left as it was."""
    view = canvas.taken(said, start or View(), {"side": ("before", "after")}, lowest=-1)
    return view if view.level >= 0 and view.place >= 0 else replace(view, level=-1, place=-1)


def in_address(view: View) -> dict[str, str]:
    """The parameters that say what differs from the beginning."""
    return canvas.differing(view, View())


def inside(view: View, seen: Sight) -> View:
    """The view, with nothing picked where the picked node is not in this graph."""
    layers, queries, keys = seen.before.edges.shape
    there = view.level <= layers and view.place < (keys if view.level == 0 else queries)
    return view if there else replace(view, level=-1, place=-1)


def payload(seen: Sight, name: str, text: str, start: View) -> dict[str, Any]:
    """What the browser is sent: the codes of one graph, or of two on one scale, and the tokens."""
    read, first, high = seen.read, seen.before, graph_figures.high(seen)
    coded = [canvas.codes(one.edges, 0.0, high) for one in seen.graphs]
    said = repr(
        (name, text, first.kind, read.part, first.source, [hashlib.blake2b(c).hexdigest() for c in coded])
    )
    return {
        "doc": hashlib.blake2b(said.encode(), digest_size=9).hexdigest(),
        "text": hashlib.blake2b(f"{name} {text}".encode(), digest_size=9).hexdigest(),
        "kind": first.kind,
        "part": read.part,
        "layers": len(first.edges),
        "queries": heads_figures.told(read.queries),
        "keys": heads_figures.told(read.keys),
        "source": first.source,
        "bin": read.bin,
        "first": read.first,
        "high": high,
        "codes": [base64.b64encode(code).decode() for code in coded],
        "totals": [one.totals.round(6).tolist() for one in seen.graphs],
        "start": asdict(start),
    }  # fmt: skip


def chosen(seen: Sight) -> View:
    """What is drawn: what the browser said last, else what the address says, else what was drawn before."""
    message = (state.get(KEY) or {}).get("view")
    found = taken(message if isinstance(message, dict) else st.query_params, state.get("_graph"))
    state.put("_graph", found)
    return inside(found, seen)


@st.fragment
def show(run: Run, after: Run | None, seen: Sight, words: str, data: dict[str, Any]) -> None:
    """The graph, and what can be taken along. Runs by itself when another node is picked; the numbers are not sent again."""
    _component(key=KEY, default={"view": None}, on_view_change=lambda: None, data=data)
    view = chosen(seen)
    canvas.keep_in_address(view, in_address(view))
    figure = graph_figures.figure(run, after, seen, view, words)
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.downloads("graph", figure.chart, figure.frame, figure.document)
        carrying.hold()
