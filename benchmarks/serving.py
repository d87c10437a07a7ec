"""The app on a fresh server, for whatever looks at it in a browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def serving(*options: str, first: str = "") -> Iterator[tuple[str, int]]:
    """A fresh server; its address and the number of its process.

    Args:
        options: of Streamlit, such as `--server.disconnectedSessionTTL=3`.
        first: Python that its process runs before all else.
    """
    streamlit = (
        ("-c", f"{first}\nfrom streamlit.web.cli import main\nmain()") if first else ("-m", "streamlit")
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *streamlit, "run", "app.py", f"--server.port={port}", *options],
        cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/", process.pid
    finally:
        process.terminate()
        try:
            process.wait(2)
        except (
            subprocess.TimeoutExpired
        ):  # it is in the middle of importing torch, and would finish that first
            process.kill()
            process.wait(20)
