"""Two sides, A and B: what they share is chosen once, and what they do not share is chosen for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import question, shown, sides_edits, state, widgets
from pages.ui.backend import DEFAULT, Question

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.lab import Lab
    from attnlab_core.run import Run

FIELDS = ("Model", "Text", "Edits", "Method", "Answer to explain", "Layer and head")
MODEL, TEXT, EDITS, METHOD, ANSWER, PLACE = FIELDS
LETTERS = ("A", "B")
PAIR = ("The film is bad.", "The film is not bad.")
METHODS = ("atman", "integrated_gradients")
"""What A begins with, and B where it has a method of its own."""
READY = "what is to say of a model"
OF_A, OWN = "the answer of A", "its own answer"
PRESETS: dict[str, dict[str, Any]] = {
    "Two sentences": {"apart": [TEXT], "text": PAIR[0], "text_b": PAIR[1]},
    "Two methods": {"apart": [METHOD], "text": PAIR[1]},
    "Two models": {
        "apart": [MODEL, ANSWER], "text": "The keys to the cabinet", "model": "agreement", "model_b": "gpt2-mini",
    },
    "With and without an edit": {
        "apart": [EDITS], "text": state.SENTENCE, "changed_b": sides_edits.WORD, "scaled_b": "nothing",
    },
}  # fmt: skip
OWN_KEYS = (
    *("model_b", "text_b", "second_b", "changed", "changed_b", "scaled", "scaled_b", "times", "times_b", "json", "json_b"),
    *("way", "way_b", "about", "about_b", "at_layer", "at_layer_b", "at_head", "at_head_b"),
)  # fmt: skip
"""The boxes of this page alone."""


@dataclass(frozen=True)
class Side:
    """One of the two, ready to be compared: what was asked, the run, what explains it, and where attention is looked at."""

    letter: str
    asked: Question
    run: Run
    method: str
    place: tuple[int, int | None]
    wanted: str
    """The answer that was chosen, or `OF_A`, or `OWN`."""


def arrive() -> None:
    """A first visit finds two sentences; who brings a text finds it explained in two ways."""
    if state.get("_sides"):
        return
    state.put("_sides", True)
    text = state.get("text")
    if any(key in st.query_params for key in ("apart", "text", "text_b")):
        return
    if text == state.SENTENCE and (state.bound("model") or DEFAULT) == DEFAULT:
        take("Two sentences")
    elif text:
        state.put("apart", [METHOD])
        st.rerun()


def presets() -> None:
    """Buttons that set the page to a comparison."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name in PRESETS:
            st.button(
                name,
                key=f"preset.{name}",
                on_click=take,
                args=(name,),
                type="tertiary",
                icon=":material/bolt:",
            )


def take(name: str) -> None:
    """Set the page to a comparison; what it does not name is as a first visit finds it."""
    said = {"model": DEFAULT, "second": ""} | PRESETS[name]
    for key in OWN_KEYS:
        state.drop(key)
    for key, value in said.items():
        if key != "text":
            state.put(key, value)
    state.put("_suited", said["model"])
    question.put((said["text"], None))


def ask() -> tuple[Side, Side]:
    """Everything that is chosen. The page stops where one of the sides cannot be read, and says why there."""
    st.pills(
        ":material/link_off: Different in A and B", FIELDS, selection_mode="multi", default=[TEXT], key="apart",
        bind="query-params", help="What is not chosen here is the same in both, and set once.",
    )  # fmt: skip
    apart: set[str] = set(state.get("apart") or ())
    if apart:  # the address does not say it on the visit on which it was set here
        shown.holds(options={"apart": tuple(field for field in FIELDS if field in apart)})
    if not apart:
        widgets.say("info", "Nothing is set apart, so A and B are the same. Choose above what is to differ.")
    slots = _slots(apart)
    names = _models(slots[MODEL])
    _texts(slots[TEXT])
    labs = _labs(slots[READY], names)
    _seconds(slots[TEXT], labs)
    runs = _plain(slots[TEXT], names, labs)
    edited = sides_edits.ask(slots[EDITS], names, runs)
    ways = _methods(slots[METHOD])
    wanted = _targets(slots[ANSWER], [run for _, run in edited])
    places = _places(slots[PLACE], labs)
    a, b = (
        Side(LETTERS[k], Question(names[k], run.prompt, edits), run, ways[k], places[k], wanted[k])
        for k, (edits, run) in enumerate(edited)
    )
    return a, b


Slots = list[tuple[Any, str, str]]
"""Where the boxes of a field go: container, the end of their keys, and whose they are; one of both, or one for each side."""


def _slots(apart: set[str]) -> dict[str, Slots]:
    shared = [field for field in FIELDS if field not in apart]
    found: dict[str, Slots] = {}
    if shared:
        with st.container(border=True):
            widgets.small("The same in both")
            _lay(found, shared, "", "")
    if apart:
        for column, letter, end in zip(st.columns(2, gap="medium"), LETTERS, ("", "_b"), strict=True):
            with column, st.container(border=True, height="stretch"):
                st.markdown(f"**{letter}**")
                _lay(found, [field for field in FIELDS if field in apart], end, letter)
    return found


