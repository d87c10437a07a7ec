"""Words in coloured boxes with a number below each, as a picture: what the strips of words are on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attnlab_core.charts._files import _altair

if TYPE_CHECKING:
    import pandas as pd


def boxes(table: pd.DataFrame, across: str, down: str, least: int, most: int) -> Any:
    """A chart of boxes, all as wide as the longest word needs.

    Args:
        table: A row a box: its place `across`, the row of boxes it is in (`down`; they keep their order), and `text`, `said` (below
            it), `paint` and `ink` (both colours as CSS).
        across: The column of the places.
        down: The column of the rows.
        least: Pixels that a box is wide at least.
        most: Pixels that it is wide at most.
    """
    alt = _altair()
    width = 9 * max((len(str(text)) for text in table["text"]), default=4) + 14
    base = alt.Chart(table).encode(
        x=alt.X(f"{across}:O", axis=None),
        y=alt.Y(f"{down}:N", sort=list(table[down].unique()), title=None, axis=alt.Axis(domain=False, ticks=False)),
    )  # fmt: skip
    ink = alt.Color("ink:N", scale=None)
    painted = base.mark_rect(cornerRadius=4).encode(color=alt.Color("paint:N", scale=None))
    words = base.mark_text(fontSize=13, dy=-6).encode(text="text:N", color=ink)
    numbers = base.mark_text(fontSize=10, dy=9).encode(text="said:N", color=ink)
    size = {"width": alt.Step(min(max(width, least), most)), "height": alt.Step(40)}
    return (painted + words + numbers).properties(**size)
