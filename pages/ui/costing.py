"""What the explanations asked for will cost, said before they run; what takes long waits for a word of the visitor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import state, waiting, widgets
from pages.ui.bringing import size

if TYPE_CHECKING:
    from attnlab_core.costs import Estimate, MethodCost
    from attnlab_core.run import Run
    from pages.ui.backend import Question
    from pages.ui.tasks import Task

PATIENCE = 0.5
"""Seconds that a page waits for the estimate before it begins with what is quick anyway."""
LIGHT, SHORT, FEW = 2e9, 96, 1000
"""Parameters times tokens, tokens, and passes, up to which nothing takes long."""
LONG = 20.0
"""Seconds from which on a visitor is asked first."""
HELP = (
    "A pass is one variation of the text read by the model. Seconds are those of one pass, measured here just now, times the number "
    "of passes; other work on this server makes both more than the method itself needs. What each took stands under “All scores”."
)


def agreed(question: Question, run: Run, todo: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Say what some methods cost; those that may begin: all, or where that takes long the quick ones until one agrees."""
    if not todo:
        return todo

    def count(task: Task) -> Estimate:
        from attnlab_core.costs import estimate

        task.phase = "Measuring what it costs"
        return estimate(run, todo, question.target)

    chosen = tuple((name, tuple(sorted(params.items()))) for name, params in todo.items())
    task = state.task("cost", (question.model, "cost", question.prompt, question.target, chosen), count)
    task.done.wait(PATIENCE)
    waits = task.running and not _light(run)
    if waits:
        waiting.follow("cost", task, lambda _: None)
    if task.result is None:  # `follow` waits a little, too, so it may be there by now
        return {} if waits and not task.failed else todo
    found: Estimate = task.result
    told(found)
    quick = {one.method for one in found.methods if one.seconds <= LONG / 4}
    little = _light(run) and found.passes <= FEW  # whatever a busy machine made of the seconds
    if little or found.seconds <= LONG or quick == set(todo) or state.get("_agreed") == task.key:
        return todo
    slow = found.seconds - sum(one.seconds for one in found.methods if one.method in quick)
    st.button(
        f"Run the slow ones, too (about {seconds(slow)})", key="agree", icon=":material/hourglass:",
        on_click=state.put, args=("_agreed", task.key),
    )  # fmt: skip
    return {name: params for name, params in todo.items() if name in quick}


def _light(run: Run) -> bool:
    numbers = sum(p.numel() for p in run.lab.model.parameters())
    return len(run.tokens) <= SHORT and numbers * len(run.tokens) <= LIGHT


def told(found: Estimate) -> None:
    """The estimate in a line, and method by method behind it."""
    time, most = seconds(found.seconds), seconds(found.seconds_most)
    last = sum(one.most for one in found.methods)
    st.markdown(
        f":small[Costs about {time}{f', {most} at most' if most != time else ''}: {found.passes:,}"
        f"{f' to {last:,}' if last > found.passes else ''} passes, "
        f"{widgets.plain(seconds(found.reading.seconds))} each alone.]",
        help=HELP,
    )
    with st.expander("What it costs, method by method"):
        rows = [
            (one.label, passes(one), one.refused or span(one.seconds, one.seconds_most))
            for one in found.methods
        ]
        widgets.table(("Method", "Passes", "About"), rows, "Cost of each method")
        kept = f"{size(found.reading.weights)} of weights; one pass keeps {size(found.reading.kept)} of attention and answers."
        widgets.small(f"Memory: {kept}")


def passes(one: MethodCost) -> str:
    """How many passes, and of how many a gradient is taken."""
    if one.refused:
        return "–"
    if not one.passes:
        return "none: reads what is there"
    slopes = f", {one.gradients:,} with a gradient" if one.gradients else ""
    return f"{one.passes:,}" + (f" to {one.most:,}" if one.most > one.passes else "") + slopes


def span(least: float, most: float) -> str:
    """A stretch of time, or one time where both ends read the same."""
    low, high = seconds(least), seconds(most)
    return low if low == high else f"{low} to {high}"


def seconds(value: float) -> str:
    """Time for people.

    >>> [seconds(t) for t in (0.0004, 0.0123, 0.34, 7.2, 45, 400)]
    ['under 1 ms', '12 ms', '0.3 s', '7 s', '45 s', '7 min']
    """
    if value < 0.0995:
        return f"{value * 1000:.0f} ms" if value >= 0.001 else "under 1 ms"
    if value < 90:
        return f"{value:.1f} s" if value < 2 else f"{value:.0f} s"
    return f"{value / 60:.0f} min"
