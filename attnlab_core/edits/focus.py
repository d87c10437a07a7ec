"""Move attention to chosen words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding


@dataclass(frozen=True, kw_only=True)
class Focus(Edit):
    """Move attention to the chosen words from all others.

    Of what a row gives to other keys, this share is moved to the chosen ones, in proportion to what they had (evenly
    where they had nothing). Unlike a factor it says what the row becomes: at 0.5 the chosen words hold at least half,
    however little they had before. Rows that see none of them stay as they are.

    Near to it: PASTA (Zhang et al., ICLR 2024), which scales down all other keys, in heads found by profiling.

    Attributes:
        amount: The share of the attention elsewhere that is moved: 0 changes nothing, 1 moves all.
    """

    amount: Annotated[float, Range(0, 1)] = 0.5

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """Positions for words, of which there must be some."""
        if self.where.keys is None:
            raise BadInput('focus needs to know where to: name keys, as in "where": {"keys": ["not"]}.')
        return super().settle(encoding, lab)

    def rearrange(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        chosen: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Take from the others, give to the chosen."""
        del visible, call
        little = torch.finfo(values.dtype).eps ** 2
        base = (values + little).masked_fill(~chosen, 0)
        share = base / base.sum(-1, keepdim=True).clamp_min(little)
        others = values.masked_fill(chosen, 0)
        moved = self.amount * others.sum(-1, keepdim=True)
        return torch.where(chosen, values + share * moved, others * (1 - self.amount))
