"""Average precision against a person's marks."""

from __future__ import annotations

import torch

from attnlab_core.metrics._case import Case, metric
from attnlab_core.metrics._ranks import precision_recall, unmarked


@metric("higher", "plausibility")
def average_precision(case: Case) -> float:
    """Mean precision at the ranks of the tokens that a person marked.

    For every marked token, the share of marked ones among all tokens that score at least as high, and the mean of that.
    From 0 to 1; a random ranking has about the share of marked tokens. Undefined where nothing is marked.

    Source: Buckley and Voorhees 2000, "Evaluating Evaluation Measure Stability"; equal scores count as one rank.
    """
    found = precision_recall(case)
    if found is None:
        return unmarked(case)
    precision, recall = found
    gained = recall.diff(prepend=torch.zeros(1, dtype=torch.float64))
    return float((precision * gained).sum())
