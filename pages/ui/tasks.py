"""Long work in the background: how far it is, what came of it, and a way to stop it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

UNSEEN = 45.0
"""Seconds after which work that no page asks about any more is stopped."""


@dataclass(eq=False)
class Task:
    """One piece of work. `make` gets the task, so that it can say what it is at."""

    key: Hashable
    make: Callable[[Task], Any]
    result: Any = None
    failed: str = ""
    phase: str = ""
    share: float = 0.0
    running: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    seen: float = field(default_factory=time.monotonic)

    def watch(self, done: int, total: int) -> None:
        """Note how far it is; stop where nobody waits any more."""
        from attnlab_core.errors import Cancelled

        self.share = min(1.0, done / max(total, 1))
        if self.stop.is_set() or time.monotonic() - self.seen > UNSEEN:
            raise Cancelled("Stopped.")

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
