"""The models that come with the app, and how to bring another."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import streamlit as st

from attnlab_core.models import shipped
from pages.ui import shell, widgets

if TYPE_CHECKING:
    from attnlab_core.models import Card

TASKS = {
    "classification": "labels a text",
    "masked": "fills in a masked word",
    "causal": "goes on with a text",
    "answering": "finds the answer to a question in a context",
}


def facts(card: Card) -> str:
    """What the configuration and the files say, in one line."""
    config = json.loads((card.folder / "config.json").read_text(encoding="utf-8"))
    size = sum(file.stat().st_size for file in card.folder.glob("*.safetensors")) / 2**20
    labels = " or ".join(str(label) for label in (config.get("id2label") or {}).values())
    does = TASKS.get(card.task, card.task) + (
        f" as {labels}" if labels and card.task == "classification" else ""
    )
    return f"It {does}. {size:.0f} MB on disk."


def show(card: Card) -> None:
    with st.container(border=True):
        st.header(widgets.plain(card.name), anchor=False)
        st.markdown(widgets.plain(card.summary))
        st.markdown(widgets.plain(facts(card)))
        with st.container(horizontal=True):
            for page, label, icon in (
                ("compare", "Compare explanations", "compare_arrows"),
                ("heads", "See its heads", "grid_view"),
                ("manipulate", "Edit its attention", "tune"),
            ):
                st.page_link(
                    shell.page(page),
                    label=label,
                    icon=f":material/{icon}:",
                    query_params={"model": card.name},
                )
        with st.expander(
            "Model card: data, licence, accuracy, known failures", icon=":material/description:"
        ):
            body = re.sub(r"\A---\n.*?\n---\n\s*(# [^\n]*\n)?", "", card.text, flags=re.DOTALL)
            st.markdown(re.sub(r"^(#+) ", r"#\1 ", body, flags=re.MULTILINE))


shell.ensure(__file__)
st.title("Models", anchor=False)
st.markdown(
    "These come with the app and need no network. Each has a card that says what it was made from and where it fails."
)
cards = shipped()
if not cards:
    widgets.say(
        "warning",
        "No model is shipped with this copy. Name a folder or a Hub id in the box “Model” of the other pages.",
    )
for card in cards.values():
    show(card)
st.header("Any other model", anchor=False)
st.markdown(
    "The box *Model* on the other pages also takes the id of a model on the Hugging Face Hub, such as "
    "`openai-community/gpt2` or `google-bert/bert-base-uncased`, with `@revision` behind it if a certain version is meant, "
    "or the path of a folder. Classifiers, masked and causal language models and extractive question answering are read. "
    "Weights must be safetensors, and no code from a checkpoint is run. On loading, every model is checked once: its "
    "attention calls are counted and its answer compared with the untouched model’s; where that fails it is refused, with "
    "the reason."
)
