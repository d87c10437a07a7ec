"""Widgets that several pages share: asking for a text and a model, knobs made from signatures, notices, downloads."""

from __future__ import annotations

import html
import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import state
from pages.ui.backend import DEFAULT, Question
from pages.ui.samples import samples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import altair as alt
    import pandas as pd

    from attnlab_core.knobs import Knob
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding, Prompt, Word
    from attnlab_core.run import Run

MOST_LETTERS = 20_000
FACTORS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0, 100.0)
_MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_{}[]()#+-.!|<>$:~^=&"})


def plain(text: str) -> str:
    """A text for places where Streamlit reads Markdown: shown letter by letter, on one line."""
    return " ".join(text.split()).replace("://", ":\u2060//").translate(_MARKDOWN)


def say(kind: str, text: str) -> None:
    """One line of `error`, `warning` or `info`, shown as it stands."""
    icons = {"error": ":material/error:", "warning": ":material/warning:", "info": ":material/info:"}
    getattr(st, kind)(plain(text), icon=icons[kind])


def small(text: str) -> None:
    """Small print, as it stands; darker than Streamlit's own, which is hard to read."""
    from attnlab_core import charts

    red, green, blue = charts.palette(state.dark()).muted
    st.html(f"<p style='font-size:.88rem;margin:0;color:rgb({red},{green},{blue})'>{html.escape(text)}</p>")


def told(error: BaseException) -> str:
    """What a person is told of an error: our own texts as they are, others with their kind."""
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, AttentionLabError) else f"{type(error).__name__}: {first}"


def unique(texts: Sequence[str]) -> list[str]:
    """The words with a number where one occurs more than once: a word is a place."""
    seen: dict[str, int] = {}
    labels = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        labels.append(f"{text} ({seen[text]})" if texts.count(text) > 1 else text)
    return labels


def places(encoding: Encoding, words: Sequence[Word]) -> tuple[int | str, ...]:
    """Words as an edit names them: by their text where that means just this place, else by position."""
    named: list[int | str] = []
    for word in words:
        try:
            alone = encoding.find(word.text) == word.positions
        except AttentionLabError:  # punctuation that find does not take for a word
            alone = False
        named.extend([word.text] if alone else word.positions)
    return tuple(named)


def words_box(
    label: str, texts: Sequence[str], key: str, default: Sequence[str] = (), **more: Any
) -> list[int]:
    """Words to click on; the numbers of those that are chosen."""
    labels = unique(texts)
    shown = {plain(text): number for number, text in enumerate(labels)}
    start = [plain(text) for text in default if text in labels]
    chosen = st.pills(
        label,
        list(shown),
        selection_mode="multi",
        default=start,
        key=key,
        bind="query-params",
        wrap=True,
        **more,
    )
    return sorted(shown[text] for text in chosen)


# --- the question ---------------------------------------------------------------------------------------------------


def model() -> str:
    """The name of the chosen model; a box that also takes a Hub id or a folder."""
    from attnlab_core.models import shipped

    typed = state.get("model") or st.query_params.get("model")
    names = dict.fromkeys([*shipped(), *([] if shipped() else [DEFAULT]), *([typed] if typed else [])])
    chosen = st.selectbox(
        "Model",
        list(names),
        accept_new_options=True,
        key="model",
        bind="query-params",
        help="A shipped model, or type the id of a Hugging Face model (`openai-community/gpt2`, with `@revision` if you "
        "like) or the path of a folder. Safetensors only; no code from a checkpoint is run.",
    )
    return (chosen or DEFAULT).strip()


def ready(name: str) -> Lab:
    """The model, or a line that says how far it is or what went wrong; the page stops there and loses nothing."""
    from attnlab_core.models import shipped

    backend = state.backend()
    if not (name == DEFAULT or name in shipped() or backend.asked(name)):
        say(
            "info",
            f"{name} is not one of the shipped models. It is read from its folder or fetched from the Hub.",
        )
        if not st.button(f"Load {plain(name)}", key="load", type="primary", icon=":material/download:"):
            st.stop()
    try:
        lab = backend.ready(name)
    except Exception as error:  # noqa: BLE001 - whatever went wrong in loading is one line here
        say("error", told(error))
        st.button("Try again", on_click=partial(backend.forget, name), icon=":material/refresh:")
        st.stop()
    if lab is None:
        _loading(name)
        st.stop()
    return lab


@st.fragment(run_every=0.4)
def _loading(name: str) -> None:
    backend = state.backend()
    if backend.lab(name).done():
        st.rerun()
    done = backend.progress.get(name, 0.0)
    st.progress(done, text=f"Loading {plain(name)} … " + (f"{done:.0%}" if done else "a few seconds"))


def text_box() -> None:
    """The text; one and the same on every page."""
    st.text_area(
        "Text", state.SENTENCE, key="text", bind="query-params", height=84, max_chars=MOST_LETTERS,
        help="Ctrl + Enter, or a click elsewhere, reads it.",
    )  # fmt: skip


