"""The first screen: one finished finding, and the same dial for a sentence of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import finding, panels, question, sharing, shell, state, widgets
from pages.ui.backend import DEFAULT, Question

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run
    from pages.ui.backend import Job


def page() -> None:
    """The sentence, the dial and the verdict; beside them five explanations."""
    lab, said, run, replayed = arriving(), state.recorded(), None, False
    left, right = st.columns([5, 7], gap="large")
    with left, st.container(border=True):
        text = st.text_input(
            "Sentence", state.SENTENCE, key="text", bind="query-params", max_chars=widgets.MOST_LETTERS
        )
        if lab is not None:
            run = live(lab)
        elif said is not None and text == said["text"]:
            replayed = True
            finding.replay(said)
        else:
            widgets.say(
                "info", "The model is still being loaded. Your sentence is read as soon as it is there."
            )
            st.skeleton(height=180)
    with right:
        if run is not None:
            explained(run)
        elif said is not None and replayed:
            finding.strips(pd.DataFrame(said["scores"]), said["target"], said["remarks"], {})


def arriving() -> Lab | None:
    """The model; None while it is on its way, and the page looks again by itself."""
    try:
        lab = state.backend().ready()
    except Exception as error:  # noqa: BLE001 - the recorded finding stays, with one line on what went wrong
        widgets.say("error", f"The model could not be loaded. {widgets.told(error)}")
        return None
    if lab is None:
        look_again()
    return lab


@st.fragment(run_every=0.5)
def look_again() -> None:
    if state.backend().lab().done():
        st.rerun()


def live(lab: Lab) -> Run | None:
    """The same, computed now; the unedited run."""
    from attnlab_core import Scale, Where

    prompt = question.asked(lab)
    if prompt is None:
        return None
    backend = state.backend()
    try:
        run = backend.run(Question(DEFAULT, prompt))
        chosen, factor = finding.dial([word.text for word in run.encoding.words])
        words = [run.encoding.words[k] for k in chosen]
        edit = Scale(factor=factor, where=Where(keys=widgets.places(run.encoding, words) or None))
        after = backend.run(Question(DEFAULT, prompt, (edit,))) if words and factor != 1.0 else None
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        return None
    st.badge("Live", icon=":material/sensors:", color="green")
    named = ", ".join(f"“{word.text}”" for word in words)
    finding.verdict(run.probabilities, None if after is None else after.probabilities, named, factor)
    finding.onward(prompt.text, None if after is None else edit)
    return run


def explained(run: Run) -> None:
    """Five methods at work on the unedited verdict."""

    def draw(job: Job) -> None:
        found = panels.found_by(job)
        frame = panels.frame_of(job, "word", True, True)
        finding.strips(
            frame,
            found[0].target if found else run.prediction,
            panels.remarks(found),
            panels.missing_from(job),
        )

    panels.explain(Question(DEFAULT, run.prompt), {method: {} for method in panels.FIVE}, draw)


shell.ensure(__file__)
sharing.title("Turn one word up, and watch the verdict move")
st.markdown(
    "A model reads a sentence and gives its verdict. Choose a word and change how much attention it gets: the model is not "
    "retrained, only where it looks changes. Attention by itself is not an explanation, so five explanations come with "
    "it, side by side."
)
page()
