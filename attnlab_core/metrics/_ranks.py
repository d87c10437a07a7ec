"""What comparisons with a person's marks share: the best k, and precision and recall down the ranks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.metrics._case import Case, Undefined


def unmarked(case: Case) -> Undefined:
    """The reason why a comparison with a person's marks has no value."""
    why = (
        "No token is marked as right." if case.gold is None else "No token that is ranked is marked as right."
    )
    return Undefined(why)


def overlap(case: Case, k: int | None) -> tuple[int, int, int] | None:
    """How many units are both among the best k and marked, how many were taken, how many are marked.

    Without k as many are taken as are marked. None where nothing is marked.
    """
    if case.marked is None:
        return None
    gold = int(case.marked.sum())
    taken = case.order[: gold if k is None else k]
    return int(case.marked[list(taken)].sum()), len(taken), gold


def precision_recall(case: Case) -> tuple[Float[Tensor, " level"], Float[Tensor, " level"]] | None:
    """Precision and recall at every level of score from the highest down; equal scores are one level."""
    if case.marked is None:
        return None
    levels = case.values.unique().flip(0)
    above = case.values[None, :] >= levels[:, None]
    hits = (above & case.marked).sum(-1).double()
    return hits / above.sum(-1), hits / torch.tensor(int(case.marked.sum()), dtype=torch.float64)
