"""A lab that answers at once and notes what it was asked, so that passes can be counted without making them."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.lab import Lab
from attnlab_core.methods._inputs import rows_at_once, word_embeddings

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.prompt import Id
    from attnlab_core.run import Run

__all__ = ["DryLab", "rows_at_once", "word_embeddings"]


class DryLab(Lab):
    """Looks like a run's lab, but its forward pass makes up the answer.

    Args:
        run: whose lab it stands for.
        wild: answer at random, so that whatever goes on until it converges goes on to its end; else always the same.

    Attributes:
        made: the rows of each call.
        slopes: the rows of each call that a gradient was taken of.
        tokens: the longest text it was asked about.
    """

    def __init__(self, run: Run, wild: bool) -> None:
        self.__dict__.update(run.lab.__dict__)
        self.made: list[int] = []
        self.slopes: list[int] = []
        self.tokens = len(run.tokens)
        self._run, self._wild = run, wild
        self._random = torch.Generator().manual_seed(0)

    @property
    def passes(self) -> int:
        """How many variations of the text it was asked about."""
        return sum(self.made)

    def forward(
        self,
        ids: Sequence[Sequence[Id]],
        *,
        rows: Sequence[Sequence[Edit]] = ((),),
        embeddings: Float[Tensor, "batch token width"] | None = None,
        keep: bool = False,
        scores: bool = False,
        grad: bool = False,
        **more: Any,
    ) -> tuple[Float[Tensor, "batch place class"], Any]:
        """Answer as `Lab.forward` does, with logits that mean nothing."""
        del more
        batch, n = len(ids), max(map(len, ids))
        self.tokens = max(self.tokens, n)
        if self.reader.masks and any(
            edit.unmasked for row in rows for edit in row
        ):  # such edits read the text once more beforehand
            self.made.append(batch)
        self.made.append(batch)
        with torch.set_grad_enabled(grad):
            tape = self._tape(batch, n, grad) if keep or scores else SimpleNamespace(weights=[], visible=[])
            tape.edited_calls, tape.seen = 1, len(self.calls)
            level = torch.zeros(batch) + sum(w.sum() for w in tape.weights) * 0.0
            if embeddings is not None:
                level = level + embeddings.float().sum((1, 2)).cpu() * 1e-3
            logits = self._logits(level, n)
        if logits.requires_grad:
            logits.register_hook(lambda _: self.slopes.append(batch))
        return logits.to(self.device), tape

    def _logits(self, level: Float[Tensor, " batch"], n: int) -> Float[Tensor, "batch place class"]:
        places, classes = self._run.logits.shape
        places = n if self.task in ("masked", "causal") else places
        classes = n if self.task == "answering" else classes
        found = level.view(-1, 1, 1)
        if self._wild:
            noise = torch.randn(1, 1, classes, generator=self._random)
            found = noise * (1 + found) * torch.randn(len(level), 1, 1, generator=self._random)
        return found.expand(-1, places, classes)

    def _tape(self, batch: int, n: int, grad: bool) -> SimpleNamespace:
        """Even attention in every call, as visible as in the run."""
        weights, visible = [], []
        for part, _ in self.calls:
            seen = torch.ones(batch, 1, n, n, dtype=torch.bool)
            pattern = self._run.patterns[part]
            if pattern.causal:
                seen = seen.tril()
            even = seen.float().expand(-1, pattern.weights.shape[1], -1, -1)
            even = torch.nn.functional.pad(even / even.sum(-1, keepdim=True), (0, int(self.sink)))
            weights.append(even.clone().requires_grad_(grad))
            visible.append(torch.nn.functional.pad(seen, (0, int(self.sink)), value=True))
        return SimpleNamespace(weights=weights, visible=visible, scores=weights)
