"""What is asked: the text, the model, and for pairs a second text; the same boxes on every page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core.errors import AttentionLabError, TaskNeeded
from attnlab_core.models import shipped
from pages.ui import bringing, shell, shown, state, uploading, widgets
from pages.ui.backend import DEFAULT, Question
from pages.ui.samples import SAMPLES, SHIPPED, samples

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamlit.delta_generator import DeltaGenerator

    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Prompt
    from attnlab_core.run import Run

SEER = "shapes-vit"
"""The model that looks at pictures unless another is chosen."""
REPEATS = 3
"""How often a text that was put in the box is told to the browser again."""


def model(key: str = "model", label: str = "Model", pictures: bool | None = False) -> str:
    """The name of the chosen model; a box that also takes a Hub id or a folder. `key` tells two of them apart.

    Offered are the shipped models that read text, or with `pictures` those that read pictures; None is for both.
    """
    typed = state.bound(key)
    first = SEER if pictures else DEFAULT
    cards = shipped()
    fitting = [name for name, card in cards.items() if pictures is None or card.pictures == pictures]
    known = sorted(fitting, key=lambda name: (name != first, cards[name].pictures)) or [DEFAULT]
    names = dict.fromkeys([*known, *(one.name for one in uploading.mine()), *([typed] if typed else [])])
    chosen = st.selectbox(
        label,
        list(names),
        accept_new_options=True,
        key=key,
        bind="query-params",
        help="A shipped model, or type the id of a Hugging Face model (`openai-community/gpt2`, with `@revision` if you "
        "like) or the path of a folder. Safetensors only; no code from a checkpoint is run. The page Models takes files of your own, "
        "and says what a model costs.",
    )
    named = str(chosen or known[0]).strip()
    if key == "model":
        shown.holds(model=named)
    return named


def ready(name: str, box: str = "model", pictures: bool | None = False) -> Lab:
    """The model, or a line that says how far it is or what went wrong; the page stops there and loses nothing.

    For `pictures` see `arriving`.
    """
    lab = arriving(name, box, pictures)
    if lab is None:
        st.stop()
    return lab


def arriving(name: str, box: str = "model", pictures: bool | None = False) -> Lab | None:
    """The model; None, with what it costs, how far it is or what went wrong, while it is not there.

    Args:
        name: as `naming` takes it apart.
        box: the key of the widget that holds the name.
        pictures: whether the page is for models that read pictures; None is for both.
    """
    backend = state.backend()
    if not (name == DEFAULT or name in shipped() or backend.asked(name)):
        bringing.offer(name)
        return None
    try:
        lab = backend.ready(name)
    except TaskNeeded as error:
        bringing.ask_task(name, error.choices, box)
        return None
    except Exception as error:  # noqa: BLE001 - whatever went wrong in loading is one line here
        widgets.say("error", widgets.told(error))
        st.button("Try again", on_click=partial(backend.forget, name), icon=":material/refresh:")
        return None
    if lab is None:
        _loading(name)
        return None
    bringing.checked(lab)
    if pictures is not None and lab.pictures != pictures:
        reads, page, label = (
            ("pictures", "images", "Look at it on Images")
            if lab.pictures
            else ("text", "compare", "Look at it on Compare")
        )
        widgets.say("info", f"{name} reads {reads}.")
        key = "vision" if lab.pictures else "model"
        st.page_link(shell.page(page), label=label, icon=":material/arrow_forward:", query_params={key: name})
        return None
    return lab


@st.fragment(run_every=0.4)
def _loading(name: str) -> None:
    backend = state.backend()
    if backend.lab(name).done():
        st.rerun()
    done = backend.progress.get(name, 0.0)
    st.progress(done, text=f"Loading {widgets.plain(name)} … " + (f"{done:.0%}" if done else "a few seconds"))


def text_box(start: str = state.SENTENCE) -> None:
    """The text; one and the same on every page. `start` is what a first visit finds in it."""
    suit()
    _again()
    typed = st.text_area(
        "Text", start, key="text", bind="query-params", height=84, max_chars=widgets.MOST_LETTERS,
        help="Ctrl + Enter, or a click elsewhere, reads it.",
    )  # fmt: skip
    shown.holds(text=typed)


def sample_box(lab: Lab) -> None:
    """A menu of sample texts that fit the model's task."""
    known = samples_of(lab)

    def take() -> None:
        label = state.get("sample")
        if label is not None:
            put(known[label])
            state.put("sample", None)

    st.selectbox(
        "Samples", list(known), index=None, placeholder="Try one of these", key="sample", on_change=take
    )


