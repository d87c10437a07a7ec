"""Which picture is asked about, and which model: samples that are drawn here, or one's own."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError
from pages.ui import question, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.lab import Lab
    from attnlab_core.pictures import Picture
    from attnlab_core.run import Run

SAMPLES: dict[str, tuple[int, tuple[str, ...], int]] = {
    "a star and a moon": (3, ("star", "moon"), 1),
    "one heart": (4, ("heart",), 1),
    "two stars alike": (1, ("star",), 2),
    "a cross, a ring and a square": (2, ("cross", "ring", "square"), 1),
    "two circles and a triangle": (9, ("circle", "triangle"), 2),
}
"""Label → seed, shapes, copies of the first, as `attnlab_core.shapes.scene` takes them."""


@lru_cache(maxsize=32)
def sample(label: str) -> Picture:
    """A drawn picture."""
    from attnlab_core.pictures import Picture
    from attnlab_core.shapes import scene

    seed, kinds, copies = SAMPLES[label]
    return Picture.of(scene(seed, kinds, copies=copies).pixels)


def ask() -> tuple[str, Lab, Run]:
    """The picture and the model: its name, the lab, and the run without edits. The page stops where one is missing."""
    from attnlab_core.prompt import Prompt

    label = st.selectbox("Picture", list(SAMPLES), key="picture", bind="query-params")
    own = _own()
    name = question.model(key="vision", pictures=True)
    lab = question.ready(name, box="vision", pictures=True)
    try:
        run = state.backend().run(Question(name, Prompt(image=own or sample(label))))
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        st.stop()
    return name, lab, run


def _own() -> Picture | None:
    """A picture of the visitor's own; None where there is none, with the reason where it cannot be read."""
    from attnlab_core.pictures import FORMATS, MOST_BYTES, Picture

    file = st.file_uploader(
        "Or your own picture", [*(kind.lower() for kind in FORMATS), "jpg"], key="own_picture",
        max_upload_size=MOST_BYTES >> 20,
        help="Read on this server and kept until you leave; what is written beside its pixels is dropped. It is in no link.",
    )  # fmt: skip
    if file is None:
        return None
    try:
        return Picture.read(file.getvalue())
    except AttentionLabError as error:
        widgets.say("error", f"{widgets.told(error)} The sample is shown instead.")
        return None


def map_of(title: str, frame: pd.DataFrame, run: Run, **more: Any) -> None:
    """The map of one method under its name; `more` as `charts.picture_map` takes it."""
    picture = run.prompt.image
    assert picture is not None, "only models of pictures come here"
    best = ", ".join(frame.sort_values("score", ascending=False)["text"][:3])
    with st.container(width=charts.MAP_SIDE + 12, gap=None):
        st.markdown(f"**{widgets.plain(title)}**")
        st.altair_chart(
            charts.picture_map(frame, picture, run.tokens, dark=state.dark(), **more),
            theme=None, width="content", alt=f"{title}: the strongest patches are {best}",
        )  # fmt: skip
