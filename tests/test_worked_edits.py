"""Scale and suppress against closed forms and rows worked by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

import attnlab_core as al
from attnlab_core.edits.suppress import factors
from tests.reach import apply, random_scores, softmax, visible_cells

every_mask = pytest.mark.parametrize("mask", ["full", "causal", "padded"])


def row(edit, scores, query):
    """One row of a causal example under an edit."""
    scores = torch.tensor(scores, dtype=torch.float64)[None, None]
    return apply(edit, scores, torch.ones_like(scores, dtype=torch.bool).tril())[0][0, 0, query].tolist()


# --- scale


@pytest.mark.parametrize("factor", [0.0, 0.1, 0.5, 2.0, 10.0])
@every_mask
def test_scaling_a_weight_is_the_closed_form(factor, mask):
    """p' = c·p / (1 - p + c·p), and the row's other weights shrink or grow by 1 / (1 - p + c·p)."""
    visible = visible_cells(mask)
    p = softmax(random_scores(), visible)
    found, _ = apply(al.Scale(factor=factor, where=al.Where(keys=(2,))), random_scores(), visible)
    rest = 1 - p[..., 2:3] + factor * p[..., 2:3]
    expected = p / rest
    expected[..., 2] *= factor
    torch.testing.assert_close(found, expected)


def test_an_edit_that_would_empty_a_row_leaves_it():
    visible = visible_cells("causal")
    weights, _ = apply(al.Scale(factor=0.0, where=al.Where(keys=(0,))), random_scores(), visible)
    assert (weights[..., 0, 0] == 1).all()  # the first token sees only itself
    assert (weights[..., 1:, 0] == 0).all()


# --- suppress: the worked rows of the AtMan variants, key 0 suppressed in a causal example

HAND = [[1.0, 5.0, -9.0], [2.0, 1.0, -3.0], [-1.0, 0.5, 1.0]]
ALL = al.Suppress(factor=0.1, minimum="all", where=al.Where(keys=(0,)))
VISIBLE = al.Suppress(factor=0.1, where=al.Where(keys=(0,)))
LOG = al.Suppress(factor=0.1, on="weights", where=al.Where(keys=(0,)))
UNSHIFTED = al.Scale(factor=0.1, on="scores", where=al.Where(keys=(0,)))
SECOND, THIRD = [0.731059, 0.268941, 0], [0.077696, 0.348207, 0.574097]


@pytest.mark.parametrize(
    ("edit", "factor", "second", "third"),
    [
        (ALL, 0.1, [0.029312, 0.970688, 0], THIRD),
        (VISIBLE, 0.1, [0.524979, 0.475021, 0], THIRD),
        (LOG, 0.1, [0.213730, 0.786270, 0], [0.008354, 0.374387, 0.617259]),
        (UNSHIFTED, 0.1, [0.310026, 0.689974, 0], [0.171636, 0.312741, 0.515623]),
        (ALL, 0.0, [0.017986, 0.982014, 0], THIRD),
        (VISIBLE, 0.0, [0.5, 0.5, 0], THIRD),
        (LOG, 0.0, [0, 1, 0], None),
        (UNSHIFTED, 0.0, [0.268941, 0.731059, 0], None),
        (VISIBLE, 2.0, [0.880797, 0.119203, 0], THIRD),
        (LOG, 2.0, [0.844638, 0.155362, 0], None),
        (VISIBLE, 1.0, SECOND, THIRD),
        (LOG, 1.0, SECOND, THIRD),
    ],
    ids=str,
)
def test_worked_rows(edit, factor, second, third):
    edit = dataclasses.replace(edit, factor=factor)
    assert row(edit, HAND, 0) == pytest.approx([1, 0, 0])
    assert row(edit, HAND, 1) == pytest.approx(second, abs=1e-6)
    if third is not None:
        assert row(edit, HAND, 2) == pytest.approx(third, abs=1e-6)


def test_the_published_minimum_reads_the_future_and_the_visible_one_does_not():
    other = [HAND[0], [2.0, 1.0, -0.5], HAND[2]]
    assert row(ALL, other, 1) == pytest.approx([0.222700, 0.777300, 0], abs=1e-6)
    for edit in (VISIBLE, LOG):
        assert row(edit, other, 1) == row(edit, HAND, 1)


def test_suppressing_weights_is_adding_the_logarithm_to_the_scores():
    scores, visible = random_scores(), visible_cells("causal")
    added = scores.clone()
    added[..., 2] += math.log(0.3)
    found, _ = apply(al.Suppress(factor=0.3, on="weights", where=al.Where(keys=(2,))), scores, visible)
    torch.testing.assert_close(found, softmax(added, visible))


def test_less_is_never_more():
    steps = [dataclasses.replace(VISIBLE, factor=c) for c in (1.0, 0.7, 0.4, 0.1, 0.0)]
    weights = torch.stack(
        [apply(edit, random_scores(), visible_cells("causal"))[0][..., 0] for edit in steps]
    )
    assert (weights.diff(dim=0) <= 1e-6).all()


# --- suppress: correlated tokens

EMBEDDINGS = torch.tensor([[1, 0], [0.8, 0.6], [0, 1], [-1, 0], [1, 0]])
COSINES = (EMBEDDINGS @ EMBEDDINGS.T).clamp(-1, 1)
AT_07 = [{0: 0.1, 1: 0.28, 4: 0.1}, {1: 0.1, 0: 0.28, 4: 0.28}, {2: 0.1}, {3: 0.1}, {4: 0.1, 0: 0.1, 1: 0.28}]
AT_06 = [AT_07[0], {**AT_07[1], 2: 0.46}, {2: 0.1, 1: 0.46}, AT_07[3], AT_07[4]]


@pytest.mark.parametrize(("least", "table"), [(0.7, AT_07), (0.59, AT_06)])
def test_factors_of_similar_tokens(least, table):
    for source, expected in enumerate(table):
        assert factors(COSINES, {source}, 0.1, least) == pytest.approx(expected, abs=1e-6)


def test_factors_at_the_ends():
    assert factors(COSINES, {0}, 0.1, 1.1) == {0: 0.1}  # above one: the token alone
    found = factors(COSINES, {0}, 0.1, -1.0)
    assert found == pytest.approx({0: 0.1, 1: 0.28, 2: 1.0, 3: 1.0, 4: 0.1}, abs=1e-6)


def test_similar_tokens_are_suppressed_together(lab):
    """ "as" stands twice; at a cosine of one both get the factor itself, whichever was chosen."""
    run = lab.run("The movie was not as bad as I expected.")
    both = run.encoding.find("as")
    assert len(both) == 2
    similar, joint = (
        run.again(al.Suppress(factor=0.3, similarity=0.999, where=al.Where(keys=both[:1]))),
        run.again(al.Suppress(factor=0.3, where=al.Where(keys=both))),
    )
    torch.testing.assert_close(similar.logits, joint.logits)
    alone = run.again(al.Suppress(factor=0.3, where=al.Where(keys=both[:1])))
    assert not torch.allclose(alone.logits, joint.logits)
