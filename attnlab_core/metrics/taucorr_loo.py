"""Agreement with leave-one-out."""

from __future__ import annotations

import math
from typing import Any

from attnlab_core.knobs import labelled
from attnlab_core.metrics._case import Case, Undefined, metric


@labelled("Agreement with leave-one-out (τ)")
@metric("higher", "faithfulness")
def taucorr_loo(case: Case) -> float:
    """Whether tokens are ranked as by deleting each one alone.

    Kendall's tau-b between the scores and the probability that the target loses when that token alone is deleted. From
    -1 to 1; 0 is chance. Losses are rounded to 1e-6, so that equal ones are equal. Leave-one-out is no truth either: of
    two tokens that say the same, neither seems to matter. Undefined for fewer than two tokens, and where all scores or
    all losses are the same.

    Source: Jain and Wallace 2019, "Attention is not Explanation", section 4.1; the name is ferret's.
    """
    from scipy.stats import kendalltau

    if len(case.units) < 2:
        return Undefined("There are fewer than two tokens to rank.")
    drops = case.deletions.drops(case.units)
    if len(set(case.values.tolist())) == 1:
        return Undefined("All scores are the same.")
    found: Any = kendalltau(case.values.numpy(), drops.numpy(), variant="b")
    tau = float(found.statistic)
    return Undefined("Deleting any one token loses the same.") if math.isnan(tau) else tau
