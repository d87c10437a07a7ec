"""How faithful and how plausible explanations are over a data set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from attnlab_core.catalog import pick
from attnlab_core.errors import BadInput
from attnlab_core.experiments import _explain_bench
from attnlab_core.experiments._base import Table
from attnlab_core.experiments._explain import Explaining, Which, explained
from attnlab_core.experiments._groups import head
from attnlab_core.external import read_scores
from attnlab_core.knobs import check
from attnlab_core.methods import FOLDER as METHODS
from attnlab_core.methods import Attribution, attribute, methods
from attnlab_core.metrics import FOLDER as METRICS
from attnlab_core.metrics import (
    Case,
    Undefined,
    cases,
    deletion_curve,
    facts,
    marked_tokens,
    metrics,
    oracle,
)
from attnlab_core.metrics._case import By
from attnlab_core.metrics._curves import First
from attnlab_core.metrics._deletions import How

if TYPE_CHECKING:
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run
    from attnlab_core.targets import Target
    from attnlab_core.tasks import Row

CONTROLS = ("random", "oracle")
POINTS = 10
"""Steps of the deletion curves."""


@dataclass(frozen=True, kw_only=True)
class Bench(Explaining):
    """Methods by metrics over a data set, beside two controls, with mean deletion curves.

    The controls are `random` numbers, several times over, and the `oracle`, whose scores are the probabilities lost by leaving out each token
    alone. What a person marked is a row's rationale; where a row has none, its plausibility is undefined.

    Attributes:
        methods: Names of the catalogue; empty is all of them, since none is slow on a sentence. A method that refuses a
            text, as attention flow does a long one, is left out there, and the notes say so.
        metrics: Names of the catalogue; empty is all that do not run a method again and again, and those that compare
            with a person's marks only where a row has them.
        deletion: How tokens are deleted: replaced by the mask, the unknown token or padding, or removed.
        by: Rank and delete tokens, or whole words, which can be compared between tokenizers.
        scores: Files of scores made elsewhere, to be judged too.
        draws: How many random orders a row gets; the control's figures are their means, so that luck counts less.
    """

    target: Which = "prediction"
    methods: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    deletion: How = "mask"
    by: By = "token"
    scores: tuple[str, ...] = ()
    draws: int = 5

    def __post_init__(self) -> None:
        """Refuse names and knobs that are in no catalogue."""
        super().__post_init__()
        for name, value, known in (("deletion", self.deletion, How), ("by", self.by, By)):
            if value not in get_args(known):
                raise BadInput(f"{name} is one of {', '.join(get_args(known))}, not {value!r}.")
        if self.draws < 1:
            raise BadInput(f"draws is the number of random orders, at least 1, not {self.draws}.")
        for name in self.methods:
            pick(METHODS, name, "method")
        for name in self.metrics:
            pick(METRICS, name, "metric")
        for name, knobs in self.knobs.items():
            thing = metrics().get(name) or pick(METHODS, name, "method")
            check(thing, knobs, f"{'metric' if name in metrics() else 'method'} {name}")

    def measure(self, lab: Lab, rows: Sequence[Row], budget: int) -> list[Measured]:
        """The metrics and curves of each row's explanations, one row after the other."""
        return [self._measured(lab, row) for row in rows]

    def _measured(self, lab: Lab, row: Row) -> Measured:
        try:
            run, target = self.asked(lab, row)
            given, left = self._explanations(run, target, row)
            gold = None if row.rationale is None else marked_tokens(run, row.rationale)
            orders = [attribute(run, "random", target, seed=self.draw(row, k)) for k in range(self.draws)]
            made = cases(
                run, [*given.values(), *orders], target=target, gold=gold, how=self.deletion, by=self.by
            )
        except BadInput as error:
            return head(row) | {"why": str(error)}
        deletions = made[0].deletions
        by_name = {name: [case] for name, case in zip(given, made, strict=False)}
        by_name["random"] = made[len(given) :]
        by_name["oracle"] = [oracle(run, deletions, gold=gold, by=self.by)]
        chosen = self._chosen(gold is not None)
        quick = {name: one for name, one in chosen.items() if not facts(name).slow}
        with deletions.planning():  # all deletions of all methods are gathered, and each is run once
            for some in by_name.values():
                _read(some, quick)
        found = {name: _read(some, chosen) for name, some in by_name.items()}
        return head(row) | {
            "how": deletions.words,
            "notes": list(deletions.notes),
            "count": len(made[0].units),
            "values": {name: one[0] for name, one in found.items()},
            "curves": {name: one[1] for name, one in found.items()},
            "undefined": {name: why for one in found.values() for name, why in one[2].items()},
            "left": left,
        }

    def _explanations(
        self, run: Run, target: Target, row: Row
    ) -> tuple[dict[str, Attribution], dict[str, str]]:
        names = [name for name in self.methods or methods() if name not in CONTROLS]
        own = self.knobs
        found, left = explained(run, target, {name: (name, own.get(name, {})) for name in names})
        for file in self.scores:
            try:
                for one in read_scores(file, run):
                    cases(run, [one], target=target)  # refuses scores of another target
                    name = one.method if one.method not in methods() else f"{one.method} ({Path(file).name})"
                    found[name] = one
            except BadInput as error:
                left[Path(file).name] = str(error)
        return found, left

    def _chosen(self, gold: bool) -> dict[str, tuple[Any, dict[str, Any]]]:
        own, known = self.knobs, metrics()
        names = self.metrics or [
            name for name in known if not facts(name).slow and (gold or facts(name).kind != "plausibility")
        ]
        return {
            name: (known[name], check(known[name], own.get(name, {}), f"metric {name}")) for name in names
        }

    def tables(self, lab: Lab, measured: Sequence[Measured]) -> dict[str, Table]:
        """`metrics`: a row a metric and method; `curves`: what is left of the answer by the share deleted."""
        return _explain_bench.tables(self, measured)

    def notes(self, lab: Lab, measured: Sequence[Measured]) -> list[str]:
        """How tokens were deleted, what is left out, what the controls are."""
        return _explain_bench.notes(self, lab, measured)


def _read(
    some: Sequence[Case], chosen: Mapping[str, tuple[Any, dict[str, Any]]]
) -> tuple[dict[str, float | None], dict[str, list[float]], dict[str, str]]:
    """The metrics of some cases and their deletion curves at every tenth, means over the cases; why any is undefined."""
    found = {name: [function(case, **knobs) for case in some] for name, (function, knobs) in chosen.items()}
    known = {
        name: [float(value) for value in values if not math.isnan(value)] for name, values in found.items()
    }
    means = {name: fmean(values) if values else None for name, values in known.items()}
    grid, curves = np.linspace(0, 1, POINTS + 1), {}
    for first in get_args(First):
        made = [deletion_curve(case, first, POINTS) for case in some]
        if len(made[0].shares) > 1:
            read = [np.interp(grid, one.shares.numpy(), one.probabilities.numpy()) for one in made]
            curves[first] = np.mean(read, axis=0).tolist()
    why = {n: value.why for n, values in found.items() for value in values if isinstance(value, Undefined)}
    return means, curves, why
