"""How the model goes on with the text, with and without the edits: controls, the two texts beside each other, and files."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import streamlit as st
from streamlit.errors import StreamlitAPIException

from attnlab_core import charts
from pages.ui import state, waiting, widgets

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.costs import Reading
    from attnlab_core.edits import Edit
    from attnlab_core.generation import Generation
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run

LONGEST = 64
NOBODY = "no word"


class Told(NamedTuple):
    """Two continuations of one text, and what reading it to the end takes."""

    plain: Generation
    edited: Generation | None
    reading: Reading

    @property
    def states(self) -> dict[str, Generation]:
        """The continuations by name."""
        known = {"as it is": self.plain, "edited": self.edited}
        return {name: one for name, one in known.items() if one is not None}


def arrive() -> None:
    """Begin with the shipped language model where nobody asked for another one."""
    from pages.ui.backend import DEFAULT

    if state.get("_next") is None:
        state.put("_next", True)
        if "model" not in st.query_params and (state.get("model") or DEFAULT) == DEFAULT:
            state.put("model", "gpt2-mini")
            with suppress(StreamlitAPIException):  # a box of the page before may still hold it
                st.query_params["model"] = "gpt2-mini"  # what is put in a box by hand is not in the address


def instead(lab: Lab) -> None:
    """For a model that does not go on with texts: what fits it, in one line."""
    said = {
        "masked": "fills in a mask",
        "classification": "puts a text in a class",
        "answering": "points at an answer",
    }
    widgets.say(
        "info",
        f"{lab.name} {said.get(lab.task, 'has another task')}; it expects no next token. These pages fit it:",
    )
    with st.container(horizontal=True):
        for page, label in (
            ("compare", "Compare"),
            ("manipulate", "Manipulate"),
            ("heads", "Heads"),
            ("graph", "Graph"),
        ):
            st.page_link(f"pages/{page}.py", label=label)
        st.page_link(
            "pages/next_tokens.py", label="Next tokens with gpt2-mini", query_params={"model": "gpt2-mini"}
        )  # fmt: skip


def word_edit(run: Run, others: int) -> Edit | None:
    """A word of the text and a factor for the attention on it; at first, where no edit acts, the last long word and none."""
    from attnlab_core import Scale, Where

    words = run.encoding.words
    labels = [NOBODY, *widgets.unique([word.text for word in words])]
    long = [k for k, word in enumerate(words, 1) if len(word.text) > 3]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        chosen = widgets.pick(
            "Scale the attention on", labels, "scaled", 0 if others else (long or [0])[-1],
            help="In all layers and heads, for every token that looks back at this word, new ones included.",
        )  # fmt: skip
        times = st.slider(
            "Times", 0.0, 8.0, 0.0, 0.1, key="times", bind="query-params", format="%.1f", disabled=chosen == 0, width=260,
            help="0 takes the attention on the word away, 1 changes nothing.",
        )  # fmt: skip
    if not chosen or times == 1.0:
        return None
    place = widgets.places(run.encoding, [words[chosen - 1]])
    return Scale(factor=times, where=Where(keys=place))


def show(name: str, run: Run, after: Run | None) -> Told | None:
    """The controls, and the continuations; None until they are there."""
    st.header("How it goes on", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        how = widgets.one_of(
            "Take", ["the likeliest", "a draw"], "how", "the likeliest",
            help="*The likeliest* token each time; or *a draw* from the probabilities, the same draw for the same seed.",
        )  # fmt: skip
        many = st.slider("Tokens", 1, LONGEST, 16, key="tokens", bind="query-params", width=220)
        drawn = how == "a draw"
        heat = st.slider(
            "Temperature", 0.1, 2.0, 1.0, 0.1, key="heat", bind="query-params", disabled=not drawn, width=180,
            help="Below 1 likely tokens become likelier still, above 1 less.",
        )  # fmt: skip
        seed = st.number_input(
            "Seed", 0, 9999, 0, key="seed", bind="query-params", disabled=not drawn, width=120
        )
    most = run.lab.max_tokens
    room = many if most is None else max(0, min(many, most - len(run.tokens)))
    if room < many:
        widgets.say(
            "info" if room else "warning",
            f"The model reads at most {most} tokens and the text has {len(run.tokens)}: "
            + (f"there is room for {room} more." if room else "there is no room for more. Shorten it."),
        )
    if not room:
        return None
    edits, many = () if after is None else after.edits, room
    key = (name, "generate", run.prompt, edits, many, heat if drawn else 0.0, seed if drawn else 0)
    task = state.task(
        "generate", key, lambda work: _tell(work, run, after, many, heat if drawn else 0.0, int(seed))
    )

    waiting.follow("generate", task, lambda told: _both(run, after, told))
    return None if task.running else task.result


def _tell(task: Any, run: Run, after: Run | None, tokens: int, temperature: float, seed: int) -> Told:
    from attnlab_core.costs import read
    from attnlab_core.generation import generate

    task.phase = "Going on with the text"
    plain = generate(run, tokens=tokens, temperature=temperature, seed=seed)
    edited = None
    if after is not None:
        task.phase = "Going on with the text under the edits"
        edited = generate(after, tokens=tokens, temperature=temperature, seed=seed)
    task.phase = "Timing one pass"
    longest = max((one for one in (plain, edited) if one is not None), key=lambda one: len(one.ids))
    whole = run.encoding.extended(longest.ids[:-1], longest.tokens[:-1])
    return Told(plain, edited, read(run.lab.read(run.prompt, whole, ())))


def framed(told: Told) -> pd.DataFrame:
    """The tokens of both continuations: state, position, text, probability, bits."""
    import math

    import pandas as pd

    from attnlab_core.expectation import piece

    rows = [
        (name, k, piece(text), p, -math.log2(max(p, 1e-45)))
        for name, one in told.states.items()
        for k, (text, p) in enumerate(zip(one.tokens, one.probabilities, strict=True))
    ]
    return pd.DataFrame(rows, columns=["state", "position", "text", "probability", "bits"])


def parting(told: Told) -> int | None:
    """The number of the first token at which the continuations part; None where they do not, or there is only one."""
    if told.edited is None or told.edited.ids == told.plain.ids:
        return None
    pairs = zip(told.plain.ids, told.edited.ids, strict=False)
    shorter = min(len(told.plain.ids), len(told.edited.ids))
    return next((k for k, (one, other) in enumerate(pairs) if one != other), shorter)


def _both(run: Run, after: Run | None, told: Told) -> None:
    frame, part = framed(told), parting(told)
    for column, (name, one) in zip(
        st.columns(len(told.states), gap="medium"), told.states.items(), strict=True
    ):
        with column:
            if len(told.states) > 1:
                st.markdown(f"**{name.capitalize()}**")
            rows = frame.query("state == @name")
            if len(rows):
                marked = {} if part is None else {part: ""}
                st.html(
                    charts.surprise_strip(
                        rows, label=f"Continuation {name}", marked=marked, dark=state.dark()
                    )
                )
            st.text(
                f"…{run.prompt.text[-60:].lstrip()}{one.text}"
                if len(run.prompt.text) > 60
                else run.prompt.text + one.text
            )
            if one.ended:
                widgets.small("The model ended the text here.")
    if told.edited is not None:
        widgets.small(
            "Both texts are the same: this edit changes no choice."
            if part is None
            else f"They part at new token {part + 1}, which is outlined. After that each goes on from its own words, so later "
            "differences also come from these."
        )
    widgets.downloads(
        "continuation",
        lambda: charts.surprise_chart(frame, dark=state.dark(), title=run.prompt.text[-90:]),
        frame,
        lambda: document(run, after, told),
    )


def document(run: Run, after: Run | None, told: Told) -> dict[str, Any]:
    """Both continuations as a record."""
    from attnlab_core import record

    texts = {name.replace(" ", "_"): one.to_json() for name, one in told.states.items()}
    return record.header(run if after is None else after) | {"continuations": texts}
