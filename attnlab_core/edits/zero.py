"""Take attention away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range


@dataclass(frozen=True, kw_only=True)
class Zero(Edit):
    """Take attention away: from words, from single cells, or from whole heads.

    Where keys are named, the other keys take over what these lose; a row that would be emptied keeps its weights. Where
    whole rows go, what they held is lost: the heads add nothing but what their biases say, which is a head knocked out.

    Sources: attention knock-out, Geva et al., Dissecting Recall of Factual Associations, EMNLP 2023 (they hide the keys,
    so that the others take over); zeroed heads, Michel et al., Are Sixteen Heads Really Better than One?, NeurIPS 2019.

    Attributes:
        amount: How much goes, from 0 (nothing) to 1 (all).
        renormalise: Whether the row's other keys take over what is taken away, or it is lost. Left out: they take over
            where keys are named.
    """

    amount: Annotated[float, Range(0, 1)] = 1.0
    renormalise: Literal[True, False] | None = None

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}

    def __post_init__(self) -> None:
        """Refuse to renormalise what is empty."""
        super().__post_init__()
        if self.renormalise and self.where.keys is None:
            raise BadInput(
                "Without keys in where, zero takes whole rows, and an empty row cannot be renormalised. "
                "Name keys, or leave renormalise out."
            )

    @property
    def rescales(self) -> bool:
        """As asked; left out, where keys are named."""
        return self.where.keys is not None if self.renormalise is None else self.renormalise

    def change(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Keep what does not go."""
        del visible, call
        return values * (1 - self.amount)
