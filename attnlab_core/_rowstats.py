"""Figures of attention rows and of their distances, and the moments of those figures: what plausibility is made of.

Places are those of the tokens. Patches of a picture stand row by row, so their neighbours are the ones to the left and to
the right, and the one above is as many places away as a row has patches.

Everything that an optimiser minimises is differentiable in the weights, and its gradients are finite everywhere, weights
of exactly 0 or 1 included: bounded figures go through a logit whose ends are cut off (`EDGE`), logarithms are taken of
no less than `LEAST`, and a spread is never the root of zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

STATISTICS = ("entropy", "self", "previous", "next", "first", "separators", "largest", "distance")
FIGURES = (*STATISTICS, *(f"{name}, spread" for name in STATISTICS))
"""What `summary` gives: the mean of each statistic over a head's rows, then its spread over them."""
EDGE = 0.01  # of the logit: log((m + EDGE) / (1 - m + EDGE)) runs from -4.6 to 4.6, its slope is at most 100
LEAST = 1e-6  # a weight below it has this one's logarithm
FLAT = 0.01  # variance added under the root of a spread
NARROW = 0.05  # the least width of a figure, on the scale of the logit


def row_statistics(
    weights: Float[Tensor, "*batch query key"],
    visible: Bool[Tensor, "*batch query key"],
    special: Bool[Tensor, " key"],
) -> tuple[Float[Tensor, "*batch query stat"], Bool[Tensor, "*batch query stat"]]:
    """The eight `STATISTICS` of every row, each between 0 and 1 and then through the cut logit, and where each is defined.

    entropy: Of the row, over the logarithm of the number of visible keys; like `largest` and `distance`, only of rows
        with at least two.
    self, previous, next, first: The weight on the token itself, on its neighbours and on position 0, where visible.
    separators: The weight on all special tokens but position 0, where at least one is visible.
    largest: The largest weight.
    distance: The mean distance |query - key| under the row, over the distance of the farthest visible key.

    Args:
        weights: As many queries as keys. Rows need not sum to one.
        visible: False where the mask hides a key.
        special: True at the special tokens.
    """
    n = weights.shape[-1]
    seen = weights * visible
    place = torch.arange(n, device=weights.device)
    far = (place[:, None] - place).abs()
    count = visible.sum(-1)
    several = count > 1
    marks = special & (place > 0)

    def off(
        values: Tensor, by: int
    ) -> Tensor:  # the diagonal beside the main one, with a gap where it has no cell
        return functional.pad(values.diagonal(by, -2, -1), (max(-by, 0), max(by, 0)))

    entropy = -(seen * seen.clamp_min(LEAST).log()).sum(-1) / count.clamp_min(2).log()
    farthest = (far * visible).amax(-1).clamp_min(1)
    values = (
        entropy,
        off(seen, 0),
        off(seen, -1),
        off(seen, 1),
        seen[..., 0],
        (seen * marks).sum(-1),
        seen.amax(-1),
        (seen * far).sum(-1) / farthest,
    )
    told = (
        several,
        off(visible, 0),
        off(visible, -1),
        off(visible, 1),
        visible[..., 0],
        (visible & marks).any(-1),
        several,
        several,
    )
    bounded = torch.stack(values, -1).clamp(0, 1)
    return ((bounded + EDGE) / (1 - bounded + EDGE)).log(), torch.stack(told, -1) & several[..., None]


def summary(
    weights: Float[Tensor, "*batch query key"],
    visible: Bool[Tensor, "*batch query key"],
    special: Bool[Tensor, " key"],
) -> Float[Tensor, "*batch figure"]:
    """The `FIGURES` of every head: mean and spread of each statistic over the rows that have it; 0 where none has.

    The spread is the root of the variance plus `FLAT`.
    """
    values, told = row_statistics(weights, visible, special)
    count = told.sum(-2).clamp_min(1)
    mean = (values * told).sum(-2) / count
    variance = ((values - mean[..., None, :]).square() * told).sum(-2) / count
    return torch.cat((mean, (variance + FLAT).sqrt()), -1)


def row_divergence(
    edited: Float[Tensor, "*batch query key"],
    plain: Float[Tensor, "*batch query key"],
    visible: Bool[Tensor, "*batch query key"],
) -> Float[Tensor, "*batch query"]:
    """Σ e·log(e/p) - e + p over the visible keys: the KL divergence in nats; also rows that do not sum to one have one."""
    e, p = edited * visible, plain * visible
    return (e * (e.clamp_min(LEAST).log() - p.clamp_min(LEAST).log()) - e + p).sum(-1)


def divergence(
    edited: Float[Tensor, "*batch query key"],
    plain: Float[Tensor, "*batch query key"],
    visible: Bool[Tensor, "*batch query key"],
) -> Float[Tensor, "*batch"]:
    """`row_divergence` of every head, mean over the rows that see at least two keys."""
    several = visible.sum(-1) > 1
    rows = row_divergence(edited, plain, visible)
    return (rows * several).sum(-1) / several.sum(-1).clamp_min(1)


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of each head's figures, given the logarithm x of the text's length.

    Attributes:
        mean: Of the figures at x = 0.
        slope: How the mean changes with x.
        growth: How the logarithm of a figure's variance changes with x and with its square; one for all heads.
        whiten: What turns a head's deviations at x = 0 into independent ones of unit variance.
    """

    mean: Float[Tensor, "layer head figure"]
    slope: Float[Tensor, "layer head figure"]
    growth: Float[Tensor, "power figure"]
    whiten: Float[Tensor, "layer head figure figure"]


def moments(figures: Float[Tensor, "text layer head figure"], logs: Float[Tensor, " text"]) -> Moments:
    """Fit mean and covariance: both by least squares in the texts' log lengths; where all are of one length, by none of it.

    The correlations are shrunk towards zero by the share that makes their expected error least (Schäfer and Strimmer,
    Statistical Applications in Genetics and Molecular Biology 4, 2005), at least 2 %.
    """
    texts, layers, heads, count = figures.shape
    design = torch.stack((torch.ones_like(logs), logs), 1)
    lines = _solved(design, figures.flatten(1)).reshape(2, layers, heads, count)
    off = figures - lines[0] - lines[1] * logs[:, None, None, None]
    size = (off / off.std(0).clamp_min(NARROW)).square().mean((1, 2))
    curve = torch.stack((torch.ones_like(logs), logs, logs.square()), 1)
    growth = _solved(curve, (size + 1e-3).log())[1:]
    off = off * (-0.5 * curve[:, 1:] @ growth).exp()[:, None, None]
    width = off.std(0).clamp_min(NARROW)
    unit = off / width
    each = torch.einsum("tlhi,tlhj->lhij", unit, unit) / texts
    squares = torch.einsum("tlhi,tlhj->lhij", unit.square(), unit.square()) / texts
    between = ~torch.eye(count, dtype=torch.bool)
    noise = ((squares - each.square()) / texts * between).sum((-2, -1))
    share = (noise / (each.square() * between).sum((-2, -1)).clamp_min(1e-9)).clamp(0.02, 1)[..., None, None]
    shrunk = (1 - share) * each + share * torch.eye(count)
    whiten = torch.linalg.inv(torch.linalg.cholesky(shrunk)) / width[..., None, :]
    return Moments(lines[0], lines[1], growth, whiten)


def _solved(design: Float[Tensor, "text power"], values: Float[Tensor, "text value"]) -> Tensor:
    """Least squares; of columns that say the same, or nothing, the smallest solution: pictures have one length."""
    return torch.linalg.lstsq(design, values, driver="gelsy").solution
