"""Integrated gradients: the answer's change from a blank text to this one, shared out over the words."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.knobs import Range
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._inputs import blank, form, from_embeddings, rows_at_once, word_embeddings
from attnlab_core.progress import step
from attnlab_core.targets import Goal, Quantity

Baseline = Literal["mask", "pad", "unk", "zero"]
MOST = 400  # steps; more have not been seen to help
TOLERANCE = 0.01  # of the change that is to be shared out
NOISE = 1e-5  # absolute; a gap of this size is rounding in fp32


def integrated_gradients(
    run: Run,
    goal: Goal,
    *,
    baseline: Baseline = "mask",
    steps: Annotated[int, Range(2, 1000)] = 50,
    quantity: Quantity = "log_probability",
) -> Found:
    """Share out the change from a blank text to this one.

    Gradients are averaged along the straight line from a baseline to the word embeddings and multiplied by the way; the
    scores sum to what the target gains over the baseline. Special tokens are the same in both and score 0. Between the
    two ends lie embeddings that are no words, and another baseline gives another answer.

    Args:
        baseline: What a blank text is made of: mask, padding or unknown tokens, or zeros. Special tokens stay; a model
            without such a token uses its end-of-text token.
        steps: Points on the way (Gauss-Legendre). Where they leave a gap of over 1 % they are doubled, up to 400.
        quantity: What is shared out: the target's log-probability, its probability or its logit.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", section 3; computed by captum.
    """
    from captum.attr import IntegratedGradients

    inputs = word_embeddings(run)
    blanks, name, notes = _baseline(run, inputs, baseline)

    done, planned = 0, 0

    def forward(embeddings: Tensor) -> Tensor:
        nonlocal done
        values = from_embeddings(run, goal, quantity, embeddings)
        done += len(values)
        step(min(done, planned), planned)
        return values

    with torch.no_grad():
        text, empty = (float(from_embeddings(run, goal, quantity, end)) for end in (inputs, blanks))
    change = text - empty
    # Half precision leaves a gap that no number of steps closes.
    most = MOST if next(run.lab.model.parameters()).dtype in (torch.float32, torch.float64) else steps
    taken = steps
    while True:
        planned += taken
        shares = IntegratedGradients(forward).attribute(
            inputs.clone().requires_grad_(), blanks, n_steps=taken, internal_batch_size=rows_at_once(run)
        )
        scores = shares[0].detach().double().sum(-1)
        gap = abs(float(scores.sum()) - change)
        if gap <= max(TOLERANCE * abs(change), NOISE) or taken >= most:
            break
        taken = min(2 * taken, most)
    relative = gap / abs(change) if change else 0.0
    if taken > steps:
        notes += (f"{steps} steps left a gap of over 1 %, so {taken} were taken.",)
    if gap > max(TOLERANCE * abs(change), NOISE):
        notes += (f"The scores miss the change they share out by {relative:.1%}; read them with care.",)
    words = f"Shares in the change of {quantity.replace('_', '-')} from {name} to the text ({change:+.4f}), {taken} steps."
    details = {"convergence_gap": gap, "convergence_gap_relative": relative, "change": change, "steps": taken}
    return Found(scores.cpu(), words, signed=True, details=details, notes=notes)


def _baseline(
    run: Run, inputs: Float[Tensor, "1 token width"], kind: Baseline
) -> tuple[Float[Tensor, "1 token width"], str, tuple[str, ...]]:
    """The blank text as embeddings, its name in words, and notes; special tokens keep their embedding."""
    if kind == "zero":
        blanks, name, notes = torch.zeros_like(inputs), "zeros", ()
    else:
        number, token, notes = blank(run.lab, kind)
        blanks, name = word_embeddings(run, [number] * len(run.tokens)), f"a text of {token}"
    fixed = form(run).to(inputs.device).view(1, -1, 1)
    return torch.where(fixed, inputs, blanks), name, notes
