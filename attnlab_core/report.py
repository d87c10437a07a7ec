"""What an experiment found: a frozen record with tables, written as one versioned JSON document."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from attnlab_core._show import Shown
from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
"""Grows by one when a field changes its meaning; new fields alone do not change it."""


@dataclass(frozen=True, eq=False)
class Report(Shown):
    """The figures of one experiment on one model.

    Attributes:
        request: What was asked for, as `Experiment.to_json` says it.
        model: What a record says of the model, with the digest of its weights.
        tables: Their rows by name, the main one first; numbers that are not known are None.
        notes: What a reader of the tables must know.
        rows: How many rows of data were measured.
        made: When, in UTC.
        versions: Of the libraries.
        seconds: How long the measuring took, in this process and the ones that it went on from.
        engine: Where it ran, and with how many workers.
    """

    request: Mapping[str, Any]
    model: Mapping[str, Any]
    tables: Mapping[str, Sequence[Mapping[str, Any]]]
    notes: tuple[str, ...]
    rows: int
    made: str
    versions: Mapping[str, str]
    seconds: float
    engine: str = "local"

    @property
    def experiment(self) -> str:
        """Its name."""
        return str(self.request["experiment"])

    @property
    def task(self) -> str:
        """The name of the data set."""
        return str(self.request["task"]["task"])

    @property
    def title(self) -> str:
        """In a line: what was measured of what."""
        return f"{self.experiment}: {self.model['name']} on {self.data}, {self.rows:,} rows"

    @property
    def data(self) -> str:
        """What the data are called: the data set, or the name of a table of one's own."""
        data = self.request.get("data")
        return PurePath(str(data)).stem if self.task == "custom" and data else self.task

    def to_frame(self, table: str | None = None) -> pd.DataFrame:
        """One table as a frame; the main one unless another is named.

        Raises:
            BadInput: It has no such table.
        """
        import pandas as pd

        name = next(iter(self.tables)) if table is None else table
        if name not in self.tables:
            raise BadInput(f"The report has no table {name!r}; it has {', '.join(self.tables)}.")
        return pd.DataFrame(list(self.tables[name]))

    def to_json(self) -> dict[str, Any]:
        """One document in plain types; a number that is not finite is null."""
        return {
            "schema": "attentionlab.report",
            "schema_version": SCHEMA,
            "made": self.made,
            "versions": dict(self.versions),
            "model": dict(self.model),
            "request": dict(self.request),
            "rows": self.rows,
            "seconds": round(self.seconds, 2),
            "engine": self.engine,
            "tables": {name: [_finite(row) for row in rows] for name, rows in self.tables.items()},
            "notes": list(self.notes),
        }


def made_now() -> dict[str, Any]:
    """When, and with which versions."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("torch", "transformers")}
        | {"python": platform.python_version()},
    }


def report_from_json(given: str | Mapping[str, Any]) -> Report:
    """Read a report from its document.

    Raises:
        BadInput: It is none, or of a later version than this one reads.
    """
    try:
        said = dict(json.loads(given) if isinstance(given, str) else given)
    except (ValueError, TypeError):
        said = {}
    if said.get("schema") != "attentionlab.report" or not isinstance(said.get("schema_version"), int):
        raise BadInput("That is no report of an experiment: give what `evaluate --json` prints.")
    if said["schema_version"] > SCHEMA:
        raise BadInput(
            f"The report is of version {said['schema_version']}, and this AttentionLab reads up to {SCHEMA}. Update it."
        )
    try:
        return Report(
            said["request"], said["model"], said["tables"], tuple(said["notes"]), said["rows"], said["made"],
            said["versions"], said["seconds"], said["engine"],
        )  # fmt: skip
    except (TypeError, KeyError):
        raise BadInput(
            "The report is not whole: a part is missing or of another kind. Make it again."
        ) from None


def _finite(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()}
