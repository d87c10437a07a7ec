"""Attention that makes a wished-for answer likely, found by gradient descent.

What is searched is a bias on the scores, cell by cell: whatever it is, rows sum to one and masked cells stay zero. Adam
minimises -log P(target) + λ · implausibility.

That a verdict can be turned this way proves little: attention has so many cells that almost any answer can be had by a
change that is hard to see. What says something is how small the change can be (`Search.smallest`), what a change of the
same size but at random does (`Search.control`), and what else moved (`Search.figures`): effectiveness, faithfulness and
minimality, as Stoehr et al. (Activation Scaling for Steering and Interpreting Language Models, EMNLP Findings 2024) ask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.edits import Where
from attnlab_core.edits.bias import Bias, Cell
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range
from attnlab_core.progress import step
from attnlab_core.targets import Answer, Goal, Target

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.run import Run

Energy = Callable[[Float[Tensor, "layer head query key"]], Tensor]
LEAST = 1e-3  # a bias below this is left out of the edit


@dataclass(frozen=True)
class Step:
    """One step of a search: P(target) and its logarithm, the implausibility, and the mean KL divergence per row."""

    probability: float
    log_probability: float
    implausibility: float
    distance: float


@dataclass(frozen=True, eq=False)
class Search:
    """What an optimisation found.

    Attributes:
        before: The run it began from.
        after: The same under the found edit.
        edit: The found change: `before.again(edit)` is `after`.
        target: In words.
        goal: The target, settled.
        trace: Every step, the first before any change.
        stopped: Why it ended, in words.
        settings: What was asked for.
        seconds: How long it took.
    """

    before: Run
    after: Run
    edit: Bias
    target: str
    goal: Goal
    trace: tuple[Step, ...]
    stopped: str
    settings: dict[str, Any]
    seconds: float

    @property
    def flipped(self) -> bool:
        """Whether the answer is another one now."""
        return self.before.prediction != self.after.prediction

    @property
    def effect(self) -> float:
        """The change of the target's log-probability, nats."""
        return _value(self.after, self.goal) - _value(self.before, self.goal)

    @property
    def change(self) -> Float[Tensor, "layer head query key"]:
        """Attention after less attention before."""
        return self.after.pattern.weights - self.before.pattern.weights

    def to_frame(self) -> pd.DataFrame:
        """The trace: step, probability, log_probability, implausibility, distance."""
        import pandas as pd

        return pd.DataFrame([vars(one) for one in self.trace]).rename_axis("step").reset_index()

    def smallest(self, share: float = 0.9, by: str = "cell") -> Search:
        """The search with only its largest changes kept, as few as carry this share of the effect.

        Args:
            share: of the change of the target's log-probability.
            by: "cell", or "head": whole heads are kept or left.

        Raises:
            BadInput: the search had no effect, or `share` is not between 0 and 1.
        """
        if not 0 < share <= 1:
            raise BadInput(f"share is {share}: give a number above 0, up to 1.")
        ranked = _ranked(self, by)
        low, high = 0, len(ranked)  # too few, enough
        while high - low > 1:
            counts = sorted({low + max(1, (high - low) * k // 9) for k in range(1, 9)} - {low, high})
            if not counts:
                break
            edits = [_of(self.edit, ranked[:count]) for count in counts]
            effects = _effects(self.before, self.goal, edits)
            enough = [n for n, e in zip(counts, effects, strict=True) if e >= share * self.effect]
            high = enough[0] if enough else high
            low = max([low, *(n for n in counts if n < high)])
        edit = _of(self.edit, ranked[:high])
        return replace(self, edit=edit, after=self.before.again(edit))

    def sizes(self, counts: Sequence[int], by: str = "cell") -> list[float]:
        """The effect when only the largest so many changes are kept: the curve of effect against size."""
        ranked = _ranked(self, by)
        return _effects(self.before, self.goal, [_of(self.edit, ranked[:count]) for count in counts])

    def control(self, draws: int = 20, seed: int = 0) -> list[float]:
        """The effects of the same biases put on other visible cells of their heads, at random."""
        draw = torch.Generator().manual_seed(seed)
        seen = self.before.pattern.visible
        edits = []
        for _ in range(draws):
            cells: list[Cell] = []
            for layer, head in dict.fromkeys(cell[:2] for cell in self.edit.cells):
                mine = [cell for cell in self.edit.cells if cell[:2] == (layer, head)]
                places = seen[layer, head].nonzero()
                for place, cell in zip(torch.randperm(len(places), generator=draw), mine, strict=False):
                    query, key = places[place].tolist()
                    cells.append((layer, head, query, key, cell[4]))
            edits.append(replace(self.edit, cells=tuple(cells)))
        return _effects(self.before, self.goal, edits)

    def figures(self) -> dict[str, float | int | None]:
        """Effectiveness, faithfulness and minimality of the found change.

        effectiveness: change of the target's log-odds. faithfulness: KL divergence, in nats, between the answers other
        than the target before and after, each renormalised; None where only one is left. minimality: mean total
        variation per row of attention. cells, heads: how many the edit touches.
        """
        one, two = (_answers(run) for run in (self.before, self.after))
        left = [key for key in one if key in two and key not in (self.target, self.before.prediction)]
        rest = None
        if len(left) > 1:
            p, q = (torch.tensor([d[key] for key in left]).clamp_min(1e-9) for d in (one, two))
            p, q = p / p.sum(), q / q.sum()
            rest = float((p * (p / q).log()).sum())
        odds = [
            torch.logit(torch.tensor(_value(run, self.goal)).exp(), eps=1e-6)
            for run in (self.before, self.after)
        ]
        return {
            "effectiveness": float(odds[1] - odds[0]),
            "faithfulness": rest,
            "minimality": float(self.change.abs().sum(-1).mean() / 2),
            "cells": len(self.edit.cells),
            "heads": len({cell[:2] for cell in self.edit.cells}),
        }

    def to_json(self) -> dict[str, Any]:
        """Plain types; the edit is the one to replay."""
        return {
            "target": self.target,
            "edit": self.edit.to_json(),
            "before": dict(self.before.probabilities),
            "after": dict(self.after.probabilities),
            "flipped": self.flipped,
            "effect": self.effect,
            "figures": self.figures(),
            "stopped": self.stopped,
            "settings": self.settings,
            "seconds": round(self.seconds, 3),
            "trace": [vars(one) for one in self.trace],
        }


def optimise(
    run: Run,
    target: Target | Answer | None = None,
    *,
    plausibility: Annotated[float, Range(0, 1000)] = 0.0,
    steps: Annotated[int, Range(1, 1000)] = 60,
    rate: Annotated[float, Range(0.001, 10)] = 0.1,
    enough: Annotated[float, Range(0.01, 1)] = 0.9,
    where: Where | None = None,
    energy: Energy | None = None,
) -> Search:
    """Find attention under which a target is likely, and stay plausible.

    Args:
        run: plain, or edited; its edits stay.
        target: what is to become likely; None is the strongest other label of a classifier.
        plausibility: λ, what implausibility counts against -log P(target), in nats.
        steps: of Adam, at most. The search ends before where P(target) is enough and nothing more is gained.
        rate: Adam's step, in units of a score.
        enough: the probability that is aimed at; the loss counts no gain beyond.
        where: the layers, heads, queries and keys that may change; None is all.
        energy: implausibility of attention weights [layer, head, query, key], differentiable; None is the mean over rows
            of the KL divergence from the run's own attention.

    Returns:
        The search; its edit may be sent, kept and replayed. The same input gives the same edit.

    Raises:
        BadInput: the target or the place does not fit, or the target needs two continuations.
    """
    began = time.perf_counter()
    goal = run.goal(_wished(run) if target is None else target)
    if goal.against is not None:
        raise BadInput(
            "One continuation rather than another cannot be optimised for: give the first one alone."
        )
    whole = run.with_continuation(goal)
    place = (where or Where()).settle(whole.encoding, run.lab.layers, run.lab.heads)
    pattern = whole.pattern
    layers = [k for k in range(run.lab.layers) if place.layers is None or k in place.layers]
    shape = (int(pattern.weights.shape[1]), *map(int, pattern.weights.shape[2:]))
    allowed = place.cells((shape[0], shape[1], shape[2]), torch.device("cpu"))
    allowed[:, len(run.tokens) :] = False  # a continuation's own rows stay, so that the edit fits the prompt
    free = {k: allowed & pattern.visible[k] for k in layers}
    if not any(bool(cells.any()) for cells in free.values()):
        raise BadInput("No visible cell may change there. Choose other layers, queries or keys.")
    theta = {k: torch.zeros(shape, device=run.lab.device, requires_grad=True) for k in layers}
    live = Bias(
        tensors={k: theta[k] * free[k].to(theta[k]) for k in layers}, where=Where(layers=tuple(layers))
    )
    optimiser = torch.optim.Adam(theta.values(), lr=rate)
    cost = energy or (lambda weights: distance(weights, pattern.weights))
    trace: list[Step] = []
    best, since = float("inf"), 0
    kept, stopped = {k: t.detach().clone() for k, t in theta.items()}, "all steps were made"
    for number in range(steps + 1):
        with torch.enable_grad():
            live = replace(live, tensors={k: theta[k] * free[k].to(theta[k]) for k in layers})
            loss, told = _loss(whole, goal, live, plausibility, enough, cost, pattern.weights)
        trace.append(told)
        if loss.item() < best - 1e-4:
            best, kept = loss.item(), {k: t.detach().clone() for k, t in theta.items()}
            since = 0
        else:
            since += 1
        if told.probability >= enough and (plausibility == 0 or since >= 5):
            stopped = f"P({goal.text}) is {told.probability:.2f}"
            break
        if since >= 20:
            stopped = "nothing was gained in 20 steps"
            break
        step(number, steps)
        if number < steps:
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    edit = Bias(cells=_cells({k: kept[k] * free[k].to(kept[k]) for k in layers}))
    settings = {
        "plausibility": plausibility,
        "steps": steps,
        "rate": rate,
        "enough": enough,
        "where": place.to_json(),
    }
    after = run.again(edit) if edit.cells else run
    return Search(
        run, after, edit, goal.text, goal, tuple(trace), stopped, settings, time.perf_counter() - began
    )


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
        [list(run.encoding.ids)], types=types, rows=[settled], keep=True, grad=True
    )
    mine = [k for k, call in enumerate(run.lab.calls) if call[0] == run.pattern.part]
    keys = plain.shape[-1]
    weights = torch.stack([tape.weights[k][0, ..., :keys].float() for k in mine])
    log_p = goal.value(logits).squeeze(0)
    odd = cost(weights)
    ceiling = torch.log(torch.tensor(enough, device=log_p.device))
    seen = log_p.detach()
    told = Step(float(seen.exp()), float(seen), float(odd.detach()), float(distance(weights.detach(), plain)))
    return torch.relu(ceiling - log_p) + weight * odd, told


def _wished(run: Run) -> str:
    """A classifier's second label."""
    if run.lab.task != "classification":
        raise BadInput("Say what the model is to answer: this task has no other label to turn to.")
    return list(run.probabilities)[1]


def _value(run: Run, goal: Goal) -> float:
    return float(goal.value(run.with_continuation(goal).logits[None]))


def _answers(run: Run) -> dict[str, float]:
    return dict(run.probabilities)


def _cells(tensors: dict[int, Tensor]) -> tuple[Cell, ...]:
    """The cells whose bias counts, with four digits."""
    return tuple(
        (layer, *map(int, place), round(float(bias[tuple(place)]), 4))  # type: ignore[misc]
        for layer, bias in sorted(tensors.items())
        for place in (bias.abs() > LEAST).nonzero().tolist()
    )


def _ranked(search: Search, by: str) -> list[list[Cell]]:
    """The edit's cells in groups (single ones, or heads), those that changed most attention first."""
    if by not in ("cell", "head"):
        raise BadInput(f"by is {by!r}: cells or heads are counted, so give 'cell' or 'head'.")
    moved = search.change.abs()
    groups: dict[tuple[int, ...], list[Cell]] = {}
    for cell in search.edit.cells:
        groups.setdefault(cell[:4] if by == "cell" else cell[:2], []).append(cell)
    if not groups or search.effect <= 0:
        raise BadInput("The search changed nothing for the target, so there is nothing to make smaller.")
    return [groups[key] for key in sorted(groups, key=lambda key: -float(moved[key].sum()))]


def _of(edit: Bias, groups: Sequence[Sequence[Cell]]) -> Bias:
    return replace(edit, cells=tuple(cell for group in groups for cell in group))


def _effects(run: Run, goal: Goal, edits: Sequence[Bias]) -> list[float]:
    """The change of the target's log-probability under each edit; an edit without cells changes nothing."""
    whole = run.with_continuation(goal)
    start = float(goal.value(whole.logits[None]))
    real = [edit for edit in edits if edit.cells]
    values = iter(goal.value(whole.evaluate(rows=[(edit,) for edit in real])).tolist() if real else ())
    return [next(values) - start if edit.cells else 0.0 for edit in edits]
