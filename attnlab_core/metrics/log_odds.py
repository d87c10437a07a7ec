"""The change of the log-probability when the best tokens are deleted."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.knobs import Range, labelled
from attnlab_core.metrics._case import Case, Undefined, how_many, metric


@labelled("Log-odds")
@metric("lower", "faithfulness")
def log_odds(case: Case, *, share: Annotated[float, Range(0, 1)] = 0.2) -> float:
    """How the log-probability changes when the best tokens are deleted.

    The target's log-probability (natural logarithm) with the highest-scored tokens deleted, minus that of the whole
    text; of an answer rather than another, the same with the logarithm of their ratio. The further below 0, the more
    the answer rested on them. Undefined where no token can be deleted.

    Args:
        case: What is scored.
        share: Which share of the tokens is deleted; rounded, at least one token.

    Source: Chen et al. 2019, "L-Shapley and C-Shapley", there the mean over examples; Shrikumar et al. 2017.
    """
    if not case.units:
        return Undefined("There is no token to delete.")
    found = case.without([(), case.order[: how_many(share, len(case.units))]], "log_probability")
    return float(found[1] - found[0])
