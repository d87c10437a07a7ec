"""Attention rollout: the product of all layers' attention."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch

from attnlab_core.knobs import Range
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._graph import evenly, rollout, to_shares
from attnlab_core.methods._rows import choose, refuse_cross_attention
from attnlab_core.targets import Goal


def attention_rollout(
    run: Run,
    goal: Goal,
    *,
    layer: Annotated[int | None, Range(0)] = None,
    head: Annotated[int | None, Range(0)] = None,
    query: Annotated[int | None, Range(0)] = None,
    residual: bool = True,
    receptive_field: bool = False,
) -> Found:
    """Follow attention back to the input by multiplying the layers.

    Every layer is averaged over its heads, gets the identity added for the residual stream, and has its rows scaled to
    one; the product says which share of each input token a position holds. It knows nothing of the target and assumes
    that layers only mix. In decoders it favours early tokens, which more positions can see.

    Args:
        layer: After which layer, counted from 0; empty is the last.
        head: One head of that layer, counted from 0; the layers below stay averaged. Empty is the mean over all heads.
        query: Which token's row, counted from 0; empty is where the model's answer is read.
        residual: Add the identity to every layer, since half of what a position holds it had before.
        receptive_field: Divide by the rollout of attention spread evenly over the visible tokens, so that 1 means
            as much as the mask alone would give. Our own correction for decoders, not the paper's.

    Source: Abnar and Zuidema 2020, equation 1 and Appendix A.1.
    """
    refuse_cross_attention(run, "Attention rollout")
    rows = choose(run, goal, layer, head, query)
    picked = list(rows.queries)
    scores = rollout(to_shares(rows.weights, residual))[-1, picked].mean(axis=0)
    words = f"Rolled out from the {rows.words}; residual stream {'on' if residual else 'off'}"
    if receptive_field:
        even = rollout(to_shares(evenly(rows.visible), residual))[-1, picked].mean(axis=0)
        scores = np.divide(scores, even, out=np.zeros_like(scores), where=even > 0)
        words += "; divided by the rollout of even attention"
    return Found(torch.from_numpy(scores), f"{words}.", details={"residual": residual})
