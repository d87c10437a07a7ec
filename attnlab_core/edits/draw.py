"""Draw attention by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit, first_query, positions
from attnlab_core.edits._rows import fill
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding

Cell = tuple[int | str, int | str, float]
"""Query and key, as positions or words, and a value."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draw(Edit):
    """Draw attention by hand, cell by cell.

    With `set`, a painted cell gets exactly its value and the other keys of its row share what is left, in proportion to
    what they had; values of more than one in a row are scaled down to one. With `add`, the value is added, nothing falls
    below zero, and the row is scaled back to its sum. Of the layers and heads in `where`, all get the same drawing; where
    a model has an encoder and a decoder, it is the encoder's unless `where` names a part.

    Attributes:
        cells: Query, key and value of each cell; a word stands for each of its tokens. Of a cell painted twice the last
            value is set, or both are added.
        mode: Whether values are set (from 0 to 1) or added (from -1 to 1).
        amount: How far, from 0 (nothing changes) to 1 (as painted).
    """

    cells: tuple[Cell, ...] = ()
    mode: Literal["set", "add"] = "set"
    amount: Annotated[float, Range(0, 1)] = 1.0

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}
    by_hand: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Take lists, as JSON gives them, and refuse what is no cell."""
        super().__post_init__()
        if self.where.queries or self.where.keys:
            raise BadInput("The cells of a drawing name their queries and keys: leave them out of where.")
        least = 0 if self.mode == "set" else -1
        object.__setattr__(self, "cells", tuple(_cells(self.cells, least)))

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """Positions for words."""
        if not self.cells:
            raise BadInput(
                'draw has nothing to draw: give cells as [query, key, value], as in "cells": [[0, 3, 0.8]].'
            )
        settled = super().settle(encoding, lab)
        size = len(encoding.ids)
        named = dict.fromkeys(place for cell in self.cells for place in cell[:2])
        at = {place: positions((place,), encoding, size) or () for place in named}
        cells = tuple((q, k, by) for one, other, by in self.cells for q in at[one] for k in at[other])
        where = dataclasses.replace(settled.where, part=self.where.part or lab.calls[0][0])
        return dataclasses.replace(settled, cells=cells, where=where)

    def chosen(
        self, shape: tuple[int, int, int], device: torch.device, first: int = 0
    ) -> Bool[Tensor, "head query key"]:
        """The painted cells."""
        queries, keys, _ = self._within(shape[1:], device, first)
        painted = torch.zeros(shape[1:], dtype=torch.bool, device=device)
        painted[queries, keys] = True
        return self.where.cells(shape, device, first) & painted

    def rearrange(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        chosen: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Set and make room, or add."""
        del visible
        shape = values.shape[-2], values.shape[-1]
        queries, keys, by = self._within(shape, values.device, first_query(call, *shape))
        sheet = values.new_zeros(shape)
        sheet[queries, keys] = by.to(values.dtype)
        if self.mode == "add":
            return torch.where(chosen, (values + self.amount * sheet).clamp_min(0), values)
        return fill(values, values + self.amount * (sheet - values), chosen)

    @cached_property
    def _painted(self) -> dict[torch.device, tuple[Tensor, Tensor]]:
        """Cells [2, cell] and their values, by device; filled when first asked for."""
        return {}

    def _within(
        self, shape: tuple[int, ...], device: torch.device, first: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows, columns and values of the painted cells that one call has."""
        if device not in self._painted:
            sheet: dict[tuple[int, int], float] = {}
            for query, key, by in self.cells:
                place = int(query), int(key)
                sheet[place] = by + (sheet.get(place, 0.0) if self.mode == "add" else 0.0)
            places = torch.tensor(list(sheet), dtype=torch.long, device=device).view(-1, 2).T
            self._painted[device] = places, torch.tensor(list(sheet.values()), device=device)
        (queries, keys), by = self._painted[device]
        queries = queries - first
        inside = (queries >= 0) & (queries < shape[0]) & (keys < shape[1])
        return queries[inside], keys[inside], by[inside]


def _cells(given: Any, least: float) -> Iterator[Cell]:
    if not isinstance(given, list | tuple):
        raise BadInput(f"cells is a list of [query, key, value], not {str(given)[:60]!r}.")
    for cell in given:
        if not (isinstance(cell, list | tuple) and len(cell) == 3):
            raise BadInput(f"A cell is [query, key, value], not {str(cell)[:60]}.")
        query, key, by = cell
        if not all(isinstance(place, int | str) and not isinstance(place, bool) for place in (query, key)):
            raise BadInput(f"The cell {str(cell)[:60]} names no position (a whole number) or word.")
        if isinstance(by, bool) or not isinstance(by, int | float) or not (least <= by <= 1):
            raise BadInput(f"The value of the cell {str(cell)[:60]} is a number from {least} to 1.")
        yield query, key, float(by)
