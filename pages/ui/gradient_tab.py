"""The gradient on the page: where more or less attention would move an answer, and what would help most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from pages.ui import cards, gradients, panels, sentences, state, waiting, widgets
from pages.ui.workbench import Outcome

if TYPE_CHECKING:
    from attnlab_core.gradient import AttentionGradient, Suggestion
    from attnlab_core.run import Run

MOST = 10
NATS = (
    "In nats per unit of attention moved to the cell from the rest of its row. A nat is the unit of a natural logarithm: "
    "+0.1 multiplies the probability by about 1.1."
)


def target_box(run: Run, now: Run) -> str:
    """Which answer is to become likelier; for the gradient and the search."""
    words = {"masked": "a word", "causal": "a text that goes on", "answering": "a piece of the context"}
    answers = dict.fromkeys(a for one in (now, run) for a in one.probabilities if a.strip())
    st.selectbox(
        "Towards which answer?", [gradients.AUTO, *answers], key="towards", bind="query-params", width=320,
        accept_new_options=run.lab.task not in ("classification", "matching"),
        help=f"Choose one, or type {words[run.lab.task]}." if run.lab.task in words else None,
    )  # fmt: skip
    return gradients.wished(now)


def show(name: str, run: Run, now: Outcome, layer: int, head: int) -> None:
    """Everything about the gradient, taken at the attention as the edits leave it."""
    after = now.after or run
    target = gradients.wished(after)
    st.markdown(
        f"How the log-probability of **{widgets.plain(target)}** would change if a cell got a little more attention, at the "
        f"attention {'as the edits leave it' if now.edits else 'of the model as it is'}. It speaks of small changes only.",
        help=NATS,
    )
    waiting.follow(
        "gradient", gradients.task(name, after, now.edits), lambda found: _draw(found, after, layer, head)
    )
    _helpful(name, after, now, target)


def _draw(found: AttentionGradient, now: Run, layer: int, head: int) -> None:
    st.html(
        charts.legend(found.target, unsigned=False, dark=state.dark())
        + charts.word_strips(_words(found, now), dark=state.dark())
    )
    left, right = st.columns([5, 4], gap="medium")
    with left:
        _map(found, now, layer, head)
    with right:
        st.markdown("**The steepest cells of all heads**")
        rows = [
            (
                r["layer"],
                r["head"],
                f"{r['query_text']} → {r['key_text']}",
                f"{r['weight']:.3f}",
                f"{r['tangent']:+.3f}".replace("-", "−"),
            )
            for r in found.to_frame(MOST).to_dict("records")
        ]
        widgets.table(["Layer", "Head", "Cell", "Attention", "Gradient"], rows, "The steepest cells")


def _words(found: AttentionGradient, now: Run) -> Any:
    """What more attention on each word, everywhere, would do."""
    import pandas as pd

    gains = found.keys().tolist()
    return pd.DataFrame(
        [
            {
                "method": "gain", "label": "More attention on", "position": word.positions[0], "text": word.text,
                "special": False, "score": sum(gains[p] for p in word.positions), "signed": True,
            }
            for word in now.encoding.words
        ]
    )  # fmt: skip


def _map(found: AttentionGradient, now: Run, layer: int, head: int) -> None:
    """The gradient of the chosen head."""
    import numpy as np
    import pandas as pd

    values, n = found.tangent[layer, head].double().numpy(), len(now.tokens)
    steep = np.argsort(-np.abs(values[:n, :n]).sum(0), kind="stable")[: panels.MOST_TOKENS]
    query, key = (axis.ravel() for axis in np.meshgrid(np.sort(steep), np.sort(steep), indexing="ij"))
    table = pd.DataFrame({"query": query, "key": key, "weight": values[query, key]})
    top = float(np.abs(values[query, key]).max(initial=0.0)) or 1e-6
    chart = charts.attention_chart(
        table, [token.text for token in now.tokens], signed=True, top=top, dark=state.dark(),
        title=f"Gradient of layer {layer}, head {head}",
    )  # fmt: skip
    rows = len(steep)
    st.altair_chart(
        chart.properties(width="container", height=150 + (24 if rows <= 16 else 17) * rows), theme=None,
        alt=f"Gradient of layer {layer}, head {head}: rows attend, columns are attended to",
    )  # fmt: skip


def _helpful(name: str, now: Run, outcome: Outcome, target: str) -> None:
    """The single changes with the largest predicted effect, each really run."""
    st.header("What would help most?", anchor=False)
    st.markdown(
        f"Single changes that the gradient promises most of for **{widgets.plain(target)}**. Each is then really run: the two "
        "numbers differ because the gradient is a straight line and the model is not."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        of = widgets.one_of("Changes of", ["cells", "heads"], "helps", "cells", label_visibility="collapsed")
        asked = (name, "helps", now.prompt, outcome.edits, target, of)
        if st.button("Find ten", key="find", icon=":material/search:"):
            state.put("_helps", (asked, now))
    held = state.get("_helps")
    if held is None or held[0][:3] != asked[:3]:
        return
    key, at = held

    def make(task: Any) -> list[Suggestion]:
        from attnlab_core.gradient import suggest

        task.phase = "Running each change"
        return suggest(at, key[4], of=key[5], most=MOST, quantity="probability")

    if key != asked:
        widgets.small(
            f"Found for {key[4]}, {key[5]}, before the last change on this page. “Find ten” looks again."
        )
    waiting.follow("helps", state.task("helps", key, make), lambda found: _suggestions(found, at, key[4]))


def _suggestions(found: list[Suggestion], now: Run, target: str) -> None:
    if not found:
        widgets.say("info", "No single change promises anything.")
    for place, one in enumerate(found):
        with st.container(horizontal=True, vertical_alignment="center", key=f"help-{place}"):
            st.markdown(widgets.plain(sentences.of_edit(one.edit.to_json(), now.encoding)), width=320)
            st.markdown(f"predicted **{_points(one.predicted)}**, real **{_points(one.real)}**", width=300)
            cards.use("Use", one.edit.to_json(), "", f"use.{place}")
    if found:
        widgets.small(
            f"Points of P({target}); cells are doubled or taken away, heads switched off, evened out or sharpened."
        )


def _points(change: float) -> str:
    """A change of probability in points, with two figures where it is small."""
    points = 100 * change
    shown = f"{points:+.1f}" if abs(points) >= 1 else f"{points:+.2g}"
    return f"{shown.replace('-', '−')} points"
