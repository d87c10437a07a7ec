"""The best tokens at several shares of a text."""

from __future__ import annotations

from attnlab_core.metrics._case import Case, how_many, shares


def tops(case: Case, thresholds: str, positive_only: bool) -> list[tuple[int, ...]]:
    """The highest-scored units at each share, highest first; with `positive_only` those of them that score above 0."""
    count = len(case.units)
    ranked = [unit for unit in case.order if not positive_only or float(case.values[unit]) > 0]
    return [tuple(ranked[: how_many(share, count)]) for share in shares(thresholds)]
