"""Recall at k against a person's marks."""

from __future__ import annotations

from typing import Annotated

from attnlab_core.knobs import Range, labelled
from attnlab_core.metrics._case import Case, metric
from attnlab_core.metrics._ranks import overlap, unmarked


@labelled("Recall at k")
@metric("higher", "plausibility")
def recall_at_k(case: Case, *, k: Annotated[int | None, Range(1)] = None) -> float:
    """The share of the tokens marked by a person among the best k.

    From 0 to 1. Undefined where nothing is marked.

    Args:
        case: What is scored.
        k: How many tokens are taken; empty takes as many as are marked (R-precision, and the same as Token F1 there).

    Source: Manning, Raghavan and Schütze 2008, "Introduction to Information Retrieval", section 8.4.
    """
    found = overlap(case, k)
    return unmarked(case) if found is None else found[0] / found[2]
