"""Disturb attention at random, for controls."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from attnlab_core.edits._base import Call, Edit, first_query
from attnlab_core.knobs import Range

PARTS = ("encoder", "decoder", "cross")


@dataclass(frozen=True, kw_only=True)
class Noise(Edit):
    """Disturb attention at random: what any change of this size does.

    Gaussian noise is added to the scores, that is, weights are multiplied by exp(sd·z) and the row is brought back to
    its sum. z depends on the seed, the layer, the head and the two positions alone: the same cell gets the same noise in
    every run, whatever else is in the batch, with a cache or without.

    Attributes:
        sd: The noise's standard deviation, in units of the score; 0 changes nothing.
        seed: Another number gives other noise.
    """

    sd: Annotated[float, Range(0, 10)] = 1.0
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0

    identity: ClassVar[Mapping[str, Any]] = {"sd": 0.0}

    def change(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Multiply by e to the noise."""
        del visible
        heads, queries, keys = values.shape[-3:]
        first = first_query(call, queries, keys)
        places = [torch.arange(heads), torch.arange(first, first + queries), torch.arange(keys)]
        z = gaussian(self.seed, call, *(p.to(values.device) for p in places))
        return values * torch.exp(self.sd * z.to(values.dtype))


def gaussian(
    seed: int,
    call: Call,
    heads: Int64[Tensor, " head"],
    queries: Int64[Tensor, " query"],
    keys: Int64[Tensor, " key"],
) -> Float[Tensor, "head query key"]:
    """One standard normal number for every cell, from the numbers of the cell alone.

    A counter-based generator: the numbers are mixed by the finaliser of SplitMix64 (Steele et al. 2014), and two halves
    of the result make a normal deviate by Box and Muller's formula.
    """
    part = PARTS.index(call[0]) if call[0] in PARTS else len(PARTS)
    mixed = torch.full((1, 1, 1), seed, dtype=torch.int64, device=keys.device)
    for number in (part, call[1], heads[:, None, None], queries[:, None], keys):
        mixed = _mix(mixed + (torch.as_tensor(number) + 1) * _signed(0x9E3779B97F4A7C15))
    one, other = ((_shift(mixed, by) & 0xFFFFFF) + 0.5 for by in (40, 8))
    return torch.sqrt(-2 * torch.log(one / 2**24)) * torch.cos(2 * math.pi * other / 2**24)


def _mix(x: Int64[Tensor, "*shape"]) -> Int64[Tensor, "*shape"]:
    x = (x ^ _shift(x, 30)) * _signed(0xBF58476D1CE4E5B9)
    x = (x ^ _shift(x, 27)) * _signed(0x94D049BB133111EB)
    return x ^ _shift(x, 31)


def _shift(x: Int64[Tensor, "*shape"], by: int) -> Int64[Tensor, "*shape"]:
    """A logical shift to the right, as of unsigned numbers."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _signed(number: int) -> int:
    """The signed number of the same 64 bits."""
    return number - (1 << 64) if number >> 63 else number
