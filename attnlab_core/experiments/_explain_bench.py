"""From metrics and curves of rows to tables with intervals and tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attnlab_core.experiments._explain import INTERVALS, figure, kept, left_out
from attnlab_core.experiments._groups import apart, corrected, group
from attnlab_core.metrics import facts

if TYPE_CHECKING:
    from attnlab_core.experiments._base import Table
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.experiments.bench import Bench
    from attnlab_core.lab import Lab

CONTROLS = ("random", "oracle")


def tables(experiment: Bench, measured: Sequence[Measured]) -> dict[str, Table]:
    """See `Bench.tables`."""
    rows = kept(measured)
    found: Table = []
    for metric in dict.fromkeys(name for row in rows for one in row["values"].values() for name in one):
        some = [_judged(experiment, rows, method, metric) for method in _methods(rows)]
        sign = -1 if facts(metric).better == "higher" else 1
        ranked = sorted(
            (one for one in some if one["method"] not in CONTROLS and one["n"]),
            key=lambda one: sign * one["mean"],
        )
        for one in ranked:  # equal means have the same rank
            one["rank"] = 1 + sum(sign * other["mean"] < sign * one["mean"] for other in ranked)
        found += ranked + [one for one in some if one["rank"] is None]
    corrected(found)
    return {"metrics": found, "curves": _curves(experiment, rows)}


def _methods(rows: Sequence[Measured]) -> list[str]:
    """All methods of some rows, the controls last."""
    seen = dict.fromkeys(name for row in rows for name in row["values"])
    return [name for name in seen if name not in CONTROLS] + [name for name in CONTROLS if name in seen]


def _judged(experiment: Bench, rows: Sequence[Measured], method: str, metric: str) -> dict[str, Any]:
    """One method by one metric, and its difference from random numbers in the same rows."""
    mine = [row for row in rows if metric in row["values"].get(method, ())]
    values = [(row["values"][method][metric], row["values"]["random"][metric], group(row)) for row in mine]
    known = [(value, whose) for value, _, whose in values if value is not None]
    both = [(one - two, whose) for one, two, whose in values if one is not None and two is not None]
    found: dict[str, Any] = {"metric": metric, "method": method, "better": facts(metric).better}
    found |= figure(known, experiment.seed) | {"undefined": len(mine) - len(known), "rank": None}
    if method != "random":
        gap = figure(both, experiment.seed)
        found |= {"difference": gap["mean"], "difference_low": gap["low"], "difference_high": gap["high"]}
    if method not in CONTROLS and both:
        found["p"] = apart(both, experiment.seed)
    return found


def _curves(experiment: Bench, rows: Sequence[Measured]) -> Table:
    found: Table = []
    for method in _methods(rows):
        for first in ("most", "least"):
            mine = [row for row in rows if first in row["curves"].get(method, ())]
            points = range(len(mine[0]["curves"][method][first])) if mine else ()
            for k in points:
                values = [(row["curves"][method][first][k], group(row)) for row in mine]
                found.append(
                    {"method": method, "first": first, "share": k / (len(points) - 1)}
                    | figure(values, experiment.seed)
                )
    return found


def notes(experiment: Bench, lab: Lab, measured: Sequence[Measured]) -> list[str]:
    """See `Bench.notes`."""
    rows = kept(measured)
    said = left_out(lab, measured)
    ways = Counter(row["how"] for row in rows).most_common()
    said += [f"To delete {experiment.by}s, they were {how}." for how, _ in ways]
    said += list(dict.fromkeys(note for row in rows for note in row["notes"]))
    whose = "the model's own answer" if experiment.target == "prediction" else "the right answer"
    said.append(
        f"Explained is {whose}. Only {'patches and words' if lab.pictures else 'tokens of the text'} are ranked and deleted: no "
        "special token and no mask, and of a question and its context the context's."
    )
    for name in dict.fromkeys(name for row in rows for name in row["undefined"]):
        why = Counter(row["undefined"][name] for row in rows if name in row["undefined"]).most_common(1)[0][0]
        said.append(f"{name} is undefined for some explanations, such as: {why}")
    if any("occlusion" in row["values"] for row in rows):
        said.append(
            "occlusion is leave-one-out itself, so that it ranks as the oracle does says nothing for it."
        )
    said += [
        f"random is the mean over {experiment.draws} random orders a row; oracle ranks by what leaving out each token alone loses, so it has seen what "
        "the metrics ask for. A rank is among the methods, by the mean; the controls have none.",
        "Curves are read at every tenth, in a straight line between their points where a text has other steps.",
        f"{INTERVALS}; differences from random are paired, their p-values are from sign-flip tests, corrected by Holm's "
        "method over all tests of the table. A method's mean is over the rows where it is defined.",
    ]
    return said
