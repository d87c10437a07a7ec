"""The pattern under the hand, and the answer beside it: the part of the page that follows while one paints."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError
from pages.ui import gauge, painter, panels, sentences, stack, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.run import Run


class Outcome(NamedTuple):
    """What the edits do: the edits, the run under them (None without edits), and what is wrong with them."""

    edits: tuple[Edit, ...]
    after: Run | None
    problem: str = ""


def outcome(name: str, run: Run, drafted: Edit | None, without: stack.Card | None = None) -> Outcome:
    """Run the model under the edits of the stack and the one that is being made."""
    edits: tuple[Edit, ...] = ()
    try:
        edits = stack.edits(tuple(c for c in stack.cards() if c != without)) + ((drafted,) if drafted else ())
        after = state.backend().run(Question(name, run.prompt, edits)) if edits else None
        return Outcome(edits, after)
    except AttentionLabError as error:
        return Outcome(edits, None, _culprit(run) + widgets.told(error))


def _culprit(run: Run) -> str:
    """Which card does not fit this text, where it is one of them."""
    from attnlab_core.edits import edit_from_json

    for card in stack.cards():
        try:
            edit_from_json(card.edit).settle(run.encoding, run.lab)
        except AttentionLabError:
            if card.on:
                said = card.name or sentences.of_edit(card.edit, run.encoding)
                return f"“{said}” does not fit here, so no edit acts; change it, switch it off or delete it. "
    return ""


@st.fragment
def show(name: str, run: Run, drafted: Edit | None, layer: int, head: int) -> None:
    """The painter and the verdict. Runs by itself after every stroke; the rest of the page follows at rest."""
    if state.get("_settled"):
        state.put("_settled", False)
        st.rerun()
    result, card = outcome(name, run, drafted), stack.painted(layer, head)
    base = (outcome(name, run, drafted, card).after if card else result.after) or run
    before = () if drafted is None else (drafted.to_json(),)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        painter.draw(painter.sheet(name, run, layer, head, before), base, _briefly(run, result.after))
        if card is not None and not card.on:
            widgets.small("This painting is switched off on its card. Painting on switches it on.")
    with right, st.container(border=True):
        if result.problem:
            widgets.say("error", result.problem)
        edits = result.edits if result.after is not None else ()
        panels.answer(
            run, result.after, edits, hint="Paint, or choose a word: the answer follows.", live=False
        )
        if result.after is not None:
            gauge.show(run, result.after)


def _briefly(before: Run, after: Run | None) -> str:
    """The verdict in a few words, for the painter's own line."""
    now = before if after is None else after
    said = f"{now.prediction.strip() or '(empty)'} {charts.percent(now.probabilities[now.prediction])}"
    if after is None or now.prediction not in before.probabilities:
        return said
    return f"{said} (was {charts.percent(before.probabilities[now.prediction])})"
