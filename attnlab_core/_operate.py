"""What settled edits make of one attention call, said for all its cells; `_columns` has a shorter way for the commonest."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from attnlab_core._columns import MASKED, exact
from attnlab_core.edits import Call, Edit, first_query
from attnlab_core.edits._rows import level
from attnlab_core.errors import BadInput

Acting = tuple[tuple[tuple[int, Edit], ...], ...]
"""For every row of edits those that mean a call, each with its number in the row."""


def operate(
    scores: Float[Tensor, "batch head query key"],
    visible: Bool[Tensor, "batch head query key"],
    plain: Float[Tensor, "batch head query key"],
    edits: Sequence[Edit],
    call: Call,
    sink: bool = False,
) -> tuple[Float[Tensor, "batch head query key"], list[int]]:
    """Apply settled edits to one attention call: the new weights, and how many cells each edit met.

    Rows sum to what `plain`'s rows sum to (one) unless an edit says that it takes some away, masked cells are zero, and
    an untouched row is `plain`'s, bit by bit.
    """
    keys = scores.shape[-1] - int(sink)
    shape = (scores.shape[1], scores.shape[2], keys)
    seen = visible[..., :keys]
    first = first_query(call, shape[1], keys)
    masks = [edit.meets(edit.chosen(shape, scores.device, first) & seen) for edit in edits]
    counts = [int(mask.sum()) for mask in masks]
    return act(scores, visible, plain, list(zip(edits, masks, strict=True)), call, sink), counts


def act(
    scores: Float[Tensor, "batch head query key"],
    visible: Bool[Tensor, "batch head query key"],
    plain: Float[Tensor, "batch head query key"],
    met: Sequence[tuple[Edit, Bool[Tensor, "batch head query own"]]],
    call: Call,
    sink: bool,
) -> Float[Tensor, "batch head query key"]:
    """The new weights, where each edit is given with the cells that it met."""
    acting = [(edit, mask) for edit, mask in met if not edit.inert]
    if not acting:
        return plain
    keys = scores.shape[-1] - int(sink)
    seen = visible[..., :keys]
    work, weights = exact(scores), exact(plain)
    if any(edit.unmasked for edit, _ in acting) and not bool((scores[..., :keys] > MASKED).all()):
        raise BadInput(
            'minimum="all" needs the scores behind the mask. Use minimum="visible" (for AtMan: variant="visible_min").'
        )
    on_scores = [(edit, mask) for edit, mask in acting if edit.stage == "scores"]
    for edit, mask in on_scores:
        values = edit.rearrange(work[..., :keys], seen, mask, call)
        work = torch.cat((values, work[..., keys:]), -1) if sink else values
    if on_scores:
        weights = functional.softmax(hide(work, visible), -1)
    touched = torch.zeros_like(acting[0][1])
    for edit, mask in acting:
        touched = touched | mask
        if edit.stage == "weights":
            values = edit.rearrange(weights[..., :keys], seen, mask, call) * seen
            changed = torch.cat((values, weights[..., keys:]), -1) if sink else values
            changed = level(changed, weights) if edit.rescales else changed
            weights = torch.where(mask.any(-1, keepdim=True), changed, weights)
    rows = touched.any(-1, keepdim=True)
    return torch.where(rows, weights.to(plain.dtype), plain)


def one_kind(mine: Acting) -> bool:
    """Whether no row has two edits, and all edits do the same in different places."""
    first, *others = [edit for row in mine for _, edit in row]
    return first.placeless and max(map(len, mine)) == 1 and all(map(first.like, others))


def hide(scores: Tensor, visible: Tensor) -> Tensor:
    """Scores with the hidden ones at the least number, as the models' own masks leave them."""
    return scores.masked_fill(~visible, torch.finfo(scores.dtype).min)
