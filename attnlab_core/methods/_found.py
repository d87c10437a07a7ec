"""What a method gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Found:
    """The scores of one method, and what has to be said with them.

    Attributes:
        scores: One number a token of the run it was given.
        aggregation: In one sentence: which layers, heads, rows, and what the number is.
        signed: Whether a score below zero speaks against the target.
        details: Further figures, in plain types.
        notes: What a reader must know before trusting this picture.
    """

    scores: Float[Tensor, " token"]
    aggregation: str
    signed: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
