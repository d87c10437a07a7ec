"""The edits of two sides: none, those of the page Manipulate, one word turned up or down, or a list as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError, BadInput
from pages.ui import knobs, stack, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.edits import Edit
    from attnlab_core.run import Run

NONE, STACK, WORD, JSON = (
    "none",
    "those of the page Manipulate",
    "one word, more or less attention",
    "as JSON",
)
CHOICES = (NONE, WORD, STACK, JSON)


def ask(slots: Any, names: Sequence[str], plain: Sequence[Run]) -> list[tuple[tuple[Edit, ...], Run]]:
    """The edits of each side and the run under them. The page stops where edits do not fit, and says why there."""
    found = []
    for k, (place, end, letter) in enumerate(slots):
        with place:
            chosen = _choose(end, letter, plain[k])
            for side in (k,) if letter else (0, 1):
                try:
                    edits = _edits(chosen, end, plain[side])
                    run = (
                        state.backend().run(Question(names[side], plain[side].prompt, edits))
                        if edits
                        else plain[side]
                    )
                    found.append((edits, run))
                except AttentionLabError as error:
                    widgets.say(
                        "error",
                        f"{'AB'[side]}: {widgets.told(error)} Choose other edits, or let them differ.",
                    )
    if len(found) < len(plain):
        st.stop()
    return found


def _choose(end: str, letter: str, run: Run) -> str:
    """The boxes."""
    side = f" ({letter})" if letter else ""
    chosen = st.selectbox(f"Edits{side}", CHOICES, key=f"changed{end}", bind="query-params", width=260)
    if chosen == WORD:
        words = widgets.unique([word.text for word in run.encoding.words])
        widgets.pick(f"Word{side}", words, f"scaled{end}", 0)
        st.select_slider(
            f"Attention{side}",
            knobs.FACTORS,
            2.0,
            format_func="×{:g}".format,
            key=f"times{end}",
            bind="query-params",
            width=200,
        )
    elif chosen == JSON:
        st.text_area(
            f"List of edits{side}", "[]", key=f"json{end}", bind="query-params", height=84, max_chars=widgets.MOST_LETTERS,
            help="As the page Manipulate gives it under “Files and code”; a second stack, kept in the link.",
        )  # fmt: skip
    elif chosen == STACK:
        on = sum(card.on for card in stack.cards())
        widgets.small(f"{on} edit{'s' * (on != 1)} act{'s' * (on == 1)}." if on else "There are none yet.")
    return str(chosen)


def _edits(chosen: str, end: str, run: Run) -> tuple[Edit, ...]:
    if chosen == STACK:
        return stack.edits()
    if chosen == JSON:
        try:
            said = json.loads(state.get(f"json{end}") or "[]")
        except (ValueError, RecursionError):
            raise BadInput('This is no JSON. Give a list such as [{"op": "scale", "factor": 2}].') from None
        return stack.edits(tuple(stack.unpack(said)))
    return (
        (_scaled(str(state.get(f"scaled{end}")), float(state.get(f"times{end}") or 0), run),)
        if chosen == WORD
        else ()
    )


def _scaled(label: str, factor: float, run: Run) -> Edit:
    """The edit of one word; of a text in which the word does not stand, an error."""
    from attnlab_core import Scale, Where

    words = run.encoding.words
    labels = widgets.unique([word.text for word in words])
    if label not in labels:
        raise BadInput(f"There is no word {label!r} in {run.prompt.text[:60]!r}.")
    return Scale(factor=factor, where=Where(keys=widgets.places(run.encoding, [words[labels.index(label)]])))
