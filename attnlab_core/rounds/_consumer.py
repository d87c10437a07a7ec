"""huey's consumer, as a worker of the board."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

from huey.consumer import Consumer

from attnlab_core.errors import BadInput
from attnlab_core.rounds._queue import fill, task

if TYPE_CHECKING:
    from huey import Huey

    from attnlab_core.rounds._desk import Desk

_log = logging.getLogger(__name__)


class Sweeping(Consumer):
    """A consumer that sweeps the board meanwhile, ends when it is idle, and lets go at once of what is to end."""

    def __init__(self, huey: Huey, desk: Desk, until_idle: float | None, **options: Any) -> None:
        super().__init__(huey, **options)
        self.desk, self.until_idle, self.task = desk, until_idle, task(huey, desk.do)
        self.pause = min(desk.lease / 2, 30.0 if until_idle is None else max(until_idle / 4, 0.1))
        self.busy, self.swept = time.monotonic(), -self.pause

    def loop(self, health_check_ts: float | None = None) -> float | None:
        now = time.monotonic()
        if now - self.swept >= self.pause:
            self.swept = now
            if self._sweep():
                self.busy = now
            elif self.until_idle is not None and now - self.busy >= self.until_idle:
                self.stop()
        return super().loop(health_check_ts)

    def _sweep(self) -> bool:
        """Put what nobody has into the queue. Whether anything is to be done, here or elsewhere."""
        try:
            waiting, unfinished = self.desk.board.waiting(), self.desk.board.unfinished()
        except BadInput as error:
            _log.warning("%s", error)
            return True
        if waiting and (why := fill(self.huey, self.task, waiting)):
            _log.warning("%s", why)
        return bool(unfinished) or self.desk.busy()

    def stop(self, graceful: bool = False) -> None:
        del graceful  # what is at work is given back, so there is nothing to wait for
        super().stop(graceful=False)

    def join(self) -> None:
        """Wait for threads that listen to the queue, which is about to be closed."""
        for _, thread in self.worker_threads:
            thread.join(5)

    def _set_signal_handlers(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGINT, signal.SIGTERM):
                signal.signal(one, self._handle_signal)
