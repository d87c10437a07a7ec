"""Moving attention between the cells of a row, with what the row sums to kept."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from attnlab_core.edits._base import Call, Edit


class Sharing(Edit):
    """An edit that moves attention among the chosen cells of a row.

    What they hold together is kept, so that all other cells keep their weights; a row with one chosen cell has nothing
    to share.
    """

    missed: ClassVar[str] = (
        "it moves attention among the chosen keys of a row, and no row sees two of them. "
        "Choose other keys, two at least."
    )

    def meets(self, chosen: Bool[Tensor, "*batch head query key"]) -> Bool[Tensor, "*batch head query key"]:
        """Those in rows with two or more."""
        return chosen & (chosen.sum(-1, keepdim=True) > 1)

    def rearrange(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        chosen: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Share out what the chosen cells hold."""
        del visible, call
        return torch.where(chosen, self.share(values.masked_fill(~chosen, 0), chosen), values)

    def share(
        self, own: Float[Tensor, "*batch head query key"], chosen: Bool[Tensor, "*batch head query key"]
    ) -> Float[Tensor, "*batch head query key"]:
        """New weights for the chosen cells, of the same sum; `own` is zero at all others."""
        raise AssertionError(f"{type(self).__name__} has no share")


def window(
    laid: Float[Tensor, "h q k"], queries: int, keys: int, first: int
) -> Float[Tensor, "head query key"]:
    """What concerns one call of values laid out for a whole text; zero where a text that went on is longer than that."""
    part = laid[:, first : first + queries, :keys]
    return functional.pad(part, (0, keys - part.shape[-1], 0, queries - part.shape[-2]))


def level(
    new: Float[Tensor, "*batch head query key"], own: Float[Tensor, "*batch head query key"]
) -> Float[Tensor, "*batch head query key"]:
    """`new`, each row scaled to the sum of that row in `own`; where there is nothing to scale, `own`."""
    total = new.sum(-1, keepdim=True)
    scaled = new / total.clamp_min(torch.finfo(total.dtype).tiny) * own.sum(-1, keepdim=True)
    return torch.where(total > 0, scaled, own)


def fill(
    values: Float[Tensor, "*batch head query key"],
    new: Float[Tensor, "*batch head query key"],
    chosen: Bool[Tensor, "*batch head query key"],
) -> Float[Tensor, "*batch head query key"]:
    """Rows with `new` at the chosen cells; the others share what is left, in proportion to what they had.

    Where the chosen ones want more than the row has, the others are left with nothing and the base scales the row down.
    """
    rest = values.masked_fill(chosen, 0)
    left = values.sum(-1, keepdim=True) - new.masked_fill(~chosen, 0).sum(-1, keepdim=True)
    others = rest.sum(-1, keepdim=True).clamp_min(torch.finfo(values.dtype).eps ** 2)
    return torch.where(chosen, new, rest * (left.clamp_min(0) / others))


def tempered(
    own: Float[Tensor, "*batch head query key"],
    chosen: Bool[Tensor, "*batch head query key"],
    power: float | Tensor,
) -> Float[Tensor, "*batch head query key"]:
    """The weights of the chosen cells to a power, of the same sum as before: scores multiplied by that number."""
    info = torch.finfo(own.dtype)
    logs = own.clamp_min(info.tiny).log() * power
    return logs.masked_fill(~chosen, info.min).softmax(-1) * own.sum(-1, keepdim=True)
