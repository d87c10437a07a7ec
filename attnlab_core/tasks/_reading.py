"""Where a data set's records come from: files in the usual formats, or the Hub.

Parquet and what comes from the Hub are mapped from the disk by `datasets`, JSON lines are read when they are wanted;
CSV, TSV and whole JSON documents are held in memory.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from attnlab_core.errors import BadInput
from attnlab_core.hub import first_line, quiet

Table = Sequence[Any]
"""Records by number: mappings from a column's name to its value."""

SPLITS = {"train": {"train"}, "validation": {"validation", "valid", "dev", "val"}, "test": {"test"}}
"""What a split is called in the names of files."""


@dataclass(frozen=True)
class Source:
    """Where a data set is found, and what it looks like there.

    Attributes:
        hub: Its usual id on the Hub; empty where it has none.
        config: Which of the sets under that id.
        folders: What its folder may be called, besides the task's own name.
        endings: Of its files, those to be preferred first.
        columns: What every record must have.
        quoted: Whether quotation marks in a table with tabs enclose a field; else they are part of the text.
    """

    hub: str = ""
    config: str | None = None
    folders: tuple[str, ...] = ()
    endings: tuple[str, ...] = (".parquet", ".jsonl", ".json", ".csv", ".tsv")
    columns: tuple[str, ...] = ()
    quoted: bool = True

    def load(self, task: str, data: Path | None, split: str | None) -> Table:
        """The records of a split, or of everything that is there.

        Raises:
            BadInput: They are not there, cannot be read, or lack a column.
        """
        if data is None:
            if not self.hub:
                raise BadInput(f"The task {task} has no data of its own. Give a file with data=….")
            table, where = from_hub(self.hub, self.config, split), self.hub
        else:
            paths = self.files(task, data, split)
            table, where = read(paths, self.quoted), str(paths[0])
        return with_columns(table, self.columns, task, where)

    def files(self, task: str, data: Path, split: str | None) -> list[Path]:
        """The files of one kind that belong to a split: those named after it, or where none is after any, all."""
        if not data.exists():
            raise BadInput(f"There is no file or folder {str(data)!r}. Give the place of the task's data.")
        if data.is_file():
            return [data]
        below = (data / name for name in (task, *self.folders))
        folder = next((path for path in below if path.is_dir()), data)
        found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
        ending = next((e for e in self.endings if any(p.suffix.lower() == e for p in found)), None)
        if ending is None:
            raise BadInput(
                f"{folder} holds no file of the task {task}: none ends in {', '.join(self.endings)}. "
                "Give another folder, or the file."
            )
        kept = [path for path in found if path.suffix.lower() == ending]
        kept = [p for p in kept if self.config in p.relative_to(folder).parts] or kept
        return kept if split is None else _of_split(kept, folder, split)


def _of_split(paths: Sequence[Path], folder: Path, split: str) -> list[Path]:
    words = {path: set(re.split(r"[^a-z]+", str(path.relative_to(folder)).lower())) for path in paths}
    named = [path for path in paths if words[path] & SPLITS[split]]
    plain = [path for path in paths if not words[path] & set().union(*SPLITS.values())]
    if not named and not plain:
        raise BadInput(
            f"{folder} holds no file for the split {split!r}; it has {paths[0].name}. Choose another split, or give the file."
        )
    return named or plain


def with_columns(table: Table, columns: Sequence[str], task: str, where: object) -> Table:
    """The same records; `BadInput` where the first lacks a column."""
    missing = [name for name in columns if len(table) and name not in table[0]]
    if missing:
        raise BadInput(
            f"{where} has no column {missing[0]!r}; the task {task} needs {', '.join(columns)}. "
            f"Its columns are: {', '.join(map(str, table[0]))}."
        )
    return table


class Lines(Sequence[Mapping[str, Any]]):
    """A file with a JSON object a line, each read when it is wanted."""

    def __init__(self, path: Path) -> None:
        self.path, self.starts = path, []
        with path.open("rb") as file:
            at = 0
            for line in file:
                if line.strip():
                    self.starts.append(at)
                at += len(line)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[k] for k in range(len(self))[index]]
        with self.path.open("rb") as file:
            file.seek(self.starts[index])
            try:
                said = json.loads(file.readline())
            except ValueError as error:
                raise BadInput(f"Row {index + 1} of {self.path} is no JSON: {first_line(error)}") from error
        if not isinstance(said, dict):
            raise BadInput(f"Row {index + 1} of {self.path} is no JSON object with names and values.")
        return said


def read(paths: Sequence[Path], quoted: bool = True) -> Table:
    """The records of files of one kind, one file after the other; `BadInput` where one cannot be read."""
    try:
        if paths[0].suffix.lower() == ".parquet":
            return _parquet(paths)
        tables = [_one(path, quoted) for path in paths]
    except (OSError, ValueError, csv.Error) as error:  # Arrow's errors and wrong encodings are ValueErrors
        raise BadInput(f"{paths[0]} cannot be read: {first_line(error)}") from error
    return tables[0] if len(tables) == 1 else [record for table in tables for record in table]


def _parquet(paths: Sequence[Path]) -> Table:
    from datasets import Dataset
    from datasets.exceptions import DatasetGenerationError
    from pyarrow import parquet

    for path in paths:
        parquet.read_schema(path)
    try:
        with _no_bars():
            return Dataset.from_parquet([str(path) for path in paths])  # pyright: ignore[reportReturnType]
    except DatasetGenerationError as error:
        raise ValueError(first_line(error.__cause__ or error)) from error


def _one(path: Path, quoted: bool) -> Table:
    ending = path.suffix.lower()
    if ending == ".jsonl":
        return Lines(path)
    if ending == ".json":
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            if error.msg.startswith("Extra data"):  # an object a line, under the other name
                return Lines(path)
            raise
        said = said.get("data", [said]) if isinstance(said, dict) else said
        if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
            raise ValueError("it is no list of records")
        return said
    if ending not in (".csv", ".tsv", ".tab"):
        raise ValueError(f"files that end in {ending or 'nothing'} are not known")
    quoting = csv.QUOTE_MINIMAL if quoted or ending == ".csv" else csv.QUOTE_NONE
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter="," if ending == ".csv" else "\t", quoting=quoting))


def from_hub(repo: str, config: str | None, split: str | None) -> Table:
    """A split of a data set from the Hub, or from the cache of earlier downloads."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    try:
        with quiet(), _no_bars():
            return load_dataset(repo, config, split=split or "train")  # pyright: ignore[reportReturnType]
    except (OSError, ValueError, RuntimeError, DatasetsError, HfHubHTTPError) as error:
        raise BadInput(
            f"The data set {repo} could not be had from the Hub: {first_line(error)} "
            "Go online, or give its files with data=…."
        ) from error


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep `datasets`' progress bars off the screen."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    before = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not before:
            enable_progress_bars()
