"""A language model token by token: what it expected, how it goes on with and without edits, and what each new token rests on."""

from __future__ import annotations

import streamlit as st

from pages.ui import (
    carrying,
    next_expected,
    next_sources,
    next_told,
    question,
    sharing,
    shell,
    stack,
    widgets,
    workbench,
)

shell.ensure(__file__)
next_told.arrive()
sharing.title("Next tokens")
st.markdown(
    "A language model gives every next token a probability. Where was it surprised, how does it go on, and what does that "
    "hang on? An explanation says what a method finds, not why the model wrote it."
)
left, name, run = question.across(next_told.instead, "causal")
carrying.from_link()
on = sum(card.on for card in stack.cards())
with left:
    drafted = next_told.word_edit(run, on)
    if on:
        widgets.small(
            f"Before it act{'s' * (on == 1)} {on} edit{'s' * (on != 1)} made on the page Manipulate."
        )
now = workbench.outcome(name, run, drafted)
if now.problem:
    widgets.say("error", now.problem)
next_expected.show(run, now.after)
told = next_told.show(name, run, now.after)
if told is not None:
    next_sources.show(name, run, now.after, told)
carrying.hold()
