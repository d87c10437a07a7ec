"""Integrated gradients: the answer's change from a blank text to this one, shared out over the words."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
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
PARTS, POINTS = (
    4,
    12,
)  # into how many stretches the line is cut where one is not enough, and the steps in each
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
        steps: Points on the way (Gauss-Legendre). Where they leave a gap of over 1 % the way is cut into stretches, and those
            that miss most are halved until the gap is closed, with up to 400 steps in all.
        quantity: What is shared out: the target's log-probability, its probability or its logit.

    Source: Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks", section 3.
    """
    inputs = word_embeddings(run)
    blanks, name, notes = _baseline(run, inputs, baseline)
    line = _Line(run, goal, quantity, blanks, inputs)
    change = line.value(1) - line.value(0)
    allowed = max(TOLERANCE * abs(change), NOISE)
    parts = [line.part(0, 1, steps)]
    # Half precision leaves a gap that no number of steps closes.
    closes = next(run.lab.model.parameters()).dtype in (torch.float32, torch.float64)
    if closes and steps < MOST and parts[0].gap > allowed:
        parts = min(parts, _refined(line, allowed), key=lambda some: sum(part.gap for part in some))
        notes += (
            f"{steps} steps left a gap of over 1 %, so {line.taken} were taken, most where the answer changes.",
        )
    scores = torch.stack([part.shares for part in parts]).sum(0)
    gap = abs(float(scores.sum()) - change)
    relative = gap / abs(change) if change else 0.0
    if gap > allowed:
        notes += (f"The scores miss the change they share out by {relative:.1%}; read them with care.",)
    this = "the picture" if run.lab.pictures else "the text"
    words = (
        f"Shares in the change of {quantity.replace('_', '-')} from {name} to {this} ({change:+.4f}), "
        f"{line.taken} steps."
    )
    details = {
        "convergence_gap": gap,
        "convergence_gap_relative": relative,
        "change": change,
        "steps": line.taken,
    }
    return Found(scores.cpu(), words, signed=True, details=details, notes=notes)


@dataclass(frozen=True)
class _Part:
    """A stretch of the line from the blank text (0) to the text (1): what each token gains on it, by its gradients."""

    start: float
    end: float
    shares: Float[Tensor, " token"]
    gap: float  # how far the shares miss what the target gains on it


class _Line:
    """The straight line between two texts, and what the target does on it."""

    def __init__(self, run: Run, goal: Goal, quantity: Quantity, blanks: Tensor, inputs: Tensor) -> None:
        self.run, self.goal = run, goal
        self.quantity: Quantity = quantity
        self.blanks, self.way = blanks, inputs - blanks
        self.taken = self.planned = 0
        with torch.no_grad():
            ends = from_embeddings(run, goal, quantity, torch.cat((blanks, inputs)))
        self._values = dict(zip((0.0, 1.0), ends.tolist(), strict=True))

    def value(self, at: float) -> float:
        """The target at a point."""
        if at not in self._values:
            with torch.no_grad():
                there = from_embeddings(self.run, self.goal, self.quantity, self.blanks + at * self.way)
            self._values[at] = float(there)
        return self._values[at]

    def part(self, start: float, end: float, steps: int) -> _Part:
        """Integrate over a stretch by the Gauss-Legendre rule."""
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        self.planned += steps
        points = torch.tensor(start + (end - start) * (nodes + 1) / 2).to(self.way).view(-1, 1, 1)
        gains = torch.cat([self._gains(some) for some in points.split(rows_at_once(self.run))])
        shares = (torch.tensor(weights).view(-1, 1).to(gains) * gains).sum(0) * (end - start) / 2
        return _Part(start, end, shares, abs(float(shares.sum()) - (self.value(end) - self.value(start))))

    def _gains(self, points: Float[Tensor, "step 1 1"]) -> Float[Tensor, "step token"]:
        there = (self.blanks + points * self.way).requires_grad_()
        with torch.enable_grad():
            whole = from_embeddings(self.run, self.goal, self.quantity, there).sum()
            (slope,) = torch.autograd.grad(whole, there)
        self.taken += len(points)
        step(self.taken, self.planned)
        return (slope * self.way).double().sum(-1)


def _refined(line: _Line, allowed: float) -> list[_Part]:
    """The line in stretches, those that miss most halved again and again: their gaps are known from their ends."""
    edges = [k / PARTS for k in range(PARTS + 1)]
    parts = [line.part(a, b, POINTS) for a, b in pairwise(edges)]
    while sum(part.gap for part in parts) > allowed and line.taken + 2 * POINTS <= MOST:
        worst = max(parts, key=lambda part: part.gap)
        middle = (worst.start + worst.end) / 2
        parts.remove(worst)
        parts += [line.part(worst.start, middle, POINTS), line.part(middle, worst.end, POINTS)]
    return parts


def _baseline(
    run: Run, inputs: Float[Tensor, "1 token width"], kind: Baseline
) -> tuple[Float[Tensor, "1 token width"], str, tuple[str, ...]]:
    """The blank text as embeddings, its name in words, and notes; special tokens keep their embedding."""
    if kind == "zero":
        blanks, name, notes = torch.zeros_like(inputs), "zeros", ()
    else:
        number, token, notes = blank(run.lab, kind)
        blanks, name = word_embeddings(run, [number] * len(run.tokens)), run.lab.reader.whole(token)
    fixed = form(run).to(inputs.device).view(1, -1, 1)
    return torch.where(fixed, inputs, blanks), name, notes
