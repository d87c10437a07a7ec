"""The first screen: one finished finding, and the same dial for a sentence of one's own."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from attnlab_core import charts
from pages.ui import links, panels, shell, state, widgets
from pages.ui.backend import DEFAULT, Question

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from pages.ui.backend import Job

FACTORS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
WORD = "nothing"


def finding() -> None:
    """The sentence, the dial and the verdict; then five explanations."""
    lab, said = arriving(), state.recorded()
    with st.container(border=True):
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.text_input("Sentence", state.SENTENCE, key="text", bind="query-params", max_chars=widgets.MOST_LETTERS)
        if lab is not None:
            live(lab, left, right)
        elif said is not None and state.get("text") == said["text"]:
            replay(said, left, right)
        else:
            with left:
                widgets.say("info", "The model is still being loaded. Your sentence is read as soon as it is there.")
            with right:
                st.skeleton(height=180)
    if lab is not None and state.get("_question") is not None:
        explained(state.get("_question"))
    elif lab is None and said is not None and state.get("text") == said["text"]:
        strips(pd.DataFrame(said["scores"]), said["target"], said["remarks"], {})


def arriving() -> Lab | None:
    """The model; None while it is on its way, and the page looks again by itself."""
    try:
        lab = state.backend().ready()
    except Exception as error:  # the recorded finding stays, with one line on what went wrong
        widgets.say("error", f"The model could not be loaded. {widgets.told(error)}")
        return None
    if lab is None:
        look_again()
    return lab


@st.fragment(run_every=0.4)
def look_again() -> None:
    if state.backend().lab().done():
        st.rerun()


def dial(texts: list[str], left: Any) -> tuple[list[int], float]:
    """Which words, and by how much."""
    with left:
        default = [WORD] if WORD in texts else []
        chosen = widgets.words_box("Words to turn up or down", texts, "w", default)
        named = ", ".join(f"“{texts[k]}”" for k in chosen) or "the chosen words"
        factor = st.select_slider(
            f"Attention on {widgets.plain(named)}", FACTORS, 2.0, key="x", bind="query-params", format_func="×{:g}".format
        )
        if not chosen:
            widgets.say("info", "Choose a word above, and the verdict follows the dial.")
    return chosen, float(factor)


def replay(said: dict[str, Any], left: Any, right: Any) -> None:
    """The recorded finding, whose dial has recorded answers."""
    chosen, factor = dial(said["words"], left)
    moved = chosen == [said["words"].index(said["word"])] and factor != 1.0
    with right:
        st.badge(f"Recorded on {date.fromisoformat(said['recorded_on']):%d %B %Y}", icon=":material/history:", color="gray")
        shown(said["factors"]["1"], said["factors"][f"{factor:g}"] if moved else None)
        if chosen and not moved and factor != 1.0:
            widgets.say("info", "Other words are read as soon as the model is there.")


def live(lab: Lab, left: Any, right: Any) -> None:
    """The same, computed now."""
    from attnlab_core import AttentionLabError, Scale, Where

    state.put("_question", None)
    with left:
        prompt = widgets.asked(lab)
    if prompt is None:
        return
    backend, question = state.backend(), Question(DEFAULT, prompt)
    try:
        run = backend.run(question)
        chosen, factor = dial([word.text for word in run.encoding.words], left)
        words = [run.encoding.words[k] for k in chosen]
        edits = (Scale(factor=factor, where=Where(keys=widgets.places(run.encoding, words))),) if words else ()
        after = backend.run(Question(DEFAULT, prompt, edits)) if words and factor != 1.0 else None
    except AttentionLabError as error:
        with left:
            widgets.say("error", widgets.told(error))
        return
    state.put("_question", question)
    state.put("_edits", [edit.to_json() for edit in edits])
    with right:
        st.badge("Live", icon=":material/sensors:", color="green")
        shown(run.probabilities, None if after is None else after.probabilities)


def shown(before: Any, after: Any) -> None:
    dark = state.dark()
    st.html(charts.verdict(before, after, dark=dark) + charts.probability_bars(before, after, dark=dark))


def explained(question: Question) -> None:
    """Five methods at work on the unedited verdict."""

    def draw(job: Job) -> None:
        found = panels.found_by(job)
        frame = panels.frame_of(job, "word", True, True)
        target = found[0].target if found else state.backend().run(question).prediction
        strips(frame, target, panels.remarks(found), panels.missing_from(job))

    panels.explain(question, dict.fromkeys(panels.FIVE, {}), draw)


def strips(frame: pd.DataFrame, target: str, remarks: dict[str, str], missing: dict[str, str]) -> None:
    st.header(f"Why “{widgets.plain(target)}”? Five methods, and what each points at", anchor=False)
    if len(frame):
        ways = charts.strongest(frame)
        parts = [f"“{word}” for {len(labels)}" for word, labels in ways.items()]
        verb = "agree on the strongest word" if len(ways) == 1 else "do not agree on the strongest word"
        st.markdown(widgets.plain(f"They {verb}: it is {', '.join(parts)}. The explained verdict is the unedited one."))
    st.html(charts.word_strips(frame, missing=missing, dark=state.dark()) + charts.legend(target, dark=state.dark()))


shell.ensure(__file__)
st.title("Turn one word up, and watch the verdict move", anchor=False)
st.markdown(
    "A model reads a sentence and gives its verdict. Choose a word and change how much attention it gets: nothing is "
    "retrained, only where the model looks changes. Attention is not an explanation by itself, so below it stand five "
    "ways to explain the verdict, side by side."
)
finding()
