"""Where the store's database is, how it is reached, and what its table looks like."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core import folders
from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Table

TABLE = "attentionlab_results"
PATIENCE = 30
"""Seconds that a SQLite file in use by another process is waited for, and a server that does not answer."""
EXAMPLE = "give a file such as results.db, or postgresql://user:password@host/name"
FILES = (".db", ".sqlite", ".sqlite3")


def url(given: str | None) -> URL:
    """A URL with its driver, and for SQLite a file that may be there.

    What was given is not repeated in an error, since it may hold a password.
    """
    from sqlalchemy import URL, make_url
    from sqlalchemy.exc import ArgumentError

    given = given or os.environ.get("ATTENTIONLAB_DB") or default()
    try:
        if "://" not in given and Path(given).suffix in FILES:
            made = URL.create("sqlite", database=str(Path(given).expanduser()))
        else:
            made = make_url(given)
    except (ArgumentError, ValueError):
        raise BadInput(f"That is no database URL: {EXAMPLE}.") from None
    if made.drivername in ("postgresql", "postgres"):  # SQLAlchemy would take an older driver
        made = made.set(drivername="postgresql+psycopg")
    if made.get_backend_name() != "sqlite" or str(made.database).startswith("file:"):
        return made
    if made.database in (None, "", ":memory:"):
        raise BadInput(f"A database in memory forgets everything at the end: {EXAMPLE}.")
    file = Path(str(made.database)).absolute()
    if not file.parent.is_dir():
        raise BadInput(f"There is no folder {file.parent} for the database {file.name}. Make it first.")
    return made.set(database=str(file))


def default() -> str:
    """The user's own file, in a folder that is made where it is missing."""
    file = folders.data() / "results.db"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f"{file.parent} cannot be made ({error.strerror}): point XDG_DATA_HOME to a folder that can be written."
        ) from error
    return str(file)


def engine(where: URL) -> Engine:
    """What connects to it, anew for each transaction: nothing is held open across threads or processes."""
    from sqlalchemy import NullPool, create_engine, event
    from sqlalchemy.exc import ArgumentError

    backend, options = where.get_backend_name(), {}
    if backend == "sqlite":
        options = {"timeout": PATIENCE}
    elif backend == "postgresql" and "connect_timeout" not in where.query:
        options = {"connect_timeout": PATIENCE}
    try:
        made = create_engine(where, poolclass=NullPool, connect_args=options)
    except ArgumentError:
        raise BadInput(f"AttentionLab knows no database {where.drivername!r}: {EXAMPLE}.") from None
    except ImportError as error:
        cure = (
            'pip install "psycopg[binary]"' if backend == "postgresql" else f"{error.name} is not installed"
        )
        raise BadInput(f"A database at {where.drivername}:// needs its driver: {cure}.") from error
    if backend == "sqlite":
        event.listen(made, "connect", _shared)
    return made


def _shared(connection: sqlite3.Connection, _: Any) -> None:
    """Let others read while one writes (SQLite's write-ahead log), where the file may be changed at all."""
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA busy_timeout=0")  # two who waited here would wait for each other
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA busy_timeout={PATIENCE * 1000}")


def described() -> Table:
    """The table: in columns what a list shows or asks for, the whole in the document."""
    from sqlalchemy import BigInteger, Column, Double, Integer, MetaData, Table, Text

    return Table(
        TABLE,
        MetaData(),
        Column("id", Integer, primary_key=True),
        *(Column(name, Text, nullable=False) for name in ("made", "experiment", "task", "model")),
        Column("revision", Text),
        Column("digest", Text),
        *(Column(name, BigInteger, nullable=False) for name in ("rows", "seed")),
        Column("main", Text),
        Column("main_value", Double),
        *(Column(name, Text, nullable=False) for name in ("title", "request", "document")),
        Column("schema_version", Integer, nullable=False),
        sqlite_autoincrement=True,  # no number is given twice
    )


def make(table: Table, connection: Connection, name: str) -> None:
    """Make the table where it is missing; refuse one that lacks columns."""
    from sqlalchemy import inspect
    from sqlalchemy.exc import DBAPIError

    if not inspect(connection).has_table(TABLE):
        try:
            with connection.begin_nested():
                table.create(connection, checkfirst=False)
        except DBAPIError:  # unless another process was quicker
            if not inspect(connection).has_table(TABLE):
                raise
    there = {column["name"] for column in inspect(connection).get_columns(TABLE)}
    missing = [column.name for column in table.columns if column.name not in there]
    if missing:
        raise BadInput(
            f"The table {TABLE} in {name} is of another version: it has no {', '.join(missing)}. Give another database, or "
            "use the AttentionLab that made it."
        )
