"""Sufficiency: do the explanation's tokens alone yield the answer?"""

from __future__ import annotations

from attnlab_core.knobs import labelled
from attnlab_core.metrics._case import ERASER, Case, Undefined, metric
from attnlab_core.metrics._top import tops


@labelled("Sufficiency (AOPC)")
@metric("lower", "faithfulness")
def aopc_suff(case: Case, *, thresholds: str = ERASER, positive_only: bool = False) -> float:
    """How much of the answer is lost when only its best tokens are kept.

    The target's probability minus that with all but the highest-scored tokens deleted, the mean over several shares of
    the text. From -1 to 1; below 0 the best tokens alone yield the answer better than the whole text. Special tokens,
    and of a question and its context the question, always stay. Undefined where no token can be deleted.

    Args:
        case: What is scored.
        thresholds: Which shares of the tokens are kept, with commas between; rounded, at least one token.
        positive_only: Of these, only tokens with a score above 0; where there is none, none is kept.

    Source: DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", section 4.2, and its code for
    the mean; the name is ferret's.
    """
    if not case.units:
        return Undefined("There is no token to delete.")
    whole = case.without([()])
    return float((whole - case.only(tops(case, thresholds, positive_only))).mean())
