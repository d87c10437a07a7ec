"""Gradient norm: how strongly each word embedding moves the answer."""

from __future__ import annotations

from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._inputs import gradient
from attnlab_core.targets import Goal, Quantity


def gradient_norm(run: Run, goal: Goal, *, quantity: Quantity = "log_probability") -> Found:
    """How strongly a small change of each word moves the answer.

    The length (L2 norm) of the gradient at each word embedding, without a sign. The absolute sum over the width, which
    some of the literature uses, is not offered: a LayerNorm after the embeddings ignores a constant added to all of
    them, so in BERT, DistilBERT and GPT-2 that sum is zero, and what one sees of it is rounding noise.

    Args:
        quantity: What the gradient is of: the target's log-probability, its probability or its logit.

    Source: Simonyan et al. 2014, "Deep Inside Convolutional Networks"; Li et al. 2016, section 5.
    """
    _, slope = gradient(run, goal, quantity)
    words = (
        f"L2 norm of the gradient of the {quantity.replace('_', '-')} at the {run.lab.reader.unit} embedding."
    )
    return Found(slope.norm(dim=-1).cpu(), words)
