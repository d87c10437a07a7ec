"""Workers: processes that score what was submitted. The board says what is to be done, a queue says it soon.

The board's database is what counts: a queue that is lost, or that was not reached, is filled again by the next sweep of any
worker. What lies in a queue is the number of a job, as JSON, so whoever can write there can run nothing.

huey is imported where a queue is opened, not before.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import attnlab_core
from attnlab_core import folders
from attnlab_core.errors import BadInput
from attnlab_core.rounds._desk import Desk, Score
from attnlab_core.rounds.board import Board

ALIVE = 60.0
"""Seconds after which a worker without a sign of life is thought to be gone."""
COMMAND = ("-m", "attnlab_core", "task", "worker", "--until-idle", "60")
"""What `start` runs with this Python."""
STARTING = "starting"
"""The name of a worker until it has its own."""


def enqueue(board: Board, jobs: Iterable[int] | None = None, queue: str | None = None) -> str:
    """Put jobs where a worker looks first; what a submit does once it is kept.

    Args:
        board: Whose jobs.
        jobs: Their numbers; None is all that nobody has.
        queue: A file, or redis://host; None takes ATTENTIONLAB_QUEUE, else a file in the user's data folder.

    Returns:
        Nothing where the queue took them, else a line that says why not: then the next sweep of a worker finds them.
    """
    from attnlab_core.rounds._queue import close, fill, opened, task

    try:
        found = opened(board.id, queue)
    except BadInput as error:
        return str(error)
    try:
        return fill(found, task(found), board.waiting() if jobs is None else jobs)
    finally:
        close(found)


def work(
    board_url: str | None = None,
    queue: str | None = None,
    *,
    until_idle: float | None = None,
    workers: int = 1,
    lease: float = 60,
    score: Score | None = None,
) -> None:
    """Score what is submitted, until it is interrupted: SIGINT and SIGTERM give back what is at work.

    Args:
        board_url: The database, as for `Board`.
        queue: As for `enqueue`.
        until_idle: End after so many seconds without work; None is never.
        workers: So many at once, in threads of this process.
        lease: Seconds after which a job of a worker that shows no sign of life is another's.
        score: What scores; left out, `attnlab_core.rounds._scoring.score`.

    Raises:
        BadInput: The database or the queue cannot be opened.
    """
    from attnlab_core.rounds._consumer import Sweeping
    from attnlab_core.rounds._queue import close, opened

    board = Board(board_url)
    if workers < 1 or lease <= 0:
        raise BadInput(f"A worker has at least one thread and a lease above 0, not {workers} and {lease:g}.")
    if score is None:
        from attnlab_core.rounds._scoring import score
    found = opened(board.id, queue)
    desk = Desk(board, score, lease)
    try:
        board.seen(desk.name)
        board.left(STARTING)
        consumer = Sweeping(found, desk, until_idle, workers=workers, periodic=False, max_delay=1.0)
        consumer.run()
        desk.close()
        consumer.join()
    finally:
        desk.close()
        close(found)


def alive(board: Board) -> bool:
    """Whether a worker showed itself within the last minute."""
    return bool(board.workers(ALIVE))


def start(board_url: str | None = None, queue: str | None = None) -> bool:
    """Start a worker of its own where none is alive; it ends by itself. False: there is one, or one was just started.

    The URLs go by the environment, since everybody on a machine can read command lines.

    Raises:
        BadInput: The database cannot be opened, or the process not be started.
    """
    board = Board(board_url)
    if not board.first(STARTING, ALIVE):
        return False
    paths = [str(Path(attnlab_core.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {
        "ATTENTIONLAB_DB": board.url,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    if queue:
        environment["ATTENTIONLAB_QUEUE"] = queue
    folder = folders.data()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "worker.log").open("ab") as log:
            made = subprocess.Popen(
                [sys.executable, *COMMAND], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        board.left(STARTING)
        raise BadInput(
            f"A worker cannot be started ({error.strerror}). Start one by hand: task worker."
        ) from error
    threading.Thread(target=made.wait, name="worker", daemon=True).start()  # or it would stay as a zombie
    return True
