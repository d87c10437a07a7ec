"""The rank of the first token that a person marked."""

from __future__ import annotations

from attnlab_core.metrics._case import Case, metric
from attnlab_core.metrics._ranks import unmarked


@metric("higher", "plausibility")
def reciprocal_rank(case: Case) -> float:
    """One over the rank of the best token that a person marked.

    1 where the highest-scored token is marked, 1/2 where the second is the first that is. Equal scores rank in the order
    of the text. Undefined where nothing is marked.

    Source: Voorhees 1999, "The TREC-8 Question Answering Track Report".
    """
    marked = case.marked
    if marked is None:
        return unmarked(case)
    return 1 / (1 + next(rank for rank, unit in enumerate(case.order) if bool(marked[unit])))
