"""Area under the deletion curve, most relevant first."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.knobs import Range, labelled
from attnlab_core.metrics._case import Case, Undefined, metric
from attnlab_core.metrics._curves import STEPS, deletion_curve


@labelled("Deletion, most relevant first (MoRF)")
@metric("lower", "faithfulness")
def morf(case: Case, *, steps: Annotated[int, Range(1)] = STEPS) -> float:
    """What is left of the answer on the way, best tokens deleted first.

    The mean of the target's probability over the K + 1 points of the deletion curve, from the whole text to none of it.
    The AOPC of Samek et al., 1/(K + 1) times the sum of what is lost at each point, is the whole text's probability
    minus this. Undefined where no token can be deleted.

    Args:
        case: What is scored.
        steps: K, the number of equal steps in which the text goes; a text with fewer tokens goes token by token.

    Source: Samek et al. 2017, "Evaluating the Visualization of What a Deep Neural Network Has Learned".
    """
    if not case.units:
        return Undefined("There is no token to delete.")
    return deletion_curve(case, "most", steps).area
