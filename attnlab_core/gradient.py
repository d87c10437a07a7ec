"""The gradient of an answer by every attention weight: where more or less attention would move it, to first order.

A weight cannot grow alone: its row sums to one. So the gradient is given on the simplex's tangent, each row's mean over
its visible cells taken off; the raw one, which also tells what the row as a whole is worth, is there on request.

The gradient is a tangent, and attention edits are no small steps. `suggest` therefore runs what the gradient promises,
and puts the two figures side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core._operate import operate
from attnlab_core.edits import Edit, Where
from attnlab_core.edits.scale import Scale
from attnlab_core.edits.sharpen import Sharpen
from attnlab_core.edits.uniform import Uniform
from attnlab_core.edits.zero import Zero
from attnlab_core.errors import BadInput
from attnlab_core.pattern import AttentionPattern
from attnlab_core.progress import step
from attnlab_core.targets import Answer, Quantity, Target

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.run import Run

FACTORS = (0.0, 2.0)  # what a single cell is multiplied by, to see whether it helps


@dataclass(frozen=True, eq=False)
class AttentionGradient:
    """The gradient of a target by the attention weights of one run.

    Attributes:
        target: In words.
        quantity: What was differentiated: the target's log-probability (nats), probability or logit.
        raw: Float[Tensor, "layer head query key"], CPU, fp32; zero where the mask hides a key.
        pattern: The attention it was taken at, with the texts of queries and keys.
    """

    target: str
    quantity: Quantity
    raw: Float[Tensor, "layer head query key"]
    pattern: AttentionPattern

    @property
    def tangent(self) -> Float[Tensor, "layer head query key"]:
        """The raw gradient without its mean over each row's visible cells: what is left when rows sum to one."""
        seen = self.pattern.visible
        mean = self.raw.sum(-1, keepdim=True) / seen.sum(-1, keepdim=True).clamp_min(1)
        return (self.raw - mean) * seen

    def heads(self) -> Float[Tensor, "layer head"]:
        """The length (L2 norm) of each head's gradient on the tangent."""
        return self.tangent.flatten(2).norm(dim=-1)

    def keys(self) -> Float[Tensor, " key"]:
        """What it would bring, to first order, to multiply the attention on each key by 1 + ε everywhere, over ε."""
        return self.gain.sum((0, 1, 2))

    @property
    def gain(self) -> Float[Tensor, "layer head query key"]:
        """The derivative by the logarithm of each weight's odds: weight × (gradient - its mean under the row)."""
        weights = self.pattern.weights
        return weights * (self.raw - (weights * self.raw).sum(-1, keepdim=True))

    def to_frame(self, most: int | None = None) -> pd.DataFrame:
        """One row a visible cell, the steepest first: layer, head, query, key and their texts, weight, tangent, raw, gain."""
        frame = self.pattern.to_frame().assign(
            tangent=self.tangent.flatten().numpy(),
            raw=self.raw.flatten().numpy(),
            gain=self.gain.flatten().numpy(),
        )
        frame = frame[self.pattern.visible.flatten().numpy()]
        order = frame.tangent.abs().sort_values(ascending=False).index
        return frame.loc[order[:most]].reset_index(drop=True)


@dataclass(frozen=True)
class Suggestion:
    """A change that the gradient finds promising, and what it did when it was run.

    Attributes:
        edit: The change.
        predicted: First-order change of the target, in the gradient's quantity.
        real: The change when the edit was run.
    """

    edit: Edit
    predicted: float
    real: float

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {"edit": self.edit.to_json(), "predicted": self.predicted, "real": self.real}


def attention_gradient(
    run: Run, target: Target | Answer | None = None, *, quantity: Quantity = "log_probability"
) -> AttentionGradient:
    """Differentiate a target by every attention weight of a run, as the weights went on after the run's edits.

    Args:
        run: plain or edited; weights that edits made are where the gradient is taken.
        target: as everywhere; a continuation of several tokens is read with the tokens before its last one appended,
            and the gradient then has their rows, too.
        quantity: what is differentiated.

    Raises:
        BadInput: the target does not fit the run.
    """
    goal = run.goal(target)
    longer = run.with_continuation(goal)
    raw = longer.slopes(goal, quantity)
    pattern = longer.pattern
    if goal.against is not None:  # two continuations: what both have in common is the prompt
        other = run.with_continuation(goal.against).slopes(goal.against, quantity)
        n = len(run.tokens)
        raw, pattern = raw[..., :n, :n] - other[..., :n, :n], run.pattern
    return AttentionGradient(goal.text, quantity, raw, pattern)


