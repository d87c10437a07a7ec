"""The short way for what is done most: one edit on whole columns of attention, worked out for those columns alone.

Scaling a word and AtMan's suppression change a few keys for all heads and queries alike. `_operate.operate` says what an
edit does by looking at every cell several times; here only the columns are looked at, and the rest of a row is touched once
to bring it back to its sum. The tests hold the two ways equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from attnlab_core.edits import Edit
from attnlab_core.edits._rows import level

MASKED = -5e3
"""A score at or below this is masked: models add -1e4, -65504, -1e30 or the least number of their type."""
WIDE = (torch.float32, torch.float64)
CANCELLED = 0.25  # a row's sum below this is summed anew, since 1 - x has lost digits

Softmax = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Columns:
    """An edit and the columns it acts on.

    Attributes:
        edit: Any of the edits, which are the same but for their keys.
        rows: The row of the batch of each column; None where the columns are those of all rows.
        keys: The key of each column.
        batch: How many rows of edits there are.
    """

    edit: Edit
    rows: Int64[Tensor, " column"] | None
    keys: Int64[Tensor, " column"]
    batch: int

    @classmethod
    def of(cls, rows: Sequence[Sequence[Edit]], keys: int, device: torch.device) -> Columns | None:
        """The columns of the edits of every row of a batch; None where this way does not lead to what they mean."""
        if max(map(len, rows)) > 1:
            return None
        met = [(b, row[0]) for b, row in enumerate(rows) if row]
        edit = met[0][1]
        if not (edit.columnwise and not edit.inert and all(edit.like(other) for _, other in met[1:])):
            return None
        if any(
            one.where.keys is None or one.where.heads is not None or one.where.queries is not None
            for _, one in met
        ):
            return None
        places = [(b, int(k)) for b, one in met for k in one.where.keys or () if int(k) < keys]
        if not places:
            return None
        at = torch.tensor(places, device=device)
        return cls(edit, at[:, 0] if len(rows) > 1 else None, at[:, 1], len(rows))

    def apply(
        self, scores: Float[Tensor, "batch head query key"], soft: Softmax, own: int
    ) -> tuple[Tensor, list[int]]:
        """The new weights, and how many cells were met in each row of edits.

        Args:
            scores: What the model gives its softmax.
            soft: That softmax.
            own: How many of the keys are tokens; a learned sink may follow.
        """
        at = self._take(scores)
        seen = at > MASKED
        if self.edit.stage == "scores":
            kind = scores.dtype if scores.dtype in WIDE else soft(scores[:, :, :0]).dtype
            scores, at = exact(scores), exact(at)
            least = self._spread(_least(scores[..., :own]))
            weights = soft(self._put(scores, torch.where(seen, self.edit.cell(at, least), at))).to(kind)
        else:
            plain = soft(scores)
            kind, plain = plain.dtype, exact(plain)
            at = self._take(plain)
            new = torch.where(seen, self.edit.cell(at), at)
            weights = _level(self._put(plain, new), plain, 1 + self._sum(new - at, plain)).to(kind)
        return weights, self._met(seen)

    def _take(self, values: Tensor) -> Tensor:
        """The columns: [batch, head, query, column], or [column, head, query] where each belongs to one row."""
        return values[..., self.keys] if self.rows is None else values[self.rows, :, :, self.keys]

    def _put(self, values: Tensor, new: Tensor) -> Tensor:
        whole = values.clone()
        if self.rows is None:
            whole[..., self.keys] = new
        else:
            whole[self.rows, :, :, self.keys] = new
        return whole

    def _spread(self, by_row: Float[Tensor, "batch head query"]) -> Tensor:
        return by_row[..., None] if self.rows is None else by_row[self.rows]

    def _sum(self, columns: Tensor, like: Tensor) -> Float[Tensor, "batch head query"]:
        if self.rows is None:
            return columns.sum(-1)
        return like.new_zeros(like.shape[:3]).index_add(0, self.rows, columns)

    def _met(self, seen: Tensor) -> list[int]:
        if self.rows is None:
            return [int(seen.sum())]
        counts = torch.zeros(self.batch, dtype=torch.long, device=seen.device)
        return counts.index_add(0, self.rows, seen.sum((1, 2))).tolist()


def exact(values: Tensor) -> Tensor:
    """Half precision widened to fp32; fp64 stays."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _least(scores: Float[Tensor, "batch head query own"]) -> Float[Tensor, "batch head query"]:
    """The least visible score of each row."""
    least = scores.amin(-1)
    if bool((least > MASKED).all()):
        return least
    return scores.masked_fill(scores <= MASKED, torch.inf).amin(-1)


def _level(new: Tensor, plain: Tensor, total: Float[Tensor, "batch head query"]) -> Tensor:
    """Rows brought back to one; a row that was emptied keeps the weights it had."""
    if bool((total > CANCELLED).all()):
        return new / total[..., None]
    return level(new, plain)
