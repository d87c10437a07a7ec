"""The queue beside the board: numbers of jobs that a worker should look at, as JSON, in a file or a Redis.

It only makes waiting shorter. What is lost here is put in again by the next sweep of a worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from huey import Huey
from huey.exceptions import ConfigurationError
from huey.registry import Message
from huey.serializer import Serializer
from huey.storage import RedisStorage, SqliteStorage

from attnlab_core import folders
from attnlab_core.errors import BadInput

_ARGS = Message._fields.index("args")


class AsJson(Serializer):
    """Messages as JSON: huey would take pickles, and whoever can write a pickle can run code."""

    def _serialize(self, data: Any) -> bytes:
        return json.dumps(data).encode()

    def _deserialize(self, data: bytes) -> Message:
        return Message(*json.loads(bytes(data)))


def opened(board: str, queue: str | None = None) -> Huey:
    """The queue of the board with this id; several boards may share a file or a Redis.

    Raises:
        BadInput: It cannot be reached, or needs a package that is missing. The URL is not repeated: it may hold a password.
    """
    given = queue or os.environ.get("ATTENTIONLAB_QUEUE") or str(_own())
    redis = given.startswith(("redis://", "rediss://", "unix://"))
    if "://" in given and not redis:
        raise BadInput("A queue is a file such as queue.db, or redis://host:6379/0.")
    options: dict[str, Any] = {"url": given} if redis else {"filename": given, "timeout": 30}
    place = "at redis://" if redis else given
    try:
        made = Huey(
            f"attentionlab_{board}",
            results=False,
            serializer=AsJson(),
            storage_class=RedisStorage if redis else SqliteStorage,
            **options,
        )
        made.storage.queue_size()
    except ConfigurationError:
        raise BadInput("A queue at redis:// needs its client: pip install redis.") from None
    except ValueError:
        raise BadInput("That is no URL of a Redis: give redis://host:6379/0.") from None
    except Exception as error:  # the queue's own, of many kinds
        raise BadInput(
            f"The queue {place} does not answer: {_cause(error)}. Start it, or give another one."
        ) from error
    return made


def close(queue: Huey) -> None:
    """Let go of its connections."""
    queue.storage.close()
    if isinstance(queue.storage, RedisStorage):
        queue.storage.pool.disconnect()


def task(queue: Huey, do: Callable[[int], None] | None = None) -> Any:
    """The one task of a queue; without `do`, only to be put in."""

    def scoring(job: int) -> None:
        if do is not None:
            do(job)

    return queue.task(name="score")(scoring)


def fill(queue: Huey, scoring: Any, jobs: Iterable[int]) -> str:
    """Put in what is not there; what went wrong, in a line."""
    try:
        there = {job for one in queue.storage.enqueued_items() for job in _numbers(one)}
        for job in jobs:
            if job not in there:
                scoring(job)
    except Exception as error:  # noqa: BLE001  # the queue's own, of many kinds
        return f"The queue does not answer: {_cause(error)}"
    return ""


def _numbers(message: Any) -> list[int]:
    """The job in a message; none where it is not ours."""
    try:
        return [job for job in json.loads(bytes(message))[_ARGS] if isinstance(job, int)]
    except (ValueError, TypeError, LookupError):
        return []


def _cause(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _own() -> Path:
    """The user's own queue, in a folder that is made where it is missing."""
    with suppress(OSError):
        folders.data().mkdir(parents=True, exist_ok=True)
    return folders.data() / "queue.db"
