"""Look at a model's attention: all heads at a glance, one of them large, as a heatmap and as lines between tokens."""

from __future__ import annotations

import streamlit as st

from pages.ui import (
    carrying,
    heads,
    heads_figures,
    question,
    sharing,
    shell,
    shown,
    stack,
    units,
    widgets,
    workbench,
)

shell.ensure(__file__)
sharing.title("Heads")
st.markdown("Attention is where a model looks, not what it uses.")
left, name, run = question.across()
carrying.from_link()
now = workbench.outcome(name, run, None)
if now.problem:
    widgets.say("error", now.problem)
with left, st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    kind = widgets.one_of(
        "Show", ["weights", "scores"], "values", "weights",
        help="*Weights*: what the softmax gives; a row sums to one. *Scores*: what it is given, query times key; they show what "
        "the softmax hides, and only differences within a row matter.",
    )  # fmt: skip
    unit = units.choose("Between", units.ALL, "unit", f"{units.POOLED} Of scores, the mean counts.")
    part = next(iter(run.patterns))
    if len(run.patterns) > 1:
        part = widgets.one_of(
            "Attention of", list(run.patterns), "part", part,
            help="*Encoder*: the text to itself. *Decoder*: what it reads, to itself. *Cross*: from the decoder to the encoder.",
        )  # fmt: skip
    if now.after is not None:
        on = sum(card.on for card in stack.cards())
        widgets.small(f"Under {on} edit{'s' * (on != 1)} made on the page Manipulate.")
if kind == "scores" and now.after is not None:
    widgets.small(
        "Scores are those before the edits of the same layer act: what changes is what earlier layers pass on."
    )
read = heads_figures.read(run, now.after, part, kind, unit)
shown.methods("raw_attention")
if read.bin > 1:
    widgets.say(
        "warning",
        f"{read.count} {unit}s are too many to show one by one: up to {read.bin} that follow each other are one bin. "
        + (
            "Weights are averaged over the tokens that attend and added up over those attended to."
            if kind == "weights"
            else "Scores are averaged over a bin."
        ),
    )
start = heads.chosen(*read.before.shape[:2])
heads.show(name, run, now.after, read, kind, heads.payload(read, name, kind, start))
