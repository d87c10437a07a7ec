"""Attention as a picture: the graph of tokens in every layer, with what goes from the input to one position.

Levels count from 0, the input tokens; level `l + 1` holds the positions after layer `l`. Arrays are `[layer, query, key]`,
layer 0 next to the input: the edge from a query at level `layer + 1` down to a key at level `layer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse.csgraph import maximum_flow

from attnlab_core.errors import BadInput
from attnlab_core.methods._graph import SCALE, _Graph, to_shares

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

Kind = Literal["raw", "rollout", "flow"]
KINDS: tuple[Kind, ...] = ("raw", "rollout", "flow")
Merge = Literal["mean", "max"] | int
"""How heads are merged: their mean, the largest of them, or one head by its number."""


@dataclass(frozen=True, eq=False)
class Graph:
    """A layered graph of attention, seen from one position after the last layer.

    Attributes:
        kind: What the edges are: "raw" attention, the matrices that "rollout" multiplies, or a maximum "flow".
        edges: `[layer, query, key]`, float64; NaN where the mask hides a key.
        source: The position after the last layer from which the graph is looked at.
        totals: `[key]`, what reaches each input token: its share of the position (raw, rollout) or its flow.
    """

    kind: Kind
    edges: np.ndarray
    source: int
    totals: np.ndarray

    def shares(self, level: int | None = None, place: int | None = None) -> np.ndarray:
        """`[level, position]`: how much of a position (the source, if none is named) goes by each other one below it.

        The edges are multiplied along every way and added up. What leaves a position counts as one where it is more (of the
        largest over heads) and, of a flow, where it is less.
        """
        layers, queries, keys = self.edges.shape
        top = layers if level is None else level
        found = np.zeros((layers + 1, max(queries, keys)))
        found[top, self.source if place is None else place] = 1.0
        for layer in reversed(range(top)):
            step = np.nan_to_num(self.edges[layer])
            out = step.sum(-1, keepdims=True)
            step = np.divide(step, out, out=step, where=out > (0 if self.kind == "flow" else 1))
            found[layer, :keys] = found[layer + 1, :queries] @ step
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row an edge below the source: layer, query, key, weight; edges of no weight and hidden ones stay out."""
        import pandas as pd

        edges = np.nan_to_num(self.edges)
        edges[-1, np.arange(edges.shape[1]) != self.source] = 0.0
        layer, query, key = np.nonzero(edges)
        return pd.DataFrame({"layer": layer, "query": query, "key": key, "weight": edges[layer, query, key]})


def graph(
    weights: np.ndarray, source: int, kind: Kind = "raw", merge: Merge = "mean", sink: int | None = None
) -> Graph:
    """The graph of one part of a model, looked at from one position after its last layer.

    Rollout and flow add the residual stream to every layer and scale its rows to one, as the methods of these names do; with
    one head, that is the head of the last layer, and the layers below are averaged.

    Args:
        weights: `[layer, head, query, key]`; NaN where the mask hides a key.
        source: The position.
        kind: What the edges are.
        merge: How heads are merged.
        sink: Of a flow, the one input token it goes to; None adds up the flows to every token, each found for itself.

    Raises:
        BadInput: There is no such head or position, or the keys are not the queries, as rollout and flow need.
    """
    _, heads, queries, keys = weights.shape
    for what, number, size in (("token", source, queries), ("token", sink, keys)):
        if number is not None and not 0 <= number < size:
            raise BadInput(f"There is no {what} {number}: there are {size}, counted from 0.")
    if isinstance(merge, int) and not 0 <= merge < heads:
        raise BadInput(f"There is no head {merge}: there are {heads}, counted from 0.")
    if kind != "raw" and queries != keys:
        raise BadInput(f"A graph of {kind} needs tokens that attend to each other. Choose raw attention.")
    hidden = np.isnan(weights).all(axis=1)
    merged = merge_heads(np.nan_to_num(weights.astype(np.float64)), merge, every=kind == "raw")
    if kind == "raw":
        made = Graph(kind, np.where(hidden, np.nan, merged), source, np.zeros(keys))
        return Graph(kind, made.edges, source, made.shares()[0, :keys])
    shares = to_shares(merged)
    edges = shares if kind == "rollout" else flows(shares, source, range(keys) if sink is None else [sink])
    made = Graph(kind, np.where(hidden, np.nan, edges), source, np.zeros(keys))
    return Graph(kind, made.edges, source, made.shares()[0] if kind == "rollout" else edges[0].sum(axis=0))


def merge_heads(weights: np.ndarray, merge: Merge, every: bool = True) -> np.ndarray:
    """`[layer, head, query, key]` to `[layer, query, key]`; with `every`, one head is taken in all layers, else in the last."""
    if merge == "max":
        return weights.max(axis=1)
    if merge == "mean":
        return weights.mean(axis=1)
    if every:
        return weights[:, merge]
    return np.concatenate([weights[:-1].mean(axis=1), weights[-1:, merge]])


def flows(shares: np.ndarray, source: int, sinks: Iterable[int]) -> np.ndarray:
    """One maximum flow from a position after the last layer to each of some input tokens, added up edge by edge.

    What enters an inner position leaves it, and what enters an input token is the score of the method `attention_flow`, up to
    the rounding of the capacities to 2^-30. The value of a maximum flow is one number; the ways it takes often are not, and
    these are those that the solver found.

    Args:
        shares: `[layer, query, key]` capacities, rows summing to one.
        source: Where the flow comes from.
        sinks: Where it goes to, each for itself.

    Returns:
        `[layer, query, key]`.
    """
    below = _Graph(shares, source)
    n = shares.shape[-1]
    total = np.zeros(shares.shape)
    for sink in sinks:
        sent = maximum_flow(below.edges, below.source, sink).flow.tocoo()
        level, query = np.divmod(sent.coords[0], n)
        key = sent.coords[1] % n
        down = sent.data > 0
        np.add.at(total, (level[down] - 1, query[down], key[down]), sent.data[down] / SCALE)
    return total
