"""Explanations on a page: what is explained, by which methods, and everything drawn from the results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import knobs, panels, shown, state, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from attnlab_core.lab import Lab
    from attnlab_core.methods import Attribution
    from attnlab_core.run import Run
    from attnlab_core.targets import Target
    from pages.ui.backend import Job

OWN, NONE = "its own answer", "no contrast"


def target_of(lab: Lab, run: Run) -> Target | None:
    """What is to be explained, and as opposed to what."""
    from attnlab_core.targets import Target

    words = {
        "masked": "a word at the mask",
        "causal": "a text that goes on",
        "answering": "a piece of the context",
        "visual_answering": "an answer",
    }
    answers = [answer for answer in run.probabilities if answer.strip()]
    more: dict[str, Any] = {
        "accept_new_options": lab.task not in ("classification", "matching"),
        "bind": "query-params",
    }
    about = f"Choose, or type {words[lab.task]}." if lab.task in words else None
    of = st.selectbox("Explain", [OWN, *answers], key="target", help=about, **more)
    than = st.selectbox(
        "Rather than", [NONE, *answers], key="rather", help="The difference of the two is explained.", **more
    )
    if of in (OWN, None) and than in (NONE, None):
        return None
    return Target(run.prediction if of in (OWN, None) else of, None if than in (NONE, None) else than)


def choose() -> dict[str, dict[str, Any]]:
    """The methods, and their knobs."""
    from attnlab_core.knobs import caption, title
    from attnlab_core.methods import methods

    known = methods()
    knobs.restore(known, state.opened("k"), "k")
    names = [*(n for n in panels.FIVE if n in known), *(n for n in known if n not in panels.FIVE)]
    labels = {title(known[name]): name for name in names}
    five = [label for label, name in labels.items() if name in panels.FIVE]
    chosen = st.pills(
        "Methods", list(labels), selection_mode="multi", default=five, key="m", bind="query-params", wrap=True
    )
    todo: dict[str, dict[str, Any]] = {}
    if not chosen:
        return todo
    wanted = [label for label in labels if label in chosen]
    with st.expander("What the methods do, and their settings", icon=":material/tune:"):
        for label, tab in zip(wanted, st.tabs(wanted), strict=True):
            function = known[labels[label]]
            tab.markdown(widgets.plain(caption(function)))
            with tab.container(horizontal=True, vertical_alignment="bottom"):
                todo[labels[label]] = knobs.knobs_of(function, f"k.{labels[label]}", width=140)
    return todo


def draw(job: Job, run: Run, view: dict[str, Any]) -> None:
    """Everything that follows from the explanations there are so far."""
    from attnlab_core import record

    found, dark = panels.found_by(job), state.dark()
    frame = panels.frame_of(job, **view)
    target = found[0].target if found else run.prediction
    panels.heading(
        f"What speaks for “{target}”", "explanations", lambda: charts.score_chart(frame, target=target, title=run.prompt.text[:90]), frame,
        lambda: record.of_attributions(run, found),
    )  # fmt: skip
    strips = charts.word_strips(
        frame, notes=panels.remarks(found), missing=panels.missing_from(job), dark=dark
    )
    kinds = {"signed": any(a.signed for a in found), "unsigned": any(not a.signed for a in found)}
    st.html(charts.legend(target, **kinds, dark=dark) + strips)
    shown.explained(found)
    shown.figure(
        "explanations",
        body=lambda: charts.legend(target, **kinds) + charts.word_strips(frame, notes=panels.remarks(found)),
    )
    if not len(frame):
        return
    if len(found) > 1:
        agreement(frame, run, found, dark)
    panels.heading(
        "All scores",
        "scores",
        lambda: charts.score_chart(frame, target=target, title=run.prompt.text[:90]),
        charts.shares(frame),
        lambda: record.of_attributions(run, found),
    )
    st.html(charts.score_table(frame, seconds={a.method: a.seconds for a in found}, dark=dark))


def agreement(
    frame: pd.DataFrame, run: Run, found: Sequence[Attribution], dark: bool, of: str = "words"
) -> None:
    """Rank agreement between the methods."""
    matrix = charts.rank_agreement(frame)
    table = matrix.rename_axis("method").reset_index()
    panels.heading(
        "Who agrees with whom", "agreement", lambda: charts.agreement_chart(matrix), table,
        lambda: {"rank_agreement": matrix.to_dict(), "text": run.prompt.text, "target": found[0].target},
    )  # fmt: skip
    st.markdown(
        f"Spearman’s rank correlation over the {of} above: +1 is the same order, 0 no relation, −1 the opposite order. "
        "Methods that take no side rank by amount, signed ones from the strongest against to the strongest for."
    )
    if len(set(frame["position"])) < 3:
        widgets.small(
            "Of two there are only two orders, so a correlation is +1 or −1 whatever the methods find."
        )
    st.html(charts.agreement_table(matrix, dark=dark))
