"""The finding of the first screen: what it is about, and how it is drawn, recorded or live."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import links, shell, shown, state, widgets

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from attnlab_core.edits import Edit

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
WORD = "nothing"


def dial(texts: list[str]) -> tuple[list[int], float]:
    """Which words, and by how much."""
    default = [WORD] if WORD in texts else []
    chosen = widgets.words_box("Words to turn up or down", texts, "w", default)
    named = ", ".join(f"“{texts[k]}”" for k in chosen) or "the chosen words"
    factor = st.select_slider(
        f"Attention on {widgets.plain(named)}",
        FACTORS,
        2.0,
        key="x",
        bind="query-params",
        format_func="×{:g}".format,
    )
    if not chosen:
        widgets.say("info", "Choose a word above, and the verdict follows the dial.")
    return chosen, float(factor)


def replay(said: dict[str, Any]) -> None:
    """The recorded finding, whose dial has recorded answers."""
    chosen, factor = dial(said["words"])
    moved = chosen == [said["words"].index(said["word"])] and factor != 1.0
    st.badge(
        f"Recorded on {date.fromisoformat(said['recorded_on']):%d %B %Y}",
        icon=":material/history:",
        color="gray",
    )
    verdict(
        said["factors"]["1"], said["factors"][f"{factor:g}"] if moved else None, f"“{said['word']}”", factor
    )
    if chosen and not moved and factor != 1.0:
        widgets.say("info", "Other words are read as soon as the model is there.")


def onward(text: str, edit: Edit | None) -> None:
    """Where the same sentence can be taken further."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            shell.page("compare"),
            label="Compare more",
            icon=":material/compare_arrows:",
            query_params={"text": text},
        )
        more = {"text": text} if edit is None else {"text": text, "e": links.pack([edit.to_json()])}
        st.page_link(
            shell.page("manipulate"), label="Edit further", icon=":material/tune:", query_params=more
        )


def verdict(
    before: Mapping[str, float], after: Mapping[str, float] | None, named: str, factor: float
) -> None:
    """The verdict in large, and what happened to it in a sentence."""
    dark = state.dark()
    st.html(charts.verdict(before, after, dark=dark) + charts.probability_bars(before, after, dark=dark))
    said = "" if after is None else in_words(before, after, named, factor)
    if said:
        st.markdown(f"**{widgets.plain(said)}**")
    shown.figure(
        "answer",
        caption=said,
        body=lambda: charts.verdict(before, after) + charts.probability_bars(before, after),
    )


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
    if not missing:
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
    shown.figure(
        "explanations", title=f"Why “{target}”?",
        body=lambda: charts.legend(target) + charts.word_strips(frame, notes=remarks),
    )  # fmt: skip
    shown.numbers("explanations", frame)
    shown.methods(*dict.fromkeys(frame["method"] if len(frame) else ()))
