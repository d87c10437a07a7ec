"""Several stacks of attention in one square: where the calls of a model that reads text and pictures lie among all tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Block = tuple[slice, slice]
"""Queries and keys of a call, as positions among all tokens."""


@dataclass(frozen=True)
class Frame:
    """Where each attention call lies in the square over all tokens of a prompt.

    A call that reads several texts at once, one a row of its batch, has a block for each of them.

    Attributes:
        size: How many tokens there are.
        blocks: Of every call, in their order.
    """

    size: int
    blocks: tuple[tuple[Block, ...], ...]

    def put(self, number: int, block: Tensor, fill: float = 0) -> Tensor:
        """A call's own [batch · texts, head, query, key] in the square [batch, head, token, token], `fill` elsewhere."""
        mine = self.blocks[number]
        apart = block.unflatten(0, (-1, len(mine)))
        whole = block.new_full((len(apart), block.shape[1], self.size, self.size), fill)
        for k, (queries, keys) in enumerate(mine):
            whole[:, :, queries, keys] = apart[:, k, :, : _long(queries), : _long(keys)]
        return whole

    def take(self, number: int, whole: Tensor, block: Tensor) -> Tensor:
        """A call's own part of the square, in the shape of `block`, which gives what lies outside it (padding)."""
        mine = self.blocks[number]
        apart = block.clone().unflatten(0, (-1, len(mine)))
        for k, (queries, keys) in enumerate(mine):
            apart[:, k, :, : _long(queries), : _long(keys)] = whole[:, :, queries, keys]
        return apart.flatten(0, 1)


def _long(places: slice) -> int:
    return places.stop - places.start


def by_layer(layers: Sequence[int], calls: Sequence[Tensor]) -> Tensor:
    """What was read of each call [*, head, query, key], put together by layer: [layer, *, head, query, key].

    Calls of one layer lie beside each other in its square and are added. Where a call has fewer heads than others, those that
    it lacks are the mean of its own, so that means over heads stay what they are.
    """
    most = max(call.shape[-3] for call in calls)
    found: dict[int, Tensor] = {}
    for layer, call in zip(layers, calls, strict=True):
        yes, own = call.dtype == torch.bool, call
        if call.shape[-3] < most:
            mean = call.any(-3, keepdim=True) if yes else call.mean(-3, keepdim=True)
            own = torch.cat((call, *[mean] * (most - call.shape[-3])), -3)
        if layer in found:
            own = found[layer] | own if yes else found[layer] + own
        found[layer] = own
    return torch.stack([found[layer] for layer in sorted(found)])
