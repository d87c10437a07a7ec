"""What something will cost before it is done: loading a model, reading a text, explaining an answer by several methods.

Passes are counted by letting each method work on a lab that answers at once and notes what it was asked; so a method that
is added is counted, too. Seconds are those passes times what one pass was measured to take.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from attnlab_core import _dry
from attnlab_core.errors import AttentionLabError, Cancelled
from attnlab_core.knobs import title
from attnlab_core.methods import attribute, methods
from attnlab_core.progress import unheard, watching
from attnlab_core.run import Run
from attnlab_core.targets import Answer, Target

PROBE = 0.1
"""Seconds for which work that makes no passes is done in order to see how long it takes."""
BUDGET = 0.4
"""Seconds that timing a model's passes may take, once one pass was made."""
SLOPE = 1.5
"""What a gradient takes besides the pass, in passes, where there was no time to measure it."""
STEEP = 3.0
"""The same at most, whatever was measured."""


@dataclass(frozen=True)
class Reading:
    """What one pass over a text takes, with its attention kept.

    Attributes:
        tokens: how long the text is.
        weights: bytes of the model's weights.
        kept: bytes of attention, of what is visible, and of the logits, as they are kept.
        seconds: of one pass alone.
        row: seconds of each further row that goes through the model with it.
        slope: seconds of a gradient besides the pass it is of.
        slope_row: the same of each further row.
    """

    tokens: int
    weights: int
    kept: int
    seconds: float
    row: float
    slope: float
    slope_row: float


@dataclass(frozen=True)
class MethodCost:
    """What one method takes.

    Attributes:
        method: its name in the catalogue.
        label: its name for people.
        passes: variations of the text that go through the model, at least.
        most: the same at most; more than `passes` where a method goes on until it is exact enough.
        gradients: of how many of `passes` a gradient is taken.
        seconds: about how long that takes, with `passes`.
        seconds_most: the same with `most`.
        refused: why the method will not do, in one line.
    """

    method: str
    label: str
    passes: int = 0
    most: int = 0
    gradients: int = 0
    seconds: float = 0.0
    seconds_most: float = 0.0
    refused: str = ""


@dataclass(frozen=True)
class Estimate:
    """What explaining an answer takes: the reading it begins with, and each method."""

    reading: Reading
    methods: tuple[MethodCost, ...]

    @property
    def seconds(self) -> float:
        """About how long all methods take one after the other."""
        return sum(one.seconds for one in self.methods)

    @property
    def seconds_most(self) -> float:
        """The same where each goes on to its end."""
        return sum(one.seconds_most for one in self.methods)

    @property
    def passes(self) -> int:
        """How many passes all methods make, at least."""
        return sum(one.passes for one in self.methods)


def estimate(
    run: Run,
    todo: Mapping[str, Mapping[str, Any]],
    target: Target | Answer | None = None,
    reading: Reading | None = None,
) -> Estimate:
    """What explaining a run by some methods will cost; nothing is explained.

    Args:
        run: the run that would be explained.
        todo: method → its knobs.
        target: what would be explained.
        reading: what a pass takes, where it was measured before.

    Raises:
        UnknownName: no such method.
    """
    known = reading or read(run)
    return Estimate(
        known, tuple(_method(run, name, dict(params), target, known) for name, params in todo.items())
    )


def read(run: Run) -> Reading:
    """Measure a pass over a run's text: alone, in a batch, and with a gradient, as far as the time allows."""
    one = _best(run, 1)
    rows = _dry.rows_at_once(run)
    left = BUDGET - one
    several = min(rows, int(left / 3 / one)) if one else rows
    row = _within((_best(run, several) - one) / (several - 1), one / 50, one) if several > 1 else one
    slope = _within(_best(run, 1, grad=True) - one, one / 50, STEEP * one) if left > 4 * one else SLOPE * one
    slope_row = slope * row / one
    weights = sum(p.numel() * p.element_size() for p in run.lab.model.parameters())
    kept = sum(part.weights.numel() * (part.weights.element_size() + 1) for part in run.patterns.values())
    kept += run.logits.numel() * run.logits.element_size()
    return Reading(len(run.tokens), weights, kept, one, row, slope, slope_row)


def _within(value: float, least: float, most: float) -> float:
    """A time that can be: what is out of bounds comes of other work on this machine."""
    return min(max(value, least), most)


def _best(run: Run, rows: int, grad: bool = False) -> float:
    """The best of some tries; one alone where it takes long."""
    tries = [_timed(run, rows, grad)]
    while sum(tries) < BUDGET and len(tries) < 3:
        tries.append(_timed(run, rows, grad))
    return min(tries)


def _timed(run: Run, rows: int, grad: bool = False) -> float:
    """Seconds of one call with this many rows, as a method makes it for the run's own answer."""
    goal, embeddings = run.goal(), _dry.word_embeddings(run).repeat(rows, 1, 1).requires_grad_(grad)
    began = time.perf_counter()
    with unheard():
        if grad:
            values = goal.value(run.evaluate(embeddings=embeddings, grad=True, goal=goal), "log_probability")
            (slope,) = torch.autograd.grad(values.sum(), embeddings)
            float(slope.sum())  # waits for a device that works by itself
        else:
            float(run.evaluate(rows=[()] * rows, goal=goal).sum())
    return time.perf_counter() - began


def _method(
    run: Run, name: str, params: dict[str, Any], target: Target | Answer | None, reading: Reading
) -> MethodCost:
    """Count one method's passes; where it takes many gradients twice, once where all is smooth and once where nothing is."""
    label = title(methods()[name]) if name in methods() else name
    try:
        calm, spent = _tried(run, name, params, target, wild=False)
        wild, again = _tried(run, name, params, target, wild=True) if len(calm.slopes) > 1 else (calm, spent)
    except AttentionLabError as error:
        return MethodCost(name, label, refused=" ".join(str(error).split()))
    if wild.passes:  # the first time may have had to import something
        spent = min(spent, again * calm.passes / wild.passes)
    seconds = spent + sum(
        _seconds(size, reading.seconds, reading.row, calm.tokens / reading.tokens) for size in calm.made
    )
    seconds += sum(
        _seconds(size, reading.slope, reading.slope_row, calm.tokens / reading.tokens) for size in calm.slopes
    )
    most = max(calm.passes, wild.passes)
    longest = seconds * most / calm.passes if calm.passes else seconds
    return MethodCost(name, label, calm.passes, most, sum(calm.slopes), seconds, longest)


def _seconds(rows: int, first: float, further: float, longer: float) -> float:
    return (first + (rows - 1) * further) * longer


def _tried(
    run: Run, name: str, params: dict[str, Any], target: Target | Answer | None, wild: bool
) -> tuple[_dry.DryLab, float]:
    """Let a method work on a lab that answers at once; what that took, or would take where it was cut short."""
    lab = _dry.DryLab(run, wild)
    began, seen, steps = time.perf_counter(), 0.0, list[tuple[float, int]]()

    def watch(done: int, total: int) -> None:
        nonlocal seen
        spent = time.perf_counter() - began
        steps.append((spent, done))
        (first, before), made = steps[0], done - steps[0][1]
        if not lab.made and spent > PROBE and made:
            seen = first + (total - before) * (spent - first) / made
            raise Cancelled("Seen enough.")

    try:
        with watching(watch):
            attribute(replace(run, lab=lab), name, target, **params)
    except Cancelled:
        return lab, seen
    return lab, time.perf_counter() - began
