"""The user's own folders: what may be lost goes into the cache, what is to be kept among the data.

XDG Base Directory Specification: `$XDG_CACHE_HOME` and `$XDG_DATA_HOME`, else `~/.cache` and `~/.local/share`.
"""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """`$XDG_CACHE_HOME/attentionlab`; it need not be there."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "attentionlab"


def data() -> Path:
    """`$XDG_DATA_HOME/attentionlab`; it need not be there."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "attentionlab"