def _lay(found: dict[str, Slots], fields: Sequence[str], end: str, letter: str) -> None:
    """Containers for some fields: texts above, the others in a row, and what is to say of a model below."""
    wide = st.container() if TEXT in fields else None
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    for field in fields:
        found.setdefault(field, []).append((wide if field == TEXT else row, end, letter))
    if MODEL in fields:
        found.setdefault(READY, []).append((st.container(), end, letter))


def both(found: Sequence[Any]) -> list[Any]:
    """What was chosen once, for each side."""
    return [found[0], found[-1]]


def label(text: str, letter: str) -> str:
    """The name of a box; of one that there are two of, with its side."""
    return f"{text} ({letter})" if letter else text


def _models(slots: Slots) -> list[str]:
    names = []
    for place, end, letter in slots:
        with place, st.container(width=260):
            names.append(question.model() if not end else question.model("model_b", label("Model", letter)))
    return both(names)


def _texts(slots: Slots) -> None:
    for place, end, letter in slots:
        with place:
            if end:
                st.text_area(
                    label("Text", letter), PAIR[1], key="text_b", bind="query-params", height=84,
                    max_chars=widgets.MOST_LETTERS,
                )  # fmt: skip
            else:
                question.text_box(PAIR[0])


def _labs(slots: Slots, names: Sequence[str]) -> list[Lab]:
    found: dict[str, Lab] = {}
    for (place, end, _), name in zip(slots, names, strict=False):
        if name not in found:
            with place:
                lab = question.arriving(name, f"model{end}")
            if lab is None:
                st.stop()
            found[name] = lab
    return [found[name] for name in names]


def _seconds(slots: Slots, labs: Sequence[Lab]) -> None:
    for (place, end, letter), of in zip(
        slots, [labs] if len(slots) == 1 else [[lab] for lab in labs], strict=True
    ):
        key = f"second{end}"
        answering = any(lab.task == "answering" for lab in of)
        if answering or (any(lab.task == "classification" for lab in of) and state.bound(key)):
            with place:
                name = (
                    "Context in which the answer stands"
                    if answering
                    else "Second text (leave empty for single texts)"
                )
                st.text_area(
                    label(name, letter),
                    key=key,
                    bind="query-params",
                    height=84,
                    max_chars=widgets.MOST_LETTERS,
                )


def _plain(slots: Slots, names: Sequence[str], labs: Sequence[Lab]) -> list[Run]:
    """Both texts as the models read them, without edits."""
    from attnlab_core.prompt import Prompt

    asked, alone = [], len(slots) == 1
    for k, lab in enumerate(labs):
        place, end, _ = slots[min(k, len(slots) - 1)]
        text, second = (str(state.get(f"{key}{end}") or "") for key in ("text", "second"))
        if not end:
            shown.holds(text=text, second=second)
        with place:
            if not text.strip():
                if not (alone and k):
                    widgets.say(
                        "info", "The text is empty. Type a sentence, or take one of the comparisons above."
                    )
                continue
            paired = bool(second.strip()) and lab.task in ("answering", "classification")
            try:
                prompt, dropped = lab.fit(Prompt(text, second if paired else None))
                if dropped:
                    widgets.say(
                        "warning",
                        f"{LETTERS[k]} reads at most {lab.max_tokens} tokens; the last {dropped} were cut.",
                    )
                asked.append(state.backend().run(Question(names[k], prompt)))
            except AttentionLabError as error:
                widgets.say("error", f"{LETTERS[k]}: {widgets.told(error)}")
    if len(asked) < len(labs):
        st.stop()
    return asked


def _methods(slots: Slots) -> list[str]:
    from attnlab_core.knobs import title
    from attnlab_core.methods import methods

    known = {title(method): name for name, method in methods().items()}
    chosen = []
    for (place, end, letter), start in zip(slots, METHODS, strict=False):
        with place:
            at = list(known.values()).index(start)
            chosen.append(
                st.selectbox(
                    label("Method", letter), list(known), at, key=f"way{end}", bind="query-params", width=220
                )
            )
    return both([known[one] for one in chosen])


def _targets(slots: Slots, runs: Sequence[Run]) -> list[str]:
    chosen = []
    for k, (place, end, letter) in enumerate(slots):
        own = [OF_A] if not letter else [OWN]
        of = runs if not letter else [runs[k]]
        answers = [answer for run in of for answer in run.probabilities if answer.strip()]
        fixed = all(run.lab.task == "classification" for run in of)
        with place:
            chosen.append(
                st.selectbox(
                    label("Answer to explain", letter), list(dict.fromkeys([*own, *answers])), key=f"about{end}", width=220,
                    bind="query-params", accept_new_options=not fixed,
                )
            )  # fmt: skip
    return [str(one or OWN) for one in both(chosen)]


def _places(slots: Slots, labs: Sequence[Lab]) -> list[tuple[int, int | None]]:
    found: list[tuple[int, int | None]] = []
    for k, (place, end, letter) in enumerate(slots):
        of = [labs[k]] if letter else labs
        layers, heads = (min(getattr(lab, what) for lab in of) for what in ("layers", "heads"))
        with place:
            layer = widgets.pick(
                label("Layer", letter),
                [str(number) for number in range(layers)],
                f"at_layer{end}",
                layers // 2,
            )
            names = ["mean of all heads", *(f"head {number}" for number in range(heads))]
            head = widgets.pick(label("Head", letter), names, f"at_head{end}", 0)
        found.append((layer, head - 1 if head else None))
    return both(found)
