"""Deletion curves: what is left of an answer as more and more of the text goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.metrics._case import Case

if TYPE_CHECKING:
    import pandas as pd

First = Literal["most", "least"]
STEPS = 10


@dataclass(frozen=True, eq=False)
class Curve:
    """The probability of an answer by the share of the text that is deleted; the first point is the whole text.

    Attributes:
        shares: Of the judged tokens or words, from 0 to 1.
        probabilities: The goal's with that share deleted.
        first: Whether the most or the least relevant go first.
    """

    shares: Float[Tensor, " point"]
    probabilities: Float[Tensor, " point"]
    first: First

    @property
    def area(self) -> float:
        """The mean over all points, the first and the last included (Samek's normalisation); NaN without points."""
        return float(self.probabilities.mean()) if len(self.shares) > 1 else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """A row a point: first, share, probability."""
        import pandas as pd

        return pd.DataFrame(
            {"first": self.first, "share": self.shares.numpy(), "probability": self.probabilities.numpy()}
        )


def deletion_curve(case: Case, first: First = "most", steps: int = STEPS) -> Curve:
    """Delete a text step by step, the most or the least relevant first.

    Args:
        case: The explanation that says what is relevant.
        first: Which end of its order goes first. Units of the same score go in the order of the text, from the
            back where the least relevant go first.
        steps: In how many equal steps all goes; a text of fewer units goes unit by unit.
    """
    count = len(case.units)
    taken = min(steps, count)
    sizes = [round(step * count / taken) for step in range(taken + 1)] if taken else [0]
    order = case.order if first == "most" else case.order[::-1]
    found = case.without([order[:size] for size in sizes])
    places = torch.tensor(sizes, dtype=torch.float64)
    return Curve(places / max(count, 1), found, first)
