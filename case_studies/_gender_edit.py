"""Which heads carry the stereotype, and one edit of them, found on one half of the sentences and tried on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.plausibility import reference
from attnlab_core.progress import step
from attnlab_core.stats import holm
from case_studies._gender_asks import Asked, Head, at_mask, logits, odds, scaled, together

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

WEIGHT = 1.0
"""What implausibility counts: 0 is that of the model's own attention, about 1 what the same words get in another sentence."""
PRICE = 0.02
"""Of an e-fold change of one head's odds: it must take away a fiftieth of the squared gap to be worth its while.

Settled by holding parts of the searched half against each other, where prices from 0.003 to 0.03 did about equally well.
"""
LEAST = 0.2
"""A head whose odds change by less than a fifth is left alone."""
STEPS = 30
RATE = 0.2


def by_occupation(values: Sequence[float], asked: Sequence[Asked]) -> dict[str, float]:
    """The mean of each referent."""
    found: dict[str, list[float]] = {}
    for value, one in zip(values, asked, strict=True):
        found.setdefault(one.item.referent, []).append(value)
    return {name: sum(some) / len(some) for name, some in found.items()}


def carry(lab: Lab, asked: Sequence[Asked], *, total: int, done: int) -> list[dict[str, Any]]:
    """Take each head's attention from the mask to the occupation away: what that does to the gap, the largest fall first.

    A head's effect is the change of the log-odds of she, women's occupations less men's. Occupations are the cases of its test
    (Welch's, two-sided); p-values are corrected by Holm's method for the number of heads.
    """
    from scipy.stats import ttest_ind

    plain = odds(logits(lab, asked), asked)
    found = []
    for layer in range(lab.layers):
        for head in range(lab.heads):
            without = odds(logits(lab, asked, scaled({(layer, head): 0.0}, Asked.people)), asked)
            change = by_occupation((without - plain).tolist(), asked)
            women, men = ([change[n] for n in change if n in group] for group in _groups(asked))
            test: Any = ttest_ind(women, men, equal_var=False)
            p = float(test.pvalue)
            effect = float(np.mean(women) - np.mean(men))
            found.append({"layer": layer, "head": head, "effect": effect, "p": 1.0 if np.isnan(p) else p})
        step(done + layer + 1, total)
    for one, corrected in zip(found, holm([one["p"] for one in found]), strict=True):
        one["holm"] = corrected
    return sorted(found, key=lambda one: one["effect"])


def _groups(asked: Sequence[Asked]) -> tuple[set[str], set[str]]:
    women = {one.item.referent for one in asked if one.item.female}
    return women, {one.item.referent for one in asked} - women


def search(lab: Lab, asked: Sequence[Asked], *, total: int = 0, done: int = 0) -> dict[str, Any]:
    """One edit that makes the gap small and stays plausible, found by gradient descent on one factor a head.

    A factor multiplies the odds of attending from the mask to the occupation (`Scale`). Adam minimises, over the logarithms
    of all factors, the squared gap of the log-odds of she (mean over the frames, as a share of what it is without an edit),
    plus how much odder the attention is than the model's own, plus `PRICE` for every e-fold change of a head. Heads that
    then change by less than `LEAST` are left alone, and the descent goes on among the others.

    Args:
        lab: The model.
        asked: Sentences with one person.
        total: Steps of the whole study, told to a watcher.
        done: Those before.

    Returns:
        plain and left (the gap of the log-odds without the edit and with it), first (how many heads the first descent
        changed) and factors (of each head, with three digits).
    """
    parts = [_part(lab, [asked[k] for k in some], some) for some in together(asked, edited=True)]
    theta = torch.zeros(lab.layers, lab.heads)
    free = torch.ones_like(theta)
    counts = []
    for turn in range(2):
        theta = _descend(lab, parts, asked, theta, free, (done + turn * STEPS, total))
        free = (theta.abs() >= LEAST).float()
        theta = theta * free
        counts.append(int(free.sum()))
    factors = {(k, h): float(f"{theta[k, h].exp():.3g}") for k, h in theta.nonzero().tolist()}
    how = {"plain": None, "left": scaled(factors, Asked.people)}
    found = {
        name: gaps_of_frames(odds(logits(lab, asked, one), asked), asked).mean() for name, one in how.items()
    }
    return {name: float(value) for name, value in found.items()} | {"first": counts[0], "factors": factors}


def gaps_of_frames(values: Float[Tensor, " n"], asked: Sequence[Asked]) -> Float[Tensor, " frame"]:
    """Of each frame: the mean over women's occupations less that over men's."""
    frame = torch.tensor([one.item.schema for one in asked])
    female = torch.tensor([one.item.female for one in asked])
    gaps = [
        values[(frame == k) & female].mean() - values[(frame == k) & ~female].mean() for k in frame.unique()
    ]
    return torch.stack(gaps)


