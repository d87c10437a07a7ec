"""All heads of a model at a glance and one of them large: what the browser is sent, and what it says is chosen.

The numbers go to the browser once a run, as one array of 16-bit codes; choosing, merging, filtering and hovering happen
there. What is chosen comes back, once the hand rests, for the address, the downloads and the next visit.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.components.v2 import component

from pages.ui import canvas, carrying, heads_figures, state, widgets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attnlab_core.run import Run
    from pages.ui.heads_figures import Read

KEY = "heads"
_component = component(
    "attentionlab.heads",
    html=canvas.asset("heads.html"),
    css=canvas.asset("heads.css"),
    js=canvas.asset(
        "canvas.js", "heads_values.js", "heads_glance.js", "heads_large.js", "heads_words.js", "heads.js"
    ),
)

MERGES = ("one", "heads-mean", "heads-max", "layers-mean", "layers-max", "all-mean", "all-max")
CHOICES: dict[str, tuple[str, ...]] = {
    "merge": MERGES,
    "view": ("heatmap", "lines", "both"),
    "block": ("all", "first-second", "second-first", "within"),
    "side": ("before", "after", "change"),
}


@dataclass(frozen=True)
class View:
    """What is looked at, and how.

    Attributes:
        layer: Of the chosen head.
        head: Its number.
        merge: What is shown large: this head, or the mean or the largest over a layer's heads, this head's layers, or all.
        view: How it is drawn.
        block: Of a pair of texts: which text attends to which.
        side: Under edits: without them, with them, or the change.
        least: Weights below it are not drawn.
        specials: Whether special tokens are shown.
        first: Whether the first token is shown as one that is attended to.
        rescale: Whether what is shown of a row is brought to a sum of one.
    """

    layer: int = 0
    head: int = 0
    merge: str = "one"
    view: str = "both"
    block: str = "all"
    side: str = "after"
    least: float = 0.0
    specials: bool = True
    first: bool = True
    rescale: bool = False


def taken(said: Mapping[str, Any], layers: int, heads: int, start: View | None = None) -> View:
    """A view from what a browser or an address says; what makes no sense there is left as it was."""
    view = canvas.taken(said, start or View(layer=layers // 2), CHOICES)
    return replace(view, layer=min(view.layer, layers - 1), head=min(view.head, heads - 1))


def in_address(view: View) -> dict[str, str]:
    """The parameters that say what differs from the beginning."""
    return canvas.differing(view, View(layer=-1, head=-1))


def payload(read: Read, name: str, kind: str, start: View) -> dict[str, Any]:
    """What the browser is sent: the codes of one run, or of two on one scale, and the tokens."""
    both = [read.before] if read.after is None else [read.before, read.after]
    low, high = (0.0, 1.0) if kind == "weights" else heads_figures.span(both)
    coded = [canvas.codes(values, low, high) for values in both]
    said = repr((name, kind, read.part, read.queries, [hashlib.blake2b(c).hexdigest() for c in coded]))
    return {
        "doc": hashlib.blake2b(said.encode(), digest_size=9).hexdigest(),
        "kind": kind,
        "part": read.part,
        "layers": read.before.shape[0],
        "heads": read.before.shape[1],
        "low": low,
        "high": high,
        "queries": heads_figures.told(read.queries),
        "keys": heads_figures.told(read.keys),
        "bin": read.bin,
        "first": read.first,
        "codes": [base64.b64encode(code).decode() for code in coded],
        "start": asdict(start),
    }


def chosen(layers: int, heads: int) -> View:
    """What is looked at: what the browser said last, else what the address says, else what was looked at before."""
    before = taken(asdict(state.get("_heads") or View(layer=layers // 2)), layers, heads)
    message = (state.get(KEY) or {}).get("view")
    found = taken(message if isinstance(message, dict) else st.query_params, layers, heads, before)
    state.put("_heads", found)
    return found


@st.fragment
def show(name: str, run: Run, after: Run | None, read: Read, kind: str, data: dict[str, Any]) -> None:
    """The heads, and what can be taken along. Runs by itself when another head is chosen; the numbers are not sent again."""
    _component(key=KEY, default={"view": None}, on_view_change=lambda: None, data=data)
    view = chosen(*read.before.shape[:2])
    canvas.keep_in_address(view, in_address(view))
    figure = heads_figures.figure(run, after, read, view, kind)
    with st.container(horizontal=True, vertical_alignment="center"):
        widgets.downloads("heads", figure.chart, figure.frame, figure.document)
        carrying.hold()
        if read.part != "cross":
            st.page_link(
                "pages/manipulate.py", label="Edit this head", icon=":material/tune:",
                query_params=_onward(name, run, view),
            )  # fmt: skip


def _onward(name: str, run: Run, view: View) -> dict[str, str]:
    more = {"model": name, "text": run.prompt.text, "layer": str(view.layer), "head": str(view.head)}
    return more | ({"second": run.prompt.second} if run.prompt.second else {})
