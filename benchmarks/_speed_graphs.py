"""Attention flow and rollout, beside the paper's way, the bare solver and a loop."""

from __future__ import annotations

import time
from collections.abc import Iterator

import networkx as nx
import numpy as np
from networkx.algorithms.flow import edmonds_karp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow

import attnlab_core as al
from attnlab_core.methods._graph import SCALE, flow, rollout, to_shares
from benchmarks._speed_base import (
    Plan,
    Row,
    Side,
    agree,
    alone,
    alternate,
    at_least,
    at_most,
    text_of,
    versus,
    within,
)  # fmt: skip

HEADS = 12
Shares = np.ndarray
"""Capacities [layer, query, key] in float64, the residual stream added, rows summing to one."""


def attention(layers: int, tokens: int, seed: int = 0) -> np.ndarray:
    """The mean over heads of random attention: softmax of normal scores of standard deviation 2."""
    scores = np.exp(2 * np.random.default_rng(seed).standard_normal((layers, HEADS, tokens, tokens)))
    return (scores / scores.sum(-1, keepdims=True)).mean(1)


def networkx_graph(shares: Shares) -> nx.DiGraph:
    """The whole graph: an edge from each position down to each key."""
    graph = nx.DiGraph()
    for layer, query, key in np.argwhere(shares > 0).tolist():
        graph.add_edge((layer + 1, query), (layer, key), capacity=float(shares[layer, query, key]))
    return graph


def bare(shares: Shares, source: int) -> Side:
    """The solver alone: the graph made beforehand as sparse integers, one call an input, values only."""
    n, levels = shares.shape[-1], len(shares)
    layer, query, key = np.nonzero(shares)
    keep = (layer < levels - 1) | (query == source)  # of the top layer only the source's row can carry
    starts, ends = ((layer + 1) * n + query)[keep], (layer * n + key)[keep]
    whole = np.rint(shares[layer, query, key][keep] * SCALE).astype(np.int32)
    edges = csr_array((whole, (starts, ends)), shape=((levels + 1) * n,) * 2)
    return lambda: [maximum_flow(edges, levels * n + source, sink).flow_value / SCALE for sink in range(n)]


def everything(shares: Shares) -> np.ndarray:
    """The flow of all positions after all layers."""
    layers, n, _ = shares.shape
    return np.array([[flow(shares, i, at).values for i in range(n)] for at in range(layers)])


def attention_flow(plan: Plan) -> Iterator[Row]:
    """One position against both, all positions and layers, and how it grows."""
    for layers, tokens in ((6, 20), (12, 32)):
        shares = to_shares(attention(layers, tokens))

        def one(shares: Shares = shares) -> np.ndarray:
            return flow(shares, 0, len(shares) - 1).values

        yield against_paper(plan, shares, one)
        solver = bare(shares, 0)
        gap = float(np.abs(one() - np.array(solver())).max())
        yield versus(
            f"attention_flow, one position, {layers}×{tokens}", one, solver, plan, against="the bare scipy solver",
            bar=at_most(2), checked=agree("flow and the solver", gap, 1e-6),
            note="ours makes the graph too, and finds where each cut lies",
        )  # fmt: skip
    for (layers, tokens), most in {(6, 20): 300, (12, 32): 5000}.items():
        shares = to_shares(attention(layers, tokens))
        small = Plan(seconds=0, least=1 if plan.quick else plan.least)
        yield alone(
            f"attention_flow, all positions and layers, {layers}×{tokens}", lambda shares=shares: everything(shares),
            small, bar=within(most), note=f"{layers * tokens * tokens:,} flows, one after the other",
        )  # fmt: skip
    sizes = (64, 128) if plan.quick else (64, 128, 256)
    for tokens in sizes:
        shares = to_shares(attention(12, tokens))
        yield alone(
            f"attention_flow, one position, 12×{tokens}",
            lambda shares=shares: flow(shares, 0, len(shares) - 1),
            Plan(seconds=min(2, plan.seconds), least=1), bar=within(1000) if tokens == 128 else None,
        )  # fmt: skip


def against_paper(plan: Plan, shares: Shares, one: Side) -> Row:
    """Networkx Edmonds-Karp for each pair, as the paper's code calls it; the graph is made beforehand for it alone."""
    layers, tokens, _ = shares.shape
    graph, values = networkx_graph(shares), one()
    small = tokens <= 20
    sinks = range(tokens) if small or not plan.quick else range(3)

    def pairs() -> list[float]:
        return [
            float(nx.maximum_flow_value(graph, (layers, 0), (0, sink), flow_func=edmonds_karp))
            for sink in sinks
        ]

    name, said = f"attention_flow, one position, {layers}×{tokens}", "networkx Edmonds-Karp for each pair"
    bar = at_least(2000) if (layers, tokens) == (12, 32) else None
    began = time.perf_counter()
    theirs = pairs()
    took = 1000 * (time.perf_counter() - began)
    gap = max(abs(a - float(values[k])) for k, a in zip(sinks, theirs, strict=True))
    checked = agree("flow and networkx", gap, 1e-8)
    if small:
        return versus(name, one, pairs, plan, against=said, bar=bar, checked=checked)
    times = alternate([one], Plan(seconds=1))
    took *= tokens / len(sinks)
    note = (
        "theirs once" if len(sinks) == tokens else f"theirs extrapolated from {len(sinks)} of {tokens} pairs"
    )
    ratio = took / times.ms(0)
    return Row(name, times.ms(0), "ms", said, took, ratio, bar, checked, note, turns=len(times.taken[0]))


def loop(weights: np.ndarray) -> np.ndarray:
    """Rollout as it is written down: layer by layer, the identity added, rows scaled to one."""
    rolled = np.eye(weights.shape[-1])
    found = []
    for layer in weights:
        mixed = layer + np.eye(len(layer))
        rolled = mixed / mixed.sum(-1, keepdims=True) @ rolled
        found.append(rolled)
    return np.stack(found)


def attention_rollout(plan: Plan) -> Iterator[Row]:
    """All layers and positions; and the whole call of the method."""
    for layers, tokens in ((6, 20), (12, 32), (12, 128)):
        weights = attention(layers, tokens)

        def ours(weights: np.ndarray = weights) -> np.ndarray:
            return rollout(to_shares(weights))

        def theirs(weights: np.ndarray = weights) -> np.ndarray:
            return loop(weights)

        checked = agree("rollout and the loop", float(np.abs(ours() - theirs()).max()), 1e-12)
        yield versus(
            f"attention_rollout, {layers}×{tokens}", ours, theirs, plan, against="a loop over layers in numpy",
            bar=at_least(1), checked=checked,
        )  # fmt: skip
    lab = plan.lab(plan.model)
    run = lab.run(text_of(lab, 20))
    yield alone(
        "attention_rollout, the whole call, 20 tokens", lambda: al.attribute(run, "attention_rollout"), plan,
        note="with the target settled, heads averaged and the words of the account",
    )  # fmt: skip
