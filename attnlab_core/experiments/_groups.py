"""Rows that depend on each other: what is kept of a row, and tests whose signs turn group by group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attnlab_core.stats import holm, sign_flip

if TYPE_CHECKING:
    from attnlab_core.experiments._base import Table
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.tasks import Row


def head(row: Row) -> dict[str, Any]:
    """What is kept of every row."""
    said: dict[str, Any] = {"id": row.id, "kinds": list(row.kinds), "group": row.group}
    return said | ({"cut": row.cut} if row.cut else {})


def group(row: Measured) -> str:
    """Whom a row depends on: its group, or itself alone."""
    return row["group"] or row["id"]


def by_group(values: np.ndarray[Any, Any], groups: Sequence[str]) -> list[float]:
    """The sum of the values of each group: what a paired test may turn round as one."""
    found: dict[str, float] = {}
    for value, group in zip(values.tolist(), groups, strict=True):
        if not np.isnan(value):
            found[group] = found.get(group, 0.0) + value
    return list(found.values())


def apart(rows: Sequence[tuple[float, str]], seed: int) -> float:
    """The p-value of differences, each with the group of its row; the signs of a group turn together."""
    values = np.array([value for value, _ in rows], dtype=float)
    return sign_flip(by_group(values, [group for _, group in rows]), seed=seed)


def corrected(table: Table, name: str = "p") -> None:
    """Holm's correction over all tests of a table, beside each p."""
    tested = [row for row in table if row.get(name) is not None]
    for row, value in zip(tested, holm([row[name] for row in tested]), strict=True):
        row[f"{name}_holm"] = value
