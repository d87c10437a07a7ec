"""The models behind the pages: loaded in the background, asked by value, never holding anything of a visitor.

Nothing heavy is imported here before the first model is asked for. What is remembered is keyed by what was asked (model,
text, edits, target, method, knobs), so two visitors share a result only where they asked the same question.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pages.ui import naming, settings, visitors
from pages.ui.shelf import Shelf
from pages.ui.tasks import Awaited, Task
from pages.ui.tidying import Tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from concurrent.futures import Future

    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.methods import Attribution
    from attnlab_core.prompt import Prompt
    from attnlab_core.run import Run
    from attnlab_core.targets import Target
    from pages.ui.shelf import Loaded

DEFAULT = "sst2"
T = TypeVar("T")


class Memo:
    """A bounded memory of results, the least used forgotten first."""

    def __init__(self, budget: int = settings.Settings.results_bytes) -> None:
        self._items: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock, self._budget, self._used = threading.Lock(), budget, 0

    def get(self, key: Hashable) -> Any:
        """The result, or None."""
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: Hashable, value: T, size: int) -> T:
        """Remember `value`, which takes `size` bytes."""
        with self._lock:
            if key not in self._items and size <= self._budget:
                self._items[key] = (value, size)
                self._used += size
            while self._used > self._budget:
                self._used -= self._items.popitem(last=False)[1][1]
        return value

    def drop(self, of: str) -> None:
        """Forget everything of one model."""
        with self._lock:
            for key in [k for k in self._items if isinstance(k, tuple) and k[0] == of]:
                self._used -= self._items.pop(key)[1]


@dataclass(frozen=True)
class Question:
    """What is to be explained: the model's name, the text, edits, target."""

    model: str
    prompt: Prompt
    edits: tuple[Edit, ...] = ()
    target: Target | None = None


@dataclass(eq=False)
class Job(Awaited):
    """Several methods at work on one question, in the background."""

    question: Question
    todo: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]
    found: dict[str, Attribution] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    current: str = ""
    progress: float = 0.0
    running: bool = True

    def watch(self, done: int, total: int) -> None:
        """Note how far the current method is; stop where nobody waits any more."""
        self.progress = done / max(total, 1)
        self.go_on()


