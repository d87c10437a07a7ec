"""Make the worked round of the shared task, and print its figures with the machine they were measured on.

    python -m benchmarks.shared_task [--out FOLDER]

The round is that of the documentation: the sentences of the negation study, `sst2`, 120 rows. Every baseline is made and scored
on both splits, some minutes; left out, FOLDER is where the lab keeps it. What claims are tested on is drawn from a seed that is
written down here, since nobody competes.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from pathlib import Path

from attnlab_core.rounds import COLUMNS, SPLITS, baselines, new, read, score
from attnlab_core.rounds._export import as_csv, rank, tables, told
from attnlab_core.rounds._shipped import BASELINES, FOLDER, ROUND, record, ship, shipped_round
from attnlab_core.rounds.board import Board
from benchmarks.figures import machine

GOAL = (
    "negated/negated",
    "negated negative/negated",
    "double negation/negated",
    "downtoned/negated",
    "scope/negated",
)
DRAW = "worked"


def make(folder: Path) -> float:
    """Make the round and score its baselines; the seconds it took."""
    began = time.perf_counter()
    made = new(
        "negation",
        title="Negation, a worked round",
        about="Can you find out why sst2 misreads negations, or mend it? Sixty pairs of sentences of the negation study, each with and "
        "without its negation; closed, with its baselines, to show what a round looks like.",
        model="sst2",
        source={"suite": "negation"},
        goal_kinds=GOAL,
    )
    found = []
    for name, said in [*baselines(made), *examples()]:
        given = read(said, made)
        scored = {split: score(made, given, split, draw=DRAW) for split in SPLITS}
        found.append(record(name, given, scored))
        print(f"{given.track}: {name}, {time.perf_counter() - began:.0f} s", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(made.to_json(secret=True), ensure_ascii=False, separators=(",", ":"))
    (folder / ROUND).write_text(text + "\n", encoding="utf-8")
    (folder / BASELINES).write_text("\n".join(found) + "\n", encoding="utf-8")
    return time.perf_counter() - began


def shown() -> str:
    """The worked round's tables as they come out of a fresh database."""
    with tempfile.TemporaryDirectory() as folder:
        board = Board(f"{folder}/results.db")
        began = time.perf_counter()
        ship(board)
        lines = [f"put into an empty database in {time.perf_counter() - began:.2f} s"]
        found = tables(board, "negation")
        for table in found:
            lines += ["", f"{table.track}, {table.split}: {', '.join(table.heads())}"]
            lines += [
                f"  {rank(line):>4} {line.title:<40} {'  '.join(table.cells(line))}" for line in table.lines
            ]
        lines.append(f"\n{len(as_csv(found).splitlines()) - 1} rows")
        return "\n".join(lines)


def examples() -> list[tuple[str, str]]:
    """The examples of docs/submission.md, which are rows of the worked round, too: titles and documents."""
    text = (Path(__file__).parents[1] / "docs/submission.md").read_text(encoding="utf-8")
    found = []
    for name in ("edit.json", "discover.json"):
        (block,) = re.findall(rf'^```json title="{name}"\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
        found.append((json.loads(block)["title"], block))
    return found


def documented() -> str:
    """What the examples of docs/submission.md come to in the worked round."""
    lines = ["the examples of docs/submission.md:"]
    for _, block in examples():
        given = read(block, shipped_round())
        for split in SPLITS:
            found = score(shipped_round(), given, split, draw=DRAW)
            figures = [f"{one.label} {told(found.figures[one.name], one)}" for one in COLUMNS[given.track]]
            lines.append(f"  {given.title}, {split}: {'; '.join(figures)}")
            lines += [f"    {note}" for note in found.facts["notes"]]
    return "\n".join(lines)


def main() -> None:
    """Make it and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    folder = parser.parse_args().out
    print(json.dumps(machine()))
    print(f"made in {make(folder):.0f} s")
    for file in sorted(folder.iterdir()):
        print(f"{file.name}: {file.stat().st_size:,} bytes")
    if folder == FOLDER:
        print(shown())
        print(documented())


if __name__ == "__main__":
    main()
