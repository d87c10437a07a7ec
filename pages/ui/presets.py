"""The example that this project was founded on: what its document guessed, and what the model does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import editing, stack, state, widgets
from pages.ui.backend import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.edits import Edit
    from attnlab_core.run import Run

TEXT = "The movie was not as bad as I expected."
EDIT = {"op": "scale", "factor": 2.0, "where": {"keys": ["not"]}}
GUESS = (("negative", 0.65), ("positive", 0.58))
"""What the founding document expected before and after, written before anything was measured."""


def button() -> None:
    """Set the page to the example."""
    st.button(
        "The founding example: “not” × 2", on_click=take, icon=":material/flag:", key="founding", width="stretch",
        help="The sentence, the edit and the expected answers from the document that this project began with.",
    )  # fmt: skip


def take() -> None:
    """The example's text, model and edit."""
    for key, value in (("text", TEXT), ("second", ""), ("model", DEFAULT), ("_suited", DEFAULT)):
        state.put(key, value)
    editing.clear()
    stack.change((stack.made(EDIT),))
    stack.refresh()


def told(name: str, run: Run, after: Run | None, edits: Sequence[Edit]) -> None:
    """Guess and measurement side by side, where the page stands at the example."""
    same = name == DEFAULT and run.prompt.text == TEXT and [edit.to_json() for edit in edits] == [EDIT]
    if after is None or not same or any(label not in run.probabilities for label, _ in GUESS):
        return
    measured = [(r.prediction, r.probabilities[r.prediction]) for r in (run, after)]
    with st.container(border=True):
        st.markdown("**The founding example: guessed and measured**")
        rows = [
            (when, f"{guess[0]} {guess[1]:.2f}", f"{found[0]} {found[1]:.2f}")
            for when, guess, found in zip(("before", "attention on “not” × 2"), GUESS, measured, strict=True)
        ]
        widgets.table(["", "The founding document’s guess", "Measured now"], rows, "Guess and measurement")
        st.markdown(widgets.plain(sentence(measured, run, after)))


def sentence(measured: Sequence[tuple[str, float]], run: Run, after: Run) -> str:
    """What became of the guess, from the numbers."""
    (was, _), (now, _) = measured
    (guessed, _), (turned, _) = GUESS
    points = 100 * (after.probabilities[turned] - run.probabilities[turned])
    way = f"P({turned}) {'rises' if points > 0 else 'falls'} by {abs(points):.1f} points"
    if (was, now) == (guessed, turned):
        return f"The guess holds for this model: the verdict turns from {was} to {now}, and {way}."
    if was == now:
        right = "the guessed direction" if points > 0 else "not the guessed direction"
        start = "not what was guessed" if was != guessed else "as guessed"
        return (
            f"The guess was a flip, and there is none: the model says {was} without any edit ({start}) and stays there; "
            f"{way}, {right}. The numbers of the document were an illustration, not a measurement."
        )
    return f"The verdict turns, but from {was} to {now}, the other way than guessed; {way}."
