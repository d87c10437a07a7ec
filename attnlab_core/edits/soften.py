"""Soften attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._rows import Sharing, tempered
from attnlab_core.knobs import Range


@dataclass(frozen=True, kw_only=True)
class Soften(Sharing):
    """Make attention less decided: what is attended to most gives some to the rest.

    The inverse of sharpen: weights to the power 1/by, scaled so that the chosen visible keys of a row hold together what
    they held. For whole rows this is a softmax temperature of `by`: all scores divided by it. The larger the number, the
    nearer each row comes to uniform.

    Attributes:
        by: The temperature; 1 changes nothing.
    """

    by: Annotated[float, Range(1, 100)] = 2.0

    identity: ClassVar[Mapping[str, Any]] = {"by": 1.0}

    def share(
        self, own: Float[Tensor, "*batch head query key"], chosen: Bool[Tensor, "*batch head query key"]
    ) -> Float[Tensor, "*batch head query key"]:
        """Take the root."""
        return tempered(own, chosen, 1 / self.by)
