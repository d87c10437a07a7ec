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

    A call that reads several texts at once, one a row of its batch, has a block for each of them. Where a call has fewer heads
    than others, those that it lacks are the mean of its own, so that means over heads are what they were.

    Attributes:
        size: How many tokens there are.
        heads: The most heads of a call.
        blocks: Of every call, in their order.
    """

    size: int
    heads: int
    blocks: tuple[tuple[Block, ...], ...]

    def put(self, number: int, block: Tensor, fill: float = 0) -> Tensor:
        """A call's own [batch · texts, head, query, key] in the square [batch, head, token, token], `fill` elsewhere."""
        mine = self.blocks[number]
        if lacks := self.heads - block.shape[1]:
            same = block[:, :1] if block.dtype == torch.bool else block.mean(1, keepdim=True)
            block = torch.cat((block, *[same] * lacks), 1)
        apart = block.unflatten(0, (-1, len(mine)))
        whole = block.new_full((len(apart), self.heads, self.size, self.size), fill)
        for k, (queries, keys) in enumerate(mine):
            whole[:, :, queries, keys] = apart[:, k, :, : _long(queries), : _long(keys)]
        return whole

    def take(self, number: int, whole: Tensor, block: Tensor) -> Tensor:
        """A call's own part of the square, in the shape of `block`, which gives what lies outside it (padding)."""
        mine, heads = self.blocks[number], block.shape[1]
        apart = block.clone().unflatten(0, (-1, len(mine)))
        for k, (queries, keys) in enumerate(mine):
            apart[:, k, :, : _long(queries), : _long(keys)] = whole[:, :heads, queries, keys]
        return apart.flatten(0, 1)


def by_layer(layers: Sequence[int], calls: Sequence[Tensor]) -> Tensor:
    """What was read of each call [*, head, query, key], by layer: [layer, *, head, query, key].

    Calls of one layer lie beside each other in their square, and are added.
    """
    found: dict[int, Tensor] = {}
    for layer, call in zip(layers, calls, strict=True):
        found[layer] = found[layer] + call if layer in found else call
    return torch.stack([found[layer] for layer in sorted(found)])


def _long(places: slice) -> int:
    return places.stop - places.start
