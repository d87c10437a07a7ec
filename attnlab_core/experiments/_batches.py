"""Texts through a model in batches that fit in memory: cut by a budget, halved where it runs out all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

T = TypeVar("T")
Row = TypeVar("Row")
BUDGET = 512 * 2**20
"""Bytes that a batch may take beside the model's weights, unless told otherwise."""
MOST = 64
"""Rows of a batch: more gain nothing on a processor."""


def bytes_of(lab: Lab, tokens: int, kept: int = 0) -> int:
    """What one row of a forward pass takes, about.

    Counted are, in the model's type: one layer's scores and weights three times, one layer's activations as wide as the
    feed-forward part twice, the logits of every place, and the attention of as many layers as are kept.
    """
    config = lab.config.get_text_config()
    size = next(lab.model.parameters()).element_size()
    width = int(getattr(config, "hidden_size", 768))
    inner = int(getattr(config, "intermediate_size", None) or getattr(config, "n_inner", None) or 4 * width)
    classes = int(config.vocab_size) if lab.task in ("masked", "causal") else 4
    maps = lab.heads * tokens * tokens
    return size * (3 * maps + tokens * (2 * inner + 6 * width) + tokens * classes * 2 + kept * 2 * maps)


def fitting(lab: Lab, tokens: int, *, budget: int = BUDGET, kept: int = 0, most: int = MOST) -> int:
    """How many rows of so many tokens go through at once: one at least."""
    if lab.batch_size == 1:
        return 1
    return max(1, min(most, budget // max(1, bytes_of(lab, tokens, kept))))


def through(rows: Sequence[Row], work: Callable[[Sequence[Row]], list[T]], size: int) -> list[T]:
    """`work` on all rows, so many at a time; a batch that runs out of memory is done again in halves.

    Raises:
        MemoryError, torch.OutOfMemoryError: a single row does not fit.
    """
    found: list[T] = []
    at = 0
    while at < len(rows):
        part = rows[at : at + size]
        try:
            found += work(part)
        except (MemoryError, RuntimeError) as error:
            if len(part) == 1 or not out_of_memory(error):
                raise
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            size = (len(part) + 1) // 2
            continue
        at += len(part)
    return found


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch's own, Python's, or the processor's allocator in words."""
    said = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "out of memory" in said or "can't allocate memory" in said or "not enough memory" in said
    )