def samples_of(lab: Lab) -> dict[str, tuple[str, str | None]]:
    """The samples of a model: label → text and second text."""
    return samples(lab.task, lab.tokenizer.mask_token or "[MASK]", lab.name)


def suit() -> None:
    """Where another model was chosen and the text in the box is a sample, take the first sample of the new one.

    A text of the visitor's own stays, whatever the model says to it. Called before the text's box is drawn.
    """
    name = str(state.get("model") or st.query_params.get("model") or DEFAULT).strip()
    if state.get("_suited", DEFAULT) == name:
        return
    state.put("_suited", name)
    if state.get("text") is None and st.query_params.get("text"):  # a link that says what is asked
        return
    card = shipped().get(name.partition("?")[0])
    own = list(samples(card.task, model=card.name).values()) if card else []
    text = state.get("text") or st.query_params.get("text") or state.SENTENCE
    if own and text in _sampled() and text not in {one for one, _ in own}:
        put(own[0])


def _sampled() -> set[str]:
    everywhere = (*SAMPLES.values(), *SHIPPED.values())
    return {text.replace("{mask}", "[MASK]") for rows in everywhere for text, _ in rows}


def put(sample: tuple[str, str | None]) -> None:
    """Put a text and a second one in their boxes."""
    state.put("text", sample[0])
    state.put("second", sample[1] or "")
    state.put("_told", (sample, REPEATS))


def _again() -> None:
    """Tell the browser a few times what text was put in its box.

    A run that is cut short by the next one, as happens while a page opens, takes what it had to tell along with it; the box
    would then show another text than the one that is read.
    """
    sample, times = state.get("_told", (("", None), 0))
    if times and state.get("text") == sample[0]:
        put(sample)
        state.put("_told", (sample, times - 1))


def second_box(lab: Lab) -> None:
    """The second text of a pair: a context for a question, a hypothesis for a premise."""
    if lab.task == "answering":
        st.text_area("Context in which the answer stands", key="second", bind="query-params", height=100)
    elif lab.task == "classification" and (state.get("second") or st.query_params.get("second")):
        st.text_area(
            "Second text (leave empty for single texts)", key="second", bind="query-params", height=68
        )


def asked(lab: Lab) -> Prompt | None:
    """The prompt that was typed, cut to what the model reads; None, with a line that says so, where it is empty."""
    from attnlab_core.prompt import Prompt

    text, second = str(state.get("text") or ""), str(state.get("second") or "")
    shown.holds(text=text, second=second)
    if not text.strip():
        widgets.say("info", "The text is empty. Type a sentence, or take one of the samples.")
        return None
    paired = bool(second.strip()) and lab.task in ("answering", "classification")
    try:
        prompt, dropped = lab.fit(Prompt(text, second if paired else None))
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        return None
    if dropped:
        widgets.say(
            "warning", f"The model reads at most {lab.max_tokens} tokens; the last {dropped} were cut."
        )
    return prompt


def ask() -> tuple[str, Lab, Run]:
    """The text and the model: its name, the lab, and the run without edits. The page stops where one is missing."""
    text_box()
    name = model()
    lab = ready(name)
    second_box(lab)
    sample_box(lab)
    return name, lab, _read(name, lab)


def across(instead: Callable[[Lab], None] | None = None, task: str = "") -> tuple[DeltaGenerator, str, Run]:
    """The same over the width of the page: the column of the text, where more may follow, the model's name, and the run.

    For a model of another task than the one named, the page says what `instead` says, and stops.
    """
    left, right = st.columns([8, 5], gap="medium")
    with left:
        text_box()
    with right:
        name = model()
        lab = ready(name)
        if instead is not None and lab.task != task:
            instead(lab)
            st.stop()
        sample_box(lab)
    with left:
        second_box(lab)
    return left, name, _read(name, lab)


def _read(name: str, lab: Lab) -> Run:
    prompt = asked(lab)
    if prompt is None:
        st.stop()
    try:
        return state.backend().run(Question(name, prompt))
    except AttentionLabError as error:
        widgets.say("error", widgets.told(error))
        st.stop()
