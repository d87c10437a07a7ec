"""The table of a round for people and programs: as records, as CSV, and as one page that needs nothing else.

What is hidden until a round closes is left out until then: figures on the hidden split, and the seed of the sentences.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core import __version__
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.html_report import template
from attnlab_core.rounds._ranking import Column, Line, columns, ranked
from attnlab_core.rounds._round import SPLITS

if TYPE_CHECKING:
    from attnlab_core.rounds.board import Board

NAME = "attentionlab.board"
SCHEMA = 1
ASKS: Mapping[str, str] = {
    "explain": "Which tokens does an answer rest on? Ranked by how much of its probability goes when the highest-scored tokens are masked.",
    "edit": "Which change of attention helps? Ranked by how much nearer the goal it comes; a sentence counts only if its attention stays plausible.",
    "discover": "Which claim holds on sentences drawn after it was made? Ranked by its effect in the predicted direction, less that of its control.",
}
RULE = (
    "A rank is one more than the number of rows that are better beyond chance (95 %). Rows that chance could put in another "
    "order share a rank, which “=” marks."
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would take for the beginning of a formula."""


@dataclass(frozen=True)
class Table:
    """The rows of a track on a split.

    Attributes:
        round: The round's name.
        track: Which track.
        split: Which split.
        columns: Its figures; the first one ranks.
        lines: Its rows, the best one first.
        reports: Number of a submission → what its authors say of it; text, never markup.
    """

    round: str
    track: str
    split: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    reports: Mapping[int, str]

    def to_json(self) -> dict[str, Any]:
        """In plain types."""
        lines = [one.to_json() | {"report": self.reports[one.number]} for one in self.lines]
        return {
            "track": self.track,
            "split": self.split,
            "columns": [asdict(one) for one in self.columns],
            "lines": lines,
        }

    def heads(self) -> list[str]:
        """Over its figures, with their units."""
        return [head(one) for one in self.columns]

    def cells(self, line: Line) -> list[str]:
        """The figures of a row with their intervals, as texts."""
        return [told(line.figures.get(one.name), one) for one in self.columns]


def splits(state: str) -> tuple[str, ...]:
    """The splits that may be shown of a round in this state.

    >>> splits("open")
    ('public',)
    """
    return SPLITS if state == "closed" else SPLITS[:1]


def tables(board: Board, name: str, *, track: str | None = None, split: str | None = None) -> list[Table]:
    """The tables of a round, or that of one track or split.

    Raises:
        UnknownName: The round has no such track, or there is no such split.
        BadInput: There is no such round, or the split is not to be shown yet.
    """
    round_, state = board.round(name), board.state(name)
    if track is not None:
        round_.settings(track)
    if split is not None and split not in SPLITS:
        raise UnknownName(split, SPLITS, "split")
    if split is not None and split not in splits(state):
        raise BadInput(f"The round {name} is {state}: its hidden split is shown when it is closed.")
    found = []
    for one in round_.tracks if track is None else (track,):
        for part in splits(state) if split is None else (split,):
            results = board.results(name, one, part)
            lines = [_shown(line, state) for line in ranked(round_, one, results)]
            reports = {result.entry.number: result.entry.report for result in results}
            found.append(Table(name, one, part, tuple(columns(one, lines)), tuple(lines), reports))
    return found


def about(board: Board, name: str) -> dict[str, Any]:
    """What a round is, in plain types, without what is hidden."""
    round_, state = board.round(name), board.state(name)
    plain = ("name", "title", "about", "opens", "closes", "per_day", "made", "code", "digest")
    said = {one: getattr(round_, one) for one in plain} | {"state": state}
    said["dates"] = [one.to_json() for one in board.dates(name)]
    said |= {"model": dict(round_.model), "tracks": {key: dict(one) for key, one in round_.tracks.items()}}
    said["source"] = {key: value for key, value in round_.source.items() if key != "data"}
    said["sentences"] = {split: len(round_.split(split)) for split in SPLITS}
    return said


