"""Gradient SHAP: integrated gradients from many random texts instead of one blank one."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from attnlab_core.knobs import Range, labelled
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._inputs import BLANKS, blank, form, from_embeddings, word_embeddings
from attnlab_core.progress import step
from attnlab_core.prompt import Id
from attnlab_core.targets import Goal, Quantity


@labelled("Gradient SHAP")
def gradient_shap(
    run: Run,
    goal: Goal,
    *,
    baseline: Literal["words", "mask", "pad", "unk"] = "words",
    draws: Annotated[int, Range(2, 2000)] = 64,
    seed: Annotated[int, Range(0)] = 0,
    quantity: Quantity = "log_probability",
) -> Found:
    """Share out what the text gains over texts of random words.

    For each draw a baseline text and a point on the way from it to this text are chosen at random; the gradient there is
    multiplied by the way, and the mean over draws is taken. Special tokens are the same in both and score 0. The scores
    add up to the mean gain only as far as the draws go: how far they miss it is told.

    Args:
        baseline: What the baseline texts are made of: random words of the vocabulary, another text for each draw, or mask,
            unknown or padding tokens.
        draws: How many points.
        seed: Another number draws others.
        quantity: What is shared out: the target's log-probability, its probability or its logit.

    Source: Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions"; Erion et al. 2021 (expected gradients).
    """
    random = torch.Generator().manual_seed(seed)
    inputs = word_embeddings(run)
    ids, name, notes = _baselines(run, baseline, draws, random)
    steps = torch.randperm(draws, generator=random) + torch.rand(draws, generator=random)
    share = (steps / draws).view(-1, 1, 1).to(inputs)  # one from each part of the way, so that fewer draws do
    fixed = form(run).to(inputs.device).view(1, -1, 1)
    size, total, gains = run.lab.batch_size, torch.zeros_like(inputs[0]).double(), list[Tensor]()
    for first in range(0, draws, size):
        part = slice(first, min(first + size, draws))
        empty = torch.where(fixed, inputs, torch.stack([word_embeddings(run, row)[0] for row in ids[part]]))
        point = (empty + share[part] * (inputs - empty)).requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(from_embeddings(run, goal, quantity, point).sum(), point)
        total += ((inputs - empty) * slope).double().sum(0)
        with torch.no_grad():
            gains.append(from_embeddings(run, goal, quantity, empty).double())
        step(part.stop, draws)
    with torch.no_grad():
        change = float(from_embeddings(run, goal, quantity, inputs).double() - torch.cat(gains).mean())
    scores = (total / draws).sum(-1).cpu()
    gap = abs(float(scores.sum()) - change)
    relative = gap / abs(change) if change else 0.0
    if relative > 0.1:
        notes += (
            f"With {draws} draws the scores miss the gain they share out by {relative:.0%}; more draws come nearer.",
        )
    words = f"Shares in the gain of {quantity.replace('_', '-')} over {name} ({change:+.4f} on average), {draws} draws."
    return Found(scores, words, signed=True, details={"gap": gap, "change": change}, notes=notes)


def _baselines(
    run: Run, kind: str, draws: int, random: torch.Generator
) -> tuple[list[list[Id]], str, tuple[str, ...]]:
    """The ids of the baseline texts, their name in words, and notes."""
    n = len(run.tokens)
    if kind != "words":
        number, token, notes = blank(run.lab, next(one for one in BLANKS if one == kind))
        return [[number] * n] * draws, run.lab.reader.whole(token), notes
    known, name = run.lab.reader.any_of(run.encoding)
    drawn = torch.randint(len(known), (draws, n), generator=random).tolist()
    return [[known[k] for k in row] for row in drawn], name, ()
