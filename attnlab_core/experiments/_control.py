"""The control of an edit: as much attention moved in the same rows, but to tokens drawn at random."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits import Call, Edit, Where
from attnlab_core.edits._donor import put

if TYPE_CHECKING:
    from attnlab_core.lab import Lab


@dataclasses.dataclass(frozen=True, kw_only=True)
class Given(Edit):
    """Rows of attention as they are given; rows that are all zero, and what lies beyond them, stay the model's own."""

    tensors: Mapping[str, Tensor] = dataclasses.field(default_factory=dict, compare=False, repr=False)

    def rearrange(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        chosen: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Put them in."""
        return put(values, visible, chosen, call, self.tensors.get(call[0]), 1.0)


def control(
    lab: Lab,
    plain: Float[Tensor, "layer head query key"],
    edited: Float[Tensor, "layer head query key"],
    visible: Bool[Tensor, "layer head query key"],
    edits: Sequence[Edit],
    said: str,
) -> Given:
    """An edit that moves as much attention as some edits did, in the rows that these name, but elsewhere.

    Each row goes from the model's own towards the edited row with its weights put on the visible keys in random order,
    until as much attention has moved as by the edits (total variation); where the whole way is too short, as far as it goes.

    Args:
        lab: The model.
        plain: Its attention without edits.
        edited: The same under them.
        visible: What the mask lets through.
        edits: Settled.
        said: What the random order depends on, alone.
    """
    draw = torch.Generator().manual_seed(int(sha256(said.encode()).hexdigest()[:15], 16))
    order = torch.where(visible, torch.rand(plain.shape, generator=draw), 2.0).argsort(-1)
    natural = torch.where(visible, 0, 1).argsort(dim=-1, stable=True)
    moved = torch.zeros_like(edited).scatter(-1, order, edited.gather(-1, natural)) * visible
    far, whole = ((one - plain).abs().sum(-1, keepdim=True) for one in (edited, moved))
    found = plain + (far / whole.clamp_min(1e-12)).clamp(max=1) * (moved - plain)
    part: Any = lab.calls[0][0]
    return Given(where=Where(part=part), tensors={part: found * rows(lab, edits, plain.shape)[..., None]})


def rows(lab: Lab, edits: Sequence[Edit], shape: Any) -> Bool[Tensor, "layer head query"]:
    """The rows that settled edits may change in the part of the model that reads the text."""
    part, only = lab.calls[0][0], len({part for part, _ in lab.calls}) == 1
    found = torch.zeros(shape[:3], dtype=torch.bool)
    for edit in edits:
        cells = edit.chosen((shape[1], shape[2], shape[3]), torch.device("cpu")).any(-1)
        for layer in range(shape[0]):
            if edit.where.covers(part, layer, only):
                found[layer] |= cells
    return found
