"""What the model expected at every place of the text: a strip coloured by surprise, a table, and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import panels, state, widgets

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.expectation import Expectation
    from attnlab_core.run import Run

MOST = 5
STATES = ("as it is", "edited")
MEANING = (
    "Below each token stands the probability that the model gave it, from what stands before it. The darker, the more it was "
    "surprised: a bit more is half the probability; from 12 bits on the colour is full. Nothing stands before the first token."
)


def show(run: Run, after: Run | None) -> None:
    """The strips of the text, with and without edits, and what was expected instead."""
    from attnlab_core.expectation import bits_a_token, expect

    found = {
        name: expect(one, MOST) for name, one in zip(STATES, (run, after), strict=True) if one is not None
    }
    frame = framed(found)
    panels.heading(
        "What it expected", "expected",
        lambda: charts.surprise_chart(frame, dark=state.dark(), title=f"Probability of each token, {run.lab.name}"),
        frame, lambda: document(run, after, frame),
    )  # fmt: skip
    for name, rows in frame.groupby("state", sort=False):
        bits = bits_a_token(found[str(name)])
        said = "" if bits is None else f"{bits:.1f} bits of surprise a token"
        label = str(name).capitalize() if len(found) > 1 else ""
        st.markdown(": ".join(filter(None, (label and f"**{label}**", said))), help=MEANING)
        tokens = rows.query("text != ''")
        st.html(charts.surprise_strip(tokens, label=f"The text {name}, by surprise", dark=state.dark()))
    st.markdown(
        "What comes next: " + "; ".join(coming(name, each, len(found)) for name, each in found.items())
    )
    with st.expander(f"Table: the {MOST} likeliest tokens at every place", icon=":material/table:"):
        st.html(charts.expectation_table(frame, dark=state.dark()))
        widgets.small("In bold: what the model expected and what came are the same.")


def framed(found: dict[str, tuple[Expectation, ...]]) -> pd.DataFrame:
    """All expectations as one frame, with a column `state`."""
    import pandas as pd

    from attnlab_core.expectation import to_frame

    return pd.concat([to_frame(each).assign(state=name) for name, each in found.items()], ignore_index=True)


def coming(name: str, found: tuple[Expectation, ...], states: int) -> str:
    """The likeliest next tokens in one line of Markdown."""
    told = ", ".join(f"**{widgets.plain(text)}** {charts.percent(p)}" for text, p in found[-1].likeliest)
    return f"{name}: {told}" if states > 1 else told


def document(run: Run, after: Run | None, frame: pd.DataFrame) -> dict[str, Any]:
    """The expectations as a record."""
    from attnlab_core import record

    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return record.header(run if after is None else after) | {"expected": rows}
