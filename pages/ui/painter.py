"""The painter: the pattern of one head, which can be painted by mouse, touch and keys.

What is painted belongs to the stack of edits, here in Python. The browser sends the whole painting of a head each time,
with a number that goes up (`seq`); what was taken over goes back to it with the number that was seen last (`ack`).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamlit.components.v2 import component

from pages.ui import canvas, editing, stack, state, widgets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attnlab_core.run import Run

KEY = "painter"
MOST_TOKENS = 32
MOST_CELLS = 4096


_component = component(
    "attentionlab.painter",
    html=canvas.asset("painter.html"),
    css=canvas.asset("painter.css"),
    js=canvas.asset("canvas.js", "painter_cells.js", "painter_picture.js", "painter.js"),
)


@dataclass(frozen=True)
class Sheet:
    """What is being painted on: one head of one model over one text, and the tokens that are shown."""

    doc: str
    layer: int
    head: int
    places: tuple[int, ...]
    before: tuple[dict[str, Any], ...] = ()


def sheet(name: str, run: Run, layer: int, head: int, before: Sequence[dict[str, Any]] = ()) -> Sheet:
    """The sheet of one head; of a long text it shows the tokens that get the most attention there, and the painted."""
    import torch

    weights = run.pattern.weights[layer, head]
    got = weights.sum(0).topk(min(MOST_TOKENS, weights.shape[-1])).indices
    card = stack.painted(layer, head)
    more = {int(p) for cell in (card.edit["cells"] if card else ()) for p in cell[:2] if p < len(run.tokens)}
    places = tuple(sorted({*torch.as_tensor(got).tolist(), *more}))
    said = repr((name, run.prompt, layer, head, places)).encode()
    return Sheet(hashlib.blake2b(said, digest_size=9).hexdigest(), layer, head, places, tuple(before))


def draw(on: Sheet, base: Run, verdict: str) -> None:
    """Show the pattern of `base`, the run with all edits but this painting, with the painting over it."""
    from attnlab_core.prompt import subscripted

    state.put("_sheet", on)
    pattern, index = base.pattern, list(on.places)
    texts = subscripted([token.text for token in base.tokens])
    weights = pattern.weights[on.layer, on.head].double()
    visible = pattern.visible[on.layer, on.head][index][:, index]
    at = {place: k for k, place in enumerate(on.places)}
    card = stack.painted(on.layer, on.head)
    cells = [(at[q], at[k], v) for q, k, v in (card.edit["cells"] if card else ()) if q in at and k in at]
    _component(
        key=KEY,
        default={"painting": None},
        on_painting_change=receive,
        data={
            "doc": on.doc,
            "ack": state.get("_acks", {}).get(on.doc, 0),
            "tokens": [texts[place] for place in on.places],
            "base": weights[index][:, index].round(decimals=4).flatten().tolist(),
            "visible": "".join("01"[bool(cell)] for cell in visible.flatten().tolist()),
            "totals": weights.sum(-1)[index].round(decimals=4).tolist(),
            "cells": cells,
            "verdict": verdict,
            "label": f"Attention of layer {on.layer}, head {on.head}. Rows attend, columns are attended to. Arrow keys move; "
            "plus and minus raise and lower the cell, 0 blocks it, Delete restores it, Control Z undoes.",
        },
    )
    reads = base.goal().reads
    if on.layer == len(pattern.weights) - 1 and len(reads) < len(base.tokens):
        rows = ", ".join(f"“{base.tokens[place].text}”" for place in reads)
        widgets.small(f"In the last layer only the row of {rows} reaches the answer.")
    if len(index) < len(base.tokens):
        widgets.small(
            f"The {len(index)} tokens that get the most attention in this head, of {len(base.tokens)}."
        )


def receive() -> None:
    """Take over what the browser sent."""
    message, on = (state.get(KEY) or {}).get("painting"), state.get("_sheet")
    if on is not None and isinstance(message, dict) and message.get("doc") == on.doc:
        take(message, on)


def take(message: Mapping[str, Any], on: Sheet) -> None:
    """Put a painting on the stack, and note that it was seen. What is no painting is left alone."""
    seq, cells = message.get("seq"), message.get("cells")
    if not isinstance(seq, int) or not isinstance(cells, list):
        return
    state.put("_acks", {on.doc: max(seq, state.get("_acks", {}).get(on.doc, 0))})
    found = [cell for cell in (_checked(cell, on.places) for cell in cells[:MOST_CELLS]) if cell]
    begun = stack.painted(on.layer, on.head) is None
    stack.paint(on.layer, on.head, sorted(found), (on.doc, message.get("stroke")), on.before)
    kept = begun and on.before and found
    if kept:  # the edit that was being made is a card now
        editing.clear()
    state.put("_settled", bool(kept or message.get("settled")))


def _checked(cell: Any, places: Sequence[int]) -> stack.Cell | None:
    """A cell with the positions of the text; None where it is none."""
    if not (isinstance(cell, list | tuple) and len(cell) == 3):
        return None
    query, key, value = cell
    inside = all(isinstance(p, int) and 0 <= p < len(places) for p in (query, key))
    if not inside or not isinstance(value, int | float) or not abs(value) < math.inf:
        return None
    return places[query], places[key], round(float(min(1, max(0, value))), 3)
