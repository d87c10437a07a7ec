"""A result as one versioned JSON document, so that it can be read, compared and shown again elsewhere.

Every document says which schema it follows, which model in which revision, which library versions, and what was asked.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from attnlab_core.methods import Attribution
from attnlab_core.run import Run

SCHEMA = 1
"""Grows by one when a field changes its meaning; new fields alone do not change it."""


def header(run: Run) -> dict[str, Any]:
    """The fields every document begins with."""
    return {
        "schema_version": SCHEMA,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in ("torch", "transformers")}
        | {"python": platform.python_version()},
        "model": run.lab.summary(),
        "prompt": run.prompt.to_json(),
        "edits": [edit.to_json() for edit in run.edits],
    }


def of_run(run: Run, before: Run | None = None) -> dict[str, Any]:
    """A run; with `before`, also what the model said without the edits.

    `probabilities` and `prediction` are those under the edits, where there are any.
    """
    said = header(run) | run.to_json()
    if before is not None:
        said["before"] = {"probabilities": dict(before.probabilities), "prediction": before.prediction}
        said["after"] = {"probabilities": dict(run.probabilities), "prediction": run.prediction}
        said["edited_calls"] = run.edited_calls
    return said


def of_attributions(run: Run, attributions: Sequence[Attribution]) -> dict[str, Any]:
    """Several accounts of one answer. `tokens` are those of the longest account, which a continuation may extend."""
    longest = max((a.tokens for a in attributions), key=len, default=run.tokens)
    tokens = [t.to_json() for t in longest]
    words = [{"text": word.text, "positions": list(word.positions)} for word in run.encoding.words]
    said = header(run) | run.to_json() | {"tokens": tokens, "words": words}
    return said | {
        "target": attributions[0].target if attributions else run.prediction,
        "attributions": [attribution.to_json() for attribution in attributions],
    }