def sample_box(lab: Lab) -> None:
    """A menu of sample texts that fit the model's task."""
    known = samples(lab.task, lab.tokenizer.mask_token or "[MASK]")

    def take() -> None:
        text = state.get("sample")
        if text is not None:
            state.put("text", text)
            state.put("second", known.get(text) or "")
            state.put("sample", None)

    st.selectbox(
        "Samples", list(known), index=None, placeholder="Try one of these", key="sample", on_change=take
    )


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
    if not text.strip():
        say("info", "The text is empty. Type a sentence, or take one of the samples.")
        return None
    paired = bool(second.strip()) and lab.task in ("answering", "classification")
    try:
        prompt, dropped = lab.fit(Prompt(text, second if paired else None))
    except AttentionLabError as error:
        say("error", told(error))
        return None
    if dropped:
        say("warning", f"The model reads at most {lab.max_tokens} tokens; the last {dropped} were cut.")
    return prompt


def ask() -> tuple[str, Lab, Run]:
    """The text and the model: its name, the lab, and the run without edits. The page stops where one is missing."""
    text_box()
    name = model()
    lab = ready(name)
    second_box(lab)
    sample_box(lab)
    prompt = asked(lab)
    if prompt is None:
        st.stop()
    try:
        return name, lab, state.backend().run(Question(name, prompt))
    except AttentionLabError as error:
        say("error", told(error))
        st.stop()


# --- knobs ----------------------------------------------------------------------------------------------------------


def turn(knob: Knob, key: str, **more: Any) -> Any:
    """A widget for one knob, read off its signature, and the value it is set to."""
    label, remark = knob.name.replace("_", " ").capitalize(), knob.help or None
    kept: dict[str, Any] = {"key": key, "help": remark, "persist_state": "session", **more}
    if knob.kind == "bool":
        return st.toggle(label, bool(knob.default), **kept)
    if knob.kind == "choice":
        options = [*([None] if knob.optional else []), *knob.choices]
        return st.selectbox(label, options, options.index(knob.default), format_func=_choice, **kept)
    if knob.name == "factor":
        steps = sorted({*FACTORS, float(state.get(key, knob.default))})
        return st.select_slider(label, steps, float(knob.default), format_func="×{:g}".format, **kept)
    if knob.kind in ("int", "float"):
        kind = int if knob.kind == "int" else float
        low, high = (None if v is None else kind(v) for v in (knob.low, knob.high))
        value = None if knob.default is None else kind(knob.default)
        if kind is int:
            return st.number_input(label, low, high, value, step=1, placeholder="automatic", **kept)
        return st.number_input(
            label, low, high, value, step=0.1, format="%.2f", placeholder="automatic", **kept
        )
    return st.text_input(label, str(knob.default or ""), **kept)


def knobs_of(thing: Callable[..., Any], prefix: str, **more: Any) -> dict[str, Any]:
    """Widgets for all knobs of a method or an edit; the values that differ from the defaults."""
    from attnlab_core.knobs import knobs

    fit = [knob for knob in knobs(thing) if knob.kind != "text" or isinstance(knob.default, str)]
    values = {knob.name: turn(knob, f"{prefix}.{knob.name}", **more) for knob in fit}
    return {knob.name: values[knob.name] for knob in fit if values[knob.name] != knob.default}


def _choice(option: Any) -> str:
    return "automatic" if option is None else str(option).replace("_", " ")


def restore(things: Mapping[str, Callable[..., Any]], values: Any, prefix: str) -> None:
    """Set knobs as a link says: `{thing: {knob: value}}`; what does not fit is left at its default."""
    from attnlab_core.knobs import knobs

    for name, given in values.items() if isinstance(values, dict) else ():
        for knob in knobs(things[name]) if name in things and isinstance(given, dict) else ():
            if knob.name in given:
                with suppress(AttentionLabError):
                    state.put(f"{prefix}.{name}.{knob.name}", knob.check(given[knob.name]))


# --- taking it along ------------------------------------------------------------------------------------------------


def downloads(
    name: str,
    chart: Callable[[], alt.TopLevelMixin],
    frame: pd.DataFrame,
    document: Callable[[], dict[str, Any]],
) -> None:
    """A menu with the figure as SVG and PNG and its numbers as CSV and JSON; nothing is made before it is asked for."""
    from attnlab_core import charts

    def as_json() -> str:
        return json.dumps(document(), ensure_ascii=False, indent=1, default=str)

    files: list[tuple[str, str, Callable[[], Any]]] = [
        ("SVG", "image/svg+xml", lambda: charts.svg(chart())),
        ("PNG", "image/png", lambda: charts.png(chart())),
        ("CSV", "text/csv", lambda: frame.to_csv(index=False).encode("utf-8-sig")),
        ("JSON", "application/json", as_json),
    ]
    with st.popover("Download", icon=":material/download:", key=f"get.{name}"):
        for kind, mime, make in files:
            st.download_button(
                kind, make, f"attentionlab-{name}.{kind.lower()}", mime, on_click="ignore", key=f"get.{name}.{kind}",
                width="stretch",
            )  # fmt: skip


def in_link() -> dict[str, Any]:
    """What the address bar says already: the widgets that are bound to it."""
    return {key: st.query_params.get_all(key) for key in st.query_params if key not in ("e", "k")}


def share(page: str, **parameters: Any) -> None:
    """A menu with the address that reopens what is on the page."""
    with st.popover("Share", icon=":material/link:"):
        st.markdown("This address reopens the page as it is now.")
        st.code(state.link(page, **parameters), language=None, wrap_lines=True)
