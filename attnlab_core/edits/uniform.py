"""Share attention evenly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._rows import Sharing
from attnlab_core.knobs import Range


@dataclass(frozen=True, kw_only=True)
class Uniform(Sharing):
    """Share the attention of the chosen words evenly among them.

    In each row the chosen visible keys get the same weight; what they hold together stays, and so do all other weights.
    With all keys chosen, a head attends to everything it may see alike: a head that only averages.

    Attributes:
        amount: How far, from 0 (nothing changes) to 1 (all alike).
    """

    amount: Annotated[float, Range(0, 1)] = 1.0

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}

    def share(
        self, own: Float[Tensor, "*batch head query key"], chosen: Bool[Tensor, "*batch head query key"]
    ) -> Float[Tensor, "*batch head query key"]:
        """Towards the mean."""
        even = own.sum(-1, keepdim=True) / chosen.sum(-1, keepdim=True).clamp_min(1)
        return own + self.amount * (even - own)
