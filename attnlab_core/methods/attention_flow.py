"""Attention flow: the maximum flow through all layers' attention."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch

from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._graph import FlowResult, evenly, flow, to_shares
from attnlab_core.methods._rows import Rows, choose, refuse_cross_attention
from attnlab_core.progress import step
from attnlab_core.targets import Goal

CLOSE = 0.01  # words whose flows differ by less are as good as equal


def attention_flow(
    run: Run,
    goal: Goal,
    *,
    layer: Annotated[int | None, Range(0)] = None,
    head: Annotated[int | None, Range(0)] = None,
    query: Annotated[int | None, Range(0)] = None,
    residual: bool = True,
    normalise: bool = False,
    receptive_field: bool = False,
    max_tokens: Annotated[int, Range(1)] = 256,
) -> Found:
    """How much could flow from each word to the answer through attention.

    Attention weights are the capacities of pipes, with the same residual stream as rollout; the score is the maximum
    flow between the answer's position and an input token, each token for itself. It knows nothing of the target. In
    deep encoders many tokens reach the same bound, and the order among them then means nothing; the notes say so.

    Args:
        layer: After which layer, counted from 0; empty is the last.
        head: One head of that layer, counted from 0; the layers below stay averaged. Empty is the mean over all heads.
        query: Which token's flow, counted from 0; empty is where the model's answer is read.
        residual: Add the identity to every layer, since half of what a position holds it had before.
        normalise: Divide by the sum over all tokens, as the paper does before it compares.
        receptive_field: Divide by the flow of attention spread evenly over the visible tokens, so that 1 means as
            much as the mask alone would allow. Our own correction for decoders, not the paper's.
        max_tokens: Refuse longer texts, which take minutes: time grows with the third power of the length.

    Raises:
        BadInput: the text is too long for `max_tokens`, or the model has an encoder and a decoder.

    Source: Abnar and Zuidema 2020, section 3 and Appendix A.1.
    """
    refuse_cross_attention(run, "Attention flow")
    rows = choose(run, goal, layer, head, query)
    _refuse_long(len(run.tokens), len(rows.queries), max_tokens)
    graphs = [rows.weights, evenly(rows.visible)] if receptive_field else [rows.weights]
    found, *even = [
        _flows(to_shares(graph, residual), rows, k, len(graphs)) for k, graph in enumerate(graphs)
    ]
    values = np.stack([result.values for result in found])  # [row, token]
    words = f"Maximum flow from the {rows.words}; residual stream {'on' if residual else 'off'}"
    for base in even:
        below = np.stack([result.values for result in base])
        values = np.divide(values, below, out=np.zeros_like(values), where=below > 0)
        words += "; divided by the flow of even attention"
    if normalise:
        values = values / values.sum(axis=-1, keepdims=True)
        words += "; divided by the sum over tokens"
    scores = values.mean(axis=0)
    saturated = np.all([result.saturated for result in found], axis=0)
    sides = [side for result in found for side in result.cuts]
    others = [k for k, token in enumerate(run.tokens) if not token.special and k not in rows.queries]
    details = {
        "residual": residual,
        "cuts": {side: sides.count(side) for side in ("source", "input", "between")},
        "saturated": saturated.tolist(),
        "spread": float(np.ptp(scores[others])) if others else 0.0,
    }
    notes = _notes(found, saturated, others)
    return Found(torch.from_numpy(scores), f"{words}.", details=details, notes=notes)


def _flows(shares: np.ndarray, rows: Rows, done: int, graphs: int) -> list[FlowResult]:
    """One flow result a query row, telling the watcher of every token."""
    n = shares.shape[-1]
    total, before = graphs * len(rows.queries) * n, done * len(rows.queries)
    return [
        flow(shares, query, rows.layer, lambda sink, _, row=row: step((before + row) * n + sink, total))
        for row, query in enumerate(rows.queries)
    ]


def _refuse_long(tokens: int, rows: int, limit: int) -> None:
    if rows * tokens**3 > limit**3:
        many = f" from {rows} places" if rows > 1 else ""
        most = int(limit / rows ** (1 / 3))
        raise BadInput(
            f"Attention flow over {tokens} tokens{many} would take minutes; max_tokens={limit} lets {most} through here. "
            "Use attention_rollout, which is fast, or raise max_tokens."
        )


def _notes(found: list[FlowResult], saturated: np.ndarray, others: list[int]) -> tuple[str, ...]:
    """What a reader of the scores must know: flows that hardly differ, and flows at their bound."""
    raw = np.stack([result.values for result in found]).mean(axis=0)[others]
    notes = []
    if len(others) > 1 and np.ptp(raw) < CLOSE:
        notes.append("The words differ by less than 0.01, so their order means little; try a lower layer.")
    if len(others) > 1 and all(result.cuts[k] == "source" for result in found for k in others):
        notes.append(
            "The bottleneck is the answer's own position, which mostly attends to itself: words differ only in what it "
            "takes from them in the first layer."
        )
    if saturated[others].any():
        notes.append(
            f"{int(saturated[others].sum())} of {len(others)} words are at the most that the first layer or the "
            "source lets through: their flow does not depend on the layers between."
        )
    return tuple(notes)
