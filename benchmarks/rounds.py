"""Two hundred submissions by twenty teams at once: `python -m benchmarks.rounds` prints what the board made of them.

Teams send from several processes at the same moment, each in a thread of its own, each document twice, while workers score.
Then the database is looked through: whether everything that was taken is there once and has its own figures. The scorer is
a stand-in that takes no time, so that the board, the queue and the workers are what is measured.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from attnlab_core.errors import BadInput
from attnlab_core.prompt import Prompt
from attnlab_core.rounds._round import Round
from attnlab_core.rounds._scoring import Scored
from attnlab_core.rounds.board import Board
from attnlab_core.rounds.worker import enqueue, work
from attnlab_core.tasks import Row

NAME, SENTENCES, TOKENS = "load", 120, 20
IDS = tuple(f"s{k}" for k in range(SENTENCES))


@dataclass(frozen=True)
class Load:
    """How much comes at once: `teams` send `each` documents from so many processes, and so many workers score."""

    teams: int = 20
    each: int = 10
    processes: int = 4
    workers: int = 2


@dataclass(frozen=True)
class Sent:
    """What a team heard: which document, its number or 0, what was said, and the seconds until it was."""

    team: str
    value: float
    number: int
    said: str
    seconds: float


@dataclass(frozen=True)
class Found:
    """What became of it.

    Attributes:
        taken: Submissions that were taken.
        again: Of the second copies, how many were refused as such.
        lost: Documents that were not taken, or taken and not there or not scored.
        doubled: Documents that are there more than once.
        wrong: Submissions with another team's or another document's figures.
        submitting: Median and longest seconds of a submission.
        taking: Seconds until the last was taken.
        scoring: Seconds until the last was scored.
    """

    taken: int
    again: int
    lost: int
    doubled: int
    wrong: int
    submitting: tuple[float, float]
    taking: float
    scoring: float


def run(url: str, queue: str, load: Load) -> Found:
    """Open a round in an empty database, let all come at once, and look at what is there."""
    board = Board(url)
    board.add_round(_round(load))
    board.set_state(NAME, "open")
    keys = {name: board.register(name) for name in (f"Team {k}" for k in range(load.teams))}
    shares = [dict(list(keys.items())[k :: load.processes]) for k in range(load.processes)]
    spawned = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(load.processes + load.workers, mp_context=spawned) as pool,
    ):
        at_work = [pool.submit(_work, url, queue, folder) for _ in range(load.workers)]
        sending = [pool.submit(_send, url, queue, share, load.each, folder) for share in shares]
        _until(lambda: len(list(Path(folder).iterdir())) == load.processes + load.workers)
        started = time.perf_counter()
        (Path(folder) / "go").touch()
        sent = [one for share in sending for one in share.result()]
        taking = time.perf_counter() - started
        _until(lambda: not board.unfinished() or all(one.done() for one in at_work))
        scoring = time.perf_counter() - started
        for one in at_work:
            one.result()
    return _looked_through(board, load, sent, taking, scoring)


def _looked_through(board: Board, load: Load, sent: Sequence[Sent], taking: float, scoring: float) -> Found:
    entries = {one.number: one for one in board.submissions(NAME)}
    results = {one.entry.number: one for one in board.results(NAME, "explain", "public")}
    taken = [one for one in sent if one.number]
    there = Counter((one.team, one.digest) for one in entries.values())
    wanted = load.teams * load.each
    return Found(
        taken=len(taken),
        again=sum("submitted before" in one.said for one in sent),
        lost=wanted - sum(one.number in results and entries[one.number].status == "scored" for one in taken),
        doubled=sum(count > 1 for count in there.values())
        + len(entries)
        - len({one.number for one in taken}),
        wrong=sum(
            entries[one.number].team != one.team
            or results[one.number].figures["aopc_compr"]["mean"] != one.value
            for one in taken
            if one.number in results
        ),
        submitting=(median(one.seconds for one in taken), max(one.seconds for one in taken)),
        taking=taking,
        scoring=scoring,
    )


def _round(load: Load) -> Round:
    rows = tuple(Row(name, Prompt(f"Sentence {name}."), ("positive",), "negative") for name in IDS)
    return Round(
        name=NAME, title="Load", model={"name": "sst2", "revision": None, "digest": "", "task": "classification"},
        source={"suite": "negation"}, tracks={"explain": {"marked": False}}, per_day=load.each, rows=rows,
        hidden=frozenset(IDS[SENTENCES // 2 :]), lengths=dict.fromkeys(IDS, TOKENS),
    )  # fmt: skip


def _document(value: float) -> dict[str, Any]:
    head = {"schema": "attentionlab.submission", "schema_version": 1, "round": NAME, "track": "explain"}
    return head | {"title": "Load", "scores": {name: [value] * TOKENS for name in IDS}}


def _send(url: str, queue: str, keys: dict[str, str], each: int, folder: str) -> list[Sent]:
    """What some teams send, in a process of its own."""
    board = Board(url)
    _ready(folder)
    with ThreadPoolExecutor(len(keys)) as pool:
        made = pool.map(lambda item: _team(board, queue, *item, each), keys.items())
        return [one for some in made for one in some]


def _team(board: Board, queue: str, team: str, key: str, each: int) -> list[Sent]:
    found = []
    for k in range(each):
        value = int(team.split()[1]) + k / 1000
        for _ in range(2):  # and once more, as where somebody clicks twice
            started, number, said = time.perf_counter(), 0, ""
            try:
                number = board.submit(NAME, team, key, _document(value))
                enqueue(board, board.waiting(number), queue)
            except BadInput as error:
                said = str(error)
            found.append(Sent(team, value, number, said, time.perf_counter() - started))
    return found


def _work(url: str, queue: str, folder: str) -> None:
    """A worker, in a process of its own."""
    _ready(folder)
    work(url, queue, until_idle=5, score=_score)


def _score(round_: Round, submission: Any, split: str, *, draw: str) -> Scored:
    """The number that a document was made of, as its figure."""
    del round_, split, draw
    value = submission.content["scores"][IDS[0]][0]
    figure = {"mean": value, "low": value, "high": value, "n": SENTENCES // 2}
    return Scored({"aopc_compr": figure}, {"aopc_compr": [value] * (SENTENCES // 2)}, {"data": "load"})


def _ready(folder: str) -> None:
    (Path(folder) / f"ready {os.getpid()}").touch()
    _until((Path(folder) / "go").exists)


def _until(true: Callable[[], Any], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("The load test came to no end.")
        time.sleep(0.02)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--db", help="an empty database; left out, a file of SQLite in a folder that is removed"
    )
    parser.add_argument("--queue", help="a file or redis://host; left out, a file beside that")
    for name, value in vars(Load()).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    load = Load(args.teams, args.each, args.processes, args.workers)
    with tempfile.TemporaryDirectory() as folder:
        found = run(args.db or f"{folder}/rounds.db", args.queue or f"{folder}/queue.db", load)
    print(
        f"{load.teams * load.each} submissions by {load.teams} teams from {load.processes} processes, each sent twice"
    )
    print(f"taken {found.taken}, second copies refused {found.again}")
    print(f"lost {found.lost}, doubled {found.doubled}, with wrong figures {found.wrong}")
    print(f"a submission took {found.submitting[0]:.2f} s (median), {found.submitting[1]:.2f} s at most")
    print(
        f"all taken after {found.taking:.1f} s, all scored by {load.workers} workers after {found.scoring:.1f} s"
    )


if __name__ == "__main__":
    main()
