"""The models: those that come with the app, those that are in memory, and how to bring another."""

from __future__ import annotations

import streamlit as st

from attnlab_core.models import shipped
from pages.ui import bringing, model_cards, question, settings, sharing, shell, uploading, widgets

shell.ensure(__file__)
sharing.title("Models")
st.markdown(
    "These come with the app and need no network. Each has a card that says what it was made from and where it fails. Below them "
    "stands what is loaded now, and a place for a model of your own."
)
cards = shipped()
if not cards:
    widgets.say("warning", "No model is shipped with this copy. Bring one of your own, below.")
for card in cards.values():
    model_cards.show(card)

st.header("Loaded now", anchor=False)
bounds = settings.read()
st.markdown(
    f"At most {bounds.models} models beside the default one, and {bringing.size(bounds.models_bytes)} of weights, stay in memory; "
    "beyond that the one not used for the longest goes, and is loaded again when it is asked for."
)
model_cards.loaded()

st.header("Bring your own", anchor=False)
st.markdown(
    "A model of the Hugging Face Hub, a folder on this server, or your own files. Classifiers, masked and causal language models and "
    "extractive question answering are read. Weights must be safetensors, and no code from a checkpoint is run. On loading, every "
    "model is checked once: its attention calls are counted and its answer compared with the untouched model’s; where that fails it "
    "is refused, with the reason."
)
hub, files = st.columns(2, gap="large")
with hub:
    wanted = bringing.wishes()
    if wanted is not None:
        name = str(wanted)
        lab = question.arriving(name, box="bring", pictures=None)
        if lab is not None:
            st.markdown(f"**{widgets.plain(name)}** is loaded.")
            model_cards.onward(name, lab.pictures)
with files:
    uploading.box()
    uploading.shelf()
