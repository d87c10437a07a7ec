"""Attention × gradient: the attention that the answer would feel."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range, labelled
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.targets import Goal, Quantity


@labelled("Attention × gradient")
def attention_x_gradient(
    run: Run,
    goal: Goal,
    *,
    layer: Annotated[int | None, Range(0)] = None,
    positive: bool = True,
    quantity: Quantity = "log_probability",
) -> Found:
    """The attention a word gets, weighed by how much the answer hangs on it.

    Each attention weight is multiplied by the gradient of the target by it; a word's score is the sum over all rows that
    attend to it, mean over heads and layers. Unlike raw attention it knows the target. It sees a weight's slope
    alone, not what is lost when the weight is gone, and a word that is read without attention, at its own place, not at all.

    Args:
        layer: Which layer, counted from 0; empty is the mean over all layers.
        positive: Count only weights whose growth would raise the target; else those against it are subtracted.
        quantity: What the gradient is of: the target's log-probability, its probability or its logit.

    Source: near to Barkan et al. 2021, "Grad-SAM: Explaining Transformers via Gradient Self-Attention Maps".
    """
    slopes, weights = run.slopes(goal, quantity).double(), run.pattern.weights.double()
    if layer is not None:
        if layer >= len(weights):
            raise BadInput(f"There is no layer {layer}: the model has layers 0 to {len(weights) - 1}.")
        slopes, weights = slopes[layer : layer + 1], weights[layer : layer + 1]
    parts = weights * (slopes.clamp_min(0) if positive else slopes)
    where = f"mean over {len(weights)} layers" if layer is None else f"layer {layer}, counted from 0"
    words = (
        f"Attention times the {'positive part of the ' if positive else ''}gradient of the {quantity.replace('_', '-')}, summed "
        f"over the rows that attend, mean over {weights.shape[1]} heads, {where}."
    )
    return Found(parts.sum(-2).mean((0, 1)), words, signed=not positive)
