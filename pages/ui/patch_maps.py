"""Explanations as maps over a picture: what is explained and by which methods, and the maps as they finish."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st

from attnlab_core import charts
from pages.ui import costing, explaining, panels, picturing, shown, state, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.lab import Lab
    from attnlab_core.run import Run
    from attnlab_core.targets import Target
    from pages.ui.backend import Job


class Asked(NamedTuple):
    """What is to be explained; method → its settings; the position of the patch that is outlined in every map."""

    target: Target | None
    todo: dict[str, dict[str, Any]]
    chosen: int | None


def ask(lab: Lab, run: Run) -> Asked:
    """The boxes for it."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = explaining.target_of(lab, run)
    todo = explaining.choose()
    shown.holds(knobs={method: params for method, params in todo.items() if params})
    picked = widgets.pick(
        "Patch", ["none", *(patch.text for patch in run.encoding.patches)], "patch", 0,
        help="Row and column, counted from 0; it is outlined in every map.",
    )  # fmt: skip
    return Asked(target, todo, run.encoding.patches[picked - 1].positions[0] if picked else None)


def show(name: str, run: Run, asked: Asked) -> None:
    """The maps of all methods, as they finish."""
    if not asked.todo:
        widgets.say("info", "Choose at least one method.")
        return
    question = Question(name, run.prompt, (), asked.target)
    panels.explain(question, costing.agreed(question, run, asked.todo), partial(_draw, run, asked.chosen))


def _draw(run: Run, chosen: int | None, job: Job) -> None:
    """The maps of the explanations there are so far, and their numbers."""
    from attnlab_core import record

    found = panels.found_by(job)
    frame = panels.frame_of(job, "word", specials=False, first=True)
    target = found[0].target if found else run.prediction
    title, picture = f"What speaks for “{target}”", picturing.picture_of(run)
    panels.heading(
        title, "explanations", lambda: charts.picture_chart(frame, picture, run.tokens, title=title), frame,
        lambda: record.of_attributions(run, found),
    )  # fmt: skip
    kinds = {"signed": any(a.signed for a in found), "unsigned": any(not a.signed for a in found)}
    st.html(charts.legend(target, **kinds, dark=state.dark()))
    boxed = [patch.positions[0] for patch in run.encoding.patches]
    maps = frame.loc[frame["position"].isin(boxed)] if len(frame) else frame
    by_method = dict(list(maps.groupby("method", sort=False))) if len(frame) else {}
    with st.container(horizontal=True, gap="small"):
        for one in found:
            picturing.map_of(one.label, by_method[one.method], run, chosen=chosen)
    if run.prompt.text and found:
        st.markdown(
            _told(frame, boxed),
            help="The scores of all words and patches without their signs; special tokens are left out.",
        )
    for label, why in panels.missing_from(job).items():
        widgets.small(f"{label}: {why}")
    if run.prompt.text and len(frame):
        words = frame.loc[~frame["position"].isin(boxed)]
        st.html(charts.word_strips(words, parts=_captions(run), dark=state.dark()))
        shown.figure(
            "words",
            title="The words",
            text=run.prompt.text,
            body=lambda: charts.word_strips(words, parts=_captions(run)),
        )
    shown.explained(found)
    shown.figure("explanations", text="; ".join(panels.remarks(found).values()))
    if not len(frame):
        return
    if len(found) > 1:
        explaining.agreement(
            frame, run, found, state.dark(), of="words and patches" if run.prompt.text else "patches"
        )
    what = "word or patch" if run.prompt.text else "patch"
    with st.expander(f"Table: every {what} and method", icon=":material/table:"):
        wide = frame.pivot_table(index=["position", "text"], columns="label", values="score", sort=False)
        st.dataframe(
            wide.reset_index().rename(columns={"text": what}).drop(columns="position"), hide_index=True
        )


def _told(frame: pd.DataFrame, boxed: list[int]) -> str:
    """What full colour is, and how much of each method's scores lies in the picture."""
    amounts: dict[str, list[float]] = {}
    for label, place, score in zip(frame["label"], frame["position"], frame["score"], strict=True):
        whole = amounts.setdefault(str(label), [0.0, 0.0])
        whole[place in boxed] += abs(score)
    told = [
        f"{label} {charts.percent(seen / (read + seen))}"
        for label, (read, seen) in amounts.items()
        if read + seen
    ]
    return (
        "Full colour is the strongest patch of a map, and the strongest word of a row of words. "
        f"Of each method’s scores this much lies in the picture, the rest in the text: {', '.join(told)}."
    )


def _captions(run: Run) -> dict[int, str]:
    """The first word of each caption, with what the caption is numbered."""
    ends = [-1, *(reads[-1] for _, reads in run.encoding.choices)]
    return {end + 2: f"caption {k}" for k, end in enumerate(ends[:-1], start=1)}
