"""Data sets: rows with right answers, how a model's answer to one is measured, and how the measurements are pooled.

One file each; the folder is the catalogue. Files that begin with an underscore help them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attnlab_core.catalog import catalog
from attnlab_core.tasks._base import FOLDER, MASK, Row, Score, Stretch, Task, task_from_json

__all__ = ["FOLDER", "MASK", "Row", "Score", "Stretch", "Task", "task_from_json", "tasks"]


def tasks() -> Mapping[str, Any]:
    """Every data set's class by its name, in alphabetical order.

    >>> tasks()["sst2"]().to_json()
    {'task': 'sst2'}
    """
    return catalog(FOLDER)