class Backend:
    """Models, runs and explanations for every visitor of this server."""

    def __init__(self, delay: float = 0.0) -> None:
        bounds = settings.read()
        self._memo = Memo(bounds.results_bytes)
        self._shelf = Shelf(self._load, bounds.models, bounds.models_bytes, DEFAULT, self._memo.drop)
        self._workers = ThreadPoolExecutor(2, "attnlab-work")
        self._delay, self._tidy = delay, Tidy()
        self.progress: dict[str, float] = {}

    def lab(self, name: str = DEFAULT) -> Future[Lab]:
        """The model, now or later; the first call starts the loading, which is given up when all who asked have left."""
        return self._shelf.lab(name, visitors.presence())

    def loaded(self) -> list[Loaded]:
        """The models that are there, the one asked for last at the front."""
        return self._shelf.loaded()

    def ready(self, name: str = DEFAULT) -> Lab | None:
        """The model if it is there. Raises what went wrong in loading it."""
        future = self.lab(name)
        return future.result() if future.done() else None

    def asked(self, name: str) -> bool:
        """Whether anybody asked for this model before, so that it is there or on its way."""
        return self._shelf.asked(name)

    def forget(self, name: str) -> None:
        """Let the next call try to load the model anew."""
        self._shelf.forget(name)

    def _load(self, name: str) -> Lab:
        delay, self._delay = self._delay, 0.0
        time.sleep(delay)  # the first page is drawn before the imports take the processor
        from attnlab_core.progress import watching

        def watch(done: int, total: int) -> None:
            self.progress[name] = done / max(total, 1)
            self._shelf.go_on(name)

        gc.disable()  # the imports make half a million objects that stay; looking through them costs a quarter of the time
        try:
            with watching(watch):
                lab = load(name)
        finally:
            gc.enable()
            self.progress.pop(name, None)
        gc.freeze()  # and no later collection walks through all of torch
        return lab

    def run(self, question: Question) -> Run:
        """One forward pass. Raises `AttentionLabError` where the text or an edit does not fit."""
        key = (question.model, question.prompt, question.edits)
        known = self._memo.get(key)
        if known is not None:
            return known
        with self._shelf.using(question.model) as lab:
            run = lab.run(question.prompt, question.edits)
            self._workers.submit(self._tidy)
            return self._memo.put(key, run, 5 * run.pattern.weights.numel() + 4 * run.logits.numel() + 4096)

    def attribution(self, question: Question, method: str, params: Mapping[str, Any]) -> Attribution:
        """One explanation, computed here and now unless it is remembered."""
        known = self.known(question, method, params)
        if known is not None:
            return known
        from attnlab_core.methods import attribute

        with self._shelf.using(question.model):
            found = attribute(self.run(question), method, question.target, **params)
        return self._memo.put(_key(question, method, params), found, 16384)

    def known(self, question: Question, method: str, params: Mapping[str, Any]) -> Attribution | None:
        """An explanation if it is remembered."""
        return self._memo.get(_key(question, method, params))

    def start(
        self,
        question: Question,
        todo: Mapping[str, Mapping[str, Any]],
        there: Callable[[], bool] = lambda: True,
    ) -> Job:
        """Begin several explanations; those that are remembered are there at once. They stop when nobody is `there`."""
        job = Job(question, tuple((m, tuple(sorted(p.items()))) for m, p in todo.items()), there=there)
        for method, params in todo.items():
            found = self.known(question, method, params)
            if found is not None:
                job.found[method] = found
        if len(job.found) == len(todo):
            job.running = False
        else:
            self._workers.submit(self._work, job)
        return job

    def begin(
        self,
        key: tuple[Hashable, ...],
        make: Callable[[Task], Any],
        size: int = 65536,
        there: Callable[[], bool] = lambda: True,
    ) -> Task:
        """Begin some other long work, `size` bytes of result; what is remembered under the key is there at once.

        The key begins with the model's name and holds everything that the result depends on. It stops when nobody is `there`.
        """
        task = Task(key, make, result=self._memo.get(key), there=there)
        if task.result is not None:
            task.finish()
            return task

        def perform() -> None:
            with self._holding(str(key[0])):
                task.work()
            task.make = _made  # lets go of the model that it read
            if task.result is not None:
                self._memo.put(key, task.result, size)

        self._workers.submit(perform)
        return task

    def _holding(self, name: str) -> AbstractContextManager[Any]:
        """Hold a model while work is done with it, if it is there."""
        return self._shelf.using(name) if any(one.name == name for one in self.loaded()) else nullcontext()

    def _work(self, job: Job) -> None:
        from attnlab_core.errors import AttentionLabError, Cancelled
        from attnlab_core.progress import watching

        try:
            for method, params in job.todo:
                if method in job.found:
                    continue
                job.current, job.progress = method, 0.0
                try:
                    with watching(job.watch):
                        job.watch(0, 1)
                        job.found[method] = self.attribution(job.question, method, dict(params))
                except Cancelled:
                    return
                except AttentionLabError as error:
                    job.failed[method] = str(error)
                except Exception as error:  # noqa: BLE001 - one method's failure must not take the others along
                    job.failed[method] = f"{type(error).__name__}: {error}".splitlines()[0]
        finally:
            job.running = False


def load(name: str) -> Lab:
    """Load a model by what a person typed; see `naming`. A device that this server lacks is left out.

    Raises:
        ModelRefused: its weights alone would take more than this server keeps of all models.
    """
    from attnlab_core import models

    asked = naming.parse(name)
    what: dict[str, Any] = {"revision": asked.revision, "task": asked.task, "dtype": asked.dtype}
    _refuse_large(asked.name, what)
    return models.load(asked.name, device=_device(asked.device), **what)


def _made(task: Task) -> Any:
    """What the work of a finished task is replaced by."""
    return task.result


def _device(wanted: str | None) -> str | None:
    import torch

    if wanted == "cpu" or (wanted == "cuda" and torch.cuda.is_available()):
        return wanted
    return None


def _refuse_large(name: str, what: Mapping[str, Any]) -> None:
    from attnlab_core import models
    from attnlab_core.errors import ModelRefused

    if name in models.shipped():
        return
    takes, most = models.weigh(name, **what).memory, settings.read().models_bytes
    if takes > most:
        raise ModelRefused(
            f"{name!r} would take {takes / 2**30:.1f} GB of memory, and this server keeps at most {most / 2**30:.1f} GB of "
            "models. Choose a smaller one, or half precision; ATTNLAB_MODELS_GB raises the limit."
        )


def _key(question: Question, method: str, params: Mapping[str, Any]) -> tuple[Hashable, ...]:
    return (
        question.model,
        question.prompt,
        question.edits,
        question.target,
        method,
        tuple(sorted(params.items())),
    )
