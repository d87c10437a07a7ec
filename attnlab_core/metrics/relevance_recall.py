"""How much of what a person marked, or of a mask, is as relevant as the most relevant place."""

from __future__ import annotations

from attnlab_core.knobs import labelled
from attnlab_core.metrics._case import Case, Undefined, metric
from attnlab_core.metrics._ranks import unmarked


@labelled("Relevance recall")
@metric("higher", "plausibility")
def relevance_recall(case: Case) -> float:
    """How much of what should be relevant is.

    The scores are divided by the highest, and their mean over the marked tokens (over the patches inside the mask of a
    picture's object) is taken. Scores below zero count as none. From 0 to 1; the same relevance everywhere has 1, so it says
    little without the precision. Undefined where nothing is marked, or nothing is relevant.

    Source: Deiseroth et al. 2023, "AtMan", section 4.2 (recall of attributions against a mask), as its published code has it.
    """
    if case.marked is None:
        return unmarked(case)
    values = case.values.clamp_min(0)
    highest = float(values.max())
    if not highest:
        return Undefined("No score is above zero, so there is no relevance to share out.")
    return float(values[case.marked].sum() / highest / int(case.marked.sum()))
