"""Comprehensiveness: is the answer lost when the explanation's tokens are deleted?"""

from __future__ import annotations

from attnlab_core.knobs import labelled
from attnlab_core.metrics._case import ERASER, Case, Undefined, metric
from attnlab_core.metrics._top import tops


@labelled("Comprehensiveness (AOPC)")
@metric("higher", "faithfulness")
def aopc_compr(case: Case, *, thresholds: str = ERASER, positive_only: bool = False) -> float:
    """How much of the answer is lost when its best tokens are deleted.

    The target's probability minus that with the highest-scored tokens deleted, the mean over several shares of the
    text. From -1 to 1. Where two shares round to the same number of tokens, that number counts twice, as in the
    benchmark's code. Undefined where no token can be deleted.

    Args:
        case: What is scored.
        thresholds: Which shares of the tokens are deleted, with commas between; rounded, at least one token.
        positive_only: Of these, only tokens with a score above 0; where there is none, nothing is deleted and lost.

    Source: DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", section 4.2, and its code for
    the mean; the name is ferret's.
    """
    if not case.units:
        return Undefined("There is no token to delete.")
    found = case.without([(), *tops(case, thresholds, positive_only)])
    return float((found[0] - found[1:]).mean())
