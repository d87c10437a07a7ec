"""Add to the scores of single cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit, Stage, first_query
from attnlab_core.edits._rows import window
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding

Cell = tuple[int, int, int, int, float]
"""Layer, head, query, key, and what is added to the score."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bias(Edit):
    """Add to the scores of single cells, which multiplies their weights.

    Adding b to a score multiplies the odds of attending there by exp(b), as additive attention biases do (Shaw et al.
    2018; Press et al. 2022). It is the form in which `optimise` gives what it finds.

    Attributes:
        cells: Layer, head, query, key and what is added to the score there.
        amount: What all of it is multiplied by: 0 changes nothing.
    """

    cells: tuple[Cell, ...] = ()
    amount: Annotated[float, Range(0, 4)] = 1.0
    tensors: Mapping[int, Tensor] | None = dataclasses.field(default=None, compare=False, repr=False)

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}
    by_hand: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Take lists, as JSON gives them."""
        try:
            cells = tuple(
                (int(layer), int(head), int(query), int(key), float(by))
                for layer, head, query, key, by in self.cells
            )
        except (TypeError, ValueError):
            raise BadInput(
                f"cells is a list of [layer, head, query, key, number], not {str(self.cells)[:60]}."
            ) from None
        object.__setattr__(self, "cells", cells)
        super().__post_init__()
        if self.where.queries or self.where.keys:
            raise BadInput("The cells of a bias name their queries and keys: leave them out of where.")

    @property
    def stage(self) -> Stage:
        """Before the softmax."""
        return "scores"

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """Check every cell, and lay them out by layer."""
        if not self.cells:
            raise BadInput(
                "bias has nothing to add: give cells as [layer, head, query, key, number], as in "
                '"cells": [[0, 3, 1, 2, 0.5]].'
            )
        settled = super().settle(encoding, lab)
        n = len(encoding.ids)
        for layer, head, query, key, _ in self.cells:
            if not (0 <= layer < lab.layers and 0 <= head < lab.heads and 0 <= query < n and 0 <= key < n):
                raise BadInput(
                    f"There is no cell {[layer, head, query, key]}: the model has {lab.layers} layers of {lab.heads} "
                    f"heads, the text {n} tokens."
                )
        made: dict[int, Tensor] = {}
        for layer in dict.fromkeys(cell[0] for cell in self.cells):
            mine = [cell[1:] for cell in self.cells if cell[0] == layer]
            places = torch.tensor([cell[:3] for cell in mine]).T
            made[layer] = torch.zeros(lab.heads, n, n).index_put(
                tuple(places), torch.tensor([cell[3] for cell in mine]), accumulate=True
            )
        layers = tuple(sorted(made)) or None
        where = dataclasses.replace(settled.where, layers=settled.where.layers or layers)
        return dataclasses.replace(settled, where=where, tensors=made)

    def chosen(
        self, shape: tuple[int, int, int], device: torch.device, first: int = 0
    ) -> Bool[Tensor, "head query key"]:
        """The cells of any layer to which something is added; while they are searched for, all."""
        place = self.where.cells(shape, device, first)
        given = list((self.tensors or {}).values())
        if not given or any(one.requires_grad for one in given):
            return place
        added = torch.stack([window(one, shape[1], shape[2], first) != 0 for one in given]).any(0)
        return place & added.to(device)

    def change(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Add."""
        del visible
        added = (self.tensors or {}).get(call[1])
        if added is None:
            return values
        queries, keys = values.shape[-2:]
        part = window(added, queries, keys, first_query(call, queries, keys)).to(values)
        return values + self.amount * part
