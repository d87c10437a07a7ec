"""Which picture is asked about, and which model: samples that are drawn here, or one's own; and maps laid over it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError
from pages.ui import captioning, panels, question, shown, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from torch import Tensor

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
SIDE, LARGE = 165, 300
"""Pixels of the longer side of a map, of which two stand side by side on a phone, and of one that stands alone."""
NO_PADDING = dict.fromkeys(("left", "right", "top", "bottom"), 0)
"""Said side by side, as Streamlit adds some below a chart that says 0."""


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

    label = st.selectbox(
        "Picture", list(SAMPLES), key="picture", bind="query-params",
        on_change=lambda: captioning.suit(SAMPLES[state.get("picture")]),
    )  # fmt: skip
    own = _own()
    name = question.model(key="vision", pictures=True)
    shown.holds(options={"vision": (name,)})
    shown.figure("answer", title=f"The answer of {name}")
    lab = question.ready(name, box="vision", pictures=True)
    text = captioning.box(lab, SAMPLES[label])
    try:
        run = state.backend().run(Question(name, Prompt(text, image=own or sample(label))))
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


@lru_cache(maxsize=64)
def small(picture: Picture) -> Picture:
    """The picture with as many pixels as a map shows; it is sent with every map."""
    shrunk = picture.image
    shrunk.thumbnail((2 * LARGE, 2 * LARGE))
    return type(picture).of(shrunk)


def map_of(
    title: str, frame: pd.DataFrame, run: Run, *, side: int = SIDE, told: bool = True, **more: Any
) -> None:
    """The map of one method under its name; `more` as `charts.picture_map` takes it.

    Its text for those who do not see it says the strongest patches where it is `told`; a chart whose text changes is made anew.
    """
    with st.container(width=side, gap=None):
        st.markdown(f"**{widgets.plain(title)}**")
        drawn = charts.picture_map(frame, picture_of(run), run.tokens, side=side, dark=state.dark(), **more)
        st.altair_chart(
            drawn.properties(padding=NO_PADDING), theme=None, width="content",
            alt=f"{title}: the strongest patches are {best(frame)}" if told else title,
        )  # fmt: skip


def best(frame: pd.DataFrame) -> str:
    """The three strongest patches of a map."""
    return ", ".join(frame.loc[~frame["special"]].nlargest(3, "score")["text"])


def reader(run: Run) -> int | None:
    """The position of the class token, which stands before the patches; None where there is none."""
    before = run.encoding.patches[0].positions[0] - 1
    return before if before >= 0 and run.tokens[before].special else None


def looking(run: Run) -> list[int]:
    """The layers in which the picture is looked at from the class token, or from the patches."""
    places = [patch.positions[0] for patch in run.encoding.patches]
    seen = run.pattern.visible[:, :, places if (own := reader(run)) is None else [own]][..., places]
    return seen.flatten(1).any(1).nonzero().flatten().tolist()


def picture_of(run: Run) -> Picture:
    """The picture that was asked about, as maps show it."""
    assert run.prompt.image is not None, "only models of pictures come here"
    return small(run.prompt.image)


def scored(run: Run, values: Tensor, label: str, top: float | None = None) -> pd.DataFrame:
    """The score frame of a map of `values`, one for each token. They take sides where there is no `top`.

    Args:
        run: What was read.
        values: For each token.
        label: What the map is called.
        top: What has full colour; None is the strongest patch's. A token outside of the picture, which no map draws, holds it.
    """
    import pandas as pd

    rows = [
        (word.positions[0], word.text, False, float(values[word.positions[0]]))
        for word in run.encoding.patches
    ]
    if top is not None:
        rows.append((-1, "full colour", True, top))
    frame = pd.DataFrame(rows, columns=["position", "text", "special", "score"])
    return frame.assign(method=label, label=label, signed=top is None)


def heading(
    name: str,
    title: str,
    frames: Mapping[str, pd.DataFrame],
    run: Run,
    unit: str,
    more: Callable[[], dict[str, Any]] = dict,
) -> None:
    """A heading with the downloads of the maps below it.

    Args:
        name: Of the figure.
        title: Its heading.
        frames: As `scored` makes them: what a map is called → its frame.
        run: What was read.
        unit: What the numbers are.
        more: What the record says beside the numbers.
    """
    from attnlab_core import record

    table = table_of(frames)
    panels.heading(
        title, name, lambda: together(frames, run), table,
        lambda: {**record.header(run), **more(), "unit": unit, "patches": table.to_dict("records")},
    )  # fmt: skip
    shown.figure(name, caption=unit)


def row(frames: Mapping[str, pd.DataFrame], run: Run, side: int = SIDE, told: bool = True) -> None:
    """Maps side by side; below each other where there is no room. For `told` see `map_of`."""
    with st.container(horizontal=True, gap="small"):
        for label, frame in frames.items():
            map_of(label, frame, run, side=side, told=told)


def table_of(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The numbers of maps: a row for each patch, a column for each map."""
    first = next(iter(frames.values()))
    table = first.loc[~first["special"], ["text"]].rename(columns={"text": "patch"})
    return table.assign(**{label: frame.loc[~frame["special"], "score"] for label, frame in frames.items()})


def together(frames: Mapping[str, pd.DataFrame], run: Run) -> Any:
    """The same maps as one picture, for downloads."""
    import altair as alt

    drawn = {}
    for label, frame in frames.items():
        drawn[label] = charts.picture_map(frame, picture_of(run), run.tokens).properties(title=label)
        drawn[label].autosize = alt.Undefined
    return panels.side_by_side(drawn)


def scale(low: str, high: str, signed: bool = False) -> None:
    """What the colours of a map mean."""
    look = charts.look(state.dark())
    stops = ", ".join(look[name] for name in (("minus", "page", "plus") if signed else ("page", "amount")))
    st.html(
        f"<p style='font-size:.85rem;margin:0;color:{look['text']}'>{low} <i style='display:inline-block;width:5.5em;height:.8em;"
        f"margin:0 .4em;border-radius:.2em;background:linear-gradient(90deg,{stops})'></i> {high}</p>"
    )
