"""Scale the attention that chosen cells get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit, Stage
from attnlab_core.knobs import Range


@dataclass(frozen=True, kw_only=True)
class Scale(Edit):
    """Multiply attention by a factor.

    On weights, the default, a weight p becomes c·p / (1 - p + c·p) and its row still sums to one: the odds of
    attending there are multiplied by c, whatever the scores were, and 0 takes the key out. On scores, the score itself
    is multiplied, as the formula in the AtMan paper reads; since scores may be negative, doubling one may then
    lower the attention, and scores have no natural zero. Hence weights.

    Attributes:
        factor: 1 changes nothing, 2 doubles, 0 removes.
        on: Multiply the weights after the softmax, or the scores before it.
    """

    factor: Annotated[float, Range(0, 1000)] = 2.0
    on: Stage = "weights"

    identity: ClassVar[Mapping[str, Any]] = {"factor": 1.0}
    placeless: ClassVar[bool] = True

    @property
    def columnwise(self) -> bool:
        """Nothing but the value itself counts."""
        return True

    def change(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Multiply."""
        del visible, call
        return self.cell(values)

    def cell(
        self, own: Float[Tensor, "*cell"], least: Float[Tensor, "*#cell"] | None = None
    ) -> Float[Tensor, "*cell"]:
        """Multiply."""
        del least
        return own * self.factor
