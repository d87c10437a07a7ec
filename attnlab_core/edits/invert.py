"""Turn attention round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._rows import Sharing, level, tempered
from attnlab_core.knobs import Range


@dataclass(frozen=True, kw_only=True)
class Invert(Sharing):
    """Turn attention round: what was attended to most is attended to least.

    Within the chosen visible keys of each row, whose sum stays. No source defines it; two readings are offered. Both turn
    the order round exactly, and applied twice both give back the row.

    `reflect`, the default: p becomes max + min - p, scaled to the old sum. It is bounded and linear in the weights; in a
    long row with one peak it takes the peak's weight and shares it nearly evenly. `scores`: the scores change their sign,
    so that weights go as 1/p. It puts nearly all attention on whichever key had least, which may be decided by
    differences that mean nothing.

    Attributes:
        how: Reflect the weights between their largest and smallest, or change the sign of the scores.
        amount: How far, from 0 (nothing changes) to 1 (turned round); between them the two are mixed.
    """

    how: Literal["reflect", "scores"] = "reflect"
    amount: Annotated[float, Range(0, 1)] = 1.0

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}

    def share(
        self, own: Float[Tensor, "*batch head query key"], chosen: Bool[Tensor, "*batch head query key"]
    ) -> Float[Tensor, "*batch head query key"]:
        """Towards the row turned round."""
        if self.how == "scores":
            turned = tempered(own, chosen, -1)
        else:
            ends = own.amax(-1, keepdim=True) + own.masked_fill(~chosen, 1).amin(-1, keepdim=True)
            turned = level((ends - own).masked_fill(~chosen, 0), own)
        return own + self.amount * (turned - own)
