"""Which rows of a run's attention a method reads, and how to say so in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attnlab_core.errors import BadInput
from attnlab_core.lab import Run
from attnlab_core.targets import Goal

ROUNDING = 0.01  # a row sum further from one is not half-precision rounding but a sink the model has learned


@dataclass(frozen=True)
class Rows:
    """The attention a method reads, in float64.

    Attributes:
        weights: `[layer, query, key]` mean over heads, or in the top layer one head; ends with the layer that is read.
        visible: same shape, True where any head may look.
        queries: the positions that are read; results are means over them.
        words: the choice in words, without a full stop: "row of [CLS] in layer 5, the last, mean over 12 heads".
    """

    weights: np.ndarray
    visible: np.ndarray
    queries: tuple[int, ...]
    words: str

    @property
    def layer(self) -> int:
        """The layer that is read, counted from 0."""
        return len(self.weights) - 1


def choose(run: Run, goal: Goal, layer: int | None, head: int | None, query: int | None) -> Rows:
    """Pick layer, head and query rows; None means the last layer, the mean over heads, and the rows the goal is read at.

    With a head the layers below stay averaged over their heads (Abnar and Zuidema 2020, Appendix A.1).

    Raises:
        BadInput: there is no such layer, head or token.
    """
    found = run.pattern
    layers, heads, n, _ = found.weights.shape
    at = layers - 1 if layer is None else _inside(layer, layers, "layer")
    weights = found.weights[: at + 1].double().numpy()  # [layer, head, query, key]
    weights = _even(weights)
    mean = weights.mean(axis=1)
    if head is not None:
        mean[at] = weights[at, _inside(head, heads, "head")]
    queries = (_inside(query, n, "token"),) if query is not None else goal.reads
    if query is None and _two_parts(run):
        queries = tuple(range(n))  # the answer is read in the decoder; the pattern is the encoder's
    where = f"layer {at}, the last" if at == layers - 1 else f"layer {at} of {layers}, counted from 0"
    whose = f"mean over {heads} heads" if head is None else f"head {head} of {heads}, counted from 0"
    words = f"{_named(run, queries)} in {where}, {whose}"
    return Rows(mean, found.visible[: at + 1].any(dim=1).numpy(), tuple(queries), words)


def refuse_cross_attention(run: Run, method: str) -> None:
    """Raise `BadInput` for models with an encoder and a decoder: one graph of tokens is not defined for them."""
    if _two_parts(run):
        raise BadInput(
            f"{method} is not defined across an encoder and a decoder, and this model has both. "
            "Use raw_attention, atman or a gradient method."
        )


def _two_parts(run: Run) -> bool:
    return bool(getattr(run.lab.model.config, "is_encoder_decoder", False))


def _even(weights: np.ndarray) -> np.ndarray:
    """Undo the rounding of half precision, so that rows sum to one; rows that mean to sum to less stay."""
    total = weights.sum(axis=-1, keepdims=True)
    return np.divide(weights, total, out=weights.copy(), where=np.abs(total - 1) < ROUNDING)


def _inside(number: int, size: int, what: str) -> int:
    if not 0 <= number < size:
        raise BadInput(f"There is no {what} {number}: this run has {size}, counted from 0.")
    return number


def _named(run: Run, queries: Sequence[int]) -> str:
    tokens = [run.tokens[query] for query in queries]
    if len(tokens) > 1 and len(tokens) == len(run.tokens):
        return "mean over the rows of all tokens"
    names = ", ".join(token.text if token.special else f"“{token.text}”" for token in tokens)
    return f"row of {names}" if len(tokens) == 1 else f"mean over the rows of {names}"
