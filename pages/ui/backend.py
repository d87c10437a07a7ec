"""The models behind the pages: loaded in the background, asked by value, never holding anything of a visitor.

Nothing heavy is imported here before the first model is asked for. What is remembered is keyed by what was asked (model,
text, edits, target, method, knobs), so two visitors share a result only where they asked the same question.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from pages.ui.tasks import UNSEEN, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.methods import Attribution
    from attnlab_core.prompt import Prompt
    from attnlab_core.run import Run
    from attnlab_core.targets import Target

DEFAULT = "sst2"
MODELS_KEPT = 3
BYTES_KEPT = 256 * 2**20
T = TypeVar("T")


class Memo:
    """A bounded memory of results, the least used forgotten first."""

    def __init__(self, budget: int = BYTES_KEPT) -> None:
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


@dataclass
class Job:
    """Several methods at work on one question, in the background."""

    question: Question
    todo: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]
    found: dict[str, Attribution] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    current: str = ""
    progress: float = 0.0
    running: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    seen: float = field(default_factory=time.monotonic)

    def watch(self, done: int, total: int) -> None:
        """Note how far the current method is; stop where nobody waits any more."""
        from attnlab_core.errors import Cancelled

        self.progress = done / max(total, 1)
        if self.stop.is_set() or time.monotonic() - self.seen > UNSEEN:
            raise Cancelled("Stopped.")


class Backend:
    """Models, runs and explanations for every visitor of this server."""

    def __init__(self, delay: float = 0.0) -> None:
        self._loads: OrderedDict[str, Future[Lab]] = OrderedDict()
        self._lock, self._memo = threading.Lock(), Memo()
        self._loader = ThreadPoolExecutor(1, "attnlab-load")
        self._workers = ThreadPoolExecutor(2, "attnlab-work")
        self._delay = delay
        self.progress: dict[str, float] = {}

    def lab(self, name: str = DEFAULT) -> Future[Lab]:
        """The model, now or later; the first call starts the loading."""
        with self._lock:
            if name not in self._loads:
                self._loads[name] = self._loader.submit(self._load, name, self._delay)
                self._delay = 0.0
                for old in [n for n, f in self._loads.items() if f.done() and n not in (name, DEFAULT)][
                    :-MODELS_KEPT
                ]:
                    del self._loads[old]
                    self._memo.drop(old)
            self._loads.move_to_end(name)
            return self._loads[name]

    def ready(self, name: str = DEFAULT) -> Lab | None:
        """The model if it is there. Raises what went wrong in loading it."""
        future = self.lab(name)
        return future.result() if future.done() else None

    def asked(self, name: str) -> bool:
        """Whether anybody asked for this model before, so that it is there or on its way."""
        with self._lock:
            return name in self._loads

    def forget(self, name: str) -> None:
        """Let the next call try to load the model anew."""
        with self._lock:
            future = self._loads.get(name)
            if future is not None and future.done() and future.exception() is not None:
                del self._loads[name]

    def _load(self, name: str, delay: float) -> Lab:
        time.sleep(delay)  # the first page is drawn before the imports take the processor
        from attnlab_core.progress import watching

        def watch(done: int, total: int) -> None:
            self.progress[name] = done / max(total, 1)

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
        lab = self.lab(question.model).result()
        run = lab.run(question.prompt, question.edits)
        return self._memo.put(key, run, 5 * run.pattern.weights.numel() + 4 * run.logits.numel() + 4096)

    def attribution(self, question: Question, method: str, params: Mapping[str, Any]) -> Attribution:
        """One explanation, computed here and now unless it is remembered."""
        known = self.known(question, method, params)
        if known is not None:
            return known
        from attnlab_core.methods import attribute

        found = attribute(self.run(question), method, question.target, **params)
        return self._memo.put(_key(question, method, params), found, 16384)

    def known(self, question: Question, method: str, params: Mapping[str, Any]) -> Attribution | None:
        """An explanation if it is remembered."""
        return self._memo.get(_key(question, method, params))

    def start(self, question: Question, todo: Mapping[str, Mapping[str, Any]]) -> Job:
        """Begin several explanations; those that are remembered are there at once."""
        job = Job(question, tuple((m, tuple(sorted(p.items()))) for m, p in todo.items()))
        for method, params in todo.items():
            found = self.known(question, method, params)
            if found is not None:
                job.found[method] = found
        if len(job.found) == len(todo):
            job.running = False
        else:
            self._workers.submit(self._work, job)
        return job

    def begin(self, key: tuple[Hashable, ...], make: Callable[[Task], Any], size: int = 65536) -> Task:
        """Begin some other long work, `size` bytes of result; what is remembered under the key is there at once.

        The key begins with the model's name and holds everything that the result depends on.
        """
        task = Task(key, make, result=self._memo.get(key))
        if task.result is not None:
            task.finish()
            return task

        def perform() -> None:
            task.work()
            if task.result is not None:
                self._memo.put(key, task.result, size)

        self._workers.submit(perform)
        return task

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
    """Load a model by what a person typed: a shipped name, a folder, a Hub id, or `id@revision`."""
    from attnlab_core import models

    name, _, revision = name.strip().partition("@")
    return models.load(name, revision=revision or None)


def _key(question: Question, method: str, params: Mapping[str, Any]) -> tuple[Hashable, ...]:
    return (
        question.model,
        question.prompt,
        question.edits,
        question.target,
        method,
        tuple(sorted(params.items())),
    )
