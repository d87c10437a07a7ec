"""Experiments over whole data sets: what an edit does, and how good an explanation is.

An experiment is one file with a frozen dataclass; the folder is the catalogue. `run` is the way in: it takes up where an
earlier run of the same request stopped, measures on this machine or on Ray's workers, and gives a `Report`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core.catalog import catalog
from attnlab_core.experiments._base import FOLDER, Experiment, experiment_from_json
from attnlab_core.experiments._batches import BUDGET
from attnlab_core.experiments._engine import Engine, Notebook, cache, key, measured
from attnlab_core.report import Report, made_now

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

__all__ = ["FOLDER", "Experiment", "Report", "experiment_from_json", "experiments", "run"]


def experiments() -> Mapping[str, Any]:
    """The catalogue: name → class."""
    return catalog(FOLDER)


def run(
    experiment: Experiment,
    lab: Lab,
    *,
    engine: Engine = "local",
    workers: int | None = None,
    address: str | None = None,
    budget: int = BUDGET,
    resume: bool = True,
    folder: Path | None = None,
) -> Report:
    """Make an experiment on a model.

    Finished rows are written down as they come, so a run that was killed loses at most the rows that were in work; the
    same request on the same model goes on from there.

    Args:
        experiment: The request.
        lab: The model; for Ray one that `al.load` gave, since each worker loads it by its name.
        engine: "local", or "ray".
        workers: Of Ray; None is one for every processor.
        address: Of a Ray cluster, where AttentionLab must be installed; None starts Ray on this machine.
        budget: Bytes that a batch may take beside the weights.
        resume: Go on from what an earlier run left; else begin anew.
        folder: Where rows are written down; None is the user's cache.

    Raises:
        BadInput: The data, the edits or the engine do not fit.
    """
    from attnlab_core.plausibility import digest

    began = time.perf_counter()
    model = lab.summary() | {"digest": digest(lab)}
    request = experiment.to_json()
    rows = experiment.rows(lab)
    place = cache() if folder is None else folder
    notebook = Notebook(
        place / f"{key({'request': request, 'model': model['digest']})}.jsonl", fresh=not resume
    )
    found = measured(
        experiment, lab, rows, notebook, engine=engine, workers=workers, address=address, budget=budget
    )
    tables, notes = experiment.tables(lab, found), experiment.notes(lab, found)
    notebook.close()
    seconds = time.perf_counter() - began
    return Report(
        request, model, tables, tuple(notes), len(found), seconds=seconds, engine=engine, **made_now()
    )
