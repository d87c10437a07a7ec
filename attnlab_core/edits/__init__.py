"""Edits: changes of attention as values. One file each; the folder is the catalogue.

Edits on scores act before the softmax, edits on weights after it; within each stage they act in the order given.
"""

from __future__ import annotations

from attnlab_core.edits._base import (
    Call,
    Edit,
    Part,
    Stage,
    Where,
    edit_from_json,
    first_query,
    where_from_json,
)

__all__ = ["Call", "Edit", "Part", "Stage", "Where", "edit_from_json", "first_query", "where_from_json"]