@dataclass(frozen=True, eq=False)
class Part:
    """Sentences that go through together, and the attention that the model pays in the first of them.

    Attributes:
        asked: The sentences.
        numbers: Theirs among all that are searched on.
        plain: The first one's attention.
        visible: False where the mask of the model hides a key.
        special: True at the special tokens.
        usual: How odd each head's own pattern is; None where the model has no reference.
    """

    asked: list[Asked]
    numbers: list[int]
    plain: Float[Tensor, "layer head query key"]
    visible: Bool[Tensor, "layer head query key"]
    special: Bool[Tensor, " key"]
    usual: Float[Tensor, "layer head"] | None


def _part(lab: Lab, asked: list[Asked], numbers: list[int]) -> Part:
    _, tape = at_mask(lab, asked[:1], keep=True)
    plain = _first(lab, tape.weights)
    visible = _first(lab, tape.visible).expand_as(plain)
    special = torch.tensor([token.special for token in asked[0].encoding.tokens])
    known = reference(lab)
    usual = None if known is None else known.parts(plain, visible, special)[0]
    return Part(asked, numbers, plain, visible, special, usual)


def _first(lab: Lab, kept: Sequence[Tensor]) -> Tensor:
    """What was kept of the first sentence [layer, head, query, key], in the part of the model that reads the text."""
    return torch.stack([kept[k][0] for k, call in enumerate(lab.calls) if call[0] == lab.calls[0][0]]).cpu()


def _descend(
    lab: Lab,
    parts: Sequence[Part],
    asked: Sequence[Asked],
    start: Float[Tensor, "layer head"],
    free: Float[Tensor, "layer head"],
    told: tuple[int, int],
) -> Float[Tensor, "layer head"]:
    """The logarithms of the factors after `STEPS` steps of Adam, whose size falls to nothing."""
    order = torch.tensor([number for part in parts for number in part.numbers]).argsort()
    theta = start.clone().requires_grad_()
    adam = torch.optim.Adam([theta], lr=RATE)
    whole = float(gaps_of_frames(odds(logits(lab, asked), asked), asked).square().mean()) or 1.0
    for number in range(STEPS):
        adam.param_groups[0]["lr"] = RATE * (1 - number / STEPS)
        with torch.enable_grad():
            both = [_under(lab, part, theta * free) for part in parts]
            gap = gaps_of_frames(torch.cat([one for one, _ in both])[order], asked).square().mean()
            odd = torch.stack([one for _, one in both]).mean()
            loss = gap / whole + WEIGHT * odd + PRICE * (theta * free).abs().sum()
        (theta.grad,) = torch.autograd.grad(loss, theta)  # and none of the model's own weights
        adam.step()
        step(told[0] + number + 1, told[1])
    return theta.detach() * free


def _under(lab: Lab, part: Part, theta: Float[Tensor, "layer head"]) -> tuple[Tensor, Tensor]:
    """The log-odds of she of a part's sentences under the factors exp(theta), and how odd the attention of the first is."""
    one = part.asked[0]
    edits = [
        Scale(where=Where((layer,), None, (one.mask,), one.people())).live(
            factor=row.exp().to(lab.device)[:, None, None]
        )
        for layer, row in enumerate(theta)
    ]
    found, tape = at_mask(lab, part.asked, edits, keep=True, grad=True)
    return odds(found, part.asked), oddness(lab, part, _first(lab, tape.weights))


def oddness(lab: Lab, part: Part, weights: Float[Tensor, "layer head query key"]) -> Float[Tensor, ""]:
    """How much odder attention is than the model's own, by its reference; without one the share that was moved."""
    known = reference(lab)
    if known is None or part.usual is None:
        return (weights - part.plain).abs().sum(-1).mean() / 2
    shape, far = known.parts(weights, part.visible, part.special, part.plain)
    return (torch.relu(shape - part.usual) + (0.0 if far is None else far)).mean()


def other_heads(factors: Mapping[Head, float], lab: Lab, draw: np.random.Generator) -> dict[Head, float]:
    """The same factors for as many other heads, each in the same layer where it has any left."""
    taken, found = set(factors), {}
    for (layer, head), factor in factors.items():
        free = [(layer, h) for h in range(lab.heads) if (layer, h) not in taken]
        free = free or [(at, h) for at in range(lab.layers) for h in range(lab.heads) if (at, h) not in taken]
        other = free[int(draw.integers(len(free)))] if free else (layer, head)
        taken.add(other)
        found[other] = factor
    return found
