"""What is left of an answer when tokens are taken away, each set of tokens run once however many ask for it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.errors import BadInput
from attnlab_core.methods._inputs import blank, measured, word_embeddings
from attnlab_core.prompt import Id
from attnlab_core.run import Run
from attnlab_core.targets import Goal

How = Literal["mask", "unk", "pad", "remove"]
Quantity = Literal["probability", "log_probability"]
Places = frozenset[int]
ROUND = 1e-6  # differences of probabilities below this are rounding in fp32
IMPOSSIBLE = math.log(1e-9)  # of an answer whose first or last token is not there to point at


class Deletions:
    """A goal's probability with tokens of a run deleted, remembered by the set of their positions.

    All explanations of one answer share one of these, so what one of them has asked costs the others nothing. Inside
    `planning` nothing is run: what is asked is noted, and `prefetch` then runs it in as few batches as there can be.

    Deleting is replacing the word embedding by that of a token that stands for nothing (positions stay), or removing the
    token (what follows moves up, and the places where a goal is read move with it). Where removal leaves nothing, one
    such token stays. With removal an answer in a context whose first or last token is gone has the probability 1e-9.

    Args:
        run: What is deleted from, with its edits if it has any.
        goal: Whose probability is measured; of an answer rather than another, the difference of both probabilities.
        how: `mask`, `unk` and `pad` replace, and a tokenizer that has no such token lends another; `remove` removes.

    Raises:
        BadInput: `how` is none of these, or the tokenizer has no token that stands for nothing; or patches of a picture are to
            be removed, which always has all of them.
    """

    def __init__(self, run: Run, goal: Goal, how: How = "mask") -> None:
        if how not in get_args(How):
            raise BadInput(f"Tokens are deleted by one of {', '.join(get_args(How))}, not {how!r}.")
        if how == "remove" and run.lab.pictures:
            raise BadInput(
                "A picture has all its patches: none can be removed. Choose mask, which blanks them."
            )
        self.run, self.goal, self.how = run, goal, how
        self.known: dict[Places, tuple[float, float]] = {}
        self._planned: dict[Places, None] | None = None
        self._blank, self._name, self.notes = (None, "", ()) if how == "remove" else blank(run.lab, how)

    @property
    def words(self) -> str:
        """How tokens are deleted, in words."""
        return "removed" if self.how == "remove" else f"replaced by {self._name}"

    @property
    def passes(self) -> int:
        """How many sets of tokens have been run."""
        return len(self.known) * len(self._sides)

    def values(
        self, sets: Iterable[Iterable[int]], quantity: Quantity = "probability"
    ) -> Float[Tensor, " set"]:
        """The goal with each set of positions deleted, in float64; zeros inside `planning`."""
        wanted = [frozenset(places) for places in sets]
        if self._planned is not None:
            self._planned.update(dict.fromkeys(wanted))
            return torch.zeros(len(wanted), dtype=torch.float64)
        self.prefetch(wanted)
        column = 0 if quantity == "probability" else 1
        return torch.tensor([self.known[places][column] for places in wanted], dtype=torch.float64)

    def drops(self, sets: Sequence[Iterable[int]]) -> Float[Tensor, " set"]:
        """How much probability is lost with each set deleted, rounded to 1e-6 so that fp32's noise breaks no tie."""
        found = self.values([(), *sets])
        return ((found[0] - found[1:]) / ROUND).round() * ROUND

    @contextmanager
    def planning(self) -> Iterator[None]:
        """Note what is asked inside the block, and run it all at its end."""
        self._planned = {}
        try:
            yield
            planned = list(self._planned)
        finally:
            self._planned = None
        self.prefetch(planned)

    def prefetch(self, sets: Iterable[Iterable[int]]) -> None:
        """Run the sets that are not known yet, in batches of `lab.batch_size`."""
        wanted = dict.fromkeys(frozenset(places) for places in sets)
        missing = sorted((places for places in wanted if places not in self.known), key=len)  # of like length
        if not missing:
            return
        total = torch.zeros(len(missing), 2, dtype=torch.float64)
        for sign, run, goal in self._sides:
            total += sign * (self._removed if self.how == "remove" else self._replaced)(run, goal, missing)
        self.known.update(zip(missing, map(tuple, total.tolist()), strict=True))

    @cached_property
    def _sides(self) -> list[tuple[int, Run, Goal]]:
        """The runs that are varied: one, or one for each of two continuations that are put against each other."""
        goals = [(1, self.goal)] + ([] if self.goal.against is None else [(-1, self.goal.against)])
        return [(sign, self.run.with_continuation(goal), goal) for sign, goal in goals]

    def _replaced(self, run: Run, goal: Goal, sets: Sequence[Places]) -> Float[Tensor, "set 2"]:
        plain = word_embeddings(run)
        blanked = word_embeddings(run, [self._blank or 0])
        gone = torch.zeros(len(sets), plain.shape[1], 1, dtype=torch.bool, device=plain.device)
        for row, places in enumerate(sets):
            gone[row, list(places)] = True
        return measured(
            run,
            lambda logits: _read(goal, (), logits),
            len(sets),
            lambda part: {"embeddings": torch.where(gone[part], blanked, plain)},
            goal,
        )

    def _removed(self, run: Run, goal: Goal, sets: Sequence[Places]) -> Float[Tensor, "set 2"]:
        task = run.lab.task
        rows: list[list[Id | None]] = []  # of the batch that is being run

        def remove(part: slice) -> dict[str, Any]:
            rows[:] = [self._without(run, places) for places in sets[part]]
            return {"ids": rows}

        def measure(logits: Float[Tensor, "batch place class"]) -> Float[Tensor, "batch 2"]:
            found = []
            for row, one in zip(rows, logits, strict=True):
                kept = [number is not None for number in row]
                seen = one[None, :, : sum(kept)] if task == "answering" else one[None]  # no class is padding
                found.append(_read(*_moved(goal, kept, task), seen))
            return torch.cat(found)

        return measured(run, measure, len(sets), remove)

    def _without(self, run: Run, places: Places) -> list[Id | None]:
        row = [None if k in places else number for k, number in enumerate(run.encoding.ids)]
        if all(number is None for number in row):
            row[0] = blank(run.lab, "mask")[0]
        return row


