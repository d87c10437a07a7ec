"""Long work in the background: how far it is, what came of it, and a way to stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

UNSEEN = 45.0
"""Seconds after which work that no page asks about any more is stopped."""


GONE = 2.0
"""Seconds after which the work of a visitor who left is stopped; a connection that only broke is back by then."""


@dataclass(eq=False, kw_only=True)
class Awaited:
    """What somebody waits for.

    Attributes:
        stop: Set when it is to stop.
        seen: When a page asked about it last.
        there: Whether its visitor is there, asked from the thread that works.
        left: Whether it was stopped because nobody was there.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    seen: float = field(default_factory=time.monotonic)
    there: Callable[[], bool] = lambda: True
    left: bool = False
    _met: float | None = None

    def go_on(self) -> None:
        """Raise `Cancelled` where nobody waits any more."""
        from attnlab_core.errors import Cancelled

        now = time.monotonic()
        if self.there():
            self._met = now
        self.left = self._met is None or now - self._met > GONE
        if self.left or self.stop.is_set() or now - self.seen > UNSEEN:
            raise Cancelled("Stopped.")


@dataclass(eq=False)
class Task(Awaited):
    """One piece of work. `make` gets the task, so that it can say what it is at."""

    key: Hashable
    make: Callable[[Task], Any]
    result: Any = None
    failed: str = ""
    phase: str = ""
    share: float = 0.0
    running: bool = True
    done: threading.Event = field(default_factory=threading.Event)

    def watch(self, done: int, total: int) -> None:
        """Note how far it is; stop where nobody waits any more."""
        self.share = min(1.0, done / max(total, 1))
        self.go_on()

    def work(self) -> None:
        """Do it, here and now. Whatever goes wrong is one line in `failed`."""
        from attnlab_core.errors import AttentionLabError, Cancelled
        from attnlab_core.progress import watching

        try:
            with watching(self.watch):
                self.watch(0, 1)
                self.result = self.make(self)
        except Cancelled:
            pass
        except AttentionLabError as error:
            self.failed = str(error).splitlines()[0]
        except Exception as error:  # noqa: BLE001 - a page shows one line and stays
            self.failed = f"{type(error).__name__}: {error}".splitlines()[0]
        finally:
            self.finish()

    def finish(self) -> None:
        """Nothing more will come."""
        self.running = False
        self.done.set()
