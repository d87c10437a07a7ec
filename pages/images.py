"""A model that reads pictures: which patches its answer rests on, and what it answers where attention to them is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core import charts
from pages.ui import (
    brush,
    costing,
    explaining,
    narrow,
    panels,
    picturing,
    sharing,
    shell,
    shown,
    state,
    widgets,
)
from pages.ui.backend import Question

if TYPE_CHECKING:
    from attnlab_core.pictures import Picture
    from pages.ui.backend import Job

VIEWS = ["Explain", "Brush"]

shell.ensure(__file__)
narrow.style()
sharing.title("Images")
st.markdown(
    "A vision transformer cuts a picture into patches and reads them as words are read. Which patches does its answer rest on, and "
    "what does it answer when attention to some is changed? A patch with much attention need not matter."
)
controls, results = st.columns([4, 7], gap="large")
with controls:
    name, lab, run = picturing.ask()
asked_of = run.prompt.image
assert asked_of is not None, "only models of pictures come here"
picture: Picture = asked_of


def draw(job: Job) -> None:
    """The maps of the explanations there are so far, and their numbers."""
    from attnlab_core import record

    found = panels.found_by(job)
    frame = panels.frame_of(job, "token", specials=False, first=True)
    target = found[0].target if found else run.prediction
    panels.heading(
        f"What speaks for “{target}”", "explanations",
        lambda: charts.picture_chart(frame, picture, run.tokens, title=f"What speaks for “{target}”"), frame,
        lambda: record.of_attributions(run, found),
    )  # fmt: skip
    kinds = {"signed": any(a.signed for a in found), "unsigned": any(not a.signed for a in found)}
    st.html(charts.legend(target, **kinds, dark=state.dark()))
    by_method = dict(list(frame.groupby("method", sort=False))) if len(frame) else {}
    with st.container(horizontal=True, gap="small"):
        for one in found:
            picturing.map_of(one.label, by_method[one.method], run, chosen=chosen)
    for label, why in panels.missing_from(job).items():
        widgets.small(f"{label}: {why}")
    shown.explained(found)
    shown.figure("explanations", text="; ".join(panels.remarks(found).values()))
    if not len(frame):
        return
    if len(found) > 1:
        explaining.agreement(frame, run, found, state.dark(), of="patches")
    with st.expander("Table: every patch and method", icon=":material/table:"):
        wide = frame.pivot_table(index=["position", "text"], columns="label", values="score", sort=False)
        st.dataframe(
            wide.reset_index().rename(columns={"text": "patch"}).drop(columns="position"), hide_index=True
        )


with results:
    view = st.segmented_control(
        "View",
        VIEWS,
        default="Explain",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == "Brush":
        brush.show(name, run)
with controls:
    if view == "Brush":
        st.stop()
    with st.container(border=True):
        panels.answer(run)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        target = explaining.target_of(lab, run)
    todo = explaining.choose()
    shown.holds(knobs={method: params for method, params in todo.items() if params})
    places = [word.text for word in run.encoding.words]
    picked = widgets.pick(
        "Patch",
        ["none", *places],
        "patch",
        0,
        help="Row and column, counted from 0; it is outlined in every map.",
    )
    chosen = run.encoding.words[picked - 1].positions[0] if picked else None
with results:
    if not todo:
        widgets.say("info", "Choose at least one method.")
        st.stop()
    asked = Question(name, run.prompt, (), target)
    todo = costing.agreed(asked, run, todo)
    panels.explain(asked, todo, draw)
