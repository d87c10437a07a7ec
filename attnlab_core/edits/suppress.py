"""Suppress (or amplify) tokens as AtMan does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit, Stage
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Suppress(Edit):
    """Turn tokens down as AtMan does, and similar tokens with them.

    On scores, the default since it is AtMan's own: a score s becomes m + c·(s - m), where m is the least score of its
    row, so that 0 ties the token with the least attended one and does not remove it. On weights, c multiplies the
    weight, which is the same as adding log c to the score (AtMan's later, log-additive form); 0 removes.

    Source: Deiseroth et al., AtMan, NeurIPS 2023, sections 3.2 (single token) and 3.3 (correlated tokens).

    Attributes:
        factor: 1 changes nothing, below 1 suppresses, above 1 amplifies.
        on: Act on the scores before the softmax, or on the weights after it.
        minimum: The row's least score among the keys that the mask leaves visible, or among all keys. The published code
            of 2023 takes all, and so lets a causal model look into the future.
        similarity: Also suppress tokens whose word embedding has at least this cosine with a chosen one, the less the
            lower the cosine.
        others: Further positions with their own factors, as (position, factor) pairs; `similarity` is turned into these.
    """

    factor: Annotated[float, Range(0, 1000)] = 0.1
    on: Stage = "scores"
    minimum: Literal["visible", "all"] = "visible"
    similarity: Annotated[float, Range(0, None)] | None = None
    others: tuple[tuple[int, float], ...] = ()

    identity: ClassVar[Mapping[str, Any]] = {"factor": 1.0}
    placeless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Take lists for `others`, as JSON gives them."""
        try:
            pairs = tuple((int(place), float(factor)) for place, factor in self.others)
        except (TypeError, ValueError):
            raise BadInput(f"others is a list of [position, factor] pairs, not {self.others!r}.") from None
        object.__setattr__(self, "others", pairs)
        super().__post_init__()

    @property
    def unmasked(self) -> bool:
        """Only the published code of 2023 reads scores behind the mask."""
        return self.minimum == "all" and self.on == "scores"

    @property
    def columnwise(self) -> bool:
        """Where one factor stands for all its tokens."""
        return not self.others and not self.unmasked

    @property
    def inert(self) -> bool:
        """At factor 1, unless similar tokens have factors of their own."""
        return super().inert and all(factor == 1 for _, factor in self.others)

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """Positions for words, and a factor for every similar token."""
        settled = super().settle(encoding, lab)
        if self.similarity is None or settled.where.keys is None:
            return dataclasses.replace(settled, similarity=None)
        own = {int(key) for key in settled.where.keys}
        others = factors(lab.similarity(encoding), own, float(self.factor), self.similarity)
        pairs = tuple(sorted({k: c for k, c in others.items() if k not in own}.items()))
        return dataclasses.replace(settled, similarity=None, others=settled.others + pairs)

    def chosen(
        self, shape: tuple[int, int, int], device: torch.device, first: int = 0
    ) -> Bool[Tensor, "head query key"]:
        """The chosen keys and the similar ones."""
        keys = self.where.keys
        if keys is not None:
            keys = (*keys, *(place for place, _ in self.others))
        return dataclasses.replace(self.where, keys=keys).cells(shape, device, first)

    def change(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Scale towards zero (weights) or towards the row's least score (scores)."""
        del call
        by = values.new_ones(values.shape[-1]) * self.factor
        for place, factor in self.others:
            by[place] = factor
        if self.on == "weights":
            return values * by
        hidden = torch.zeros_like(visible) if self.minimum == "all" else ~visible
        least = values.masked_fill(hidden, torch.inf).amin(-1, keepdim=True)
        return least + by * (values - least)

    def cell(
        self, own: Float[Tensor, "*cell"], least: Float[Tensor, "*#cell"] | None = None
    ) -> Float[Tensor, "*cell"]:
        """The same for single cells, where no other token has a factor of its own."""
        return own * self.factor if least is None else least + self.factor * (own - least)


def factors(
    cosines: Float[Tensor, "token token"], chosen: set[int], factor: float, least: float
) -> dict[int, float]:
    """The factor of every token that is at least `least` like one of `chosen`: 1 - (1 - factor)·cosine.

    The chosen ones get `factor` itself, a cosine outside 0 to 1 means no change, and of several the smallest counts.
    """
    found = dict.fromkeys(chosen, factor)
    for source in sorted(chosen):
        for place, cosine in enumerate(cosines[source].tolist()):
            if place not in chosen and cosine >= least:
                value = 1 - (1 - factor) * min(cosine, 1.0) if cosine >= 0 else 1.0
                found[place] = min(found.get(place, value), value)
    return found
