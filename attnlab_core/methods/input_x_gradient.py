"""Input × gradient: the first-order share of each word embedding."""

from __future__ import annotations

from attnlab_core.knobs import labelled
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._inputs import gradient
from attnlab_core.targets import Goal, Quantity


@labelled("Input × gradient")
def input_x_gradient(run: Run, goal: Goal, *, quantity: Quantity = "log_probability") -> Found:
    """Slope of the answer along each word's own embedding.

    The gradient at a word embedding times the embedding, summed over its width: positive where more of this word would
    raise the target. It is a straight line laid at one point, so a saturated model shows small or erratic scores. Only
    word embeddings are multiplied: with positions added, the sum before a LayerNorm would give zero.

    Args:
        quantity: What the slope is of: the target's log-probability, its probability or its logit.

    Source: Shrikumar et al. 2016, "Not Just a Black Box", section 2; Ancona et al. 2018.
    """
    embeddings, slope = gradient(run, goal, quantity)
    words = f"Gradient of the {quantity.replace('_', '-')} times the {run.lab.reader.unit} embedding, summed over its width."
    return Found((embeddings * slope).sum(-1).cpu(), words, signed=True)
