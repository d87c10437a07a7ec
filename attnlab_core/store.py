"""A database of reports: a file in the user's data folder, or a PostgreSQL server that a group shares.

>>> from tempfile import TemporaryDirectory
>>> with TemporaryDirectory() as folder:
...     Store(f"{folder}/results.db").find(task="sst2")
[]

SQLAlchemy is imported when a store is made, not before.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core import _database, _tables
from attnlab_core.errors import BadInput
from attnlab_core.report import SCHEMA, Report, report_from_json

if TYPE_CHECKING:
    import pandas as pd
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Entry:
    """What a list says of a stored report.

    Attributes:
        id: Its number in this database; none is given twice.
        made: When, in UTC.
        experiment: Its name.
        task: The name of the data set.
        model: The model's name.
        revision: The model's revision, where it has one.
        digest: Of the model's weights.
        rows: How many rows of data were measured.
        seed: Of what was drawn.
        main: What its main figure is of: the words in the first row of its main table, such as accuracy.
        main_value: The main figure: the first number in that row.
        title: In a line: what was measured of what.
    """

    id: int
    made: str
    experiment: str
    task: str
    model: str
    revision: str | None
    digest: str | None
    rows: int
    seed: int
    main: str | None
    main_value: float | None
    title: str

    def to_json(self) -> dict[str, Any]:
        """In plain types."""
        return asdict(self)


class Store:
    """A database of reports, opened; its table is made where it is missing.

    Several processes may use it at once.

    Args:
        url: Of the database as SQLAlchemy writes it, or a file's name with the ending .db, .sqlite or .sqlite3 for
            SQLite. None takes the environment variable ATTENTIONLAB_DB, else
            `$XDG_DATA_HOME/attentionlab/results.db`.

    Raises:
        BadInput: It is no URL, nothing answers there, it is no database, or of a version that does not fit.
    """

    def __init__(self, url: str | None = None) -> None:
        made = _database.url(url)
        sqlite = made.get_backend_name() == "sqlite"
        self.name = str(made.database) if sqlite else made.set(query={}).render_as_string()
        """Where it is, for people; without a password."""
        self._engine, self._table = _database.engine(made), _database.described()
        with self._asked() as connection:
            _database.make(self._table, connection, self.name)

    def add(self, report: Report) -> int:
        """Keep a report; its number.

        Raises:
            BadInput: The report is not whole, or the database takes nothing.
        """
        return self.add_all([report])[0]

    def add_all(self, reports: Iterable[Report]) -> list[int]:
        """Keep several reports, or none where one cannot be kept; their numbers.

        Raises:
            BadInput: A report is not whole, or the database takes nothing.
        """
        rows = [_values(report) for report in reports]
        with self._asked() as connection:
            made = [connection.execute(self._table.insert().values(row)) for row in rows]
            return [int(one.inserted_primary_key[0]) for one in made if one.inserted_primary_key]

    def get(self, number: int) -> Report:
        """A report by its number.

        Raises:
            BadInput: There is none, or it is of a later version than this one reads.
        """
        with self._asked() as connection:
            query = self._table.select().where(self._table.c.id == self._known(number))
            found = connection.execute(query).first()
        if found is None:
            raise self._unknown(number)
        return report_from_json(found.document)

    def find(
        self,
        task: str | None = None,
        model: str | None = None,
        experiment: str | None = None,
        limit: int | None = 50,
    ) -> list[Entry]:
        """What is there, the last one kept first.

        Args:
            task: Only results on this data set.
            model: Only results of the model with this name.
            experiment: Only results of this experiment.
            limit: At most so many; None is all.

        Raises:
            BadInput: The limit is not positive.
        """
        if limit is not None and limit < 1:
            raise BadInput(f"A list has at least one line, not {limit}. Give a limit from 1 on, or none.")
        query = self._table.select().with_only_columns(
            *(self._table.c[field.name] for field in fields(Entry))
        )
        for name, wanted in {"task": task, "model": model, "experiment": experiment}.items():
            if wanted is not None:
                query = query.where(self._table.c[name] == _safe(wanted))
        query = query.order_by(self._table.c.id.desc())
        if limit is not None:
            query = query.limit(min(limit, 2**31 - 1))
        with self._asked() as connection:
            return [Entry(*row) for row in connection.execute(query)]

    def remove(self, number: int) -> None:
        """Forget a report.

        Raises:
            BadInput: There is none with this number.
        """
        with self._asked() as connection:
            query = self._table.delete().where(self._table.c.id == self._known(number))
            gone = connection.execute(query).rowcount
        if not gone:
            raise self._unknown(number)

    def compare(self, one: int, two: int, table: str | None = None) -> pd.DataFrame:
        """Two reports of the same experiment side by side, a row a figure.

        Args:
            one: The number of the first.
            two: The number of the second.
            table: Which of their tables; None is the main one.

        Returns:
            The columns that say which row of the table it is, `figure` (the column of the table), `value_1`, `value_2` and
            `difference` (second less first). `attrs["notes"]` says where models, data and requests differ.

        Raises:
            BadInput: They cannot be compared.
        """
        import pandas as pd

        _, rows, notes = _tables.beside(self.get(one), self.get(two), table)
        frame = pd.DataFrame(rows).astype(dict.fromkeys(("value_1", "value_2", "difference"), float))
        frame.attrs["notes"] = notes
        return frame

    def export(self, numbers: Sequence[int] | None, file: str | Path) -> int:
        """Write reports to a file: whole documents as .json, the rows of their main tables as .csv.

        Args:
            numbers: Which reports; None is all, the first one kept first.
            file: Where to. What was there is replaced once everything is written.

        Returns:
            How many reports were written.

        Raises:
            BadInput: The ending is another one, there is nothing to write, or the file cannot be written.
        """
        file = Path(file)
        kind = file.suffix.lower()
        if kind not in (".json", ".csv"):
            page = " A page is made by python -m attnlab_core analyse." if kind == ".html" else ""
            raise BadInput(f"Results are written as .json or .csv, not as {file.suffix or 'that'}.{page}")
        if numbers is None:
            numbers = [entry.id for entry in reversed(self.find(limit=None))]
        if not numbers:
            raise BadInput(f"There is no result in {self.name}, so there is nothing to write.")
        reports = [(number, self.get(number)) for number in numbers]
        if kind == ".json":
            documents = [report.to_json() for _, report in reports]
            text = json.dumps(documents, ensure_ascii=False, indent=1) + "\n"
        else:
            text = _tables.as_csv(reports)
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
            part.replace(file)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise BadInput(f"{file} cannot be written: {error.strerror}.") from error
        return len(reports)

    @contextmanager
    def _asked(self) -> Iterator[Connection]:
        """One transaction; what goes wrong in the database is said in a line, and then nothing is changed."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OverflowError) as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            raise BadInput(f"The database {self.name} does not answer as it should: {cause}") from error

    def _known(self, number: int) -> int:
        if not 0 < number < 2**31:
            raise self._unknown(number)
        return number

    def _unknown(self, number: int) -> BadInput:
        return BadInput(f"There is no result {number} in {self.name}. See what there is: results list.")


def _values(report: Report) -> dict[str, Any]:
    """The columns of a report."""
    try:
        document = report.to_json()
        texts = {
            name: json.dumps(said, allow_nan=False)
            for name, said in (("request", document["request"]), ("document", document))
        }
        main, value = _tables.main_figure(report)
        given = {
            "made": report.made,
            "experiment": report.experiment,
            "task": report.task,
            "model": report.model["name"],
            "revision": report.model.get("revision"),
            "digest": report.model.get("digest"),
            "rows": int(report.rows),
            "seed": int(report.request.get("seed", 0)),
            "main": main,
            "main_value": value,
            "title": report.title,
            "schema_version": SCHEMA,
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(
            f"The report is not whole ({type(error).__name__}: {error}). Make it again."
        ) from error
    return {
        name: _safe(value) if isinstance(value, str) else value for name, value in (given | texts).items()
    }


def _safe(text: str) -> str:
    """Text that every database takes: without the null character and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
