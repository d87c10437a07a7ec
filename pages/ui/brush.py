"""The brush: attention to the patches of a picture, raised or lowered by hand, and what the model answers then."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.components.v2 import component

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError
from pages.ui import canvas, panels, picturing, sentences, shown, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from attnlab_core.edits.scale import Scale
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
        repr((name, run.prompt.text, run.prompt.image and run.prompt.image.png)).encode(), digest_size=9
    ).hexdigest()
    message = (state.get(KEY) or {}).get("painting")
    known = painted(message, doc, len(run.encoding.patches))
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
        looked_at(run, after)
        panels.answer(
            run, after, edits, hint="Paint patches to lower or raise the attention to them.", live=False
        )
    if edits:
        shown.figure(
            "answer", text=". ".join(sentences.of_edit(one.to_json(), run.encoding) for one in edits)
        )


def looked_at(run: Run, after: Run | None) -> None:
    """Where the class token looks, as it is and as it is painted; both maps on one scale."""
    from attnlab_core import record

    now, layers = after or run, picturing.looking(run)
    count = len(layers)
    by = "all patches" if picturing.reader(run) is None else "[CLS]"
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        chosen = widgets.pick(
            f"Attention from {by}, layer", [*map(str, layers), "mean of all"], "seen", count - 1,
            help="What each patch gets, mean over heads. At [CLS] the answer is read.",
        )  # fmt: skip
        layer = layers[chosen] if chosen < count else None
        found = {"Before": attention(run, layer), "After": attention(now, layer)}
        top = max(float(one[word.positions[0]]) for one in found.values() for word in run.encoding.patches)
        frames = {label: picturing.scored(run, one, label, top) for label, one in found.items()}
        table = picturing.table_of(frames)
        widgets.downloads(
            "seen", lambda: picturing.together(frames, run), table,
            lambda: {**record.header(now), "layer": layer, "from": by, "patches": table.to_dict("records")},
        )  # fmt: skip
    where = "all layers" if layer is None else f"layer {layer}"
    shown.figure(
        "seen",
        title=f"Attention from {by}, {where}",
        caption=f"What each patch gets, mean over heads; full colour is {charts.percent(top)}.",
    )
    picturing.row(frames, run, 150, told=False)
    picturing.scale("0 %", charts.percent(top))
    widgets.small(
        "Most: " + "; ".join(f"{label.lower()} {picturing.best(frames[label])}" for label in frames)
    )


def attention(run: Run, layer: int | None) -> Tensor:
    """What each place gets from the class token, or from all where there is none: mean over heads, of a layer or of all."""
    weights, own = run.pattern.weights, picturing.reader(run)
    mean = (weights[picturing.looking(run)].mean(0) if layer is None else weights[layer]).mean(0)
    places = [patch.positions[0] for patch in run.encoding.patches]
    return mean[places].mean(0) if own is None else mean[own]


def put(known: Mapping[int, int], less: float, more: float) -> None:
    """Open the brush with this painted on."""
    _tell(known)
    state.put("view", "Brush")
    for key, value in {"less": less, "more": more}.items():
        state.put(key, value)
        st.query_params[key] = str(value)  # its slider is not drawn now, and would not say it


def _tell(known: Mapping[int, int]) -> None:
    """Let the address say what is painted."""
    for sign, key in PLACES.items():
        st.query_params.pop(key, None)
        places = sorted(place for place, way in known.items() if way == sign)
        if places:
            st.query_params[key] = ".".join(map(str, places))


def painted(message: Any, doc: str, count: int) -> dict[int, int]:
    """Which patches are painted, and whether raised (1) or lowered (-1): as the browser says, else the address."""
    if isinstance(message, dict) and message.get("doc") == doc:
        found = _checked(message.get("painted"), count)
        _tell(found)
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


def made(run: Run, known: Mapping[int, int], less: float, more: float) -> tuple[Scale, ...]:
    """The edits that a painting means: attention to the patches of each kind, times its strength."""
    from attnlab_core.edits import Where
    from attnlab_core.edits.scale import Scale

    found = []
    for sign, factor in ((-1, less), (1, more)):
        places = [run.encoding.patches[place].positions[0] for place in sorted(known) if known[place] == sign]
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
    places = [patch.positions[0] for patch in run.encoding.patches]
    names = [patch.text for patch in run.encoding.patches]
    columns = max(int(name.rpartition("c")[2]) for name in names) + 1
    return {
        "doc": doc,
        "ack": message.get("seq", 0) if isinstance(message, dict) and message.get("doc") == doc else 0,
        "picture": picturing.small(picture).address,
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