def document(board: Board, name: str, found: Sequence[Table]) -> dict[str, Any]:
    """A round and its tables as one JSON document."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    head_ = {"schema": NAME, "schema_version": SCHEMA, "made": made, "version": __version__}
    return head_ | {"round": about(board, name), "tables": [one.to_json() for one in found]}


def as_csv(found: Sequence[Table]) -> str:
    """All rows of all tables, a line each: every figure with its interval. No cell is a formula to a spreadsheet."""
    rows = []
    for table in found:
        for line in table.lines:
            row: dict[str, Any] = {"round": table.round, "track": table.track, "split": table.split}
            row |= {"rank": line.rank, "tied": line.tied, "number": line.number}
            row |= {"team": _cell(line.team), "title": _cell(line.title), "baseline": line.baseline}
            for one in table.columns:
                figure = line.figures.get(one.name, {})
                for part in ("mean", "low", "high", "n"):
                    value = figure.get(part)
                    row[f"{one.name}_{part}"] = value if value is None or math.isfinite(value) else None
            rows.append(row | {"scored": line.scored})
    names = dict.fromkeys(name for row in rows for name in row if name != "scored")
    text = io.StringIO()
    writer = csv.DictWriter(text, [*names, "scored"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def page(board: Board, name: str, found: Sequence[Table]) -> str:
    """The tables as one HTML page that needs no network; light and dark."""
    made = datetime.now(UTC).isoformat(timespec="seconds")
    drawn = [{"table": one, "bars": _bars(one), "asks": ASKS[one.track]} for one in found]
    kept = {"round": about(board, name), "tables": drawn, "rule": RULE, "made": made, "version": __version__}
    return template(Path(__file__).with_name("board.html")).render(kept, rank=rank, head=head, told=_typeset)


def write(
    board: Board, name: str, folder: Path, *, track: str | None = None, split: str | None = None
) -> list[str]:
    """Write `board.json`, `board.csv` and `index.html` into a folder, which is made; the files.

    Raises:
        BadInput: As for `tables`, or the folder cannot be written.
    """
    found = tables(board, name, track=track, split=split)
    texts = {
        "board.json": json.dumps(document(board, name, found), ensure_ascii=False, indent=1, allow_nan=False),
        "board.csv": as_csv(found),
        "index.html": page(board, name, found),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            (folder / file).write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{folder} cannot be written: {error.strerror}.") from error
    return [str(folder / file) for file in texts]


def rank(line: Line) -> str:
    """A rank, with “=” where it is shared."""
    return f"{line.rank}{'=' * line.tied}"


def head(column: Column) -> str:
    """The head of a column, with its unit.

    >>> head(Column("gain", "Gain", "How much nearer the goal is.", "higher", "points"))
    'Gain, points'
    """
    return column.label + (f", {column.unit}" if column.unit else "")


def told(figure: Mapping[str, float | int | None] | None, column: Column) -> str:
    """A figure with its interval, in the column's unit.

    >>> told({"mean": 0.5, "low": 0.25, "high": 0.75, "n": 4}, Column("x", "X", "", "higher", "%"))
    '50.0 (25.0..75.0)'
    >>> told(None, Column("x", "X", "", "higher"))
    '–'
    """
    if not figure or not _known(figure["mean"]):
        return "–"
    times, shape = (100, ".1f") if column.unit in ("%", "points") else (1, ".3f")
    if column.name == "percentile":
        shape = ".0f"
    mean, low, high = (format(times * (figure[part] or 0.0), shape) for part in ("mean", "low", "high"))
    return f"{mean} ({low}..{high})"


def _shown(line: Line, state: str) -> Line:
    """A row without what draws the hidden sentences again, until the round is closed."""
    if state == "closed":
        return line
    facts = {name: value for name, value in line.facts.items() if name != "seed"}
    return Line(**{**vars(line), "facts": facts})


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _typeset(figure: Mapping[str, float | int] | None, column: Column) -> str:
    return told(figure, column).replace("-", "−").replace("..", " to ")


def _bars(table: Table) -> list[dict[str, float] | None]:
    """For each row, where its interval lies in a picture 100 wide, and where zero is."""
    main = table.columns[0].name
    figures = [line.figures.get(main) for line in table.lines]
    known = [one for one in figures if one and math.isfinite(one["mean"])]
    left = min([0.0, *(float(one["low"]) for one in known)])
    right = max([0.0, *(float(one["high"]) for one in known)])
    wide = (right - left) or 1.0

    def place(value: float) -> float:
        return round(4 + 92 * (value - left) / wide, 2)

    return [
        {name: place(float(one[name])) for name in ("mean", "low", "high")} | {"zero": place(0.0)}
        if one and math.isfinite(one["mean"])
        else None
        for one in figures
    ]
