"""What changes of attention do to a model's answers over a data set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from attnlab_core import plausibility
from attnlab_core.edits import Edit, Where
from attnlab_core.errors import BadInput, EditTouchedNothing
from attnlab_core.experiments import _summary
from attnlab_core.experiments._base import Experiment, Table
from attnlab_core.experiments._conditions import Condition, condition_from_json
from attnlab_core.experiments._control import control
from attnlab_core.experiments._groups import head
from attnlab_core.experiments._readings import Reading, moved, read
from attnlab_core.search import optimise
from attnlab_core.targets import NO_ANSWER, Goal, probabilities, settle

if TYPE_CHECKING:
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Row

SEARCH_STEPS = 60
CONTROL = "\0control"
"""At the end of a condition's name: the random change of its size."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Experiment):
    """The score of a task before and after changes of attention.

    Beside the task's scores are measured, row by row: whether the answer is another one, how the log-probability of the
    right answer changes, how much attention moved, how unusual the new attention is for the model, and all of it again
    for a random change of the same size in the same rows of attention.

    Attributes:
        conditions: What is done to the model.
        controls: With the random change of the same size.
        judged: With the percentile of plausibility, where the model has a reference.
    """

    conditions: tuple[Condition, ...] = ()
    controls: bool = True
    judged: bool = True

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Evaluate:
        """The request that `to_json` wrote."""
        made = super().from_json({key: value for key, value in said.items() if key != "conditions"})
        assert isinstance(made, Evaluate)
        return replace(made, conditions=tuple(condition_from_json(one) for one in said.get("conditions", ())))

    def rows(self, lab: Lab) -> list[Row]:
        """The rows of the task; refuses conditions with one name, or that fit the model nowhere."""
        if len({one.name for one in self.conditions}) < len(self.conditions):
            raise BadInput("Two conditions have the same name. Give each its own.")
        for one in self.conditions:
            for edit in one.placed:
                edit.where.inside(lab.layers, lab.heads)
        return super().rows(lab)

    def measure(self, lab: Lab, rows: Sequence[Row], budget: int) -> list[Measured]:
        """Scores, answers and attention of each row: plain, under each condition, and under its control."""
        asked = [_Asked(self, lab, row) for row in rows]
        _read(asked, [[()] * len(one.encodings) for one in asked], budget, "plain")
        for one in asked:
            one.settle()
        for condition in self.conditions:
            edits = [one.edits(condition) for one in asked]
            ready = [(one, some) for one, some in zip(asked, edits, strict=True) if some]
            _read([one for one, _ in ready], [some for _, some in ready], budget, condition.name)
            if self.controls:
                ready = [(one, some) for one, some in ready if condition.name in one.seen]
                others = [[(one.control(condition.name, some[0]),)] * len(some) for one, some in ready]
                _read([one for one, _ in ready], others, budget, condition.name + CONTROL)
        return [one.measured() for one in asked]

    def tables(self, lab: Lab, measured: Sequence[Measured]) -> dict[str, Table]:
        """`scores`: each score before and after; `effects`: what else changed; `kinds`: the main score by kind of row."""
        return _summary.tables(self, measured)

    def notes(self, lab: Lab, measured: Sequence[Measured]) -> list[str]:
        """Rows left out, texts that were cut, and what the control and the percentile are."""
        return _summary.notes(self, lab, measured)


