"""What can be done with the tables of reports alone: read their columns, put two side by side, write them as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from attnlab_core.errors import BadInput
from attnlab_core.report import Report

PLACES = ("layer", "head")
"""Columns with numbers that say which row it is, and measure nothing."""
DATA = ("task", "data", "limit", "seed")
Row = Mapping[str, Any]
Key = tuple[Any, ...]


def columns(rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The columns of a table, parted: those that say which row it is, and the figures.

    Layers, heads and all that has a value that is no number are of the first kind.

    >>> columns(
    ...     [{"method": "atman", "layer": 1, "mean": 0.5}, {"method": "random", "layer": 1, "mean": None}]
    ... )
    (['method', 'layer'], ['mean'])
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    keys = [name for name in names if name in PLACES or any(_is_text(row.get(name)) for row in rows)]
    return keys, [name for name in names if name not in keys]


def main_figure(report: Report) -> tuple[str | None, float | None]:
    """The name of the first figure of the first row of the main table, made of the words beside it, and its value."""
    rows = next(iter(report.tables.values()), ())
    keys, figures = columns(rows)
    if not rows or not figures:
        return None, None
    words = [str(rows[0][key]) for key in keys if isinstance(rows[0].get(key), str) and rows[0][key]]
    value = rows[0].get(figures[0])
    return " ".join(words) or figures[0], value if value is None or math.isfinite(value) else None


def beside(one: Report, two: Report, table: str | None = None) -> tuple[str, list[dict[str, Any]], list[str]]:
    """Every figure of a table in both reports.

    Rows are matched by the columns that say which row it is. Where these do not tell the rows of a report apart, number
    columns are taken along from the left until they do, as the share deleted of a curve.

    Args:
        one: The first report.
        two: The second.
        table: Which table; None is the main one of the first.

    Returns:
        The name of the table; a row a figure with `value_1`, `value_2` and their `difference` (second less first; None
        where either is missing); what else differs between the reports, in sentences.

    Raises:
        BadInput: They are of different experiments, lack the table, or have no row in common.
    """
    if one.experiment != two.experiment:
        raise BadInput(
            f"A report of {one.experiment!r} and one of {two.experiment!r} have no figures in common: compare two of one "
            "experiment."
        )
    name = next(iter(one.tables), "") if table is None else table
    for place, report in (("first", one), ("second", two)):
        if name not in report.tables:
            raise BadInput(
                f"The {place} report has no table {name!r}; it has {', '.join(report.tables) or 'none'}."
            )
    sides = (one.tables[name], two.tables[name])
    keys, figures = _matching(name, *sides) if all(sides) else ([], [])
    first, second = ({_key(row, keys): row for row in side} for side in sides)
    if not first.keys() & second.keys():
        raise BadInput(f"The tables {name!r} of the two reports have no row in common: nothing to compare.")
    found = [
        dict(zip(keys, key, strict=True)) | {"figure": figure} | values
        for key in dict.fromkeys([*first, *second])
        for figure in figures
        if (values := _values(first.get(key, {}).get(figure), second.get(key, {}).get(figure)))
    ]
    if not found:
        raise BadInput(f"The tables {name!r} of the two reports hold no number: nothing to compare.")
    notes = differences(one, two)
    for place, alone in (("first", first.keys() - second.keys()), ("second", second.keys() - first.keys())):
        if alone:
            notes.append(f"Rows of {name!r} that only the {place} report has: {len(alone)}.")
    return name, found, notes


def differences(one: Report, two: Report) -> list[str]:
    """Where models, data, requests and versions of two reports differ, in sentences."""
    requests = [{k: v for k, v in report.request.items() if k not in DATA} for report in (one, two)]
    data = [
        {k: report.request.get(k, 0 if k == "seed" else None) for k in DATA} | {"rows": report.rows}
        for report in (one, two)
    ]
    pairs = (
        ("models", one.model, two.model),
        ("data", *data),
        ("requests", *requests),
        ("versions", one.versions, two.versions),
    )
    return [
        f"The {what} differ: {'; '.join(said)}."
        for what, left, right in pairs
        if (said := _unlike(left, right))
    ]


def as_csv(reports: Sequence[tuple[int, Report]]) -> str:
    """The rows of the main tables under each other, with the number, the experiment, the model and the data set before."""
    rows = []
    for number, report in reports:
        head = {
            "id": number,
            "experiment": report.experiment,
            "model": report.model["name"],
            "task": report.task,
        }
        for row in next(iter(report.to_json()["tables"].values()), []):
            cells = {f"table_{name}" if name in head else name: value for name, value in row.items()}
            rows.append(
                head | {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in cells.items()}
            )
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _unlike(left: Row, right: Row) -> list[str]:
    return [
        f"{name} {_short(left.get(name))} and {_short(right.get(name))}"
        for name in dict.fromkeys([*left, *right])
        if left.get(name) != right.get(name)
    ]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _matching(name: str, one: Sequence[Row], two: Sequence[Row]) -> tuple[list[str], list[str]]:
    """The columns to match rows by, and the figures to compare."""
    keys, figures = columns([*one, *two])
    keys = [key for key in keys if _has(one, key) and _has(two, key)]
    while not (_apart(one, keys) and _apart(two, keys)):
        if len(figures) < 2:
            raise BadInput(f"The rows of the table {name!r} cannot be told apart, so they cannot be matched.")
        keys.append(figures.pop(0))
    return keys, figures


def _has(rows: Sequence[Row], column: str) -> bool:
    return any(column in row for row in rows)


def _apart(rows: Sequence[Row], keys: Sequence[str]) -> bool:
    return max(Counter(_key(row, keys) for row in rows).values(), default=1) == 1


def _key(row: Row, keys: Sequence[str]) -> Key:
    """The values that say which row it is; lists as JSON, since a key is hashed."""
    values = (row.get(key) for key in keys)
    return tuple(json.dumps(v) if isinstance(v, list | dict) else v for v in values)


def _values(one: Any, two: Any) -> dict[str, float | None]:
    """Both sides of a figure; nothing where neither has it."""
    if one is None and two is None:
        return {}
    return {
        "value_1": one,
        "value_2": two,
        "difference": None if one is None or two is None else two - one,
    }


def _is_text(value: Any) -> bool:
    return value is not None and (isinstance(value, bool) or not isinstance(value, int | float))
