"""Scores of explanations: does the model use what an explanation points at, and do people agree with it?

A metric is one file with one function `(case, *, knobs…) -> float`; the folder is the catalogue. `judge` is the way in: it
scores several explanations of one answer by several metrics, beside two controls, and runs each deletion once for all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from attnlab_core.catalog import catalog, pick
from attnlab_core.errors import UnknownName
from attnlab_core.knobs import check
from attnlab_core.methods import Attribution, attribute
from attnlab_core.metrics._case import (
    By,
    Case,
    Facts,
    Undefined,
    inside,
    judged_tokens,
    marked_tokens,
    metric,
)
from attnlab_core.metrics._cases import Gold, cases, oracle
from attnlab_core.metrics._curves import Curve, deletion_curve
from attnlab_core.metrics._deletions import Deletions, How
from attnlab_core.run import Run
from attnlab_core.targets import Answer, Target

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "attnlab_core.metrics"
Control = Literal["random", "oracle"]
__all__ = [
    "Case",
    "Curve",
    "Deletions",
    "Facts",
    "Judged",
    "Undefined",
    "cases",
    "deletion_curve",
    "facts",
    "frame",
    "inside",
    "judge",
    "judged_tokens",
    "marked_tokens",
    "metric",
    "metrics",
    "oracle",
]


@dataclass(frozen=True, eq=False)
class Judged:
    """One explanation, scored.

    Attributes:
        method: Its name; `random` and `oracle` are the controls.
        label: Its name for people.
        target: What was explained.
        values: Metric → value; not a number where it is undefined.
        why: Metric → why it is undefined.
        how: How tokens were deleted, in words.
        by: Whether tokens or words were ranked.
        count: How many of them.
        seconds: What making the explanation took.
        notes: What a reader must know, such as another token standing in for the mask.
    """

    method: str
    label: str
    target: str
    values: Mapping[str, float]
    why: Mapping[str, str]
    how: str
    by: str
    count: int
    seconds: float
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """A row a metric: method, label, metric, value, better, kind, why."""
        return frame([self])

    def _rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                self.method,
                self.label,
                name,
                value,
                facts(name).better,
                facts(name).kind,
                self.why.get(name, ""),
            )
            for name, value in self.values.items()
        ]

    def to_json(self) -> dict[str, Any]:
        """All of it in plain types; None for a value that is undefined."""
        return {
            "method": self.method,
            "label": self.label,
            "target": self.target,
            "values": {name: None if math.isnan(value) else value for name, value in self.values.items()},
            "why": dict(self.why),
            "how": self.how,
            "by": self.by,
            "count": self.count,
            "seconds": round(self.seconds, 4),
            "notes": list(self.notes),
        }


def metrics() -> Mapping[str, Any]:
    """The catalogue: name → function."""
    return catalog(FOLDER)


def facts(name: str) -> Facts:
    """What a table must know of a metric: which way is better, what it asks, whether it is slow."""
    return pick(FOLDER, name, "metric").facts


def frame(judged: Iterable[Judged]) -> pd.DataFrame:
    """A row an explanation and a metric: method, label, metric, value, better, kind, why."""
    import pandas as pd

    rows = [row for one in judged for row in one._rows()]
    return pd.DataFrame(rows, columns=["method", "label", "metric", "value", "better", "kind", "why"])


def judge(
    run: Run,
    attributions: Sequence[Attribution],
    *,
    names: Sequence[str] | None = None,
    target: Target | Answer | None = None,
    gold: Gold | None = None,
    how: How = "mask",
    by: By = "token",
    params: Mapping[str, Mapping[str, Any]] | None = None,
    controls: Sequence[Control] = get_args(Control),
    seed: int = 0,
) -> list[Judged]:
    """Score explanations of one answer.

    All deletions that the metrics ask for are gathered over all explanations first, and each is run once. Token pieces
    are not comparable between tokenizers; words are (`by`).

    Args:
        run: What was explained.
        attributions: Of this run's text, by methods of the catalogue or read from elsewhere.
        names: Of metrics; by default all but those that run the methods again, and those that compare with `gold` only
            where it is given.
        target: What was explained; `None` is the run's own prediction.
        gold: The tokens that a person marked, as truth values or as positions; `marked_tokens` makes them from characters.
        how: How tokens are deleted; see `Deletions`.
        by: Rank and delete tokens, or whole words (a word's score is the sum of its tokens').
        params: Metric → its knobs.
        controls: Rows to add: `random` numbers, where they are not among the explanations, and as an `oracle` the
            probability lost by leaving out each token alone.
        seed: Of the random control.

    Raises:
        UnknownName: No such metric or knob.
        BadInput: Scores of another text or another target, or gold that does not fit the text.
    """
    goal = run.goal(target)
    chosen = _chosen(names, gold is not None, params or {})
    rows = list(attributions)
    if "random" in controls and all(row.method != "random" for row in rows):
        rows.append(attribute(run, "random", target, seed=seed))
    made = cases(run, rows, target=target, gold=gold, how=how, by=by)
    named = [(row.method, row.label, row.seconds) for row in rows]
    if "oracle" in controls:
        made.append(oracle(run, made[0].deletions if made else Deletions(run, goal, how), gold=gold, by=by))
        named.append(("oracle", "Oracle (leave-one-out)", 0.0))
    if made:
        with made[0].deletions.planning():
            for case in made:
                _values(case, {name: one for name, one in chosen.items() if not facts(name).slow})
    found = []
    for case, (method, label, seconds) in zip(made, named, strict=True):
        values = _values(case, chosen)
        why = {name: value.why for name, value in values.items() if isinstance(value, Undefined)}
        plain = {name: float(value) for name, value in values.items()}
        how_words, notes = case.deletions.words, case.deletions.notes
        count = len(case.units)
        found.append(Judged(method, label, goal.text, plain, why, how_words, by, count, seconds, notes))
    return found


def _values(case: Case, chosen: Mapping[str, tuple[Any, dict[str, Any]]]) -> dict[str, float]:
    return {name: function(case, **values) for name, (function, values) in chosen.items()}


def _chosen(
    names: Sequence[str] | None, gold: bool, params: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Any, dict[str, Any]]]:
    """The metrics asked for with the values of all their knobs."""
    if names is None:
        known = {name: facts(name) for name in metrics()}
        names = [
            n
            for n, one in known.items()
            if n in params or not (one.slow or (one.kind == "plausibility" and not gold))
        ]
    for name in params:
        if name not in names:
            raise UnknownName(name, names, "metric asked for")
    found = {name: pick(FOLDER, name, "metric") for name in names}
    return {n: (f, check(f, params.get(n, {}), f"the metric {n}")) for n, f in found.items()}