class _Asked:
    """One row while it is measured."""

    def __init__(self, experiment: Evaluate, lab: Lab, row: Row) -> None:
        self.experiment, self.lab, self.row = experiment, lab, row
        self.encodings = list(experiment.task.readings(row, lab))
        self.goal: Goal | None = None
        self.seen: dict[str, list[Reading]] = {}
        self.why: dict[str, str] = {}
        self.known = plausibility.reference(lab) if experiment.judged else None

    def settle(self) -> None:
        """Find the right answer's logits in the plain reading, and read its continuation, where it has one."""
        target = self.experiment.task.target(self.row)
        if target is None:
            return
        try:
            self.goal = settle(target, self.first("plain").asked)
        except BadInput:  # cut away with the end of the text, or no token of this model
            return
        wanted = self.encodings[0].ids + self.goal.extra
        if all(one.ids != wanted for one in self.encodings):
            self.goal = None

    def first(self, name: str) -> Reading:
        """The reading of the prompt."""
        return self.seen[name][0]

    def edits(self, condition: Condition) -> list[tuple[Edit, ...]]:
        """The condition's settled edits for each encoding; none where it does not apply, with the reason kept."""
        try:
            edits = self._searched(condition) if condition.search else condition.placed
            return [self.lab.settle(encoding, edits) for encoding in self.encodings]
        except (BadInput, EditTouchedNothing) as error:
            self.why[condition.name] = str(error)
            return []

    def _searched(self, condition: Condition) -> tuple[Edit, ...]:
        run = self.lab.read(self.row.prompt, self.encodings[0], ())
        target = self.experiment.task.target(self.row)
        if target is None:
            raise BadInput("The row has no answer to search for.")
        if condition.search == "away":
            other = self.experiment.task.target_wrong(self.row)
            if other is None:
                gold = {text.lower() for text in self.row.gold}
                names = [name for name in run.probabilities if name.lower() not in gold and name != NO_ANSWER]
                if not names:
                    raise BadInput("The model has no other answer to turn to.")
                other = names[0]
            target = other
        where = Where(layers=condition.layers)
        found = optimise(run, target, plausibility=condition.plausibility, steps=SEARCH_STEPS, where=where)
        if not found.edit.cells:
            raise BadInput("The search changed nothing: the answer is as likely as was asked for.")
        return (found.edit,)

    def control(self, name: str, edits: tuple[Edit, ...]) -> Edit:
        """As much attention moved, elsewhere."""
        plain, edited = self.first("plain"), self.first(name)
        assert plain.weights is not None
        assert edited.weights is not None
        assert plain.visible is not None
        said = f"{self.experiment.seed} {self.row.id} {name}"
        return control(self.lab, plain.weights, edited.weights, plain.visible, edits, said)

    def measured(self) -> Measured:
        """All numbers in plain types."""
        said = head(self.row)
        said["plain"] = self._numbers("plain")
        said["conditions"] = {
            name: self._numbers(name) for name in self.seen if name != "plain" and CONTROL not in name
        }
        said["controls"] = {
            name.removesuffix(CONTROL): self._numbers(name) for name in self.seen if CONTROL in name
        }
        return said | ({"why": self.why} if self.why else {})

    def _numbers(self, name: str) -> dict[str, float]:
        """All that is measured of one state, to six places: what is left is noise of single precision."""
        return {key: round(value, 6) for key, value in self._exact(name).items()}

    def _exact(self, name: str) -> dict[str, float]:
        readings = self.seen[name]
        found = dict(self.experiment.task.measure(self.row, *(one.asked for one in readings)))
        if self.goal is not None:
            ids = self.encodings[0].ids + self.goal.extra
            whole = next(one.asked for one in readings if one.asked.encoding.ids == ids)
            found["log_p"] = float(self.goal.value(whole.logits[None].double()))
        if name == "plain":
            return found
        plain, now = self.first("plain"), readings[0]
        found["flip"] = self._flipped(name)
        if plain.weights is not None and now.weights is not None:
            found["moved"] = moved(plain.weights, now.weights)
            if self.known is not None and plain.weights.shape[2] == plain.weights.shape[3]:
                found["percentile"] = self.known.judge(now.pattern, plain.pattern).percentile
        return found

    def _flipped(self, name: str) -> float:
        one, two = self._answer("plain"), self._answer(name)
        if isinstance(one, Tensor) and isinstance(two, Tensor):
            return float((one != two).double().mean())
        return float(one != two)

    def _answer(self, name: str) -> str | Tensor:
        """What is said: of two answers the likelier, of a running text the likeliest token at each place, else the answer."""
        asked = self.first(name).asked
        if self.lab.task in ("masked", "causal") and self.row.wrong is not None:
            said = self.experiment.task.measure(self.row, *(one.asked for one in self.seen[name]))
            return str(said.get("correct", math.nan))
        if self.lab.task == "causal" and not self.row.gold:
            return asked.logits[getattr(self.row, "context", 1) - 1 : -1].argmax(-1)
        return next(iter(probabilities(asked, 1)))


def _read(asked: Sequence[_Asked], edits: Sequence[Sequence[Sequence[Edit]]], budget: int, name: str) -> None:
    """Read all encodings of some rows under their settled edits; where these meet nothing the row is left out."""
    if not asked:
        return
    jobs = [
        (one, *job)
        for one, some in zip(asked, edits, strict=True)
        for job in zip(one.encodings, some, strict=True)
    ]
    keep = bool(asked[0].experiment.conditions)
    try:
        found = read(
            asked[0].lab, [job[1] for job in jobs], [job[2] for job in jobs], budget=budget, keep=keep
        )
    except EditTouchedNothing as error:
        if len(asked) == 1:
            asked[0].why[name.removesuffix(CONTROL)] = str(error)
            return
        for one, some in zip(asked, edits, strict=True):
            _read([one], [some], budget, name)
        return
    for (one, _, _), reading in zip(jobs, found, strict=True):
        one.seen.setdefault(name, []).append(reading)