def _read(
    goal: Goal, lost: Sequence[int], logits: Float[Tensor, "batch place class"]
) -> Float[Tensor, "batch 2"]:
    """The goal's probability and log-probability; the picks in `lost` cannot be chosen any more."""
    logs = goal.each(logits).cpu().double()
    if lost:
        logs[:, list(lost)] = IMPOSSIBLE
    signs = torch.tensor([pick.sign for pick in goal.picks])
    sides = [logs[:, signs == sign].sum(-1) for sign in (1, -1) if bool((signs == sign).any())]
    both = torch.stack([torch.stack((side.exp(), side), dim=-1) for side in sides])
    return both[0] - both[1] if len(sides) == 2 else both[0]


def _moved(goal: Goal, kept: Sequence[bool], task: str) -> tuple[Goal, tuple[int, ...]]:
    """The goal after tokens were removed, and which of its picks point at one that was.

    A mask keeps its place among what is left; a continuation is read off the last token that is left before it.
    """
    if task == "classification":
        return goal, ()
    left = torch.tensor(kept).cumsum(0).tolist()  # how many are kept up to and with each token
    if task != "answering":
        return replace(goal, picks=tuple(replace(p, place=left[p.place] - 1) for p in goal.picks)), ()
    lost = tuple(k for k, pick in enumerate(goal.picks) if not kept[pick.index])
    picks = tuple(replace(p, index=max(left[p.index] - 1, 0)) for p in goal.picks)
    return replace(goal, picks=picks), lost
