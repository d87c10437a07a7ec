"""Giving memory back that visitors who left have used: what points at itself, and pages that the allocator keeps."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time

EVERY = 20.0
"""Seconds between two times; it takes some 0.05 s."""


class Tidy:
    """Called often, it works seldom."""

    def __init__(self) -> None:
        self._lock, self._last = threading.Lock(), time.monotonic()

    def __call__(self) -> bool:
        """Tidy up if it is time to; whether it was."""
        with self._lock:
            if time.monotonic() - self._last < EVERY:
                return False
            self._last = time.monotonic()
        gc.collect()
        _trim()
        return True


def _trim() -> None:
    """Hand free pages back to the system, where the C library can."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
