"""A Redis server on this machine, for tests; with CI_REDIS=1 it is a failure where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.postgres_server import free_port


@contextmanager
def redis_server(password: str = "") -> Iterator[str]:
    """Its URL; it keeps nothing and goes with the block."""
    program = shutil.which("redis-server")
    if program is None:
        if os.environ.get("CI_REDIS") == "1":
            pytest.fail("CI_REDIS=1 and redis-server is not on the path")
        pytest.skip("needs redis-server on the path")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="redis", ignore_cleanup_errors=True) as folder:
        options = {"port": port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": folder}
        if password:
            options["requirepass"] = password
        given = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        process = subprocess.Popen([program, *given], stdout=subprocess.DEVNULL)
        url = f"redis://{f':{password}@' if password else ''}127.0.0.1:{port}/0"
        try:
            _answers(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _answers(url: str, process: subprocess.Popen[bytes]) -> None:
    import redis

    for _ in range(200):
        assert process.poll() is None, "redis-server ended"
        try:
            with redis.Redis.from_url(url) as client:
                client.ping()
        except redis.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("redis-server does not answer")
