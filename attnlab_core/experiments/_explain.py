"""What the experiments on explanations share: a row read with its answer, knobs in a request, figures over rows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from attnlab_core.errors import BadInput
from attnlab_core.experiments._base import Experiment
from attnlab_core.methods import Attribution, attribute
from attnlab_core.stats import DRAWS, resamples
from attnlab_core.targets import Target

if TYPE_CHECKING:
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run
    from attnlab_core.tasks import Row

Which = Literal["prediction", "gold"]
Knobs = tuple[tuple[str, str, Any], ...]
"""Name, knob, value."""


@dataclass(frozen=True, kw_only=True)
class Explaining(Experiment):
    """An experiment that explains one answer of each row.

    Attributes:
        target: What is explained: the model's own answer, or the right one.
        params: Knobs by the name of what has them, as a mapping of mappings or as triples of name, knob and value.
    """

    target: Which = "prediction"
    params: Knobs | Mapping[str, Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        """Check the target, and make the knobs hashable."""
        if self.target not in get_args(Which):
            raise BadInput(
                f'What is explained is the "prediction" or the "gold" answer, not {self.target!r}.'
            )
        object.__setattr__(self, "params", packed(self.params))

    def to_json(self) -> dict[str, Any]:
        """The request in plain types; values at their defaults stay out."""
        said = super().to_json()
        return said | ({"params": self.knobs} if self.params else {})

    @property
    def knobs(self) -> dict[str, dict[str, Any]]:
        """The knobs by name."""
        found: dict[str, dict[str, Any]] = {}
        for name, knob, value in packed(self.params):
            found.setdefault(name, {})[knob] = value
        return found

    def asked(self, lab: Lab, row: Row) -> tuple[Run, Target]:
        """The row read by the model, and what is explained of it.

        Raises:
            BadInput: The row has no right answer, or it is not to be found in what the model can say.
        """
        run = lab.run(row.prompt)
        target = Target() if self.target == "prediction" else self.task.target(row)
        if target is None:
            raise BadInput("The row has no right answer.")
        run.goal(target)
        return run, target

    def draw(self, row: Row, number: int = 0) -> int:
        """A seed for a row of its own, the same wherever and beside whichever others it is measured."""
        said = f"{self.seed} {row.id}" + (f" {number}" if number else "")
        return int(sha256(said.encode()).hexdigest()[:8], 16)


def packed(given: Any) -> Knobs:
    """Knobs as sorted triples of name, knob and value, whichever way they were given.

    >>> packed({"atman": {"factor": 0.2}})
    (('atman', 'factor', 0.2),)
    """
    try:
        if isinstance(given, Mapping):
            given = [(name, knob, value) for name, own in given.items() for knob, value in own.items()]
        found = {(str(name), str(knob)): value for name, knob, value in given}
        hash(tuple(found.values()))
    except (AttributeError, TypeError, ValueError):
        raise BadInput(
            f'Knobs are given by name, such as {{"atman": {{"factor": 0.2}}}}, not {given!r}.'
        ) from None
    return tuple((name, knob, found[name, knob]) for name, knob in sorted(found))


def explained(
    run: Run, target: Target, ways: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> tuple[dict[str, Attribution], dict[str, str]]:
    """Explain a run in several ways.

    Args:
        run: What is explained.
        target: Which answer.
        ways: Name → method and its knobs.

    Returns:
        The explanations by name, and of methods that cannot take this text the reason.
    """
    found, left = {}, {}
    for name, (method, knobs) in ways.items():
        try:
            found[name] = attribute(run, method, target, **knobs)
        except BadInput as error:
            left[name] = str(error)
    return found, left


def kept(measured: Sequence[Measured]) -> list[Measured]:
    """The rows that could be measured."""
    return [row for row in measured if "why" not in row]


def figure(rows: Sequence[tuple[float, str]], seed: int) -> dict[str, Any]:
    """The mean of values with its bootstrap 95 % interval over groups of rows, as `stats.pooled` gives it, but at once.

    Args:
        rows: Values, each with the group of its row.
        seed: Of the resamples.

    Returns:
        mean, low, high, n.
    """
    if not rows:
        return {"mean": math.nan, "low": math.nan, "high": math.nan, "n": 0}
    grouped: dict[str, list[float]] = {}
    for value, whose in rows:
        grouped.setdefault(whose, []).append(value)
    sums = np.array([math.fsum(values) for values in grouped.values()])
    sizes = np.array([len(values) for values in grouped.values()])
    parts = np.array_split(_resampled(len(sums), seed), 10)
    means = np.concatenate([sums[part].sum(1) / sizes[part].sum(1) for part in parts])
    low, high = np.quantile(means, (0.025, 0.975))
    return {"mean": float(sums.sum() / len(rows)), "low": float(low), "high": float(high), "n": len(rows)}


@lru_cache(maxsize=2)
def _resampled(count: int, seed: int) -> np.ndarray:
    """Int32 [draw, place]: which of `count` groups each resample has."""
    return np.array(list(resamples(count, DRAWS, seed)), dtype=np.int32)


def interquartile_mean(values: Sequence[float]) -> float:
    """The mean of the middle half: a quarter of the values, rounded down, is left out at each end.

    >>> interquartile_mean([0, 1, 2, 3, 4, 5, 6, 100])
    3.5
    """
    ordered = sorted(values)
    out = len(ordered) // 4
    return float(np.mean(ordered[out : len(ordered) - out])) if ordered else float("nan")


def left_out(lab: Lab, measured: Sequence[Measured]) -> list[str]:
    """Notes on rows and methods that are left out, and on texts that were cut."""
    said = []
    cut = sum("cut" in row for row in measured)
    if cut:
        said.append(
            f"{cut} of {len(measured)} texts were longer than {lab.name} reads; the rest was left out."
        )
    if why := _commonest(row["why"] for row in measured if "why" in row):
        said.append(f"{why[0]} of {len(measured)} rows are left out, {why[1]} of them because: {why[2]}")
    rows = kept(measured)
    for name in sorted({name for row in rows for name in row.get("left", ())}):
        why = _commonest(row["left"][name] for row in rows if name in row.get("left", ()))
        if why:
            said.append(f"{name} is missing in {why[0]} of {len(rows)} rows, in {why[1]} because: {why[2]}")
    return said


def _commonest(reasons: Iterable[str]) -> tuple[int, int, str] | None:
    """How many reasons there are, how many are of the commonest kind, and the first of that kind in full.

    Reasons are of one kind where they differ in numbers and in what they quote only.
    """
    given = list(reasons)
    if not given:
        return None
    kinds = [re.sub(r"'.*?'|\"[^\"]*\"|\d+", "…", why) for why in given]
    kind, count = Counter(kinds).most_common(1)[0]
    return len(given), count, given[kinds.index(kind)]


INTERVALS = (
    "Intervals are bootstrap 95 % intervals of the mean over rows (over groups of rows that share a text)"
)
