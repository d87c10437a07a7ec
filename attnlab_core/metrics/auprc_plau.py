"""Area under the precision-recall curve against a person's marks."""

from __future__ import annotations

import torch

from attnlab_core.knobs import labelled
from attnlab_core.metrics._case import Case, metric
from attnlab_core.metrics._ranks import precision_recall, unmarked


@labelled("Area under precision-recall")
@metric("higher", "plausibility")
def auprc_plau(case: Case) -> float:
    """Precision against recall of the tokens that a person marked.

    The area under the line through the points of precision and recall at every level of score, which starts at recall
    0 with precision 1. From 0 to 1. The straight line between points flatters rankings with few levels;
    `average_precision` does not. Undefined where nothing is marked.

    Source: DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", section 4.1; the name is
    ferret's.
    """
    found = precision_recall(case)
    if found is None:
        return unmarked(case)
    precision, recall = found
    one, none = torch.ones(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    return float(torch.trapezoid(torch.cat((one, precision)), torch.cat((none, recall))))
