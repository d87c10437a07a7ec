"""Telling a watcher how far long work has come; without a watcher nothing happens.

The watcher is kept in a context variable, so two threads never hear of each other's work.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def step(done: int, total: int) -> None:
    """Say that `done` of `total` parts of the work are done."""
    watcher = _WATCHER.get()
    if watcher is not None:
        watcher(done, total)


def told(what: str) -> Watcher:
    """A watcher that keeps one line on standard error up to date where that is a terminal: `what`: 3 of 10."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{what}: {done} of {total}" + "\n" * (done == total))
            sys.stderr.flush()

    return show
