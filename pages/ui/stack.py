"""The stack of edits of one visitor: cards in order, which can be switched off, moved, named, changed and taken back."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import AttentionLabError, BadInput
from pages.ui import state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attnlab_core.edits import Edit

MOST_CARDS = 50
MOST_STEPS = 100
MOST_BYTES = 2 * 2**20
"""Of a file that is loaded."""

Cell = tuple[int, int, float]


@dataclass(frozen=True)
class Card:
    """One edit on the stack. `number` tells it from its equals for as long as the visit lasts."""

    number: int
    edit: dict[str, Any]
    on: bool = True
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """The edit alone where there is nothing more to say."""
        more = {"name": self.name} if self.name else {}
        more |= {} if self.on else {"on": False}
        return {"edit": self.edit, **more} if more else self.edit


Cards = tuple[Card, ...]


def cards() -> Cards:
    """The stack as it is."""
    return state.get("_stack", ())


def edits(of: Cards | None = None) -> tuple[Edit, ...]:
    """The edits that are switched on, in order."""
    from attnlab_core.edits import edit_from_json

    return tuple(edit_from_json(card.edit) for card in (cards() if of is None else of) if card.on)


def change(to: Cards) -> None:
    """Put another stack in the place of this one, which can be had back."""
    now = cards()
    if to == now:
        return
    state.put("_undo", [*state.get("_undo", []), now][-MOST_STEPS:])
    state.put("_redo", [])
    state.put("_stack", to)


def undo() -> None:
    """One step back."""
    _step("_undo", "_redo")


def redo() -> None:
    """One step forward."""
    _step("_redo", "_undo")


def _step(back: str, forth: str) -> None:
    steps: list[Cards] = state.get(back, [])
    if steps:
        state.put(forth, [*state.get(forth, []), cards()])
        state.put("_stack", steps[-1])
        state.put(back, steps[:-1])
        state.put("_stroke", None)
        refresh()


def refresh() -> None:
    """Let widgets that show a card be made anew: what they show was changed from elsewhere."""
    state.put("_generation", generation() + 1)


def generation() -> int:
    """How often the cards were changed from elsewhere; a part of the keys of their widgets."""
    return state.get("_generation", 0)


def made(edit: dict[str, Any], name: str = "") -> Card:
    """A new card."""
    number = state.get("_numbers", 0) + 1
    state.put("_numbers", number)
    return Card(number, edit, name=name)


def add(edit: dict[str, Any], name: str = "") -> None:
    """Put an edit on top."""
    if len(cards()) < MOST_CARDS:
        change((*cards(), made(edit, name)))
    else:
        state.put("_unread", f"The stack holds {MOST_CARDS} edits at most. Delete some first.")


def drop(number: int) -> None:
    """Take a card off."""
    change(tuple(card for card in cards() if card.number != number))


def move(number: int, by: int) -> None:
    """Let a card act earlier or later."""
    order = list(cards())
    at = next((k for k, card in enumerate(order) if card.number == number), None)
    if at is not None and 0 <= at + by < len(order):
        order[at], order[at + by] = order[at + by], order[at]
        change(tuple(order))


def alter(number: int, **fields: Any) -> None:
    """Change what a card says: its edit, its name, or whether it is on."""
    change(tuple(replace(card, **fields) if card.number == number else card for card in cards()))


def painted(layer: int, head: int) -> Card | None:
    """The card of what was painted on one head."""
    place = {"layers": [layer], "heads": [head]}
    return next(
        (c for c in cards() if c.edit["op"] == "draw" and c.edit.get("where") == place and _sets(c.edit)),
        None,
    )


def _sets(edit: dict[str, Any]) -> bool:
    return edit.get("mode", "set") == "set" and all(
        isinstance(place, int) for cell in edit["cells"] for place in cell[:2]
    )


def paint(
    layer: int, head: int, cells: Sequence[Cell], stroke: Any, before: Sequence[dict[str, Any]] = ()
) -> None:
    """Take over a painting of one head.

    A step in the history is a stroke: what comes of the same stroke takes the place of what came before, and a painting
    that the step before or after has already is a step back or forward.

    Args:
        layer: Of the head.
        head: Its number.
        cells: All painted cells.
        stroke: What tells one stroke from the next.
        before: Edits that are to be on the stack below a painting that is new.
    """
    card, said = painted(layer, head), [[q, k, float(v)] for q, k, v in cells]
    if card is not None and said:
        new = {**card.edit, "cells": said}
        to = tuple(replace(c, edit=new, on=True) if c.number == card.number else c for c in cards())
    elif card is not None:
        to = tuple(c for c in cards() if c.number != card.number)
    elif said:
        drawn = {"op": "draw", "cells": said, "where": {"layers": [layer], "heads": [head]}}
        to = (*cards(), *(made(edit) for edit in before), made(drawn))
    else:
        return
    if _alike(to, state.get("_undo", [])[-1:]):
        undo()
    elif _alike(to, state.get("_redo", [])[-1:]):
        redo()
    elif stroke is not None and stroke == state.get("_stroke"):
        state.put("_stack", to)
    else:
        change(to)
    state.put("_stroke", stroke)


def _alike(to: Cards, step: Sequence[Cards]) -> bool:
    """Whether a step of the history says the same, whatever the numbers of its cards."""
    return bool(step) and [c.to_json() for c in step[0]] == [c.to_json() for c in to]


def pack(of: Sequence[Card]) -> list[dict[str, Any]]:
    """Cards as JSON, for a link or a file."""
    return [card.to_json() for card in of]


def unpack(said: Any) -> list[Card]:
    """Cards from JSON; every edit is checked by itself.

    Raises:
        BadInput: This is no list of edits, or one of them is wrong.
    """
    from attnlab_core.edits import edit_from_json

    if isinstance(said, dict):
        said = said.get("edits")
    if not isinstance(said, list):
        raise BadInput(
            'There are no edits in it: a list such as [{"op": "scale", "factor": 2}] is looked for.'
        )
    if len(said) > MOST_CARDS:
        raise BadInput(f"It holds {len(said)} edits, and the stack takes {MOST_CARDS}.")
    found = []
    for one in said:
        wrapped = isinstance(one, dict) and isinstance(one.get("edit"), dict)
        edit = one["edit"] if wrapped else one
        if not isinstance(edit, dict):
            raise BadInput(f"{str(one)[:40]!r} is no edit.")
        card = made(edit_from_json(edit).to_json())
        if wrapped:
            card = replace(card, on=one.get("on") is not False, name=str(one.get("name") or "")[:80])
        found.append(card)
    return found


def read_file(raw: bytes) -> tuple[list[Card], dict[str, Any]]:
    """The cards of a saved file, and what else it says: model and texts.

    Raises:
        BadInput: It is too large, no JSON, or holds no edits.
    """
    if len(raw) > MOST_BYTES:
        raise BadInput(f"The file has {len(raw) / 2**20:.1f} MB; {MOST_BYTES >> 20} MB are read at most.")
    try:
        said = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise BadInput("The file is no JSON text. Choose one that was saved here.") from None
    more = said if isinstance(said, dict) else {}
    return unpack(said), {k: more[k] for k in ("model", "text", "second") if isinstance(more.get(k), str)}


def quietly(take: Callable[[], None], what: str) -> None:
    """Do it, or say in one line why `what` could not be used."""
    try:
        take()
        state.put("_unread", None)
    except AttentionLabError as error:
        state.put("_unread", f"{what}: {str(error).splitlines()[0]}")
