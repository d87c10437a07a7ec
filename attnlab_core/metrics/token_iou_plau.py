"""Overlap of the best tokens with a person's marks."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.knobs import Range, labelled
from attnlab_core.metrics._case import Case, metric
from attnlab_core.metrics._ranks import overlap, unmarked


@labelled("Token overlap (IoU)")
@metric("higher", "plausibility")
def token_iou_plau(case: Case, *, k: Annotated[int | None, Range(1)] = None) -> float:
    """How many tokens are both best and marked, of those that are either.

    The size of the intersection of the best k tokens with those that a person marked over the size of their union. From
    0 to 1. Undefined where nothing is marked.

    Args:
        case: What is scored.
        k: How many tokens are taken; empty takes as many as are marked.

    Source: DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", section 4.1, by tokens
    instead of spans; the name is ferret's, which takes 5, or the mean number of marked tokens of a data set.
    """
    found = overlap(case, k)
    if found is None:
        return unmarked(case)
    hits, taken, gold = found
    return hits / (taken + gold - hits)
