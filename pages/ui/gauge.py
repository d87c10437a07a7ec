"""How unusual the edited attention is for this model, and a way to learn what is usual where nobody has yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core import charts
from attnlab_core.errors import AttentionLabError
from pages.ui import state, waiting, widgets

if TYPE_CHECKING:
    from attnlab_core.plausibility import Reference
    from attnlab_core.run import Run

MOST_TEXTS = 3000
ENOUGH = 150
"""Texts that a fit needs at least: some to learn from, some to rank among."""
MEANING = (
    "Compared are, head by head, the shape of the attention (how spread out its rows are, how far they look, what they give "
    "to the first token, the separators and the neighbours) and its distance from the model’s own for this text or picture, in units of "
    "what the same words get in other sentences, or the same patches in other pictures. Usual is not the same as right: a verdict can be turned within what is usual."
)


def show(run: Run, after: Run) -> None:
    """The gauge of the edited attention beside the model's own; nothing where no reference fits the model."""
    known = reference(run)
    if known is None:
        return
    try:
        found = known.judge(after, run)
    except AttentionLabError:  # a pattern that is not square, such as that of an encoder and a decoder
        return
    st.markdown("How unusual is this attention?", help=f"{MEANING} Measured on {known.corpus}.")
    st.html(charts.plausibility_gauge(found, texts=known.held_back, dark=state.dark()))


def reference(run: Run) -> Reference | None:
    """What is known of the model's own attention."""
    from attnlab_core import plausibility

    return plausibility.reference(run.lab)


def learn(name: str, run: Run) -> None:
    """For a model without a reference: fit one on the visitor's own texts, and keep it."""
    if reference(run) is not None:
        return
    with st.expander("How unusual is this attention? Not known for this model yet"):
        st.markdown(
            "What is usual for a model has to be measured on texts of the kind you ask about. Choose a file with a text a line, "
            f"{ENOUGH} at least, better 1,000; of more than {MOST_TEXTS:,} the first are taken. The texts stay on this "
            "computer; what is kept are figures of the attention."
        )
        upload = st.file_uploader("A text file, a text a line", ["txt"], key="corpus", max_upload_size=5)
        lines = () if upload is None else texts_of(upload.getvalue())
        if upload is not None and len(lines) < ENOUGH:
            widgets.say("error", f"The file has {len(lines)} lines with words; {ENOUGH} are needed.")
        elif lines:
            if st.button(f"Learn from {len(lines):,} texts", key="learn", icon=":material/school:"):
                state.put("_learn", (name, "learn", hash(lines)))
                state.drop_task("learn")
            asked = state.get("_learn")
            if asked == (name, "learn", hash(lines)):
                task = state.task(
                    "learn", asked, lambda work: _fit(work, run, lines, upload.name if upload else "")
                )
                waiting.follow("learn", task, lambda _: st.rerun())


def texts_of(raw: bytes) -> tuple[str, ...]:
    """The lines of a file that have words in them, each once."""
    lines = (line.strip() for line in raw.decode("utf-8", errors="replace").splitlines())
    return tuple(dict.fromkeys(line for line in lines if any(sign.isalnum() for sign in line)))[:MOST_TEXTS]


def _fit(task: Any, run: Run, lines: tuple[str, ...], name: str) -> Any:
    from attnlab_core import plausibility
    from attnlab_core.prompt import Prompt

    task.phase = "Reading the texts"
    pair = run.prompt.second is not None
    texts = [Prompt(run.prompt.text, line) if pair else Prompt(line) for line in lines]
    found = plausibility.fit(run.lab, texts, corpus=f"{len(lines):,} texts of {name}")
    plausibility.keep(found)
    return found
