"""The share of an explanation's relevance that lies on what a person marked, or in a mask."""

from __future__ import annotations

from attnlab_core.knobs import labelled
from attnlab_core.metrics._case import Case, Undefined, metric
from attnlab_core.metrics._ranks import unmarked


@labelled("Relevance precision")
@metric("higher", "plausibility")
def relevance_precision(case: Case) -> float:
    """How much of the relevance lies where it should.

    The sum of the scores on the marked tokens (on the patches inside the mask of a picture's object) over the sum of all.
    Scores below zero count as none. From 0 to 1; the same relevance everywhere has the share of marked tokens. Undefined
    where nothing is marked, or nothing is relevant.

    Source: Deiseroth et al. 2023, "AtMan", section 4.2 (precision of attributions against a mask), as its published code has it.
    """
    if case.marked is None:
        return unmarked(case)
    values = case.values.clamp_min(0)
    if not float(values.sum()):
        return Undefined("No score is above zero, so there is no relevance to share out.")
    return float(values[case.marked].sum() / values.sum())
