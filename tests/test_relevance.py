"""Relevance inside a mask: by hand, and of a picture whose mask is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from attnlab_core.methods import attribute
from attnlab_core.metrics import cases, inside, metrics
from attnlab_core.testing import tiny_lab, tiny_picture
from tests.test_metrics import nothing, toy

precision, recall = metrics()["relevance_precision"], metrics()["relevance_recall"]


def test_by_hand():
    """The worked numbers of the published code: 3 of 4 inside; (2 + 1) / 2 of 2."""
    case = toy([0.0, 2.0, 1.0, 1.0], nothing, gold=[1, 2])
    assert float(precision(case)) == pytest.approx(0.75)
    assert float(recall(case)) == pytest.approx(0.75)


def test_scores_below_zero_count_as_none():
    case = toy([-5.0, 1.0, 3.0, -1.0], nothing, gold=[1])
    assert float(precision(case)) == pytest.approx(0.25)
    assert float(recall(case)) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", [precision, recall])
def test_where_nothing_is_marked_or_relevant_there_is_a_reason(metric):
    for case in (toy([1.0, 2.0], nothing), toy([0.0, -2.0], nothing, gold=[0])):
        found = metric(case)
        assert math.isnan(found)
        assert found.why.endswith(".")


def test_a_patch_is_inside_where_half_of_it_is():
    run = tiny_lab(architecture="vit").run(tiny_picture())
    mask = np.zeros((40, 40), dtype=bool)
    mask[:20, :10] = True  # half of the first of four patches
    mask[20:, 20:29] = True  # a little less than half of the last
    assert inside(run, mask).tolist() == [False, True, False, False, False]
    case = cases(run, [attribute(run, "raw_attention")], gold=inside(run, mask))[0]
    scores = attribute(run, "raw_attention").scores
    assert float(precision(case)) == pytest.approx(float(scores[1] / scores[1:].sum()))
    assert torch.isclose(scores.sum(), torch.tensor(1.0, dtype=torch.float64), atol=1e-4)
