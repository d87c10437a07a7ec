"""The table of a round: rows in order, ranks that show ties as ties, and what every column means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from attnlab_core import stats
from attnlab_core.rounds._scoring import gain

if TYPE_CHECKING:
    from attnlab_core.rounds._round import Round
    from attnlab_core.rounds.board import Result

WORSE_BY_CHANCE = 0.025


@dataclass(frozen=True)
class Column:
    """A figure of a track.

    Attributes:
        name: In records.
        label: At the head of a column.
        caption: What it says.
        better: Which way is better.
        unit: What it is printed as: a plain number, or a share as percent.
    """

    name: str
    label: str
    caption: str
    better: Literal["higher", "lower", "neither"]
    unit: Literal["", "%", "points", "nats"] = ""


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "explain": (
        Column("aopc_compr", "Comprehensiveness", "Probability lost when the highest-scored tokens are masked, mean over shares.", "higher"),
        Column("aopc_suff", "Sufficiency", "Probability lost when only the highest-scored tokens are left, mean over shares.", "lower"),
        Column("taucorr_loo", "τ with leave-one-out", "Kendall's rank correlation with leaving out each token alone.", "higher"),
        Column("auprc_plau", "AUPRC, marked words", "How well the scores find the words that a person marked.", "higher"),
        Column("token_f1_plau", "F1, marked words", "Overlap of the highest-scored words with the marked ones.", "higher"),
    ),
    "edit": (
        Column("gain", "Gain", "How much nearer the goal is, counting plausible attention only.", "higher", "points"),
        Column("repaired", "Repaired", "Wrong answers among the goal's sentences that became right.", "higher", "%"),
        Column("broken", "Broken", "Right answers among the goal's sentences that became wrong.", "lower", "%"),
        Column("cost", "Cost elsewhere", "Right answers lost among all other sentences.", "lower", "points"),
        Column("accuracy", "Accuracy after", "Right answers among the goal's sentences.", "higher", "%"),
        Column("plausible", "Plausible", "Edited sentences whose attention is within the limit of plausibility.", "higher", "%"),
        Column("percentile", "Percentile", "Of plausibility, mean over edited sentences; 50 is typical for the model.", "neither"),
    ),
    "discover": (
        Column("net", "Replicated effect", "Effect in the predicted direction less that of the control, in nats of the right answer's log-probability.", "higher", "nats"),
        Column("effect", "Effect", "Change of the right answer's log-probability under the edits.", "neither", "nats"),
        Column("control", "Control", "The same under the control.", "neither", "nats"),
    ),
}  # fmt: skip
"""Track → its figures; the first one ranks."""


@dataclass(frozen=True)
class Line:
    """A row of the table.

    Attributes:
        rank: One more than the number of rows that are better beyond chance.
        tied: Whether another row has the same rank.
        number: Of the submission.
        team: Whose it is.
        title: What it is called.
        baseline: Whether it is one of the rows that are always there.
        figures: Name → mean, low, high, n.
        facts: Data hash, model, versions, seed.
        scored: When, UTC.
    """

    rank: int
    tied: bool
    number: int
    team: str
    title: str
    baseline: bool
    figures: Mapping[str, Mapping[str, float | int]]
    facts: Mapping[str, Any]
    scored: str

    def to_json(self) -> dict[str, Any]:
        """In plain types; a number that is not finite is null."""
        said = asdict(self)
        said["figures"] = {
            name: {key: value if math.isfinite(value) else None for key, value in one.items()}
            for name, one in self.figures.items()
        }
        return said


def columns(track: str, lines: Sequence[Line]) -> list[Column]:
    """The columns that have a number in some row; the first one ranks and is always there."""
    first, *rest = COLUMNS[track]
    return [first, *(one for one in rest if any(one.name in line.figures for line in lines))]


def ranked(round_: Round, track: str, results: Sequence[Result]) -> list[Line]:
    """The rows in order.

    Where all are measured on the same sentences, one is better than another if the 95 % interval of their difference, over
    the same resamples of the sentences, is above zero; of claims, each of which has its own sentences, if their intervals
    do not overlap. A rank is one more than the number of better rows, so rows that chance could put in another order
    share it.
    """
    better = _apart(results) if track == "discover" else _paired(round_, track, results)
    ranks = [1 + int(better[:, k].sum()) for k in range(len(results))]
    main = COLUMNS[track][0].name
    lines = [
        Line(
            rank, ranks.count(rank) > 1, one.entry.number, one.entry.team, one.entry.title, one.entry.baseline,
            one.figures, one.facts, one.scored,
        )
        for rank, one in zip(ranks, results, strict=True)
    ]  # fmt: skip
    return sorted(lines, key=lambda line: (line.rank, -_mean(line.figures, main), line.number))


def _mean(figures: Mapping[str, Mapping[str, float | int]], name: str) -> float:
    found = float(figures.get(name, {}).get("mean", math.nan))
    return found if math.isfinite(found) else -math.inf


def _apart(results: Sequence[Result]) -> Any:
    """[one, two]: the first's interval lies above the second's, and above zero."""
    bounds = [
        tuple(
            float(one.figures["net"][name]) if one.figures["net"]["n"] else -math.inf
            for name in ("low", "high")
        )
        for one in results
    ]
    return np.array([[low > 0 and low > high for _, high in bounds] for low, _ in bounds]).reshape(
        len(results), len(results)
    )


def _paired(round_: Round, track: str, results: Sequence[Result]) -> Any:
    """[one, two]: the first is better than the second on nearly all resamples."""
    size = len(results)
    better = np.zeros((size, size), dtype=bool)
    if not results:
        return better
    main = COLUMNS[track][0].name
    some = results[0].values["before" if track == "edit" else main]
    drawn = np.array(list(stats.resamples(len(some), stats.DRAWS, round_.seed)))
    means = np.stack([_resampled(round_, track, main, one.values, drawn) for one in results])
    for k in range(size):
        with np.errstate(invalid="ignore"):
            better[k] = np.quantile(means[k] - means, WORSE_BY_CHANCE, axis=1) > 0
    return better


def _resampled(round_: Round, track: str, main: str, values: Mapping[str, Any], drawn: Any) -> Any:
    if track == "edit":
        return np.nan_to_num(gain(values, round_.settings("edit")["goal"])(drawn))
    numbers = np.array([math.nan if one is None else one for one in values[main]], dtype=float)
    there = ~np.isnan(numbers)
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.where(there, numbers, 0.0)[drawn].sum(1) / there[drawn].sum(1))
