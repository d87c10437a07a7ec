"""The models that are loaded: a bounded number of them, the one that was not asked for the longest goes first.

One that is at work stays until the work is done, although that may mean to hold more than the bounds for a while. One that is
on its way while everybody who asked for it has left is given up.
"""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter, OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pages.ui.tasks import GONE
from pages.ui.visitors import always

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from attnlab_core.lab import Lab

FAILURES_KEPT = 20


@dataclass(frozen=True)
class Loaded:
    """A model that is there: by what name, what its weights take, and how much work is under way with it."""

    name: str
    lab: Lab
    bytes: int
    at_work: int


@dataclass
class Waiting:
    """Who waits for a model that is on its way: a question each whether they are there, and when one last was."""

    there: set[Callable[[], bool]] = field(default_factory=set)
    met: float | None = None

    def over(self) -> bool:
        """Whether they have all left, and not just this moment: a connection that only broke comes back."""
        now = time.monotonic()
        if any(there() for there in self.there):
            self.met = now
        return self.met is None or now - self.met > GONE


class Shelf:
    """Models by name, loaded one after the other in the background.

    Args:
        load: makes a model from its name.
        most: how many stay beside the one that always stays.
        most_bytes: what the weights of all of them may take.
        stays: the name of the model that is never dropped.
        dropped: called with the name of each model that goes.
    """

    def __init__(
        self,
        load: Callable[[str], Lab],
        most: int,
        most_bytes: int,
        stays: str = "",
        dropped: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._loads: OrderedDict[str, Future[Lab]] = OrderedDict()
        self._waiting: dict[str, Waiting] = {}
        self._sizes: dict[str, int] = {}
        self._at_work: Counter[str] = Counter()
        self._lock, self._pool = threading.RLock(), ThreadPoolExecutor(1, "attnlab-load")
        self._load, self._most, self._most_bytes = load, most, most_bytes
        self._stays, self._dropped = stays, dropped

    def lab(self, name: str, there: Callable[[], bool] = always) -> Future[Lab]:
        """The model, now or later; the first call starts the loading, which goes on while one who called is `there`."""
        with self._lock:
            self._waiting.setdefault(name, Waiting()).there.add(there)
            if name not in self._loads:
                self._loads[name] = self._pool.submit(self._bring, name)
            if self._loads[name].done():
                del self._waiting[name]
            self._loads.move_to_end(name)
            return self._loads[name]

    def go_on(self, name: str) -> None:
        """Raise `Cancelled` where nobody waits for a model any more; who asks for it after that begins its loading anew."""
        from attnlab_core.errors import Cancelled

        with self._lock:
            waiting = self._waiting.get(name)
            if name == self._stays or self._at_work[name] or (waiting and not waiting.over()):
                return
            if waiting is not None:  # else it was given up already, and another of its threads asks
                del self._loads[name], self._waiting[name]
        raise Cancelled(f"Nobody waits for {name!r} any more.")

    @contextmanager
    def using(self, name: str) -> Iterator[Lab]:
        """The model, held while the block runs; waits for it to be loaded."""
        with self._lock:
            self._at_work[name] += 1
            future = self.lab(name)
        try:
            yield future.result()
        finally:
            with self._lock:
                self._at_work[name] -= 1
            self._make_room()

    def asked(self, name: str) -> bool:
        """Whether anybody asked for this model before, so that it is there or on its way."""
        with self._lock:
            return name in self._loads

    def forget(self, name: str) -> None:
        """Let the next call try anew to load a model that could not be loaded."""
        with self._lock:
            future = self._loads.get(name)
            if future is not None and future.done() and future.exception() is not None:
                del self._loads[name]

    def loaded(self) -> list[Loaded]:
        """The models that are there, the one asked for last at the front."""
        with self._lock:
            there = [
                name for name in reversed(self._loads) if name in self._sizes and self._loads[name].done()
            ]
            return [
                Loaded(name, self._loads[name].result(), self._sizes[name], self._at_work[name])
                for name in there
            ]

    def _bring(self, name: str) -> Lab:
        from attnlab_core.errors import Cancelled

        self.go_on(name)
        try:
            lab = self._load(name)
        except Exception:
            self.go_on(name)  # a download that was given up may say that it broke off
            raise
        try:
            with self._lock:
                self.go_on(name)
                self._sizes[name] = sum(p.numel() * p.element_size() for p in lab.model.parameters())
                self._waiting.pop(name, None)
        except Cancelled:
            del lab  # or the error would hold it
            _collect()
            raise
        self._make_room(spare=name)
        return lab

    def _make_room(self, spare: str = "") -> None:
        """Drop what is over the bounds, the longest not asked for first, but for `spare` and what is at work."""
        gone = []
        with self._lock:
            failed = [n for n, f in self._loads.items() if f.done() and f.exception() is not None]
            for name in failed[:-FAILURES_KEPT]:
                del self._loads[name]
            for name in list(self._loads):
                others = [n for n in self._sizes if n != self._stays]
                if len(others) <= self._most and sum(self._sizes.values()) <= self._most_bytes:
                    break
                if name in others and name != spare and not self._at_work[name] and self._loads[name].done():
                    del self._loads[name], self._sizes[name]
                    gone.append(name)
        for name in gone:
            self._dropped(name)
        if gone:
            _collect()


def _collect() -> None:
    """Give back what models took that are gone: they were frozen, and what is frozen is never collected."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
