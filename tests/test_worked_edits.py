"""Every edit against closed forms and rows worked by hand."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

import attnlab_core as al
from attnlab_core.edits.noise import _mix, _signed, gaussian
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


# --- the others: a row of three or four weights, and what it becomes

P = [0.5, 0.3, 0.2]
FIRST, PAIR = al.Where(keys=(0,)), al.Where(keys=(0, 1))
E1, E2 = math.exp(-0.5), math.exp(-2)  # the bell of width 1 at distances one and two


def donor(*weights):
    return {"tensors": {"encoder": torch.tensor(weights)[None, None, None]}}


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (al.Zero(where=FIRST), P, [0, 0.6, 0.4]),
        (al.Zero(amount=0.5, where=FIRST), P, [1 / 3, 0.4, 4 / 15]),
        (al.Zero(renormalise=False, where=FIRST), P, [0, 0.3, 0.2]),
        (al.Zero(amount=0.5, renormalise=False, where=FIRST), P, [0.25, 0.3, 0.2]),
        (al.Zero(), P, [0, 0, 0]),
        (al.Zero(amount=0.5), P, [0.25, 0.15, 0.1]),
        (al.Uniform(), P, [1 / 3, 1 / 3, 1 / 3]),
        (al.Uniform(where=PAIR), P, [0.4, 0.4, 0.2]),
        (al.Uniform(amount=0.5, where=PAIR), P, [0.45, 0.35, 0.2]),
        (al.Invert(), P, [2 / 11, 4 / 11, 5 / 11]),
        (al.Invert(where=PAIR), P, [0.3, 0.5, 0.2]),
        (al.Invert(amount=0.5, where=PAIR), P, [0.4, 0.4, 0.2]),
        (al.Invert(how="scores"), P, [6 / 31, 10 / 31, 15 / 31]),
        (al.Invert(how="scores", where=PAIR), P, [0.3, 0.5, 0.2]),
        (al.Sharpen(), P, [25 / 38, 9 / 38, 4 / 38]),
        (al.Sharpen(where=PAIR), P, [10 / 17, 18 / 85, 0.2]),
        (al.Sharpen(by=3.0), P, [125 / 160, 27 / 160, 8 / 160]),
        (al.Soften(), [0.64, 0.32, 0.04], [0.510958, 0.361302, 0.127740]),
        (al.Soften(where=PAIR), [0.36, 0.16, 0.48], [0.312, 0.208, 0.48]),
        (al.Focus(where=FIRST), [0.2, 0.3, 0.5], [0.6, 0.15, 0.25]),
        (al.Focus(where=PAIR), [0.2, 0.3, 0.5], [0.3, 0.45, 0.25]),
        (al.Focus(where=PAIR), [0.0, 0.0, 0.4, 0.6], [0.25, 0.25, 0.2, 0.3]),
        (al.Focus(amount=1.0, where=FIRST), [0.2, 0.3, 0.5], [1, 0, 0]),
        (al.Smooth(), [1.0, 0.0, 0.0], [1 / (1 + E1 + E2), E1 / (1 + E1 + E2), E2 / (1 + E1 + E2)]),
        (al.Smooth(), [0.0, 1.0, 0.0], [E1 / (1 + 2 * E1), 1 / (1 + 2 * E1), E1 / (1 + 2 * E1)]),
        (al.Smooth(where=PAIR), [0.6, 0.0, 0.4], [0.6 / (1 + E1), 0.6 * E1 / (1 + E1), 0.4]),
        (al.Draw(cells=((0, 1, 0.8),)), P, [1 / 7, 0.8, 2 / 35]),
        (al.Draw(cells=((0, 1, 0.8),), amount=0.5), P, [9 / 28, 0.55, 9 / 70]),
        (al.Draw(cells=((0, 0, 0.8), (0, 1, 0.8))), P, [0.5, 0.5, 0]),
        (al.Draw(cells=((0, 0, 0.9), (0, 0, 0.0))), P, [0, 0.6, 0.4]),
        (al.Draw(cells=((0, 1, 0.5),), mode="add"), P, [1 / 3, 8 / 15, 2 / 15]),
        (al.Draw(cells=((0, 0, -1.0),), mode="add"), P, [0, 0.6, 0.4]),
        (al.Draw(cells=((0, 0, 0.3), (0, 0, 0.2)), mode="add"), P, [2 / 3, 0.2, 2 / 15]),
        (al.Transplant(**donor(0.1, 0.1, 0.8)), P, [0.1, 0.1, 0.8]),
        (al.Transplant(amount=0.5, **donor(0.1, 0.1, 0.8)), P, [0.3, 0.2, 0.5]),
        (al.Transplant(where=FIRST, **donor(0.1, 0.1, 0.8)), P, [0.1, 0.54, 0.36]),
        (al.Transplant(**donor(0.1, 0.1, 0.0)), P, [0.5, 0.5, 0]),
        (al.Transplant(**donor(0.0, 0.0, 0.0)), P, P),
        (al.MeanPattern(amount=0.5, **donor(0.1, 0.1, 0.8)), P, [0.3, 0.2, 0.5]),
        (al.Noise(sd=0.0), P, P),
    ],
    ids=str,
)
def test_rows_by_hand(edit, before, after):
    scores = torch.tensor(before, dtype=torch.float64).log().clamp_min(-700)[None, None, None]
    found, _ = apply(edit, scores, torch.ones_like(scores, dtype=torch.bool))
    assert found.flatten().tolist() == pytest.approx(after, abs=1e-6)


def test_what_a_donor_says_of_hidden_keys_does_not_count():
    edit = al.Transplant(
        tensors={"encoder": torch.tensor([[[[1.0, 0, 0], [0.1, 0.3, 0.6], [0.2, 0.2, 0.6]]]])}
    )
    assert row(edit, HAND, 1) == pytest.approx([0.25, 0.75, 0], abs=1e-6)
    assert row(edit, HAND, 2) == pytest.approx([0.2, 0.2, 0.6], abs=1e-6)


def test_smoothing_stops_at_the_mask():
    scores = [[0.0, 0, 0], [0.0, -700, 0], [0.0, -700, -700]]
    assert row(al.Smooth(), scores, 1) == pytest.approx([1 / (1 + E1), E1 / (1 + E1), 0], abs=1e-9)
    assert row(al.Smooth(width=1e-3), scores, 2) == pytest.approx([1, 0, 0], abs=1e-9)


@every_mask
def test_sharpening_and_softening_whole_rows_is_multiplying_scores(mask):
    scores, visible = random_scores(dtype=torch.float64), visible_cells(mask)
    torch.testing.assert_close(apply(al.Sharpen(by=3.0), scores, visible)[0], softmax(3 * scores, visible))
    torch.testing.assert_close(apply(al.Soften(by=3.0), scores, visible)[0], softmax(scores / 3, visible))
    turned = apply(al.Invert(how="scores"), scores, visible)[0]
    torch.testing.assert_close(turned, softmax(-scores, visible))


def test_inverting_turns_the_order_round():
    visible = visible_cells("causal")
    before = softmax(random_scores(), visible)[..., 4, :]
    for how in ("reflect", "scores"):
        after = apply(al.Invert(how=how), random_scores(), visible)[0][..., 4, :]
        assert torch.equal(after.argsort(-1), before.argsort(-1, descending=True))
        twice, _ = apply(
            al.Invert(how=how), apply(al.Invert(how=how), random_scores(), visible)[0].log(), visible
        )
        torch.testing.assert_close(twice[..., 4, :], before)


@every_mask
def test_noise_is_gaussian_noise_on_the_scores(mask):
    scores, visible = random_scores(dtype=torch.float64), visible_cells(mask)
    call, three, five = ("encoder", 0), torch.arange(3), torch.arange(5)
    z = gaussian(7, call, three, five, five).double()
    found = apply(al.Noise(sd=0.5, seed=7), scores, visible)[0]
    torch.testing.assert_close(found, softmax(scores + 0.5 * z, visible))


def test_the_generator_is_splitmix64():
    """Its first outputs from the states 0 and 1234567, as published with the reference code."""
    step = _signed(0x9E3779B97F4A7C15)
    states = torch.tensor([0, 1234567]) + step
    assert _mix(states).tolist() == [_signed(0xE220A8397B1DCDAF), 6457827717110365317]


def test_noise_is_normal_and_its_own_for_every_cell():
    many = [torch.arange(n) for n in (8, 64, 64)]
    z = gaussian(0, ("encoder", 0), *many)
    others = [gaussian(1, ("encoder", 0), *many), gaussian(0, ("encoder", 1), *many)]
    others += [gaussian(0, ("decoder", 0), *many), z.roll(1, 0), z.roll(1, 1), z.roll(1, 2), z.mT.roll(1, 1)]
    assert z.isfinite().all()
    assert abs(z.mean()) < 0.02
    assert z.std().item() == pytest.approx(1, abs=0.02)
    assert (z.abs() < 1).float().mean().item() == pytest.approx(0.6827, abs=0.01)
    assert (z.abs() < 2).float().mean().item() == pytest.approx(0.9545, abs=0.005)
    assert all(abs(torch.corrcoef(torch.stack((z.flatten(), o.flatten())))[0, 1]) < 0.02 for o in others)
    assert torch.equal(z[2:3, 5:7, :9], gaussian(0, ("encoder", 0), many[0][2:3], many[1][5:7], many[2][:9]))
