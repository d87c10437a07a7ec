"""From what was measured row by row to tables with intervals and tests."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attnlab_core._reference import UNUSUAL
from attnlab_core.experiments._groups import by_group, corrected, group
from attnlab_core.stats import interval, pooled, sign_flip

if TYPE_CHECKING:
    from attnlab_core.experiments._base import Table
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.experiments.evaluate import Evaluate
    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Score

Numbers = Mapping[str, float]
Pair = tuple[Numbers, Numbers, str]
"""Before, after, and the group of the row."""


def tables(experiment: Evaluate, measured: Sequence[Measured]) -> dict[str, Table]:
    """See `Evaluate.tables`."""
    scores: Table = []
    effects: Table = []
    known = _telling(experiment, measured)
    scores += [_before(score, measured, experiment.seed) for score in known]
    for kind in ("conditions", "controls"):
        for one in experiment.conditions:
            pairs = [
                (row["plain"], row[kind][one.name], group(row)) for row in measured if one.name in row[kind]
            ]
            if not pairs:
                continue
            head = {"condition": one.name, "control": kind == "controls"}
            scores += [head | _change(score, pairs, experiment.seed) for score in known]
            effects.append(head | _effects(pairs, len(measured) - len(pairs), experiment.seed))
    _against_controls(experiment, measured, scores)
    for name in ("p", "p_control"):
        corrected([row for row in scores if not row["control"]], name)
    found = {"scores": scores, "effects": effects}
    kinds = _kinds(experiment, measured)
    return found | ({"kinds": kinds} if kinds else {})


def _telling(experiment: Evaluate, measured: Sequence[Measured]) -> list[Score]:
    """The task's scores without those that are the same numbers as one before, as F1 is where answers are labels."""
    found: dict[Any, Score] = {}
    for score in experiment.task.scores.values():
        states = [one for row in measured for one in (row["plain"], *row["conditions"].values())]
        numbers = tuple((one[score.of], one[score.over] if score.over else 1) for one in states)
        found.setdefault((numbers, score.then), score)
    return list(found.values())


def _before(score: Score, measured: Sequence[Measured], seed: int) -> dict[str, Any]:
    """A score of the untouched model."""
    rows, groups = [row["plain"] for row in measured], [group(row) for row in measured]
    found = pooled(_columns(score, rows), lambda c: _pool(score, c), groups=groups, seed=seed)
    return (
        {"condition": "", "control": False, "score": score.name}
        | _named("before", found)
        | {"rows": found["n"]}
    )


def _change(score: Score, pairs: Sequence[Pair], seed: int) -> dict[str, Any]:
    """A score before and after, the difference with its interval, and a paired test."""
    groups = [group for _, _, group in pairs]
    one = _columns(score, [before for before, _, _ in pairs])
    two = _columns(score, [after for _, after, _ in pairs], "after ")
    after = pooled(two, lambda c: _pool(score, c, "after "), groups=groups, seed=seed)
    change = pooled(
        one | two, lambda c: _pool(score, c, "after ") - _pool(score, c), groups=groups, seed=seed
    )
    differences = by_group(two["after of"] - one["of"], groups)
    return (
        {"score": score.name, "before": _pool(score, one)}
        | _named("after", after)
        | _named("change", change)
        | {"rows": len(pairs), "p": sign_flip(differences, seed=seed)}
    )


def _effects(pairs: Sequence[Pair], skipped: int, seed: int) -> dict[str, Any]:
    """What else changed: answers, the right one's log-probability, attention, and how unusual it is."""
    logs = [two["log_p"] - one["log_p"] for one, two, _ in pairs if "log_p" in one and "log_p" in two]
    found = {"rows": len(pairs), "left_out": skipped}
    found |= _named("flip_rate", interval([two["flip"] for _, two, _ in pairs], seed=seed))
    found |= _named("log_p_change", interval(logs, seed=seed))
    shares = [two["moved"] for _, two, _ in pairs if "moved" in two]
    found["attention_moved"] = statistics.fmean(shares) if shares else float("nan")
    ranks = [two["percentile"] for _, two, _ in pairs if "percentile" in two]
    found["median_percentile"] = statistics.median(ranks) if ranks else float("nan")
    found["share_unusual"] = statistics.fmean(rank >= UNUSUAL for rank in ranks) if ranks else float("nan")
    return found


