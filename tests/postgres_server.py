"""A PostgreSQL server on this machine, for tests."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return made.getsockname()[1]


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """Its URL; it refuses to run as root, so that becomes another user. It goes with the block."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as folder:
        as_user: dict[str, Any] = {"cwd": folder, "timeout": 120, "stdout": subprocess.DEVNULL}
        if os.geteuid() == 0:
            import pwd

            names = {one.pw_name for one in pwd.getpwall()}
            who = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(folder, who.pw_uid, who.pw_gid)
            as_user |= {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
        data, log = f"{folder}/data", f"{folder}/log"
        first = ["--auth=trust", "--username=lab", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([programs / "initdb", "-D", data, *first], check=True, **as_user)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        subprocess.run(
            [programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start"], check=True, **as_user
        )
        try:
            yield f"postgresql://lab@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run(
                [programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], check=True, **as_user
            )
