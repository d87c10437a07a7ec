"""Area between the two deletion curves."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.knobs import Range, labelled
from attnlab_core.metrics._case import Case, Undefined, metric
from attnlab_core.metrics._curves import STEPS, deletion_curve


@labelled("Area between deletion curves (ABPC)")
@metric("higher", "faithfulness")
def abpc(case: Case, *, steps: Annotated[int, Range(1)] = STEPS) -> float:
    """How much more is left when the worst tokens go first than the best.

    The mean over the K + 1 points of the deletion curves of the difference: least relevant first minus most relevant
    first. Chance is 0 in the mean, and a ranking turned round has the same value with the other sign. From -1 to 1;
    undefined where no token can be deleted.

    Args:
        case: What is scored.
        steps: K, the number of equal steps in which the text goes; a text with fewer tokens goes token by token.

    Source: Schulz et al. 2020, "Restricting the Flow: Information Bottlenecks for Attribution" (degradation, there
    normalised by the curves' range); Samek et al. 2017 for the mean over K + 1 points.
    """
    if not case.units:
        return Undefined("There is no token to delete.")
    return deletion_curve(case, "least", steps).area - deletion_curve(case, "most", steps).area