def predicted(run: Run, found: AttentionGradient, edit: Edit) -> float:
    """The first-order change of the target under an edit on weights: the gradient times what the edit changes."""
    settled = edit.settle(run.encoding, run.lab)
    part, weights = found.pattern.part, found.pattern.weights
    only = len({name for name, _ in run.lab.calls}) == 1
    total = 0.0
    for layer in range(len(weights)):
        if settled.where.covers(part, layer, only):
            old, seen = weights[layer : layer + 1], found.pattern.visible[layer : layer + 1]
            scores = old.log().masked_fill(~seen, torch.finfo(old.dtype).min)
            new, _ = operate(scores, seen, old, [settled], (part, layer))
            total += float((found.raw[layer] * (new - old)[0]).sum())
    return total


def suggest(
    run: Run,
    target: Target | Answer | None = None,
    *,
    of: Literal["cells", "heads"] = "cells",
    most: int = 10,
    quantity: Quantity = "log_probability",
) -> list[Suggestion]:
    """What would help a target most? The single changes with the largest first-order gain, each really run.

    Args:
        run: plain or edited.
        target: what is to become likelier.
        of: "cells": one query's attention to one key in one head is doubled in its odds, or taken away; "heads": a head
            is switched off, made uniform, or made sharper.
        most: how many are returned, the best prediction first.
        quantity: what predicted and real changes are of.

    Raises:
        BadInput: the target does not fit the run, or `most` is less than one.
    """
    if most < 1:
        raise BadInput(f"most is {most}: ask for one suggestion at least.")
    found = attention_gradient(run, target, quantity=quantity)
    told = _cells(found, most) if of == "cells" else _heads(run, found, most)
    before = run.value(target if target is not None else run.prediction, quantity)
    suggestions = []
    for number, (gain, edit) in enumerate(told):
        after = run.again(edit).value(target if target is not None else run.prediction, quantity)
        suggestions.append(Suggestion(edit, gain, after - before))
        step(number + 1, len(told))
    return suggestions


def _cells(found: AttentionGradient, most: int) -> list[tuple[float, Edit]]:
    """The best single cells and factors: a weight p becomes c·p / (1 - p + c·p), the rest of its row shrinks or grows."""
    weights, raw = found.pattern.weights, found.raw
    worth = (weights * raw).sum(-1, keepdim=True)
    options = torch.stack(
        [(worth + (c - 1) * raw * weights) / (1 + (c - 1) * weights).clamp_min(1e-6) - worth for c in FACTORS]
    )
    options = options.masked_fill(~found.pattern.visible | (weights > 1 - 1e-4), -torch.inf)
    top = options.flatten().topk(min(most, int(options.isfinite().sum())))
    made = []
    for gain, place in zip(top.values.tolist(), top.indices.tolist(), strict=True):
        c, layer, head, query, key = (int(k) for k in torch.unravel_index(torch.tensor(place), options.shape))
        where = Where(layers=(layer,), heads=(head,), queries=(query,), keys=(key,))
        made.append((gain, Scale(factor=FACTORS[c], where=where)))
    return made


def _heads(run: Run, found: AttentionGradient, most: int) -> list[tuple[float, Edit]]:
    """The best changes of one whole head."""
    layers, heads = found.raw.shape[:2]
    places = [Where(layers=(layer,), heads=(head,)) for layer in range(layers) for head in range(heads)]
    edits = [
        kind for where in places for kind in (Zero(where=where), Uniform(where=where), Sharpen(where=where))
    ]
    rated: list[tuple[float, Edit]] = [(predicted(run, found, edit), edit) for edit in edits]
    return sorted(rated, key=lambda pair: -pair[0])[:most]
