"""What every experiment is: a frozen request that measures rows one by one, and makes tables of what was measured.

What is measured of a row depends on that row alone, so it does not matter who measures it, or together with which others.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from attnlab_core.catalog import pick
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.tasks import Row, Task, task_from_json

if TYPE_CHECKING:
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.lab import Lab

FOLDER = "attnlab_core.experiments"
Table = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A request. Subclasses are frozen dataclasses with a `measure` and a `tables`.

    Attributes:
        task: The data set.
        data: A file or folder with it; None takes it from the Hub, or makes it up where it is made up.
        limit: How many rows; None is all.
        seed: Of what is drawn: the rows, the resamples, random edits.
    """

    task: Task
    data: str | None = None
    limit: int | None = None
    seed: int = 0

    asks: ClassVar[tuple[str, ...] | None] = None
    """The tasks of the labs that it can be made on; None is any."""

    @property
    def name(self) -> str:
        """The name in JSON and in the catalogue."""
        return type(self).__module__.rpartition(".")[2]

    def rows(self, lab: Lab) -> list[Row]:
        """The rows that are measured, with ids that are unlike."""
        if self.asks is not None and lab.task not in self.asks:
            raise BadInput(
                f"{self.name} is made on models for {' or '.join(self.asks)}; {lab.name} is for {lab.task}."
            )
        found = list(self.task.rows(self.data, lab=lab, limit=self.limit, seed=self.seed))
        if len({row.id for row in found}) < len(found):
            raise BadInput(
                "Several rows have the same id, so they cannot be told apart. Give each its own, or none."
            )
        return found

    def tokens(self, lab: Lab, row: Row) -> int:
        """How long a row is, for rows of like length to go together."""
        return max(len(encoding.ids) for encoding in self.task.readings(row, lab))

    def measure(self, lab: Lab, rows: Sequence[Row], budget: int) -> list[Measured]:
        """What is measured of each row, in plain types, in the order of the rows.

        Args:
            lab: The model.
            rows: Some of `rows`.
            budget: Bytes that a batch may take.
        """
        raise NotImplementedError

    def tables(self, lab: Lab, measured: Sequence[Measured]) -> dict[str, Table]:
        """The figures, by the name of their table; the main one first."""
        raise NotImplementedError

    def notes(self, lab: Lab, measured: Sequence[Measured]) -> list[str]:
        """What a reader of the tables must know, in sentences."""
        del lab, measured
        return []

    def to_json(self) -> dict[str, Any]:
        """The request in plain types; values at their defaults stay out."""
        said: dict[str, Any] = {"experiment": self.name, "task": self.task.to_json()}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "task" and value != field.default:
                said[field.name] = _plain(value)
        return said

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Experiment:
        """The request that `to_json` wrote."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in said:
            if name not in known:
                raise UnknownName(name, known, f"setting of {cls.__name__}")
        given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
        given["task"] = task_from_json(said["task"])
        return cls(**given)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value.to_json() if hasattr(value, "to_json") else value


def experiment_from_json(given: str | Mapping[str, Any]) -> Experiment:
    """Read an experiment from JSON text or a mapping.

    Raises:
        BadInput: It is none.
        UnknownName: No such experiment or setting.
    """
    try:
        said = dict(json.loads(given) if isinstance(given, str) else given)
        kind, _ = said.pop("experiment"), said["task"]
    except (ValueError, TypeError, KeyError):
        raise BadInput(
            f'An experiment is JSON such as {{"experiment": "evaluate", "task": "sst2"}}, not {str(given)[:80]!r}.'
        ) from None
    return pick(FOLDER, str(kind), "experiment").from_json(said)
