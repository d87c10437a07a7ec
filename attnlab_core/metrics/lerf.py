"""Area under the deletion curve, least relevant first."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.knobs import Range, labelled
from attnlab_core.metrics._case import Case, Undefined, metric
from attnlab_core.metrics._curves import STEPS, deletion_curve


@labelled("Deletion, least relevant first (LeRF)")
@metric("higher", "faithfulness")
def lerf(case: Case, *, steps: Annotated[int, Range(1)] = STEPS) -> float:
    """What is left of the answer on the way, worst tokens deleted first.

    The mean of the target's probability over the K + 1 points of the deletion curve, from the whole text to none of it,
    where the lowest-scored tokens go first. Undefined where no token can be deleted.

    Args:
        case: What is scored.
        steps: K, the number of equal steps in which the text goes; a text with fewer tokens goes token by token.

    Source: Schulz et al. 2020, "Restricting the Flow: Information Bottlenecks for Attribution" (degradation); Samek et
    al. 2017 for the mean over K + 1 points.
    """
    if not case.units:
        return Undefined("There is no token to delete.")
    return deletion_curve(case, "least", steps).area
