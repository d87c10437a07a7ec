"""The text that a model reads with a picture: captions to choose from, or a question about it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import state, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.lab import Lab

QUESTION = "what is in the picture?"
BOXES = {
    "matching": ("captions", "Captions, one a line", "The model says which of them fits the picture best: give at least two."),
    "visual_answering": ("question", "Question", "What is explained is the first word of its answer, unless another is chosen."),
}  # fmt: skip
"""Task → the key of its box, its label, and its help."""


def box(lab: Lab, sample: tuple[int, Sequence[str], int]) -> str:
    """The box for the model's task, with what suits a sample picture in it; nothing for a model that reads no text."""
    if lab.task not in BOXES:
        return ""
    key, label, about = BOXES[lab.task]
    start = QUESTION if key == "question" else captions(*sample)
    typed = st.text_area(
        label, start, key=key, bind="query-params", height=120 if key == "captions" else 68, help=about,
        max_chars=widgets.MOST_LETTERS,
    )  # fmt: skip
    return str(typed)


def suit(sample: tuple[int, Sequence[str], int]) -> None:
    """Put the captions in the box that suit another sample; called as it is chosen."""
    state.put("captions", captions(*sample))


@lru_cache(maxsize=32)
def captions(seed: int, kinds: tuple[str, ...], copies: int) -> str:
    """Captions of a drawn picture, one a line: what is in it, and the same with one word changed."""
    from attnlab_core.shapes import COLOURS, KINDS, shapes

    drawn = shapes(seed, kinds, copies=copies)
    one, there = drawn[0], {shape.kind for shape in drawn}
    others = [shape for shape in drawn if shape.kind != one.kind]
    two = others[0] if len(others) == 1 else None  # of three, one is described
    colour = next(name for name in COLOURS if name not in {shape.colour for shape in drawn})
    kind = next(name for name in KINDS if name not in there)
    if two is None:
        right = (one.colour, one.kind)
        lines = [(right,), ((colour, one.kind),), ((one.colour, kind),), ((colour, kind),)]
    else:
        right, other = (one.colour, one.kind), (two.colour, two.kind)
        lines = [
            (right, other),
            ((one.colour, kind), other),
            (right, (colour, two.kind)),
            ((colour, one.kind), (two.colour, kind)),
        ]
    return "\n".join(dict.fromkeys(" and ".join(map(_named, line)) for line in lines))


def _named(thing: tuple[str, str]) -> str:
    """A colour and a kind with their article."""
    return f"{'an' if thing[0][0] in 'aeiou' else 'a'} {' '.join(thing)}"
