"""What the command `submit` does; each of its actions gives one object in plain types."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core._shared_task_said import board_of
from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from attnlab_core.rounds import Round

Said = dict[str, Any]
KEY = "ATTENTIONLAB_TEAM_KEY"


def example(args: argparse.Namespace) -> Said:
    """Write a submission to begin with; for scores of tokens the model is run."""
    from attnlab_core import rounds
    from attnlab_core.progress import told, watching

    round_ = _round(args, args.round)
    with watching(told("sentences")):
        said = rounds.example(round_, args.track)
    text = json.dumps(said, ensure_ascii=False, indent=None if args.track == "explain" else 1)
    try:
        Path(args.out).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{args.out} cannot be written: {error.strerror}.") from error
    return {"file": args.out, "round": round_.name, "track": args.track}


def checked(args: argparse.Namespace) -> Said:
    """Say everything that is wrong with a submission; nothing is sent and nothing is run."""
    from attnlab_core.rounds import read

    raw = _raw(args.file)
    found = read(raw, _round(args, args.round or _named(raw)))
    return {
        "file": args.file,
        "track": found.track,
        "title": found.title,
        "digest": found.digest,
        "problems": [],
    }


def sent(args: argparse.Namespace) -> Said:
    """Submit a file. A team without a key is new: its key is shown this once."""
    from attnlab_core.rounds import Refused, read, worker
    from attnlab_core.rounds._teams import fit

    raw, board = _raw(args.file), board_of(args)
    name, key, given = _named(raw), args.key or os.environ.get(KEY, ""), {}
    if not key:
        read(raw, board.round(name))  # nobody is registered for what is refused
        try:
            key = board.register(fit(args.team))
        except BadInput as error:
            taken = f" If that team is yours, give its key: --key, or {KEY}." if "taken" in str(error) else ""
            raise BadInput(f"{error}{taken}") from None
        given = {"key": key}
    try:
        number = board.submit(name, args.team, key, raw)
    except BadInput as error:
        if not given or isinstance(error, Refused):
            raise
        raise BadInput(
            f"{error} The team {args.team} is registered now; its key, shown this once: {key}"
        ) from None
    note = worker.enqueue(board, board.waiting(number), args.queue)
    found = board.submission(number).to_json()
    return found | given | {"note": note, "workers": len(board.workers())}


def status(args: argparse.Namespace) -> Said:
    """How far the scoring of a submission is, why it was refused, or what came out."""
    from attnlab_core.rounds import _export

    board = board_of(args)
    entry = board.submission(args.number)
    found = {} if entry.status == "withdrawn" else {
        table.split: {"rank": _export.rank(line)} | dict(zip(table.heads(), table.cells(line), strict=True))
        for table in _export.tables(board, entry.round, track=entry.track)
        for line in table.lines
        if line.number == entry.number
    }  # fmt: skip
    return entry.to_json() | {"results": found, "workers": len(board.workers())}


def submissions(args: argparse.Namespace) -> Said:
    """What was submitted to a round, the first one first."""
    found = board_of(args).submissions(args.round, team=args.team, track=args.track)
    return {"name": args.round, "submissions": [one.to_json() for one in found]}


def withdrawn(args: argparse.Namespace) -> Said:
    """Take a submission back: it is shown and scored no more. It still counts as one of its day."""
    key = args.key or os.environ.get(KEY, "")
    if not key:
        raise BadInput(f"A submission is withdrawn with its team's key: give --key, or set {KEY}.")
    board_of(args).withdraw(args.number, args.team, key)
    return {"withdrawn": args.number}


def _round(args: argparse.Namespace, given: str) -> Round:
    """A round by its folder or file, or by its name in the database."""
    from attnlab_core.rounds import _published

    return _published.read(given) if _published.there(given) else board_of(args).round(given)


def _raw(file: str) -> bytes:
    """A submission's file; no more of it than a submission may have."""
    from attnlab_core.rounds import MOST_BYTES, Refused

    try:
        with Path(file).open("rb") as opened_:
            raw = opened_.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    if len(raw) > MOST_BYTES:
        raise Refused([f"The file has more than {MOST_BYTES >> 20} MB, the most that a submission has."])
    return raw


def _named(raw: bytes) -> str:
    """The round that a submission is for."""
    from attnlab_core.rounds import Refused
    from attnlab_core.rounds._plain import NotPlain, parsed

    try:
        name = parsed(raw).get("round")
    except NotPlain as error:
        raise Refused([str(error)]) from None
    if not isinstance(name, str):
        raise Refused(["round: it is missing; it says which round the submission is for."])
    return name
