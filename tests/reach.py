"""Helpers for the tests of surgery and edits: shared tiny models of every architecture, and single attention calls."""

from __future__ import annotations

from functools import cache

import torch

from attnlab_core._operate import operate
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


def visible_cells(mask, size=5):
    visible = torch.ones(2, 3, size, size, dtype=torch.bool)
    if mask == "causal":
        visible = visible.tril()
    if mask == "padded":
        visible[1, ..., -2:] = False
    return visible


def random_scores(seed=0, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 5, 5, generator=random, dtype=torch.float64).to(dtype) * 2


def softmax(scores, visible):
    return scores.masked_fill(~visible, -torch.inf).softmax(-1)


def apply(edit, scores, visible):
    """The weights after an edit, and how many cells it met. An edit that reads behind the mask finds scores there."""
    given = scores if edit.unmasked else scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
    weights, (count,) = operate(given, visible, softmax(scores, visible), [edit], ("encoder", 0))
    return weights, count
