"""What a metric is given: one explanation of one answer, the tokens that are ranked, and what deleting them does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.errors import BadInput
from attnlab_core.methods._inputs import form
from attnlab_core.metrics._deletions import Deletions, Quantity
from attnlab_core.pictures import Picture
from attnlab_core.run import Run
from attnlab_core.targets import Goal

By = Literal["token", "word"]
Kind = Literal["faithfulness", "robustness", "plausibility"]
ERASER = "0.01, 0.05, 0.1, 0.2, 0.5"  # the shares that the benchmark's evaluation takes by default
_T = TypeVar("_T")


@runtime_checkable
class Stretch(Protocol):
    """A stretch of characters of the text (segment 0) or of the second text (segment 1)."""

    @property
    def segment(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...


class Region(Protocol):
    """A piece of a picture: where the mask, a picture of the same shape, is white."""

    @property
    def mask(self) -> Picture: ...


class Undefined(float):
    """A metric that has no value here: not a number, with the reason in `why`."""

    why: str

    def __new__(cls, why: str) -> Undefined:
        """Make one; `why` is a sentence."""
        made = super().__new__(cls, math.nan)
        made.why = why
        return made


@dataclass(frozen=True)
class Facts:
    """What a table must know of a metric.

    Attributes:
        better: Whether a better explanation has a higher or a lower value.
        kind: What it asks: does the model use these tokens, does the explanation hold still, do people agree with it.
        slow: Whether it runs the method again, so that it is only computed where it is asked for by name.
    """

    better: Literal["higher", "lower"]
    kind: Kind
    slow: bool = False


def metric(better: Literal["higher", "lower"], kind: Kind, *, slow: bool = False) -> Callable[[_T], _T]:
    """Mark a function as a metric and say what a table must know of it."""

    def mark(thing: _T) -> _T:
        setattr(thing, "facts", Facts(better, kind, slow))  # noqa: B010 - a function has no declared attributes
        return thing

    return mark


@dataclass(frozen=True, eq=False)
class Case:
    """One explanation of one answer, to be scored.

    What is ranked and deleted are units: the judged tokens, or the words they make.

    Attributes:
        run: What was explained.
        goal: Which answer.
        scores: Float64, one a token of the run.
        judged: The tokens that are ranked and deleted.
        deletions: What deleting tokens does; shared by all cases of one answer.
        gold: The tokens that a person marked, where one has.
        by: Whether units are tokens or words; a word's score is the sum of its tokens', and it is gold where one of them is.
        again: Explains another run of the same text by the same method, where that can be done.
    """

    run: Run
    goal: Goal
    scores: Float[Tensor, " token"]
    judged: Bool[Tensor, " token"]
    deletions: Deletions
    gold: Bool[Tensor, " token"] | None = None
    by: By = "token"
    again: Callable[[Run], Float[Tensor, " token"]] | None = None

    @cached_property
    def units(self) -> tuple[tuple[int, ...], ...]:
        """The positions of the tokens of each unit, in the order of the text."""
        return units(self.run, self.judged, self.by)

    @cached_property
    def values(self) -> Float[Tensor, " unit"]:
        """The score of each unit, rounded to 1e-9, so that noise breaks no tie."""
        sums = torch.tensor(
            [float(self.scores[list(unit)].sum()) for unit in self.units], dtype=torch.float64
        )
        return (sums * 1e9).round() / 1e9

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The numbers of the units, highest score first; of equals, the one that comes first in the text."""
        values = self.values.tolist()
        return tuple(sorted(range(len(values)), key=lambda unit: (-values[unit], unit)))

    @cached_property
    def marked(self) -> Bool[Tensor, " unit"] | None:
        """Which units a person marked; None where no unit is, or nobody was asked."""
        if self.gold is None:
            return None
        found = torch.tensor([bool(self.gold[list(unit)].any()) for unit in self.units], dtype=torch.bool)
        return found if bool(found.any()) else None

    def without(
        self, chosen: Iterable[Sequence[int]], quantity: Quantity = "probability"
    ) -> Float[Tensor, " set"]:
        """The goal with each set of units deleted."""
        return self.deletions.values([self._places(some) for some in chosen], quantity)

    def only(self, chosen: Iterable[Sequence[int]]) -> Float[Tensor, " set"]:
        """The goal's probability with all units deleted but those of each set."""
        everything = set(range(len(self.units)))
        return self.without([sorted(everything - set(kept)) for kept in chosen])

    def _places(self, chosen: Sequence[int]) -> list[int]:
        return [place for unit in chosen for place in self.units[unit]]


