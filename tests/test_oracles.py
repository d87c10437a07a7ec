"""Rollout and flow against worked examples, closed forms, networkx and a linear program."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linprog

from attnlab_core.methods._graph import evenly, flow, rollout, to_shares

T1 = np.array([
    [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2]],
    [[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]],
])  # fmt: skip
T2 = np.array([
    [[1, 0, 0], [0.4, 0.6, 0], [0.2, 0.3, 0.5]],
    [[1, 0, 0], [0.7, 0.3, 0], [0.1, 0.6, 0.3]],
])  # fmt: skip
HEADS = np.array([
    [[[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.5, 0.25, 0.25]], [[0.4, 0.5, 0.1], [0.1, 0.6, 0.3], [0.3, 0.55, 0.15]]],
    [[[0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]], [[0.1, 0.55, 0.35], [0.1, 0.8, 0.1], [0.4, 0.4, 0.2]]],
])  # fmt: skip


def flows(shares: np.ndarray, layer: int | None = None) -> np.ndarray:
    """The flow from every source at a layer: [source, token]."""
    layer = len(shares) - 1 if layer is None else layer
    return np.stack([flow(shares, source, layer).values for source in range(shares.shape[-1])])


def by_networkx(shares: np.ndarray, source: int, sink: int) -> float:
    graph = nx.DiGraph()
    for level, share in enumerate(shares):
        for query, key in zip(*np.nonzero(share), strict=True):
            graph.add_edge((level + 1, query), (level, key), capacity=float(share[query, key]))
    ends = (len(shares), source), (0, sink)
    return float(nx.maximum_flow_value(graph, *ends)) if all(end in graph for end in ends) else 0.0


def by_linear_program(shares: np.ndarray, source: int, sink: int) -> float:
    """The largest amount that leaves the source, arrives at the sink and is kept everywhere between."""
    layers, n, _ = shares.shape
    edges = [(level, q, k) for level in range(layers) for q in range(n) for k in range(n)]
    balance = np.zeros(((layers + 1) * n, len(edges)))
    for column, (level, q, k) in enumerate(edges):
        balance[(level + 1) * n + q, column] -= 1
        balance[level * n + k, column] += 1
    start = layers * n + source
    between = np.delete(balance, [start, sink], axis=0)
    found = linprog(
        balance[start], A_eq=between, b_eq=np.zeros(len(between)), bounds=[(0, c) for c in shares.ravel()]
    )
    return float(-found.fun)


def random_shares(seed: int, *, residual: bool = True) -> np.ndarray:
    """Attention of up to 4 layers and 6 tokens, every other one causal, as shares [layer, query, key]."""
    rng = np.random.default_rng(seed)
    layers, n = int(rng.integers(1, 5)), int(rng.integers(2, 7))
    weights = rng.dirichlet(np.full(n, 0.5), size=(layers, n)) + 1e-6
    return to_shares(np.tril(weights) if seed % 2 else weights, residual)


def test_worked_example_of_an_encoder() -> None:
    shares = to_shares(T1)
    expected = [[0.635, 0.245, 0.12], [0.14, 0.6925, 0.1675], [0.275, 0.275, 0.45]]
    np.testing.assert_allclose(rollout(shares)[1], expected, atol=1e-12)
    expected = [[0.95, 0.4, 0.3], [0.2, 0.85, 0.25], [0.45, 0.5, 0.8]]
    np.testing.assert_allclose(flows(shares), expected, atol=1e-9)


def test_worked_example_without_the_residual_stream() -> None:
    shares = to_shares(T1, residual=False)
    np.testing.assert_allclose(rollout(shares)[1], [[0.44, 0.38, 0.18], [0.26, 0.47, 0.27], [0.4, 0.4, 0.2]])
    np.testing.assert_allclose(flows(shares), [[0.9, 0.8, 0.6], [0.4, 0.7, 0.5], [0.9, 1, 0.6]], atol=1e-9)


def test_worked_example_of_a_decoder() -> None:
    shares = to_shares(T2)
    expected = [[1, 0, 0], [0.48, 0.52, 0], [0.175, 0.3375, 0.4875]]
    np.testing.assert_allclose(rollout(shares)[1], expected, atol=1e-12)
    np.testing.assert_allclose(flows(shares), [[1, 0, 0], [0.55, 0.65, 0], [0.35, 0.45, 0.65]], atol=1e-9)


@pytest.mark.parametrize(
    ("head", "rolled", "flowed"),
    [
        (
            0,
            [[0.7675, 0.16625, 0.06625], [0.14, 0.6925, 0.1675], [0.25, 0.25, 0.5]],
            [[0.85, 0.2, 0.1], [0.2, 0.85, 0.25], [0.4, 0.4, 0.75]],
        ),
        (
            1,
            [[0.5025, 0.32375, 0.17375], [0.14, 0.6925, 0.1675], [0.3, 0.3, 0.4]],
            [[0.825, 0.6, 0.375], [0.2, 0.85, 0.25], [0.5, 0.55, 0.8]],
        ),
    ],
)
def test_worked_example_of_single_heads(head: int, rolled: list, flowed: list) -> None:
    shares = to_shares(np.stack([HEADS[0].mean(axis=0), HEADS[1, head]]))
    np.testing.assert_allclose(rollout(shares)[1], rolled, atol=1e-12)
    np.testing.assert_allclose(flows(shares), flowed, atol=1e-9)


@pytest.mark.parametrize("seed", range(200))
def test_flow_keeps_its_bounds(seed: int) -> None:
    shares = random_shares(seed)
    found, rolled = flows(shares), rollout(shares)[-1]
    assert (found >= rolled - 1e-9).all()
    assert (found <= np.minimum(1, shares[0].sum(axis=0)) + 1e-9).all()
    assert (np.diag(found) >= 0.5 - 1e-9).all()
    np.testing.assert_allclose(rolled.sum(axis=-1), 1, atol=1e-12)
    if len(shares) == 1:
        np.testing.assert_allclose(found, shares[0], atol=1e-9)
    if len(shares) == 2:
        closed = np.minimum(shares[1][:, :, None], shares[0][None]).sum(
            axis=1
        )  # [query, middle, key] summed over it
        np.testing.assert_allclose(found, closed, atol=1e-9)


@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("seed", range(25))
def test_flow_is_that_of_networkx_and_of_a_linear_program(seed: int, residual: bool) -> None:
    shares = random_shares(seed, residual=residual)
    source = shares.shape[-1] - 1
    found = flow(shares, source, len(shares) - 1).values
    for sink, value in enumerate(found):
        assert value == pytest.approx(by_networkx(shares, source, sink), abs=1e-9)
        assert value == pytest.approx(by_linear_program(shares, source, sink), abs=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_flow_from_a_lower_layer_ignores_what_lies_above(seed: int) -> None:
    shares = random_shares(seed)
    np.testing.assert_array_equal(flows(shares, 0), flows(shares[:1]))
    np.testing.assert_allclose(flows(shares, 0), shares[0], atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_heads_average_to_the_whole_for_rollout_and_at_most_to_it_for_flow(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heads = rng.dirichlet(np.full(5, 0.5), size=(3, 4, 5))  # [layer, head, query, key]
    below, whole = heads[:-1].mean(axis=1), to_shares(heads.mean(axis=1))
    single = [to_shares(np.concatenate([below, heads[-1:, head]])) for head in range(4)]
    np.testing.assert_allclose(
        np.mean([rollout(s)[-1] for s in single], axis=0), rollout(whole)[-1], atol=1e-12
    )
    assert (np.mean([flows(s) for s in single], axis=0) <= flows(whole) + 1e-9).all()


@pytest.mark.parametrize(("n", "layers"), [(4, 2), (5, 3), (7, 6)])
def test_uniform_attention_in_closed_form(n: int, layers: int) -> None:
    shares = to_shares(np.full((layers, n, n), 1 / n))
    keep = 2.0**-layers
    np.testing.assert_allclose(rollout(shares)[-1], keep * np.eye(n) + (1 - keep) / n, atol=1e-12)


def test_flow_of_uniform_attention_in_closed_form() -> None:
    np.testing.assert_allclose(flows(to_shares(np.full((2, 6, 6), 1 / 6))), 0.5 + 0.5 * np.eye(6), atol=1e-9)
    np.testing.assert_allclose(
        flows(to_shares(np.full((3, 4, 4), 1 / 4)))[0], [1, 0.875, 0.875, 0.875], atol=1e-9
    )
    saturated = flow(to_shares(np.full((4, 5, 5), 1 / 5)), 0, 3)
    np.testing.assert_allclose(saturated.values, 1, atol=1e-9)
    assert saturated.saturated.all()


def test_attention_to_oneself_stays_where_it_is() -> None:
    shares = to_shares(np.broadcast_to(np.eye(4), (3, 4, 4)))
    np.testing.assert_array_equal(rollout(shares), np.broadcast_to(np.eye(4), (3, 4, 4)))
    np.testing.assert_array_equal(flows(shares), np.eye(4))


@pytest.mark.parametrize("seed", range(4))
def test_renaming_the_tokens_renames_the_result(seed: int) -> None:
    shares = random_shares(seed)
    order = np.random.default_rng(seed).permutation(shares.shape[-1])
    renamed = shares[:, order][:, :, order]
    np.testing.assert_allclose(rollout(renamed), rollout(shares)[:, order][:, :, order], atol=1e-12)
    np.testing.assert_allclose(flows(renamed), flows(shares)[order][:, order], atol=1e-9)


def test_causal_attention_stays_below_the_diagonal() -> None:
    shares = to_shares(evenly(np.tril(np.ones((4, 6, 6)))))
    found = flows(shares)
    assert not np.triu(rollout(shares)[-1], 1).any()
    assert not np.triu(found, 1).any()
    np.testing.assert_array_equal(found[0], np.eye(6)[0])


def test_rows_of_zeros_stay_and_other_rows_sum_to_one() -> None:
    weights = np.array([[[0.5, 0.5], [0.0, 0.0]]])
    np.testing.assert_array_equal(to_shares(weights, residual=False)[0], [[0.5, 0.5], [0, 0]])
    np.testing.assert_allclose(to_shares(weights * 0.8)[0].sum(axis=-1), 1)


def test_where_the_cut_lies() -> None:
    narrow_top = np.array([[[0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]], [[0.98, 0.01, 0.01]] * 3])
    assert flow(to_shares(narrow_top), 0, 1).cuts[1] == "source"
    # The last token is hardly looked at in the first layer and much after it: only its own column limits the flow.
    narrow_input = np.array([[[0.5, 0.49, 0.01]] * 3, [[0.3, 0.2, 0.5]] * 3, [[0.3, 0.2, 0.5]] * 3])
    found = flow(to_shares(narrow_input), 0, 2)
    assert found.cuts[2] == "input"
    assert found.values[2] == pytest.approx(0.5 * (0.01 * 2 + 1.01))
    assert found.saturated[2]