def _against_controls(experiment: Evaluate, measured: Sequence[Measured], scores: Table) -> None:
    """Beside each change of a score the p-value of its difference from the random change of the same size."""
    known = experiment.task.scores
    for row in scores:
        name = row["condition"]
        both = [one for one in measured if name in one["conditions"] and name in one["controls"]]
        if row["control"] or not name or not both:
            continue
        of = known[row["score"]].of
        apart = [one["conditions"][name][of] - one["controls"][name][of] for one in both]
        groups = [group(one) for one in both]
        row["p_control"] = sign_flip(by_group(np.asarray(apart), groups), seed=experiment.seed)


def _kinds(experiment: Evaluate, measured: Sequence[Measured]) -> Table:
    """The main score by kind of row, plain and under each condition."""
    found: Table = []
    score = experiment.task.main
    for kind in sorted({kind for row in measured for kind in row["kinds"]}):
        mine = [row for row in measured if kind in row["kinds"]]
        for name in ("", *(one.name for one in experiment.conditions)):
            rows = [
                row["conditions"][name] if name else row["plain"]
                for row in mine
                if not name or name in row["conditions"]
            ]
            if rows:
                pool = pooled(_columns(score, rows), lambda c: _pool(score, c), seed=experiment.seed)
                found.append(
                    {"kind": kind, "condition": name, "score": score.name}
                    | _named("value", pool)
                    | {"rows": len(rows)}
                )
    return found


def _columns(score: Score, rows: Sequence[Numbers], name: str = "") -> dict[str, np.ndarray[Any, Any]]:
    found = {f"{name}of": np.array([row[score.of] for row in rows], dtype=float)}
    if score.over is not None:
        found[f"{name}over"] = np.array([row[score.over] for row in rows], dtype=float)
    return found


def _pool(score: Score, columns: Mapping[str, np.ndarray[Any, Any]], name: str = "") -> float:
    """`Score.pool` of whole columns."""
    of, over = columns[f"{name}of"], columns.get(f"{name}over")
    kept = ~np.isnan(of)
    below = float(kept.sum() if over is None else over[kept].sum())
    if not below:
        return float("nan")
    value = float(of[kept].sum()) / below
    return float(np.exp(value)) if score.then == "exp" else value


def _named(name: str, found: Mapping[str, float | int]) -> dict[str, float]:
    return {name: found["mean"], f"{name}_low": found["low"], f"{name}_high": found["high"]}


def notes(experiment: Evaluate, lab: Lab, measured: Sequence[Measured]) -> list[str]:
    """See `Evaluate.notes`."""
    said = []
    cut = sum("cut" in row for row in measured)
    if cut:
        said.append(
            f"{cut} of {len(measured)} texts were longer than {lab.name} reads and were cut at their end."
        )
    for one in experiment.conditions:
        left = Counter(row["why"][one.name] for row in measured if one.name in row.get("why", {}))
        if left:
            why, count = left.most_common(1)[0]
            said.append(
                f"{one.name!r} does not apply to {left.total()} of {len(measured)} rows, {count} of them because: {why}"
            )
    if experiment.conditions and experiment.controls:
        said.append(
            "A control moves as much attention as its condition, in the same rows of attention, to visible tokens in random order."
        )
    if any("percentile" in numbers for row in measured for numbers in row["conditions"].values()):
        said.append(
            "The percentile says how unusual the edited attention is for this model beside its own of the same text; from the "
            "95th on it counts as unusual."
        )
    said.append(
        "Intervals are bootstrap 95 % intervals over rows (over groups of rows that share a text); p-values are from paired "
        "sign-flip tests, corrected by Holm's method over all tests of the table."
    )
    return said
