"""Attention that makes a wished-for answer likely, found by gradient descent.

What is searched is a bias on the scores, cell by cell: whatever it is, rows sum to one and masked cells stay zero. Adam
minimises -log P(target) + λ · implausibility. It begins at no change and draws nothing at random.

That a verdict can be turned this way proves little: attention has so many cells that almost any answer can be had by a
change that is hard to see. What says something is how small the change can be (`Search.smallest`, `Search.fewest`), what
a change of the same size but at random does (`Search.control`), whether it works on other sentences (`carry`), and what
else moved (`Search.figures`): effectiveness, faithfulness and
minimality, as Stoehr et al. (Activation Scaling for Steering and Interpreting Language Models, EMNLP Findings 2024) ask.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core._descent import Energy, Step, descend
from attnlab_core._show import Shown
from attnlab_core.edits import Where
from attnlab_core.edits.bias import Bias, Cell
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range, check
from attnlab_core.plausibility import Judgement, reference
from attnlab_core.run import Run
from attnlab_core.targets import Answer, Goal, Target

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Search(Shown):
    """What an optimisation found.

    Attributes:
        before: The run it began from.
        after: The same under the found edit.
        edit: The found change: `before.again(edit)` is `after`.
        target: In words.
        asked: The target as it was given, or chosen.
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
    asked: Target | Answer
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
    def judgement(self) -> Judgement | None:
        """How plausible the found attention is, beside the model's own; None where the model has no reference."""
        known = reference(self.before.lab)
        return None if known is None else known.judge(self.after, self.before.plain)

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

    def fewest(self, by: str = "cell", steps: int = 15) -> Search:
        """The fewest cells or heads with which the verdict still turns: halve what may change, search there again, repeat.

        Of the cells, those stay whose attention moved most. It is a bound from above: a smaller change may exist.

        Args:
            by: "cell" or "head".
            steps: of Adam, after each halving.

        Raises:
            BadInput: the verdict did not turn in the first place.
        """
        if not self.flipped:
            raise BadInput("The verdict did not turn, so there is nothing to make smaller.")
        whole, best, share = self.before.with_continuation(self.goal), self, 0.5
        while share < 0.9:
            groups = _ranked(best, by)
            kept = groups[: int(len(groups) * share)]
            tried = replace(best, edit=_of(best.edit, kept)) if kept else best
            if kept:
                tried = tried._polished(whole, steps)
            if kept and tried.flipped and tried.effect > 0:
                best = tried
            else:
                share = (1 + share) / 2
        return best

    def _polished(self, whole: Run, steps: int) -> Search:
        """Search on, in the cells of the edit alone."""
        start = dict(self.edit.settle(whole.encoding, whole.lab).tensors or {})
        free = {k: bias != 0 for k, bias in start.items()}
        enough = min(float(self.settings["enough"]), 0.6)
        found = descend(
            whole, self.goal, free, plausibility=0.0, steps=steps, rate=0.5, enough=enough, energy=_free, start=start,
        )  # fmt: skip
        edit = Bias(cells=found.cells)
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
        one, two = self.before.probabilities, self.after.probabilities
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
        judged = self.judgement
        return {
            "target": self.target,
            "edit": self.edit.to_json(),
            "plausibility": None if judged is None else judged.to_json(),
            "steps": len(self.trace) - 1,
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
    heads: Sequence[tuple[int, int]] | None = None,
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
        heads: pairs of layer and head that may change, of those that `where` names; None is all.
        energy: implausibility of attention weights [layer, head, query, key], differentiable. None is what the model's
            reference finds odder than its own pattern of the text: 0 for that, about 1 for what the same words get in
            another sentence, or the same patches in another picture. Where it has no reference, the mean over rows of the KL divergence from the run's attention.

    Returns:
        The search; its edit may be sent, kept and replayed. The same input gives the same edit.

    Raises:
        BadInput: the target, the place or a number does not fit, or the target needs two continuations.
    """
    began = time.perf_counter()
    numbers = {"plausibility": plausibility, "steps": steps, "rate": rate, "enough": enough}
    check(optimise, numbers, "the search")
    asked = _wished(run) if target is None else target
    goal = run.goal(asked)
    if goal.against is not None:
        raise BadInput(
            "One continuation rather than another cannot be optimised for: give the first one alone."
        )
    whole = run.with_continuation(goal)
    place = (where or Where()).settle(whole.encoding, run.lab.layers, run.lab.heads)
    layers, *shape = whole.pattern.weights.shape
    allowed = place.cells((shape[0], shape[1], shape[2]), torch.device("cpu")).clone()
    allowed[:, len(run.tokens) :] = False  # a continuation's own rows stay, so that the edit fits the prompt
    chosen = range(layers) if place.layers is None else place.layers
    free = {k: allowed & whole.pattern.visible[k] for k in chosen}
    if heads is not None:
        named = torch.zeros(layers, shape[0], dtype=torch.bool)
        for layer, head in heads:
            Where(layers=(layer,), heads=(head,)).settle(run.encoding, layers, shape[0])
            named[layer, head] = True
        free = {k: cells & named[k, :, None, None] for k, cells in free.items() if named[k].any()}
    if not any(bool(cells.any()) for cells in free.values()):
        raise BadInput("No visible cell may change there. Choose other layers, queries or keys.")
    found = descend(
        whole, goal, free, plausibility=plausibility, steps=steps, rate=rate, enough=enough, energy=energy
    )
    edit = Bias(cells=found.cells)
    settings = {
        "plausibility": plausibility,
        "steps": steps,
        "rate": rate,
        "enough": enough,
        "where": place.to_json(),
        "heads": None if heads is None else [list(pair) for pair in heads],
    }
    after = run.again(edit) if edit.cells else run
    seconds = time.perf_counter() - began
    return Search(run, after, edit, goal.text, asked, goal, found.trace, found.stopped, settings, seconds)


def _wished(run: Run) -> str:
    """A classifier's second label."""
    if run.lab.task != "classification":
        raise BadInput("Say what the model is to answer: this task has no other label to turn to.")
    return list(run.probabilities)[1]


def _value(run: Run, goal: Goal) -> float:
    return float(goal.value(run.with_continuation(goal).logits[None]))


def _free(weights: Tensor) -> Tensor:
    """No hold on how odd attention becomes."""
    return weights.new_zeros(())


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
    values = iter(
        goal.value(whole.evaluate(rows=[(edit,) for edit in real], goal=goal)).tolist() if real else ()
    )
    return [next(values) - start if edit.cells else 0.0 for edit in edits]
