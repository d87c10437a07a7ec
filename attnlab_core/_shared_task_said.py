"""What the commands `task` and `leaderboard` do; each gives one object in plain types."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from attnlab_core.rounds import Round
    from attnlab_core.rounds.board import Board

Said = dict[str, Any]


def made(args: argparse.Namespace) -> Said:
    """Make a round: a folder with the whole of it, and in it one that can be published."""
    from attnlab_core.progress import told, watching
    from attnlab_core.rounds import _published, new

    source: Said = {"suite": args.suite} if args.suite else {"task": _parsed(args.task)}
    if args.data:
        source["data"] = args.data
    folder = Path(args.out)
    if (folder / _published.FILE).exists():  # before the work
        raise BadInput(f"There is a round in {folder} already. Choose another folder.")
    with watching(told("sentences")):
        round_ = new(
            args.name, model=args.model, source=source, title=args.title, about=args.about,
            tracks=tuple(one.strip() for one in args.tracks.split(",")), rows=args.rows, hidden=args.hidden, seed=secrets.randbelow(2**31) if args.seed is None else args.seed,
            goal=args.goal, goal_kinds=tuple(args.goal_kinds), percentile=args.percentile, opens=args.opens,
            closes=args.closes, per_day=args.per_day,
        )  # fmt: skip
        files = _published.write(round_, folder)
    return {
        "round": round_.name, "folder": args.out, "files": files, "digest": round_.digest, "tracks": list(round_.tracks),
        "sentences": {split: len(round_.split(split)) for split in ("public", "hidden")},
    }  # fmt: skip


def opened(args: argparse.Namespace) -> Said:
    """Put a round into the database, with its baselines, and take submissions from now on."""
    from attnlab_core.progress import told, watching
    from attnlab_core.rounds import _published, baselines, worker

    board = board_of(args)
    if _published.there(args.round):
        round_ = _published.read(args.round)
        board.add_round(round_)
    else:
        round_ = board.round(args.round)
    if board.state(round_.name) in ("frozen", "closed"):
        raise BadInput(
            f"The round {round_.name} is {board.state(round_.name)}. What is frozen goes on with: task thaw."
        )
    if not args.no_baselines:
        there = {(one.track, one.title) for one in board.submissions(round_.name) if one.baseline}
        with watching(told("sentences")):
            for name, said in baselines(round_):
                if (said["track"], name) not in there:
                    board.add_baseline(round_.name, said, name)
    board.set_state(round_.name, "open")
    note = worker.enqueue(board, queue=args.queue)
    return _state(board, round_.name) | {"note": note}


def state_set(state: str) -> Callable[[argparse.Namespace], Said]:
    """A command that freezes a round or lets it go on."""

    def change(args: argparse.Namespace) -> Said:
        board = board_of(args)
        if state == "open" and board.state(args.round) == "new":
            raise BadInput(f"The round {args.round} was never opened. Open it with: task open {args.round}.")
        board.set_state(args.round, state)
        return _state(board, args.round)

    return change


def dated(args: argparse.Namespace) -> Said:
    """Change from when or until when a round takes submissions; the former dates stay recorded."""
    if args.opens is None and args.closes is None:
        raise BadInput("Give a date: --opens, --closes, or both.")
    board = board_of(args)
    board.set_dates(args.round, opens=args.opens, closes=args.closes)
    return {"name": args.round, "dates": [one.to_json() for one in board.dates(args.round)]}


def again(args: argparse.Namespace) -> Said:
    """Score anew what was refused, as where a worker had other weights or too little memory."""
    from attnlab_core.rounds import worker

    board = board_of(args)
    for number in args.numbers:  # all or nothing
        if (found := board.submission(number)).status != "refused":
            raise BadInput(f"Submission {number} is {found.status}: only what was refused is scored anew.")
    jobs = [job for number in args.numbers for job in board.again(number)]
    note = worker.enqueue(board, jobs, args.queue)
    found = [board.submission(number).to_json() for number in args.numbers]
    return {"submissions": found, "note": note, "workers": len(board.workers())}


def closed(args: argparse.Namespace) -> Said:
    """Close a round for good; with --out score here what is left, also on the hidden split, and export the board."""
    from attnlab_core.rounds import _export, worker

    board = board_of(args)
    board.set_state(args.round, "closed")
    note = worker.enqueue(board, queue=args.queue)
    if not args.out:
        return _state(board, args.round) | {"note": note}
    if not args.no_work:
        worker.work(args.db, args.queue, until_idle=1.0, score=_Telling(quiet=not sys.stderr.isatty()))
    files = _export.write(board, args.round, Path(args.out))
    return _state(board, args.round) | {"note": note if args.no_work else "", "files": files}


def listed(args: argparse.Namespace) -> Said:
    """All rounds, the last one added first."""
    board = board_of(args)
    return {"database": board.name, "rounds": [one.to_json() for one in board.rounds()]}


def shown(args: argparse.Namespace) -> Said:
    """A round: what it asks, and how far its submissions are."""
    from attnlab_core.rounds import _export

    board = board_of(args)
    return _state(board, args.round) | {"round": _export.about(board, args.round)}


def exported(args: argparse.Namespace) -> Said:
    """Write the board as board.json, board.csv and index.html, which needs no network."""
    from attnlab_core.rounds import _export

    files = _export.write(board_of(args), args.round, Path(args.out), track=args.track, split=args.split)
    return {"name": args.round, "files": files}


def worked(args: argparse.Namespace) -> Said:
    """Score what was submitted, until it is interrupted."""
    from attnlab_core.rounds import worker

    telling = _Telling()
    worker.work(args.db, args.queue, until_idle=args.until_idle, workers=args.workers, score=telling)
    return {"scored": telling.count}


def board_shown(args: argparse.Namespace) -> Said:
    """The table of a round; without one, the rounds."""
    from attnlab_core.rounds import _export
    from attnlab_core.rounds._shipped import ship

    board = board_of(args)
    if args.db is None:
        ship(board)
    if not args.round:
        return {"database": board.name, "rounds": [one.to_json() for one in board.rounds()]}
    split = args.split or "public"
    found = _export.tables(board, args.round, track=args.track, split=split)
    return _export.document(board, args.round, found)


class _Telling:
    """Scores, and says on standard error what is being scored."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.count, self._quiet, self._lock = 0, quiet, threading.Lock()

    def __call__(self, round_: Round, submission: Any, split: Any, *, draw: str) -> Any:
        from attnlab_core._results import printable
        from attnlab_core.rounds import score

        if not self._quiet:
            sys.stderr.write(f"{round_.name}: {submission.track}, {split}: {printable(submission.title)}\n")
        found = score(round_, submission, split, draw=draw)
        with self._lock:
            self.count += 1
        return found


def board_of(args: argparse.Namespace) -> Board:
    """The database that the flags mean."""
    from attnlab_core.rounds.board import Board

    return Board(args.db)


def _state(board: Board, name: str) -> Said:
    entries = board.submissions(name)
    found = Counter(one.status for one in entries if not one.baseline)
    rest = Counter(one.status for one in entries if one.baseline)
    state = board.state(name)
    return {
        "name": name, "state": state, "database": board.name, "submissions": dict(found), "baselines": dict(rest),
        "workers": len(board.workers()),
    }  # fmt: skip


def _parsed(text: str) -> Any:
    """A task as it is kept: JSON, or its name."""
    try:
        said = json.loads(text)
    except ValueError:
        return text
    return said if isinstance(said, dict) else text
