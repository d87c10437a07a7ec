"""The numbers behind the page Graph: the graph of a run with and without edits, what is drawn of it, and files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from attnlab_core import charts
from pages.ui import canvas, heads_figures, state

if TYPE_CHECKING:
    import numpy as np

    from attnlab_core.graph import Graph, Kind, Merge
    from attnlab_core.run import Run
    from pages.ui.graph import View
    from pages.ui.heads_figures import Read

MOST = 3000
"""Edges that are drawn, the strongest; as in graph_edges.js."""


@dataclass(frozen=True, eq=False)
class Sight:
    """The graph that is looked at.

    Attributes:
        read: The attention it is made of, of a long text in bins.
        graphs: Without edits, and with them where there are any.
        heads: How heads were merged, in words.
    """

    read: Read
    graphs: tuple[Graph, ...]
    heads: str

    @property
    def before(self) -> Graph:
        """The graph without edits."""
        return self.graphs[0]


def sight(
    read: Read, kind: Kind, merge: Merge, source: int, sink: int | None = None, layer: int | None = None
) -> Sight:
    """The graphs of what was read; of the attention between a decoder and an encoder, one layer or the mean of all."""
    from attnlab_core.graph import graph

    def of(weights: np.ndarray) -> Graph:
        if read.part == "cross":
            weights = weights.mean(axis=0, keepdims=True) if layer is None else weights[layer : layer + 1]
        return graph(weights, source, kind, merge, sink)

    both = [read.before] if read.after is None else [read.before, read.after]
    return Sight(read, tuple(of(weights) for weights in both), said_of(kind, merge))


def said_of(kind: Kind, merge: Merge) -> str:
    """How heads are merged, in words."""
    if isinstance(merge, str):
        return {"mean": "mean over heads", "max": "largest over heads"}[merge]
    return f"head {merge}" if kind == "raw" else f"head {merge} of the last layer, mean over heads below"


def start_of(run: Run, read: Read) -> int:
    """The place at which the model's answer is read: of words, sentences and bins, the one that holds it."""
    reads = run.goal().reads[0]
    return next(k for k, tokens in enumerate(read.rows) if reads in tokens)


Edge = tuple[int, int, int, float]
"""Layer, query, key, weight."""


class Drawn(NamedTuple):
    """The edges that are drawn, the weight that gets the full width, and how many there are in all."""

    edges: list[Edge]
    reach: float
    of: int


def drawn(seen: Sight, view: View) -> Drawn:
    """What the browser draws of a view: edges from the root down that are strong enough and hang together with it.

    The strongest of each position always stays, so that no way ends before the input.
    """
    import numpy as np

    found, cross = seen.graphs[-1 if view.side == "after" else 0], seen.read.part == "cross"
    layers = len(found.edges)
    level, place = (view.level, view.place) if view.level > 0 else (layers, found.source)
    step = high(seen) / (canvas.HIDDEN - 1)
    edges = np.rint(np.nan_to_num(found.edges[:level]) / step) * step  # as the browser has them
    edges[-1, np.arange(edges.shape[1]) != place] = 0.0
    every = [
        (int(layer), int(q), int(k), float(edges[layer, q, k]))
        for layer, q, k in zip(*np.nonzero(edges), strict=True)
        if _shown(seen, view, q, True, q == place) and _shown(seen, view, k, False, k == place and not cross)
    ]
    others = [weight for _, q, k, weight in every if cross or q != k]
    reach = max(others or [weight for *_, weight in every], default=0.0) or 1e-6
    strong = _strong(every, view.least * reach)
    by_layer = [[edge for edge in strong if edge[0] == layer] for layer in range(level)]
    met = {place}
    for layer in reversed(range(level)):
        by_layer[layer] = [edge for edge in by_layer[layer] if edge[1] in met]
        met = {edge[2] for edge in by_layer[layer]}
    if view.level == 0:
        met = {view.place}
        for layer in range(level):
            by_layer[layer] = [edge for edge in by_layer[layer] if edge[2] in met]
            met = {edge[1] for edge in by_layer[layer]}
    return Drawn([edge for part in by_layer for edge in part], reach, len(every))


def _strong(every: list[Edge], least: float) -> list[Edge]:
    """Edges of at least this weight, and the strongest of each position; of too many the strongest."""
    best: dict[tuple[int, int], Edge] = {}
    for edge in every:
        if edge[:2] not in best or edge[3] > best[edge[:2]][3]:
            best[edge[:2]] = edge
    kept = [edge for edge in every if best[edge[:2]] is edge or edge[3] >= least]
    return kept if len(kept) <= MOST else sorted(kept, key=lambda e: (best[e[:2]] is not e, -e[3]))[:MOST]


def high(seen: Sight) -> float:
    """The greatest weight, without and with edits."""
    import numpy as np

    return max(float(np.nanmax(one.edges)) for one in seen.graphs) or 1e-6


def _shown(seen: Sight, view: View, place: int, query: bool, root: bool) -> bool:
    token = (seen.read.queries if query else seen.read.keys)[place]
    return root or ((view.specials or not token.special) and (view.first or place > 0))


def figure(run: Run, after: Run | None, seen: Sight, view: View, words: str) -> heads_figures.Figure:
    """The graph as a chart of what is drawn, and as numbers: every edge below where one looks from."""
    import pandas as pd

    read, found = seen.read, seen.before
    frame = found.to_frame()
    if len(seen.graphs) > 1:
        places = ["layer", "query", "key"]
        frame = frame.merge(seen.graphs[1].to_frame().rename(columns={"weight": "after"}), "outer", places)
        frame = frame.fillna({"weight": 0.0, "after": 0.0}).sort_values(places, ignore_index=True)
    frame.insert(3, "query_text", [read.queries[q].text for q in frame["query"]])
    frame.insert(4, "key_text", [read.keys[k].text for k in frame["key"]])

    def chart() -> Any:
        part = drawn(seen, view)
        edges = pd.DataFrame(part.edges, columns=["layer", "query", "key", "weight"])
        keys, queries = ([token.text for token in tokens] for tokens in (read.keys, read.queries))
        side = f", {'edited' if view.side == 'after' else 'as it is'}" if after is not None else ""
        return charts.graph_chart(
            edges, keys, queries, layers=len(found.edges), reach=part.reach, dark=state.dark(), title=words + side
        )  # fmt: skip

    def document() -> dict[str, Any]:
        said = {"edges_are": found.kind, "heads": seen.heads, "source": found.source}
        numbers = {"totals": [one.totals.tolist() for one in seen.graphs], "edges": frame.to_dict("records")}
        return heads_figures.described(run, after, read, said) | numbers

    return heads_figures.Figure(chart, frame, document)
