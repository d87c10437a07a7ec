"""Telling a watcher how far long work has come; without a watcher nothing happens.

The watcher is kept in a context variable, so two threads never hear of each other's work.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

Watcher = Callable[[int, int], None]
_WATCHER: ContextVar[Watcher | None] = ContextVar("attnlab_watcher", default=None)


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call `watcher(done, total)` at every step of the work inside the block; it may raise `Cancelled`.

    >>> seen = []
    >>> with watching(lambda done, total: seen.append((done, total))):
    ...     step(1, 3)
    >>> seen
    [(1, 3)]
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def unheard() -> AbstractContextManager[None]:
    """A block within which nobody hears of the steps of the work: for what counts as one step of something longer."""
    return watching(lambda done, total: None)


def step(done: int, total: int) -> None:
    """Say that `done` of `total` parts of the work are done."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(done, total)


def told(what: str) -> Watcher:
    """A watcher that keeps one line on standard error up to date where that is a terminal.

    It says how much is done, how fast it goes and how long the rest will take.
    """
    pace = Pace()

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[K{what}: {pace(done, total)}" + "\n" * (done == total))
            sys.stderr.flush()

    return show


class Pace:
    """How fast work goes, in words, from its first step on: what was done before that does not count.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._first = clock, None

    _first: tuple[int, float] | None

    def __call__(self, done: int, total: int) -> str:
        """`done` of `total`, with the rate and the time that is left where they are known."""
        if self._first is None or done < self._first[0]:
            self._first = (done, self._clock())
        made, spent = done - self._first[0], self._clock() - self._first[1]
        if made <= 0 or spent <= 0:
            return f"{done:,} of {total:,}"
        rest = (total - done) * spent / made
        left = "" if done >= total else f", {rest:.0f} s left" if rest < 90 else f", {rest / 60:.0f} min left"
        return f"{done:,} of {total:,}, {made / spent:.3g} a second{left}"
