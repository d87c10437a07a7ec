"""Smooth attention along the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._rows import Sharing
from attnlab_core.knobs import Range


@dataclass(frozen=True, kw_only=True)
class Smooth(Sharing):
    """Let attention spread to neighbouring words, as a Gaussian blur does along each row.

    What a key holds is shared among the chosen visible keys in proportion to exp(-d²/2·width²), d being the distance in
    tokens; nothing goes to a hidden key and nothing is lost at the ends or at the mask, so a row's sum stays exactly.
    Distance is counted in tokens, special ones and pieces of words too.

    Attributes:
        width: The blur's standard deviation in tokens; 0 changes nothing.
    """

    width: Annotated[float, Range(0, 1000)] = 1.0

    identity: ClassVar[Mapping[str, Any]] = {"width": 0.0}

    def share(
        self, own: Float[Tensor, "*batch head query key"], chosen: Bool[Tensor, "*batch head query key"]
    ) -> Float[Tensor, "*batch head query key"]:
        """Blur, each source within the chosen keys of its row."""
        places = torch.arange(own.shape[-1], device=own.device, dtype=own.dtype)
        far = (places[:, None] - places).square()
        bell = torch.exp(-far / (2 * self.width * self.width + 1e-12))
        open_to = chosen.to(own.dtype) @ bell  # how much of each source's bell its row leaves open
        return (own / open_to.where(chosen, 1)) @ bell
