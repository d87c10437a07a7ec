"""A picture with scores of its patches laid over it: one panel a method, all on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from attnlab_core.charts._colours import Palette, css, mix, palette
from attnlab_core.charts._files import _altair, _dress
from attnlab_core.charts._frames import shares

if TYPE_CHECKING:
    from attnlab_core.pictures import Picture
    from attnlab_core.prompt import Token

MAP_SIDE = 180
"""Pixels of a panel's longer side."""
FAINT = 0.75
"""The power of a share that is its opacity: small shares stay visible, none hides the picture quite."""
KEPT = 0.3
"""How much of its colours a picture keeps under a map."""


def picture_map(
    frame: pd.DataFrame,
    picture: Picture,
    tokens: Sequence[Token],
    *,
    side: int = MAP_SIDE,
    veil: float = 0.8,
    chosen: int | None = None,
    dark: bool = False,
) -> Any:
    """The scores of one method over a picture: each patch in the colour of its share of the strongest one.

    Args:
        frame: A score frame of one method, by tokens without special ones.
        picture: What was explained.
        tokens: Those of the run, with the boxes of their patches.
        side: Pixels of the longer side.
        veil: How far the strongest colour hides the picture, 0 to 1.
        chosen: The position of a patch that is outlined.
        dark: Draw for a dark page.
    """
    c = palette(dark)
    made = _dress(_panel(shares(frame), picture, tokens, side, veil, chosen, c), c, "")
    return made.properties(padding=0, autosize={"type": "none"})


def picture_chart(
    frame: pd.DataFrame,
    picture: Picture,
    tokens: Sequence[Token],
    *,
    columns: int = 3,
    veil: float = 0.8,
    dark: bool = False,
    title: str = "",
) -> Any:
    """Such maps of several methods in one chart, in the order of the frame; see `picture_map`."""
    alt, c = _altair(), palette(dark)
    panels = [
        _panel(some, picture, tokens, MAP_SIDE, veil, None, c).properties(title=str(some["label"].iloc[0]))
        for _, some in shares(frame).groupby("method", sort=False)
    ]
    told = [
        "each method over its own strongest patch; orange speaks for the answer, purple against it, blue takes no side"
    ]
    return _dress(alt.concat(*panels, columns=columns), c, title, told)


def _panel(
    frame: pd.DataFrame,
    picture: Picture,
    tokens: Sequence[Token],
    side: int,
    veil: float,
    chosen: int | None,
    c: Palette,
) -> Any:
    alt = _altair()
    longest = max(picture.width, picture.height)
    wide, high = (max(24, round(side * size / longest)) for size in (picture.width, picture.height))
    table = _boxed(frame, tokens)
    table = table.assign(
        paint=[css(mix(s, bool(g), c)) for s, g in zip(table["share"], table["signed"], strict=True)],
        opacity=[round(veil * abs(s) ** FAINT, 3) for s in table["share"]],
    )
    under = (
        alt.Chart(pd.DataFrame({"url": [_faded(picture) if veil else picture.address]}))
        .mark_image(width=wide, height=high, aspect=False)
        .encode(x=alt.value(wide / 2), y=alt.value(high / 2), url="url:N")
    )
    across, down = (
        {"scale": alt.Scale(domain=ends, nice=False, zero=False), "axis": None} for ends in ([0, 1], [1, 0])
    )
    over = alt.Chart(table).encode(
        x=alt.X("left:Q", **across), x2="right:Q", y=alt.Y("top:Q", **down), y2="bottom:Q"
    )
    cells = over.mark_rect().encode(
        color=alt.Color("paint:N", scale=None),
        opacity=alt.Opacity("opacity:Q", scale=None),
        tooltip=[
            alt.Tooltip("text:N", title="Patch"),
            alt.Tooltip("score:Q", title="Score", format=".4g"),
            alt.Tooltip("share:Q", title="Over the strongest", format="+.2f"),
        ],
    )
    layers = [under, cells]
    if chosen is not None and chosen in set(table["position"]):
        mark = over.transform_filter(alt.datum.position == chosen)
        layers.append(mark.mark_rect(filled=False, stroke=css(c.mark), strokeWidth=3))
    return alt.layer(*layers).properties(width=wide, height=high)


@lru_cache(maxsize=64)
def _faded(picture: Picture) -> str:
    """The address of the picture with most of its colours taken out, so that those of the map are seen."""
    from PIL import Image

    grey = picture.image.convert("L").convert("RGB")
    return type(picture).of(Image.blend(grey, picture.image, KEPT)).address


def _boxed(frame: pd.DataFrame, tokens: Sequence[Token]) -> pd.DataFrame:
    """The frame with the edges of each patch; what has no box is left out."""
    boxes = {k: token.box for k, token in enumerate(tokens) if token.box is not None}
    kept = frame[frame["position"].isin(list(boxes))]
    edges = zip(*[boxes[int(place)] for place in kept["position"]], strict=True) if len(kept) else ((),) * 4
    return kept.assign(**dict(zip(("left", "top", "right", "bottom"), map(list, edges), strict=True)))
