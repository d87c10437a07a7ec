"""Attention as a graph: rollout, maximum flow and its minimum cut. Plain numpy in float64; knows no model.

Axes: `weights` and `shares` are `[layer, query, key]`, layer 0 next to the input. Level 0 of the graph holds the input
tokens and level `l + 1` the positions after layer `l`; an edge runs from a query down to a key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

SCALE = 2.0**30  # capacities as int32; a row sums to 1, so no flow exceeds the range
DIGITS = 9  # flows are compared after rounding to this many decimals, below which only rounding noise differs


@dataclass(frozen=True)
class FlowResult:
    """The maximum flow from one position to every input token.

    Attributes:
        values: `[token]`, exact value of the minimum cut, rounded to `DIGITS` decimals.
        cuts: per token where that cut lies: "source" (every cut edge leaves the source's own column), "input" (every
            cut edge enters the token's own column) or "between".
        saturated: `[token]`, True where the value equals the trivial bound: what leaves the source, or what enters the
            token in the first layer, whichever is smaller.
    """

    values: np.ndarray
    cuts: tuple[str, ...]
    saturated: np.ndarray


def to_shares(weights: np.ndarray, residual: bool = True) -> np.ndarray:
    """Add the skip connection and let every row sum to one; a row of zeros stays as it is.

    Args:
        weights: `[layer, query, key]` attention averaged over heads.
        residual: add the identity (the residual stream) before the rows are renormalised.

    Returns:
        `[layer, query, key]` in float64.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if residual:
        weights = weights + np.eye(weights.shape[-1])
    total = weights.sum(axis=-1, keepdims=True)
    return np.divide(weights, total, out=np.zeros_like(weights), where=total > 0)


def rollout(shares: np.ndarray) -> np.ndarray:
    """Multiply the layers from the input up: `R[l] = A[l] @ R[l - 1]`.

    Returns:
        `[layer, query, key]`: the share of input token `key` in position `query` after each layer.
    """
    rolled = [shares[0]]
    for share in shares[1:]:
        rolled.append(share @ rolled[-1])
    return np.stack(rolled)


def evenly(visible: np.ndarray) -> np.ndarray:
    """Return attention `[layer, query, key]` that looks at every visible key alike: the shape of the mask alone."""
    counts = visible.sum(axis=-1, keepdims=True)
    return np.divide(visible, counts, out=np.zeros(visible.shape), where=counts > 0)


def flow(
    shares: np.ndarray, source: int, layer: int, on_sink: Callable[[int, int], None] | None = None
) -> FlowResult:
    """Find the maximum flow from position `source` after `layer` to each input token, one token at a time.

    The cut is found with capacities rounded to 2^-30 and its value is then taken with the capacities as they are.

    Args:
        shares: `[layer, query, key]` capacities, rows summing to one (see `to_shares`).
        source: the position whose content is traced back.
        layer: the layer after which it is read, counted from 0.
        on_sink: called with (done, total) after each token.
    """
    n = shares.shape[-1]
    inflow = shares[0].sum(axis=0)  # [key]
    bound = np.minimum(shares[layer, source].sum(), inflow)
    if layer < 2:
        values, cuts = _shallow(shares[: layer + 1], source)
    else:
        graph = _Graph(shares[: layer + 1], source)
        values, cuts = np.zeros(n), list[str]()
        for sink in range(n):
            values[sink], cut = graph.cut(sink)
            cuts.append(cut)
            if on_sink is not None:
                on_sink(sink + 1, n)
    if layer < 2 and on_sink is not None:
        on_sink(n, n)
    values = values.round(DIGITS)
    return FlowResult(values, tuple(cuts), np.abs(values - bound) <= 10.0**-DIGITS)


def _shallow(shares: np.ndarray, source: int) -> tuple[np.ndarray, list[str]]:
    """The cuts below one or two layers: paths over different positions share no edge, so each is cut where it is narrower."""
    n = shares.shape[-1]
    if len(shares) == 1:
        return shares[0, source].copy(), ["source"] * n
    above, below = shares[1, source][:, None], shares[0]  # [middle, 1], [middle, key]
    reached = np.rint(above * SCALE) > np.rint(below * SCALE)
    values = np.where(reached, below, above).sum(axis=0)
    middle, own = np.arange(n)[:, None], np.arange(n)[None, :]
    outside = (reached & (below > 0) & (middle != source)).any(axis=0)
    aside = (~reached & (above > 0) & (middle != own)).any(axis=0)
    return values, [
        "source" if not o else "between" if a else "input" for o, a in zip(outside, aside, strict=True)
    ]


class _Graph:
    """The part of the attention graph that lies below one position, ready for one flow per input token."""

    def __init__(self, shares: np.ndarray, source: int) -> None:
        n = shares.shape[-1]
        self.source, self.n = len(shares) * n + source, n
        below = [np.nonzero(share) for share in shares]  # every layer's (queries, keys)
        top = below[-1][0] == source
        below[-1] = (
            below[-1][0][top],
            below[-1][1][top],
        )  # of the top layer only the source's own row can carry
        self.starts = np.concatenate([(level + 1) * n + queries for level, (queries, _) in enumerate(below)])
        self.ends = np.concatenate([level * n + keys for level, (_, keys) in enumerate(below)])
        self.capacity = np.concatenate([shares[level][edges] for level, edges in enumerate(below)])
        self.size = (len(shares) + 1) * n
        whole = np.rint(self.capacity * SCALE).astype(np.int32)
        self.edges = csr_array((whole, (self.starts, self.ends)), shape=(self.size, self.size))
        first, last = shares[0], shares[-1][source]
        self.most_in, self.inflow = np.rint(first * SCALE).astype(np.int64).sum(axis=0), first.sum(axis=0)
        self.most_out, self.outflow = int(np.rint(last * SCALE).sum()), float(last.sum())

    def cut(self, sink: int) -> tuple[float, str]:
        """Return the value of the minimum cut between the source and input token `sink`, and the side it lies on."""
        found = maximum_flow(self.edges, self.source, sink)
        if found.flow_value == self.most_out:  # nothing behind the source is reached
            return self.outflow, "source"
        if found.flow_value == self.most_in[sink]:
            return float(self.inflow[sink]), "input"
        spare = self.edges - found.flow
        spare.eliminate_zeros()
        reached = np.zeros(self.size, dtype=bool)
        order, _ = breadth_first_order(spare, self.source)
        reached[order] = True
        crossing = reached[self.starts] & ~reached[self.ends]
        value = float(self.capacity[crossing].sum())
        if (self.starts[crossing] % self.n == self.source % self.n).all():
            return value, "source"
        return value, "input" if (self.ends[crossing] % self.n == sink).all() else "between"
