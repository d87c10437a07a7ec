"""One example of every edit in the catalogue, for single attention calls and for a lab."""

from __future__ import annotations

import itertools

import torch

import attnlab_core as al
from attnlab_core.catalog import catalog
from attnlab_core.knobs import knobs
from tests.reach import random_scores

EDITS = catalog("attnlab_core.edits")
CELLS = al.Where(heads=(1,), queries=(2, 3), keys=(0, 2))
WORDS = al.Where(keys=("nothing", "dislike"))
SENTENCE = "There is nothing to dislike here."

_DONOR = random_scores(seed=9)[:1].softmax(-1)
_GIVEN = {"tensors": {"encoder": _DONOR, "decoder": _DONOR}}
_SLOPES = (_DONOR - 0.2) / 20


def _added():
    """A bias on the cells of CELLS."""
    added = torch.zeros(3, 5, 5)
    for place, by in (((1, 2, 0), 0.8), ((1, 2, 2), -1.2), ((1, 3, 0), 0.5), ((1, 3, 2), 1.1)):
        added[place] = by
    return added


# What an edit needs beyond a place, for a call of 3 heads and 5 tokens whose cells at CELLS are chosen.
NEEDS = {
    "bias": {"tensors": {0: _added()}},
    "draw": {"cells": ((2, 0, 0.3), (2, 2, 0.2), (3, 0, 0.4), (3, 2, 0.1))},
    "transplant": _GIVEN,
    "mean_pattern": _GIVEN,
    "patch": {"tensors": {"encoder": _SLOPES, "decoder": _SLOPES}},
}
# The same for a lab and SENTENCE.
IN_LAB = {
    "bias": {"cells": tuple((layer, 1, 6, key, 2.0) for layer in (0, 1) for key in (3, 5))},
    "draw": {"cells": (("dislike", "nothing", 0.6), ("here", "dislike", 0.3))},
    "transplant": {"head": 2},
    "mean_pattern": {"texts": ("A truly great film.", "Paris is the capital of France.")},
    "patch": {"step": 1000.0},
}
BY_CELL = ("bias", "draw")
"""Edits whose cells say what `where` says of others."""


def place(name, where):
    """Where, for an edit; what its cells say is left out."""
    return al.Where(layers=where.layers, heads=where.heads) if name in BY_CELL else where


def variants(name, where=CELLS, needs=NEEDS, **fixed):
    """An edit of that name for every combination of its choices."""
    kind = EDITS[name]
    choices = {knob.name: knob.choices for knob in knobs(kind) if knob.kind == "choice"}
    for values in itertools.product(*choices.values()):
        given = {**needs.get(name, {}), **dict(zip(choices, values, strict=True)), **fixed}
        yield kind(**given, where=place(name, where))


VARIANTS = [edit for name in EDITS for edit in variants(name)]
