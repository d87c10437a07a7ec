"""Running an experiment: shards of rows through workers, every finished shard written down, so that a run can go on.

Above the engine there is one code path: an experiment says how it measures some rows; the engine says where.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attnlab_core import folders
from attnlab_core.errors import UnknownName
from attnlab_core.experiments._batches import BUDGET
from attnlab_core.progress import step, unheard

if TYPE_CHECKING:
    from attnlab_core.experiments._base import Experiment
    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Row

Engine = Literal["local", "ray"]
Measured = dict[str, Any]
"""What was measured of one row: plain types, and `id`."""
SHARD = 16
"""Rows that are measured and written down together: what a killed run loses at most."""


def shards(rows: Sequence[Row], sizes: Sequence[int]) -> list[list[int]]:
    """Row numbers in shards of rows of like length: of each run of 16 shards the rows are sorted by their tokens.

    The same for the same rows, whatever the engine, so that the numbers are the same to the last bit.
    """
    found: list[list[int]] = []
    window = 16 * SHARD
    for first in range(0, len(rows), window):
        order = sorted(range(first, min(first + window, len(rows))), key=lambda k: (sizes[k], k))
        found += [order[at : at + SHARD] for at in range(0, len(order), SHARD)]
    return found


class Notebook:
    """What was measured so far, a line of JSON a row, in a file that survives the process.

    Args:
        file: None keeps nothing.
        fresh: Forget what an earlier run left.
    """

    def __init__(self, file: Path | None, *, fresh: bool = False) -> None:
        self.file, self.done = file, dict[str, Measured]()
        if file is None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        if fresh:
            file.unlink(missing_ok=True)
        if file.exists():
            whole = 0
            raw = file.read_bytes()
            for line in raw.splitlines(keepends=True):
                try:
                    said = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    said = None
                if said is None:  # torn when the process was killed
                    break
                self.done[said["id"]] = said
                whole += len(line)
            if whole < len(raw):
                with file.open("r+b") as kept:
                    kept.truncate(whole)

    def add(self, measured: Sequence[Measured]) -> None:
        """Write some rows down, to the disk."""
        self.done |= {one["id"]: one for one in measured}
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as kept:
                kept.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in measured)
                kept.flush()
                os.fsync(kept.fileno())

    def close(self) -> None:
        """Forget the file: the run is done."""
        if self.file is not None:
            self.file.unlink(missing_ok=True)


def cache() -> Path:
    """Where unfinished runs are kept: `$XDG_CACHE_HOME/attentionlab/runs`."""
    return folders.cache() / "runs"


def key(request: Mapping[str, Any]) -> str:
    """The name of a request: twelve letters of the SHA-256 of its JSON."""
    return sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:12]


def measured(
    experiment: Experiment,
    lab: Lab,
    rows: Sequence[Row],
    notebook: Notebook,
    *,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
    budget: int = BUDGET,
) -> list[Measured]:
    """Everything that an experiment measures of some rows, in their order; what the notebook holds is not done again.

    Tells `progress.watching` how many rows are done; a watcher that raises ends the run, which goes on from there the next
    time.

    Raises:
        BadInput: Ray is asked for and not installed, or its workers are lost again and again.
        UnknownName: No such engine.
    """
    if engine not in ("local", "ray"):
        raise UnknownName(engine, ("local", "ray"), "engine")
    sizes = [experiment.tokens(lab, row) for row in rows]
    left = [
        [rows[k] for k in shard]
        for shard in shards(rows, sizes)
        if any(rows[k].id not in notebook.done for k in shard)
    ]
    step(len(notebook.done), len(rows))
    if left:
        if engine == "local":
            ends = _locally(experiment, lab, left, budget)
        else:
            from attnlab_core.experiments._ray import crew

            ends = crew(experiment, lab, left, budget, workers, address)
        for found in ends:
            notebook.add(found)
            step(len(notebook.done), len(rows))
    return [notebook.done[row.id] for row in rows]


def _locally(
    experiment: Experiment, lab: Lab, left: Sequence[list[Row]], budget: int
) -> Iterator[list[Measured]]:
    for shard in left:
        with unheard():
            found = experiment.measure(lab, shard, budget)
        yield found
