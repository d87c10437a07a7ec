"""Gradient descent on attention: the biases, cell by cell, that make a target likely and stay plausible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits import Where
from attnlab_core.edits.bias import Bias, Cell
from attnlab_core.plausibility import reference
from attnlab_core.progress import step
from attnlab_core.targets import Goal

if TYPE_CHECKING:
    from attnlab_core.run import Run

Energy = Callable[[Float[Tensor, "layer head query key"]], Tensor]
Layers = Mapping[int, Float[Tensor, "head query key"]]
LEAST = 1e-3  # a bias below this is left out of the edit


@dataclass(frozen=True)
class Step:
    """One step of a search: P(target) and its logarithm, the implausibility, and the mean KL divergence per row."""

    probability: float
    log_probability: float
    implausibility: float
    distance: float


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended.

    Attributes:
        biases: The best ones met, by layer.
        trace: Every step, the first before any change.
        stopped: Why it ended, in words.
    """

    biases: Layers
    trace: tuple[Step, ...]
    stopped: str

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells whose bias counts, with four digits."""
        return tuple(
            (layer, *map(int, place), round(float(bias[tuple(place)]), 4))  # type: ignore[misc]
            for layer, bias in sorted(self.biases.items())
            for place in (bias.abs() > LEAST).nonzero().tolist()
        )


def descend(
    run: Run,
    goal: Goal,
    free: Mapping[int, Bool[Tensor, "head query key"]],
    *,
    plausibility: float,
    steps: int,
    rate: float,
    enough: float,
    energy: Energy | None = None,
    start: Layers | None = None,
) -> Descent:
    """Adam on the biases of the free cells, by -log P(target), no gain beyond `enough`, + λ · implausibility.

    Args:
        run: on the prompt and the goal's continuation.
        goal: the target, settled.
        free: True where a layer's cells may change; other layers stay.
        plausibility: λ; this and what follows as in `search.optimise`.
        steps: at most.
        rate: Adam's.
        enough: the probability that is aimed at.
        energy: implausibility.
        start: the biases to begin with; None is no change.
    """
    device, plain = run.lab.device, run.pattern.weights
    theta = {
        k: (torch.zeros(cells.shape) if start is None else start[k] * cells).to(device).requires_grad_()
        for k, cells in free.items()
    }
    there = {k: cells.to(device) for k, cells in free.items()}
    cost = energy or excess(run)
    optimiser = torch.optim.Adam(theta.values(), lr=rate)
    live = Bias(where=Where(layers=tuple(theta)))
    trace: list[Step] = []
    best, since = float("inf"), 0
    kept, stopped = {k: t.detach().clone() for k, t in theta.items()}, "all steps were made"
    for number in range(steps + 1):
        with torch.enable_grad():
            live = replace(live, tensors={k: t * there[k] for k, t in theta.items()})
            loss, told = _loss(run, goal, live, plausibility, enough, cost, plain)
        trace.append(told)
        since += 1
        if loss.item() < best - 1e-3:
            best, since, kept = loss.item(), 0, {k: t.detach().clone() for k, t in theta.items()}
        if told.probability >= enough and (plausibility == 0 or since >= 5):
            stopped = f"P({goal.text}) is {told.probability:.2f}"
            break
        if since >= 20:
            stopped = "nothing was gained in 20 steps"
            break
        step(number, steps)
        if number < steps:
            slopes = torch.autograd.grad(
                loss, list(theta.values())
            )  # backward() would leave gradients on the model
            for t, slope in zip(theta.values(), slopes, strict=True):
                t.grad = slope
            optimiser.step()
    return Descent({k: (t * there[k]).cpu() for k, t in kept.items()}, tuple(trace), stopped)


def excess(run: Run) -> Energy:
    """How much odder than the model's own pattern of this text or picture, by its reference; without one the distance from it.

    Being more ordinary than the model itself earns nothing: a search would otherwise pull every head to the mean.
    """
    known, pattern = reference(run.lab), run.pattern
    if known is None:
        return lambda weights: distance(weights, pattern.weights)
    special = torch.tensor([token.special for token in run.tokens])
    own = run.plain.pattern.weights
    usual, _ = known.parts(own, pattern.visible, special)

    def energy(weights: Float[Tensor, "layer head query key"]) -> Tensor:
        there = (part.to(weights.device) for part in (pattern.visible, special, own))
        shape, far = known.parts(weights, *there)
        assert far is not None
        return (torch.relu(shape - usual.to(shape)) + far).mean()

    return energy


def distance(
    weights: Float[Tensor, "layer head query key"], plain: Float[Tensor, "layer head query key"]
) -> Float[Tensor, ""]:
    """The KL divergence of each row from the plain one, in nats, mean over all rows."""
    tiny = torch.finfo(weights.dtype).tiny
    plain = plain.to(weights)
    return (weights * ((weights + tiny).log() - (plain + tiny).log())).sum(-1).mean()


def _loss(
    run: Run, goal: Goal, live: Bias, weight: float, enough: float, cost: Energy, plain: Tensor
) -> tuple[Tensor, Step]:
    types = None if run.encoding.types is None else [list(run.encoding.types)]
    settled = (*run.lab.settle(run.encoding, run.edits), live)
    logits, tape = run.lab.forward(
        [list(run.encoding.ids)], types=types, rows=[settled], keep=True, grad=True, reads=run.reads(goal)
    )
    mine = [k for k, call in enumerate(run.lab.calls) if call[0] == run.pattern.part]
    keys = plain.shape[-1]
    weights = run.lab.by_layer(run.pattern.part, [tape.weights[k][0, ..., :keys].float() for k in mine])
    log_p = goal.value(logits).squeeze(0)
    odd = cost(weights if weight else weights.detach())
    ceiling = torch.log(torch.tensor(enough, device=log_p.device))
    seen = log_p.detach()
    told = Step(float(seen.exp()), float(seen), float(odd.detach()), float(distance(weights.detach(), plain)))
    return torch.relu(ceiling - log_p) + weight * odd, told
