"""A run whose word embeddings are moved a little, so that any method can be asked what it says then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.errors import BadInput
from attnlab_core.lab import Lab
from attnlab_core.prompt import Id
from attnlab_core.run import Run


class _Shifted(Lab):
    """A lab that reads one text with other word embeddings, whoever asks; the model is the same, untouched."""

    def __init__(self, lab: Lab, ids: tuple[Id, ...], by: Float[Tensor, "token width"]) -> None:
        self.__dict__.update(lab.__dict__)
        self._own, self._by = ids, by.to(lab.device)

    def embeddings(self, ids: Sequence[Id] | Tensor) -> Float[Tensor, "token width"]:
        found = super().embeddings(ids)
        if tuple(ids)[: len(self._own)] != self._own:
            return found
        found = found.to(torch.promote_types(found.dtype, self._by.dtype))
        found[: len(self._own)] += self._by
        return found

    def forward(self, ids: Sequence[Sequence[Id]], **given: Any) -> Any:
        if given.get("embeddings") is None:
            if any(tuple(row)[: len(self._own)] != self._own for row in ids):
                raise BadInput("This method reads other tokens than those of the text, which were not moved.")
            given["embeddings"] = torch.stack([self.embeddings(row) for row in ids])
        return super().forward(ids, **given)


def shifted(run: Run, by: Float[Tensor, "token width"]) -> Run:
    """The same text read again with its word embeddings moved; edits are kept."""
    lab = _Shifted(run.lab, run.encoding.ids, by)
    return lab.read(run.prompt, run.encoding, run.edits)
