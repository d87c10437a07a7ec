"""The database of shared tasks, opened: its transactions, its clock, and its tables brought up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attnlab_core import _database
from attnlab_core.errors import BadInput
from attnlab_core.rounds import _schema

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Select, Table

MIGRATIONS = Path(__file__).parent / "migrations"
Hold = Literal["", "shared", "alone"]
_LOCK = 0x61746C62
"""Of PostgreSQL, held while the tables are brought up to date."""
_MIGRATING = threading.Lock()  # Alembic's `op` is the process's


class Opened:
    """A database that holds shared tasks; several processes may use it at once.

    Args:
        url: As for `attnlab_core.store.Store`: a URL or a file; None takes ATTENTIONLAB_DB, else the user's own file.
        clock: Gives seconds since 1970; None is the database's own clock.

    Raises:
        BadInput: Nothing answers there, it is no SQLite or PostgreSQL, or a later version made it.
    """

    def __init__(self, url: str | None = None, *, clock: Callable[[], float] | None = None) -> None:
        made = _database.url(url)
        self.sqlite = made.get_backend_name() == "sqlite"
        if not self.sqlite and made.get_backend_name() != "postgresql":
            raise BadInput(
                f"Shared tasks are kept in SQLite or PostgreSQL, not in {made.get_backend_name()}: {_database.EXAMPLE}."
            )
        self.name = str(made.database) if self.sqlite else made.set(query={}).render_as_string()
        """Where it is, for people; without a password."""
        self.url: str = made.render_as_string(hide_password=False)
        self._engine, self._clock = _database.engine(made), clock
        if self.sqlite:
            _plain_transactions(self._engine)
        self._migrate()
        with self._reading() as connection:
            self.id: str = connection.execute(self._table("board").select()).scalar_one()
            """Of this database, wherever it is reached from; queues are told apart by it."""

    def _table(self, name: str) -> Table:
        return _schema.described().tables[f"attentionlab_{name}"]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One transaction that sees one state of things."""
        with self._said(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction that writes, or nothing at all; a file of SQLite has one at a time."""
        with self._said(), self._engine.execution_options(writes=True).begin() as connection:
            yield connection

    @contextmanager
    def _said(self) -> Iterator[None]:
        """What goes wrong in the database, in a line."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, OverflowError) as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            raise BadInput(f"The database {self.name} does not answer as it should: {cause}") from error

    def _now(self, connection: Connection) -> float:
        """Seconds since 1970 by the clock that all who use this database share."""
        from sqlalchemy import func, select

        if self._clock is not None:
            return self._clock()
        if self.sqlite:
            return time.time()
        return float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())

    def _round(self, connection: Connection, name: str, *columns: str, hold: Hold = "") -> Row:
        """Columns of a round; it stays as it is until the transaction ends where it is held, and `alone` waits for all others."""
        table = self._table("rounds")
        wanted = [table.c[column] for column in ("name", *columns)]
        query = table.select().with_only_columns(*wanted).where(table.c.name == plain(name))
        if hold:
            query = query.with_for_update(read=hold == "shared")
        found = connection.execute(query).first()
        if found is None:
            raise BadInput(
                f"There is no round {plain(name)[:48]!r} in {self.name}. See what there is: task list."
            )
        return found

    def _migrate(self) -> None:
        """Bring the tables up to date, once, whoever comes first."""
        with self._reading() as connection:
            if self._revision(connection) == _schema.REVISION:
                return
        with _MIGRATING, self._writing() as connection:
            from sqlalchemy import func, select

            if not self.sqlite:
                connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            upgrade(connection, self._revision(connection), self.name)

    def _revision(self, connection: Connection) -> str | None:
        from sqlalchemy import inspect, text

        if not inspect(connection).has_table(_schema.VERSIONS):
            return None
        return connection.execute(text(f"SELECT version_num FROM {_schema.VERSIONS}")).scalar()


def upgrade(connection: Connection, current: str | None, name: str) -> None:
    """Run the files of `migrations/versions` that a database has not seen, in the transaction of the connection.

    Raises:
        BadInput: A later version made it.
    """
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(MIGRATIONS))
    known = [one.revision for one in script.walk_revisions()]
    if current is not None and current not in known:
        raise BadInput(
            f"The shared tasks in {name} were made by a later AttentionLab (tables {current}; this one knows up to "
            f"{_schema.REVISION}). Update AttentionLab, or give another database."
        )

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(Config(), script, fn=steps) as environment:
        environment.configure(connection=connection, version_table=_schema.VERSIONS, transactional_ddl=True)
        environment.run_migrations()


def plain(text: str) -> str:
    """Text that every database takes: without the null character and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def rows(connection: Connection, query: Select) -> list[dict[str, Any]]:
    """What a query finds, by names."""
    return [dict(row) for row in connection.execute(query).mappings()]


def _plain_transactions(engine: Any) -> None:
    """Let SQLite begin where we say so: a transaction that will write takes the file at once, or it could not be kept."""
    from sqlalchemy import event

    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
