"""Shards of an experiment measured by Ray's workers, on this machine or on a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from attnlab_core.experiments._base import Experiment
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Row

LOST = 5
"""How often in a row a worker may be lost before a run gives up."""


def crew(
    experiment: Experiment,
    lab: Lab,
    left: Sequence[list[Row]],
    budget: int,
    workers: int | None,
    address: str | None,
) -> Iterator[list[Measured]]:
    """What the workers measure, shard by shard, in the order in which they finish.

    Every worker loads the model once. A shard whose worker is lost goes to the one that takes its place.

    Raises:
        BadInput: Ray is not installed, the cluster is not there, or workers are lost again and again.
    """
    with _connected(address, workers) as ray:
        from ray.exceptions import ActorDiedError, RayTaskError

        count = workers or max(1, int(ray.available_resources().get("CPU", 1)))
        worker = ray.remote(num_cpus=1, max_restarts=0)(Worker)
        how = {"revision": lab.revision, "dtype": lab.summary()["dtype"], "task": lab.task}
        said = (experiment.to_json(), lab.name, how, budget)
        waiting, lost = list(reversed(left)), 0
        idle = [worker.remote(*said) for _ in range(min(count, len(left)))]
        running: dict[Any, tuple[Any, list[Row]]] = {}
        while waiting or running:
            while idle and waiting:
                actor, shard = idle.pop(), waiting.pop()
                running[actor.measure.remote(shard)] = (actor, shard)
            (ended, *_), _ = ray.wait(list(running), num_returns=1)
            actor, shard = running.pop(ended)
            try:
                found = ray.get(ended)
            except ActorDiedError as error:
                lost += 1
                if lost > LOST:
                    why = str(error).splitlines()[0]
                    raise BadInput(
                        f"Ray lost {lost} workers in a row. Give fewer workers, or none: {why}"
                    ) from error
                waiting.append(shard)
                idle.append(worker.remote(*said))
                continue
            except RayTaskError as error:
                raise getattr(error, "cause", None) or error from None
            lost = 0
            idle.append(actor)
            yield found


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[Any]:
    """Ray, as it runs already, or started for this run alone."""
    try:
        import ray
    except ImportError as error:
        raise BadInput(
            "Ray is not installed: pip install -r requirements-ray.txt, or leave --engine out."
        ) from error
    import attnlab_core

    if ray.is_initialized():
        yield ray
        return
    root = str(Path(attnlab_core.__file__).resolve().parents[1])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    own: dict[str, Any] = {} if address else {
        "num_cpus": max(workers or 0, os.cpu_count() or 1), "include_dashboard": False,
    }  # fmt: skip
    try:
        ray.init(
            address=address, runtime_env={"env_vars": {"PYTHONPATH": paths}}, log_to_driver=False,
            logging_level=logging.ERROR, **own,
        )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise BadInput(f"Ray cannot be reached at {address or 'this machine'}: {error}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


class Worker:
    """A Ray actor: loads the model once, then measures shards on one thread."""

    def __init__(self, said: Mapping[str, Any], model: str, how: Mapping[str, Any], budget: int) -> None:
        import torch

        from attnlab_core.experiments import experiment_from_json
        from attnlab_core.models import load

        torch.set_num_threads(1)
        self.experiment, self.budget = experiment_from_json(said), budget
        self.lab = load(model, **how)

    def measure(self, rows: list[Row]) -> list[Measured]:
        """What the experiment measures of some rows."""
        return self.experiment.measure(self.lab, rows, self.budget)
