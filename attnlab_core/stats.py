"""Intervals and tests for figures over a data set: the bootstrap, paired permutation tests, Holm's correction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

DRAWS = 2000
Values = Sequence[float] | np.ndarray[Any, Any]


def interval(values: Values, *, draws: int = DRAWS, seed: int = 0) -> dict[str, float | int]:
    """The mean of values with its bootstrap 95 % interval (percentiles of resampled means; Efron, 1979).

    Returns:
        mean, low, high, n; not a number where there are no values.
    """
    table = np.asarray(values, dtype=float)
    if not len(table):
        return {"mean": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0}
    means = [float(table[rows].mean()) for rows in resamples(len(table), draws, seed)]
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": float(table.mean()), "low": float(low), "high": float(high), "n": len(table)}


def pooled(
    columns: Mapping[str, Values],
    figure: Callable[[Mapping[str, np.ndarray[Any, Any]]], float],
    *,
    groups: Sequence[str] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, float | int]:
    """A figure over columns of equal length with its bootstrap 95 % interval, for ratios as well as means.

    Args:
        columns: Name → one number a row.
        figure: What is made of them, from the same names with resampled rows.
        groups: The group of each row; whole groups are drawn then (the cluster bootstrap), since rows of one group, such as
            questions on one passage, are not independent.
        draws: How many resamples.
        seed: Of the draws.

    Returns:
        mean (the figure on all rows), low, high, n (rows).
    """
    table = {name: np.asarray(values, dtype=float) for name, values in columns.items()}
    n = len(next(iter(table.values())))
    if not n:
        return {"mean": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0}
    whole = figure(table)
    if groups is None or len(set(groups)) == n:
        drawn = resamples(n, draws, seed)
    else:
        kept: dict[str, list[int]] = {}
        for k, group in enumerate(groups):
            kept.setdefault(group, []).append(k)
        parts = [np.array(rows) for rows in kept.values()]
        drawn = (np.concatenate([parts[k] for k in some]) for some in resamples(len(parts), draws, seed))
    found = [figure({name: values[rows] for name, values in table.items()}) for rows in drawn]
    low, high = np.nanquantile(found, (0.025, 0.975))
    return {"mean": float(whole), "low": float(low), "high": float(high), "n": n}


def resamples(n: int, draws: int, seed: int) -> Any:
    """Row numbers drawn with replacement, `draws` times; a few draws at a time, so that memory does not grow with them."""
    rng = np.random.default_rng(seed)
    at_once = max(1, min(draws, 2**20 // max(n, 1)))
    for first in range(0, draws, at_once):
        yield from rng.integers(0, n, (min(at_once, draws - first), n))


def sign_flip(differences: Values, *, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value of a paired permutation test: the mean difference, against the same with random signs.

    Exact for up to 16 differences that are not zero; else by Monte Carlo with the observed one counted in, so that p is
    never zero (Phipson & Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010).
    """
    values = np.asarray(differences, dtype=float)
    values = values[np.isfinite(values) & (values != 0)]
    n = len(values)
    if not n:
        return 1.0
    seen = abs(values.sum()) - 1e-12
    if n <= 16:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        return float((np.abs(signs @ values) >= seen).mean())
    rng, hits = np.random.default_rng(seed), 0
    at_once = max(1, min(draws, 2**20 // n))
    for first in range(0, draws, at_once):
        signs = rng.integers(0, 2, (min(at_once, draws - first), n)) * 2 - 1
        hits += int((np.abs(signs @ values) >= seen).sum())
    return (hits + 1) / (draws + 1)


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for trying many (Holm, Scandinavian Journal of Statistics 6, 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda k: p[k])
    found, worst = [0.0] * len(p), 0.0
    for rank, k in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - rank) * p[k]))
        found[k] = worst
    return found
