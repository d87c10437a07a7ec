"""Helpers for the tests of the surgery: tiny models of every architecture, each built once and shared."""

from __future__ import annotations

from functools import cache

import torch

from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.surgery import Surgery, calls_of
from attnlab_core.testing import ARCHITECTURES, EDGES

EVERY = {**ARCHITECTURES, **EDGES}
TEXT = [name for name in EVERY if name != "vit"]
DOUBLE = Scale(factor=2.0, where=Where(keys=(1,)))

@cache
def built(name):
    """One model for all tests of an architecture: that they can share it is part of what is tested."""
    return EVERY[name]()


def surgery(name, *edits, **options):
    return Surgery(calls_of(built(name)[0].config), [edits], sink=name == "gpt_oss", **options)


def logits_of(name, *edits):
    """The logits, and the block that was read, with its weights."""
    model, inputs = built(name)
    with torch.no_grad(), surgery(name, *edits, keep=True) as tape:
        logits = model(**inputs).logits
    return logits, tape


def assert_hidden(weights, visible):
    """Masked cells are zero. A padded query that sees no key at all attends somewhere; nobody reads it."""
    assert (weights[~visible & visible.any(-1, keepdim=True)] == 0).all()


@cache
def plain(name):
    model, inputs = built(name)
    with torch.no_grad():
        return model(**inputs).logits
