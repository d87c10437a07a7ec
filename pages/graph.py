"""Attention as a graph: tokens in every layer, and what leads from the input to one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from pages.ui import (
    carrying,
    graph,
    graph_figures,
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

if TYPE_CHECKING:
    from attnlab_core.graph import Kind

EDGES: dict[Kind, str] = {"raw": "raw attention", "rollout": "rollout", "flow": "flow"}
MEANING = (
    "*Raw attention*: the weights of each layer as they are. *Rollout*: the same with the residual stream (half of what a "
    "position holds it had before), rows summing to one; multiplied along all ways, they give what a position is a mixture of. "
    "*Flow*: attention as pipes; drawn is a greatest flow from the chosen position to each input token, found for each by itself "
    "and added up."
)
MEAN, LARGEST = "mean over heads", "largest over heads"

shell.ensure(__file__)
sharing.title("Graph")
st.markdown(
    "Layer by layer, where a position looks. It shows ways that attention leaves open, not what passes along them: "
    "what the values, the other sublayers and the readout make of it is not in the picture, so it is no explanation of the answer."
)
_, name, run = question.across()
carrying.from_link()
now = workbench.outcome(name, run, None)
if now.problem:
    widgets.say("error", now.problem)

with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
    part = next(iter(run.patterns))
    if len(run.patterns) > 1:
        part = widgets.one_of(
            "Attention of", list(run.patterns), "part", part,
            help="*Encoder*: the text to itself. *Decoder*: what it reads, to itself; what it takes from the encoder is left "
            "out. *Cross*: from the decoder to the encoder.",
        )  # fmt: skip
    cross = part == "cross"
    if cross:
        widgets.small("Between decoder and encoder there is raw attention only.")
    label = widgets.one_of(
        "Edges", list(EDGES.values()), "edges", "raw attention",
        help=MEANING, disabled=cross,
    )  # fmt: skip
    unit = units.choose("Between", units.ALL, "unit", f"{units.POOLED} Ways go through them as a whole.")
    kind: Kind = "raw" if cross else next(kind for kind, said in EDGES.items() if said == label)
    read = heads_figures.read(run, now.after, part, "weights", unit)
    layers, heads = read.before.shape[:2]
    merge = widgets.pick(
        "Heads", [MEAN, LARGEST, *(f"head {k}" for k in range(heads))], "merged", 0,
        help="One head is that head in every layer; of rollout and flow, the head of the last layer over the mean of those below.",
    )  # fmt: skip
    places = widgets.unique([token.text for token in read.queries])
    source = widgets.pick(
        "Seen from", places, "from", graph_figures.start_of(run, read),
        help="The position after the last layer. At first: where the model's answer is read.",
    )  # fmt: skip
    sink, layer = None, None
    if kind == "flow":
        sink = widgets.pick("Flow to", [f"all {unit}s, each by itself", *places], "to", 0) - 1
        sink = None if sink < 0 else sink
    if cross:
        layer = widgets.pick("Layer", ["mean over layers", *map(str, range(layers))], "crossed", 0) - 1
        layer = None if layer < 0 else layer
if now.after is not None:
    on = sum(card.on for card in stack.cards())
    widgets.small(f"Under {on} edit{'s' * (on != 1)} made on the page Manipulate.")
if read.bin > 1:
    widgets.say(
        "warning",
        f"{read.count} {unit}s are too many to show one by one: up to {read.bin} that follow each other are one place, whose "
        "weights are averaged over those that attend and added up over those attended to. Ways through it are those of the places.",
    )
seen = graph_figures.sight(read, kind, ("mean", "max", merge - 2)[min(merge, 2)], source, sink, layer)
if kind == "flow":
    widgets.small(
        "The size of a greatest flow is certain; the ways it takes often are not, and these are one choice among equals."
    )
shown.methods({"raw": "raw_attention"}.get(kind, f"attention_{kind}"))
start = graph.chosen(seen)
words = f"{part.capitalize()}, {EDGES[kind]}, {seen.heads}, seen from {places[source]}"
graph.show(run, now.after, seen, words, graph.payload(seen, name, f"{run.prompt} {unit}", start))
