"""F1 of the best tokens against a person's marks."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.knobs import Range, labelled
from attnlab_core.metrics._case import Case, metric
from attnlab_core.metrics._ranks import overlap, unmarked


@labelled("Token F1")
@metric("higher", "plausibility")
def token_f1_plau(case: Case, *, k: Annotated[int | None, Range(1)] = None) -> float:
    """How well the best tokens match those that a person marked.

    The harmonic mean of the share of the best k that are marked and of the share of marked ones among the best k. From
    0 to 1. Undefined where nothing is marked.

    Args:
        case: What is scored.
        k: How many tokens are taken; empty takes as many as are marked, and precision and recall are then the same.

    Source: DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", section 4.1; the name is
    ferret's, which takes 5, or the mean number of marked tokens of a data set.
    """
    found = overlap(case, k)
    if found is None:
        return unmarked(case)
    hits, taken, gold = found
    return 2 * hits / (taken + gold)
