"""The gradient over a picture: attention to which patches would make an answer likelier, and one step that way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core import charts
from pages.ui import brush, gradients, panels, picturing, state, waiting, widgets
from pages.ui.backend import Question

if TYPE_CHECKING:
    from torch import Tensor

    from attnlab_core.gradient import AttentionGradient
    from attnlab_core.run import Run

MOST = 12
TWICE = 2.0


def show(name: str, run: Run) -> None:
    """The map, and what a step along it does."""
    target = gradients.wished(run)
    st.markdown(
        f"How the log-probability of **{widgets.plain(target)}** would change if a patch got a little more attention from every place, "
        "in all layers and heads, at the attention of the model as it is. It speaks of small changes only.",
        help="In nats, over the share by which attention to the patch grows: at +0.5, a tenth more of it multiplies the probability by "
        "about 1.05.",
    )
    waiting.follow("gradient", gradients.task(name, run, ()), lambda found: _draw(name, run, found))


def _draw(name: str, run: Run, found: AttentionGradient) -> None:
    gains = found.keys()
    frames = {"Gradient, by patch": picturing.scored(run, gains, "Gradient, by patch")}
    picturing.heading(
        "gradient", f"Where more attention makes “{found.target}” likelier", frames, run,
        "Change of the log-probability, in nats, over the share by which attention to a patch grows.",
        more=lambda: {"target": found.target},
    )  # fmt: skip
    left, right = st.columns([6, 5], gap="medium")
    with left:
        picturing.row(frames, run, picturing.LARGE)
        st.html(charts.legend(found.target, unsigned=False, dark=state.dark()))
    with right:
        _follow(name, run, found, gains)


def _follow(name: str, run: Run, found: AttentionGradient, gains: Tensor) -> None:
    """One step along the gradient, and the answer before and after it."""
    from attnlab_core.gradient import predicted

    count = st.slider(
        "Follow it one step: patches", 0, MOST, 3, key="patches", bind="query-params",
        help="So many patches that help most get twice the attention of every place, and as many that hinder most get none, in all "
        "layers and heads; rows then sum to one again.",
    )  # fmt: skip
    known = chosen(run, gains, count)
    edits = brush.made(run, known, 0.0, TWICE)
    after = state.backend().run(Question(name, run.prompt, edits)) if edits else None
    with st.container(border=True):
        panels.answer(run, after, edits, hint="No step is taken: the answer is the model’s own.")
    if after is None:
        return
    promised = sum(predicted(run, found, edit) for edit in edits)
    real = after.value(found.target, found.quantity) - run.value(found.target, found.quantity)
    st.markdown(
        f"Log-probability of **{widgets.plain(found.target)}**: predicted **{_nats(promised)}**, real **{_nats(real)}** nats. The gradient is a "
        "straight line and the model is not."
    )
    if st.button("Paint on from here", icon=":material/brush:", on_click=brush.put, args=(known, 0.0, TWICE)):
        st.rerun()


def chosen(run: Run, gains: Tensor, count: int) -> dict[int, int]:
    """The patches that help most (1) and those that hinder most (-1), `count` of each at most, as a painting."""
    worth = {place: float(gains[word.positions[0]]) for place, word in enumerate(run.encoding.patches)}
    order = sorted(worth, key=lambda place: worth[place])
    helping = [place for place in reversed(order) if worth[place] > 0][:count]
    hindering = [place for place in order if worth[place] < 0][:count]
    return dict.fromkeys(helping, 1) | dict.fromkeys(hindering, -1)


def _nats(change: float) -> str:
    return f"{change:+.2f}".replace("-", "−")
