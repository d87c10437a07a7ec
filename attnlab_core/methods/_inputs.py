"""What gradient and replacement methods share: passes in batches, gradients at the embeddings, blank tokens and patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core._texts import BLANKS, Blank
from attnlab_core.lab import Lab, Run
from attnlab_core.progress import step, unheard
from attnlab_core.prompt import Id
from attnlab_core.targets import Goal, Quantity

__all__ = [
    "BLANKS",
    "Blank",
    "blank",
    "form",
    "from_embeddings",
    "gradient",
    "measured",
    "rows_at_once",
    "word_embeddings",
]
AT_ONCE = 512
"""Tokens in a batch on a processor: more are no quicker there, and take memory."""


def measured(
    run: Run,
    measure: Callable[[Float[Tensor, "batch place class"]], Tensor],
    count: int,
    variations: Callable[[slice], Mapping[str, Any]],
    goal: Goal | None = None,
) -> Tensor:
    """What `measure` reads off the logits of many passes, in float64 on the CPU, one row a pass.

    The passes run a batch at a time, so that no more than one batch's embeddings and logits are held.

    Args:
        run: The run that is varied.
        measure: Logits [batch, place, class] to numbers [batch, …].
        count: How many passes.
        variations: The arguments of `Run.evaluate` for some of them.
        goal: What `measure` reads, where no pass moves its places.
    """
    size, found = rows_at_once(run), []
    for first in range(0, count, size):
        last = min(first + size, count)
        with unheard():  # the steps of this loop are the ones to tell of
            part = measure(
                run.evaluate(goal=goal, **variations(slice(first, last)))
            )  # no name holds the logits on
        found.append(part.double().cpu())
        step(last, count)
    return torch.cat(found)


def rows_at_once(run: Run) -> int:
    """How many variations of a run go through its model at once: on a processor few of a long text, so as to bound memory."""
    size = run.lab.batch_size
    return size if run.lab.device.type != "cpu" else min(size, max(1, AT_ONCE // len(run.tokens)))


def word_embeddings(run: Run, ids: Sequence[Id] | None = None) -> Float[Tensor, "1 token width"]:
    """The embeddings of a run's words or patches (or of others in their place): no positions, no normalisation.

    Half precision is widened to fp32, so that small steps between embeddings are not rounded away.
    """
    embeddings = run.lab.embeddings(ids or run.encoding.ids)[None]
    return embeddings.float() if embeddings.dtype in (torch.float16, torch.bfloat16) else embeddings


def from_embeddings(
    run: Run, goal: Goal, quantity: Quantity, embeddings: Float[Tensor, "batch token width"]
) -> Float[Tensor, " batch"]:
    """The goal's value as a differentiable function of the word embeddings."""
    with unheard():
        logits = run.evaluate(embeddings=embeddings, grad=True, goal=goal)
    return goal.value(logits, quantity)


def gradient(
    run: Run, goal: Goal, quantity: Quantity
) -> tuple[Float[Tensor, "token width"], Float[Tensor, "token width"]]:
    """The word embeddings of a run and the gradient of the goal at them."""
    embeddings = word_embeddings(run).requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(from_embeddings(run, goal, quantity, embeddings).sum(), embeddings)
    return embeddings.detach()[0].double(), slope[0].double()


def form(run: Run) -> Bool[Tensor, " token"]:
    """True for tokens that carry the form of the input, not its words: special tokens, and the mask to be filled."""
    return torch.tensor(run.lab.reader.fixed(run.encoding))


def blank(lab: Lab, wanted: Blank) -> tuple[Id, str, tuple[str, ...]]:
    """What stands for nothing: its id, its name, and a note where another than the wanted one serves.

    Raises:
        BadInput: there is no such token at all.
    """
    return lab.reader.blank(wanted)
