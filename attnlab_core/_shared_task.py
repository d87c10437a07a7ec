"""The commands of the shared task: `task` for who organises a round, `submit` for who takes part, `leaderboard` for all."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from attnlab_core import _shared_task_said as do
from attnlab_core import _shared_task_sent as sent
from attnlab_core import _shared_task_shown as show

Said = dict[str, Any]
Commands = Any
"""What `ArgumentParser.add_subparsers` gives; its type has no public name."""
Adder = Callable[..., argparse.ArgumentParser]
TRACKS = ("explain", "edit", "discover")
SPLITS = ("public", "hidden")
"""As in `attnlab_core.rounds`, written here so that the parser needs no torch; a test holds them together."""


def task(args: argparse.Namespace) -> Said:
    """Organise rounds of the shared task: make, open, freeze, date, close, show and export them; score what was submitted."""
    return args.action(args)


def submit(args: argparse.Namespace) -> Said | int:
    """Take part in a round of the shared task: an example, a check, a submission, and how far its scoring is."""
    from attnlab_core.rounds import Refused

    try:
        return args.action(args)
    except Refused as error:
        if args.json:
            sys.stdout.write(json.dumps({"problems": error.problems}, ensure_ascii=False, indent=2) + "\n")
        else:
            sys.stderr.writelines(f"attnlab_core: {show.line(problem)}\n" for problem in error.problems)
        return 2


def leaderboard(args: argparse.Namespace) -> Said:
    """Show the table of a round; without one, the rounds."""
    return do.board_shown(args)


def add_parsers(commands: Commands) -> None:
    """Add the three to a command line; `args.command`, `args.show` and `args.json` are as for every command."""
    _task(_actions(commands, task, "task"))
    _submit(_actions(commands, submit, "submit"))
    made = commands.add_parser("leaderboard", help=leaderboard.__doc__, description=leaderboard.__doc__)
    made.set_defaults(command=leaderboard, show=show.board)
    _common(made)
    made.add_argument("round", nargs="?", metavar="ROUND", help="left out, all rounds are listed")
    _which(made)


def _actions(commands: Commands, command: Callable[..., Any], name: str) -> Adder:
    """A command with actions; what is given adds one of them."""
    made = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
    actions = made.add_subparsers(required=True, metavar="ACTION")

    def add(
        name: str, action: Callable[..., Said], shown: Callable[[Said], str], about: str = ""
    ) -> argparse.ArgumentParser:
        told = about or action.__doc__
        one = actions.add_parser(name, help=told, description=told)
        one.set_defaults(command=command, action=action, show=shown)
        _common(one)
        return one

    return add


def _task(add: Adder) -> None:
    made = add("new", do.made, show.made)
    made.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens")
    source = made.add_mutually_exclusive_group(required=True)
    source.add_argument("--suite", metavar="S", help="the sentences of a case study: negation, multi_hop")
    source.add_argument("--task", metavar="T", help="a data set, such as sst2, or JSON")
    made.add_argument("--data", metavar="PATH", help="where the data set is; left out, the Hub")
    made.add_argument("--model", required=True, metavar="M", help="a shipped name, a Hub id, or a folder")
    made.add_argument(
        "--out", required=True, metavar="DIR", help="a folder for it; publish DIR/publish, never DIR"
    )
    made.add_argument("--title", default="", metavar="T", help="for people")
    made.add_argument("--about", default="", metavar="A", help="what it is")
    made.add_argument(
        "--tracks", default=",".join(TRACKS), metavar="T,T", help=f"{', '.join(TRACKS)}; all where left out"
    )
    made.add_argument("--rows", type=int, default=120, metavar="N", help="sentences at most (120)")
    made.add_argument(
        "--hidden", type=float, default=0.5, metavar="SHARE", help="hidden until it closes (0.5)"
    )
    made.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help="of the sentences and splits; left out, it is drawn; keep it to yourself",
    )
    made.add_argument(
        "--goal",
        choices=("accuracy", "gap"),
        default="accuracy",
        help="of edits: more right answers, or two kinds brought together",
    )
    made.add_argument(
        "--goal-kinds",
        nargs="+",
        default=["*"],
        metavar="PATTERN",
        help='which sentences it is about, such as "*/negated"',
    )
    made.add_argument(
        "--percentile",
        type=float,
        default=95.0,
        metavar="P",
        help="of plausibility, up to which edited attention counts (95)",
    )
    made.add_argument(
        "--opens", default="", metavar="DATE", help="such as 2026-12-01, UTC; left out, once opened"
    )
    made.add_argument("--closes", default="", metavar="DATE", help="left out, when somebody closes it")
    made.add_argument(
        "--per-day", type=int, default=10, metavar="N", help="submissions of a team and track (10)"
    )
    made = add("open", do.opened, show.state)
    made.add_argument("round", metavar="DIR|NAME", help="what task new made, or a round in the database")
    made.add_argument("--no-baselines", action="store_true", help="without the rows that are always there")
    _queue(made)
    _named(add("freeze", do.state_set("frozen"), show.state, "Take no submissions for a while."))
    _named(add("thaw", do.state_set("open"), show.state, "Take submissions again."))
    made = _named(add("dates", do.dated, show.dates))
    made.add_argument(
        "--opens", metavar="DATE", help="such as 2026-12-01, UTC; '' is once opened; left out, as it was"
    )
    made.add_argument("--closes", metavar="DATE", help="'' is when somebody closes it; left out, as it was")
    made = add("again", do.again, show.again)
    made.add_argument("numbers", type=int, nargs="+", metavar="NUMBER")
    _queue(made)
    made = _named(add("close", do.closed, show.state))
    made.add_argument("--out", metavar="DIR", help="score what is left, and write the board there")
    made.add_argument("--no-work", action="store_true", help="score nothing here: workers do")
    _queue(made)
    add("list", do.listed, show.rounds)
    _named(add("show", do.shown, show.round_))
    made = _named(add("export", do.exported, show.files))
    made.add_argument("--out", required=True, metavar="DIR")
    _which(made)
    made = add("worker", do.worked, lambda said: f"{said['scored']} scored.")
    made.add_argument(
        "--until-idle",
        nargs="?",
        type=float,
        const=10.0,
        metavar="SECONDS",
        help="end after so long without work (10)",
    )
    made.add_argument("--workers", type=int, default=1, metavar="N", help="so many at once (1)")
    _queue(made)


def _submit(add: Adder) -> None:
    made = add("example", sent.example, show.example)
    made.add_argument(
        "round", metavar="ROUND", help="a round in the database, a published folder, or its round.json"
    )
    made.add_argument("--track", required=True, choices=TRACKS)
    made.add_argument("--out", required=True, metavar="FILE")
    made = add("check", sent.checked, show.checked)
    made.add_argument("file", metavar="FILE")
    made.add_argument(
        "--round", metavar="ROUND", help="a published folder, or its round.json; left out, the database"
    )
    made = add("send", sent.sent, show.sent)
    made.add_argument("file", metavar="FILE")
    _team(made)
    _queue(made)
    add("status", sent.status, show.status).add_argument("number", type=int, metavar="NUMBER")
    made = _named(add("list", sent.submissions, show.submissions))
    made.add_argument("--team", metavar="NAME")
    made.add_argument("--track", choices=TRACKS)
    made = add("withdraw", sent.withdrawn, lambda said: f"Submission {said['withdrawn']} is withdrawn.")
    made.add_argument("number", type=int, metavar="NUMBER")
    _team(made)


def _common(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--db",
        metavar="URL",
        help="the database; by default ATTENTIONLAB_DB, else a file in your data folder",
    )
    made.add_argument("--json", action="store_true", help="print one JSON object")


def _named(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    made.add_argument("round", metavar="ROUND")
    return made


def _which(made: argparse.ArgumentParser) -> None:
    made.add_argument("--track", choices=TRACKS, help="left out, all")
    made.add_argument("--split", choices=SPLITS, help="hidden only where the round is closed")


def _queue(made: argparse.ArgumentParser) -> None:
    made.add_argument(
        "--queue",
        metavar="Q",
        help="a file or redis://host; by default ATTENTIONLAB_QUEUE, else a file in your data folder",
    )


def _team(made: argparse.ArgumentParser) -> None:
    made.add_argument("--team", required=True, metavar="NAME")
    made.add_argument(
        "--key", metavar="KEY", help=f"the team's; better in {sent.KEY}, which others cannot see"
    )