def units(run: Run, judged: Bool[Tensor, " token"], by: By = "token") -> tuple[tuple[int, ...], ...]:
    """What is ranked and deleted: each judged token, or the judged tokens of each word."""
    places = judged.nonzero().flatten().tolist()
    if by == "token":
        return tuple((place,) for place in places)
    grouped: dict[int | None, list[int]] = {}
    for place in places:
        grouped.setdefault(run.tokens[place].word, []).append(place)
    return tuple(map(tuple, grouped.values()))


def judged_tokens(run: Run) -> Bool[Tensor, " token"]:
    """The tokens that are ranked and deleted: no special token, no mask, and of a question and its context the context's."""
    wanted = ~form(run)
    if run.lab.task == "answering" and run.prompt.second is not None:
        wanted &= torch.tensor([token.segment == 1 for token in run.tokens])
    return wanted


def marked_tokens(run: Run, stretches: Iterable[Stretch | Region]) -> Bool[Tensor, " token"]:
    """The tokens of a run that lie, in part at least, in a stretch of characters that a person marked.

    Of a picture, the patches of which at least half lies in a marked region.
    """
    found = torch.zeros(len(run.tokens), dtype=torch.bool)
    for one in stretches:
        found |= _within(run, one) if isinstance(one, Stretch) else inside(run, one.mask.pixels[..., 0] > 127)
    return found


def _within(run: Run, mark: Stretch) -> Bool[Tensor, " token"]:
    """The tokens of text that lie, in part at least, in a stretch of characters."""
    return torch.tensor(
        [
            t.box is None and t.segment == mark.segment and t.start < mark.end and mark.start < t.end
            for t in run.tokens
        ],
        dtype=torch.bool,
    )


def inside(run: Run, mask: Bool[np.ndarray, "height width"], least: float = 0.5) -> Bool[Tensor, " token"]:
    """The patches of a picture of which at least a share lies where a mask of the whole picture is true."""
    return torch.tensor(
        [token.box is not None and _covered(mask, token.box) >= least for token in run.tokens]
    )


def _covered(mask: Bool[np.ndarray, "height width"], box: tuple[float, float, float, float]) -> float:
    """The share of a box (left, top, right, bottom, as shares of the picture) where a mask is true."""
    (high, wide), (left, top, right, bottom) = mask.shape, box
    rows = slice(max(0, round(top * high)), max(0, round(bottom * high)))
    columns = slice(max(0, round(left * wide)), max(0, round(right * wide)))
    some = mask[rows, columns]
    return float(some.mean()) if some.size else 0.0


def shares(text: str) -> tuple[float, ...]:
    """The shares that a knob names, such as "0.1, 0.5"; `BadInput` where one is not above 0 and at most 1."""
    try:
        found = tuple(float(part) for part in text.replace(";", ",").split(",") if part.strip())
    except ValueError:
        found = ()
    if not found or not all(0 < share <= 1 for share in found):
        raise BadInput(
            f"Shares are numbers above 0 and at most 1 with commas between, such as {ERASER}, not {text!r}."
        )
    return found


def how_many(share: float, count: int) -> int:
    """A share of `count` things in things: rounded, halves up, at least one."""
    return min(count, max(1, math.floor(share * count + 0.5 + 1e-9)))
