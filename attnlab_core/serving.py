"""Start what comes with the library but is no part of it: the app in a browser, and the case studies.

In a clone both lie beside the package; in an installation they travel inside it, in `_app`, so that no package called
`pages` gets in the way of anybody's own.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

from attnlab_core.errors import AttentionLabError, BadInput

PACKAGE = Path(__file__).resolve().parent
LOCAL = "127.0.0.1"
PORT = 8501
HOSTS = "STREAMLIT_SERVER_ALLOWED_HOSTS"
"""The variable that says by which names the app is asked for, divided by blanks."""
EVERYWHERE = ("0.0.0.0", "::")
"""Every address of the machine. Streamlit would ask a host outside for the machine's own, to greet with it."""


def home() -> Path:
    """The folder that holds `app.py`, `pages` and `case_studies`.

    Raises:
        AttentionLabError: this copy came without them.
    """
    for folder in (PACKAGE / "_app", PACKAGE.parent):
        if (folder / "app.py").is_file() and (folder / "pages" / "ui" / "shell.py").is_file():
            return folder
    raise AttentionLabError(
        f"The app is neither in {PACKAGE / '_app'} nor beside {PACKAGE}. Install AttentionLab anew, or run this in a clone."
    )


def command(port: int = PORT, address: str = LOCAL) -> list[str]:
    """The program and arguments that serve the app, whatever folder they are run in.

    Look and limits come from the `.streamlit/config.toml` beside `app.py`; what keeps the server to itself is said again
    here, where no setting of the user's own can overrule it. On another address than this machine's own, the app answers to
    every name, unless `STREAMLIT_SERVER_ALLOWED_HOSTS` says which.

    Raises:
        BadInput: no such port.
    """
    if not 1 <= port <= 65535:
        raise BadInput(f"A port is a number from 1 to 65535, not {port}.")
    program = [sys.executable, "-P", "-m", "streamlit"]  # -P: no module of this folder stands in for another
    return [
        *(*program, "run", str(home() / "app.py")),
        *(f"--server.address={address}", f"--server.port={port}", "--server.headless=true"),
        *("--browser.gatherUsageStats=false", "--server.showEmailPrompt=false"),
        *(["--server.allowedHosts=*"] if address != LOCAL and not os.environ.get(HOSTS) else ()),
        f"--logger.hideWelcomeMessage={str(address in EVERYWHERE).lower()}",
    ]


def serve(port: int = PORT, address: str = LOCAL) -> int:
    """Serve the app until it is stopped; the exit status where this process does not become the server."""
    todo = command(port, address)
    if address in EVERYWHERE:
        print(f"AttentionLab listens on port {port} of every address of this machine.", flush=True)  # noqa: T201
    if os.name == "posix":  # so that signals, and a container's end, reach the server itself
        os.execv(todo[0], todo)
    return subprocess.call(todo)


def study(args: list[str]) -> int:
    """The command line of the case studies; see `python -m case_studies --help`."""
    folder = str(home())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("case_studies.__main__").main(args, "attnlab study")
