"""Raw attention: what one row of one layer looks at."""

from __future__ import annotations

from typing import Annotated

import torch

from attnlab_core.knobs import Range
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._rows import choose
from attnlab_core.targets import Goal


def raw_attention(
    run: Run,
    goal: Goal,
    *,
    layer: Annotated[int | None, Range(0)] = None,
    head: Annotated[int | None, Range(0)] = None,
    query: Annotated[int | None, Range(0)] = None,
) -> Found:
    """What the answer's position looks at in one layer.

    The attention weights of one query row, as they are. They sum to one and know nothing of the target, nor of the
    layers below: after the first layer a position holds a mixture of tokens, and much attention goes to special tokens
    that serve as a resting place.

    Args:
        layer: Which layer, counted from 0; empty is the last.
        head: Which head, counted from 0; empty is the mean over all heads.
        query: Which token's row, counted from 0; empty is where the model's answer is read.

    Source: Abnar and Zuidema 2020, "Quantifying Attention Flow in Transformers", section 2.
    """
    rows = choose(run, goal, layer, head, query)
    scores = rows.weights[-1, list(rows.queries)].mean(axis=0)
    return Found(torch.from_numpy(scores), f"{rows.words[0].upper()}{rows.words[1:]}.")
