"""The brush: attention to the patches of a picture, raised or lowered by hand, and what the model answers then."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.components.v2 import component

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError
from pages.ui import canvas, panels, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attnlab_core.edits import Edit
    from attnlab_core.run import Run

KEY = "brush"
PLACES = {1: "raised", -1: "lowered"}
"""The parameters of the address that say which patches are painted."""
MOST = 4096
_component = component(
    "attentionlab.brush",
    html=canvas.asset("brush.html"),
    css=canvas.asset("painter.css", "brush.css"),
    js=canvas.asset("canvas.js", "brush.js"),
)


@st.fragment
def show(name: str, run: Run) -> None:
    """The picture to paint on, how strong the brush is, and the answer before and after."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        less = st.slider(
            "Lowered patches get", 0.0, 1.0, 0.0, 0.05, key="less", bind="query-params", format="× %.2f", width=260,
            help="Attention of every place to these patches, in all layers and heads, times this; rows then sum to one again.",
        )  # fmt: skip
        more = st.slider(
            "Raised patches get",
            1.0,
            20.0,
            5.0,
            0.5,
            key="more",
            bind="query-params",
            format="× %.1f",
            width=260,
        )
    doc = hashlib.blake2b(
        repr((name, run.prompt.image and run.prompt.image.png)).encode(), digest_size=9
    ).hexdigest()
    message = (state.get(KEY) or {}).get("painting")
    known = painted(message, doc, len(run.encoding.words))
    edits = made(run, known, less, more)
    after: Run | None = None
    if edits:
        try:
            after = state.backend().run(Question(name, run.prompt, edits))
        except AttentionLabError as error:
            widgets.say("error", widgets.told(error))
    columns = st.columns([6, 5], gap="medium")
    with columns[0]:
        _component(
            key=KEY,
            default={"painting": None},
            on_painting_change=lambda: None,
            data=payload(run, doc, known, said(run, after), message),
        )
    with columns[1]:
        panels.answer(
            run, after, edits, hint="Paint patches to lower or raise the attention to them.", live=False
        )


def painted(message: Any, doc: str, count: int) -> dict[int, int]:
    """Which patches are painted, and whether raised (1) or lowered (-1): as the browser says, else the address."""
    if isinstance(message, dict) and message.get("doc") == doc:
        found = _checked(message.get("painted"), count)
        for sign, key in PLACES.items():
            st.query_params.pop(key, None)
            places = sorted(place for place, way in found.items() if way == sign)
            if places:
                st.query_params[key] = ".".join(map(str, places))
        return found
    found = {}
    for sign, key in PLACES.items():
        for part in str(st.query_params.get(key, "")).split(".")[:MOST]:
            if part.isdecimal() and len(part) < 6 and int(part) < count:
                found[int(part)] = sign
    return found


def _checked(given: Any, count: int) -> dict[int, int]:
    pairs = given[:MOST] if isinstance(given, list) else []
    return {
        pair[0]: pair[1]
        for pair in pairs
        if isinstance(pair, list) and len(pair) == 2 and all(type(part) is int for part in pair)
        and 0 <= pair[0] < count and pair[1] in PLACES
    }  # fmt: skip


def made(run: Run, known: Mapping[int, int], less: float, more: float) -> tuple[Edit, ...]:
    """The edits that a painting means: attention to the patches of each kind, times its strength."""
    from attnlab_core.edits import Where
    from attnlab_core.edits.scale import Scale

    found = []
    for sign, factor in ((-1, less), (1, more)):
        places = [run.encoding.words[place].positions[0] for place in sorted(known) if known[place] == sign]
        if places and factor != 1:
            found.append(Scale(factor=factor, where=Where(keys=tuple(places))))
    return tuple(found)


def said(run: Run, after: Run | None) -> str:
    """The answer in a line, and what it was before."""

    def one(of: Run) -> str:
        return f"{of.prediction} {charts.percent(of.probabilities[of.prediction])}"

    return one(run) if after is None else f"{one(run)} → {one(after)}"


def payload(run: Run, doc: str, known: Mapping[int, int], verdict: str, message: Any) -> dict[str, Any]:
    """What the browser is sent."""
    picture = run.prompt.image
    assert picture is not None, "only models of pictures come here"
    places = [word.positions[0] for word in run.encoding.words]
    names = [word.text for word in run.encoding.words]
    columns = max(int(name.rpartition("c")[2]) for name in names) + 1
    return {
        "doc": doc,
        "ack": message.get("seq", 0) if isinstance(message, dict) and message.get("doc") == doc else 0,
        "picture": picture.address,
        "width": picture.width,
        "height": picture.height,
        "boxes": [run.tokens[place].box for place in places],
        "names": names,
        "columns": columns,
        "rows": len(names) // columns,
        "painted": [list(pair) for pair in known.items()],
        "verdict": verdict,
        "label": f"The picture in {len(names)} patches",
    }
