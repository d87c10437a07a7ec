"""The finding of the first screen: what it is about, and how it is drawn, recorded or live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core import charts
from pages.ui import state, widgets

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
WORD = "nothing"


def shown(before: Mapping[str, float], after: Mapping[str, float] | None, named: str, factor: float) -> None:
    """The verdict in large, and what happened to it in a sentence."""
    dark = state.dark()
    st.html(charts.verdict(before, after, dark=dark) + charts.probability_bars(before, after, dark=dark))
    if after is not None:
        st.markdown(f"**{widgets.plain(in_words(before, after, named, factor))}**")


def in_words(before: Mapping[str, float], after: Mapping[str, float], named: str, factor: float) -> str:
    """The finding as a sentence."""
    was, now = (max(p, key=lambda label: p[label]) for p in (before, after))
    how = {0.0: "With no attention on", 0.5: "With half the attention on", 2.0: "With twice the attention on"}
    begin = f"{how.get(factor, f'With {factor:g} times the attention on')} {named}, the verdict"
    if was == now:
        return f"{begin} stays {was}: {charts.percent(before[was])} becomes {charts.percent(after[was])}."
    return (
        f"{begin} turns from {was} ({charts.percent(before[was])}) to {now} ({charts.percent(after[now])})."
    )


def strips(frame: pd.DataFrame, target: str, remarks: dict[str, str], missing: dict[str, str]) -> None:
    """Five rows of coloured words, and how far they agree."""
    st.header(f"Why “{widgets.plain(target)}”? What five methods point at", anchor=False)
    if len(frame):
        ways = charts.strongest(frame)
        parts = [f"“{word}” ({', '.join(labels)})" for word, labels in ways.items()]
        verb = "agree on the strongest word" if len(ways) == 1 else "disagree on the strongest word"
        st.markdown(
            widgets.plain(
                f"They {verb}: {', '.join(parts)}. The verdict they explain is the one without the edit."
            )
        )
    strip = charts.word_strips(frame, notes=remarks, missing=missing, dark=state.dark())
    st.html(charts.legend(target, dark=state.dark()) + strip)
