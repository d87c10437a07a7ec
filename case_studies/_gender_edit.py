"""Which heads carry the stereotype, and one edit of them, found on one half of the sentences and tried on the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attnlab_core.progress import step
from case_studies._gender_asks import Asked, Head, logits, odds, scaled
from case_studies._story import holm

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

COUNTS = (1, 2, 4, 8, 16)
"""How many heads an edit may turn down."""
FACTORS = (0.0, 0.25)
"""What their attention is multiplied by."""
PRICE = 0.01
"""Of a head: it must take away a hundredth of the gap to be worth its while."""


def by_occupation(values: Sequence[float], asked: Sequence[Asked]) -> dict[str, float]:
    """The mean of each referent."""
    found: dict[str, list[float]] = {}
    for value, one in zip(values, asked, strict=True):
        found.setdefault(one.item.referent, []).append(value)
    return {name: sum(some) / len(some) for name, some in found.items()}


def carry(lab: Lab, asked: Sequence[Asked], *, total: int, done: int) -> list[dict[str, Any]]:
    """Take each head's attention from the mask to the occupation away: what that does to the gap, the largest fall first.

    A head's effect is the change of the log-odds of she, women's occupations less men's. Occupations are the cases of its test
    (Welch's, two-sided); p-values are corrected by Holm's method for the number of heads.
    """
    from scipy.stats import ttest_ind

    plain = odds(logits(lab, asked), asked)
    found = []
    for layer in range(lab.layers):
        for head in range(lab.heads):
            without = odds(logits(lab, asked, scaled({(layer, head): 0.0}, Asked.people)), asked)
            change = by_occupation((without - plain).tolist(), asked)
            women, men = ([change[n] for n in change if n in group] for group in _groups(asked))
            test: Any = ttest_ind(women, men, equal_var=False)
            p = float(test.pvalue)
            effect = float(np.mean(women) - np.mean(men))
            found.append({"layer": layer, "head": head, "effect": effect, "p": 1.0 if np.isnan(p) else p})
        step(done + layer + 1, total)
    for one, corrected in zip(found, holm([one["p"] for one in found]), strict=True):
        one["holm"] = corrected
    return sorted(found, key=lambda one: one["effect"])


def _groups(asked: Sequence[Asked]) -> tuple[set[str], set[str]]:
    women = {one.item.referent for one in asked if one.item.female}
    return women, {one.item.referent for one in asked} - women


def search(lab: Lab, asked: Sequence[Asked], heads: Sequence[Head]) -> dict[str, Any]:
    """How many of some heads to turn down, and how far, so that the gap of the log-odds of she is smallest.

    Every pair of a number and a factor is tried; the score is the gap left, as a share of the plain one, and `PRICE` a head.

    Args:
        lab: The model.
        asked: Sentences with one person.
        heads: The most promising first.

    Returns:
        plain (the gap without an edit), tried (heads, factor, gap, score) and factors (of each head).
    """
    plain = _difference(odds(logits(lab, asked), asked).tolist(), asked)
    tried = []
    for count in [count for count in COUNTS if count <= len(heads)]:
        for factor in FACTORS:
            how = scaled(dict.fromkeys(heads[:count], factor), Asked.people)
            left = _difference(odds(logits(lab, asked, how), asked).tolist(), asked)
            score = abs(left) / max(abs(plain), 1e-9) + PRICE * count
            tried.append({"heads": count, "factor": factor, "gap": left, "score": score})
    best = min(tried, key=lambda one: one["score"])
    return {
        "plain": plain,
        "tried": tried,
        "factors": dict.fromkeys(heads[: best["heads"]], best["factor"]),
    }


def _difference(values: Sequence[float], asked: Sequence[Asked]) -> float:
    by = by_occupation(values, asked)
    women, men = ([by[name] for name in by if name in group] for group in _groups(asked))
    return float(np.mean(women) - np.mean(men))


def other_heads(factors: Mapping[Head, float], lab: Lab, draw: np.random.Generator) -> dict[Head, float]:
    """The same factors for as many other heads, each in the same layer where it has any left."""
    taken, found = set(factors), {}
    for (layer, head), factor in factors.items():
        free = [(layer, h) for h in range(lab.heads) if (layer, h) not in taken]
        free = free or [(at, h) for at in range(lab.layers) for h in range(lab.heads) if (at, h) not in taken]
        other = free[int(draw.integers(len(free)))] if free else (layer, head)
        taken.add(other)
        found[other] = factor
    return found
