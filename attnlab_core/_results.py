"""The command `results`: list, show, compare, export, remove and add stored reports."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from attnlab_core.store import Store

Said = dict[str, Any]
Commands = Any
"""What `ArgumentParser.add_subparsers` gives; its type has no public name."""


def results(args: argparse.Namespace) -> Said:
    """Look through the results that experiments left: list, show, compare, export, remove, add."""
    from attnlab_core.store import Store

    return args.action(Store(args.db), args)


def listed(store: Store, args: argparse.Namespace) -> Said:
    """What is there, the last one kept first."""
    found = store.find(task=args.task, model=args.model, experiment=args.experiment, limit=args.limit)
    return {"database": store.name, "results": [entry.to_json() for entry in found]}


def shown(store: Store, args: argparse.Namespace) -> Said:
    """One result with all its tables."""
    report = store.get(args.id)
    return {"id": args.id, "title": report.title} | report.to_json()


def compared(store: Store, args: argparse.Namespace) -> Said:
    """Two results of one experiment side by side."""
    from attnlab_core._tables import beside

    one, two = (store.get(number) for number in (args.one, args.two))
    table, rows, notes = beside(one, two, args.table)
    sides = [{"id": key, "title": report.title} for key, report in ((args.one, one), (args.two, two))]
    return {"results": sides, "table": table, "notes": notes, "rows": rows}


def exported(store: Store, args: argparse.Namespace) -> Said:
    """Write results to a file: .json with whole documents, .csv with the main tables."""
    return {"file": args.file, "results": store.export(args.ids or None, args.file)}


def removed(store: Store, args: argparse.Namespace) -> Said:
    """Forget a result."""
    store.remove(args.id)
    return {"database": store.name, "removed": args.id}


def added(store: Store, args: argparse.Namespace) -> Said:
    """Keep reports from elsewhere: a file that `evaluate --json` or `results export` wrote."""
    from attnlab_core.report import report_from_json

    try:
        said = json.loads(Path(args.file).read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{args.file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{args.file} is no JSON. Give a report's document, or a list of them.") from error
    reports = [report_from_json(one) for one in (said if isinstance(said, list) else [said])]
    if not reports:
        raise BadInput(f"{args.file} is an empty list: there is no report to keep.")
    return {"database": store.name, "added": store.add_all(reports)}


def add_parser(commands: Commands) -> argparse.ArgumentParser:
    """Add `results` to a command line.

    Args:
        commands: What `add_subparsers` gave. `args.command` is then `results`, `args.show` what prints for people, and
            `args.json` whether JSON is asked for.
    """
    made = commands.add_parser("results", help=results.__doc__, description=results.__doc__)
    made.set_defaults(command=results, action=listed, show=show_list)
    _common(made)
    _filters(made)
    actions = made.add_subparsers(metavar="{list,show,compare,export,remove,add}")

    def add(name: str, action: Callable[..., Said], show: Callable[[Said], str]) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=action.__doc__, description=action.__doc__)
        one.set_defaults(action=action, show=show)
        _common(one, again=True)
        return one

    _filters(add("list", listed, show_list), again=True)
    add("show", shown, show_report).add_argument("id", type=int, metavar="ID")
    two = add("compare", compared, show_compared)
    two.add_argument("one", type=int, metavar="ID")
    two.add_argument("two", type=int, metavar="ID")
    two.add_argument("--table", metavar="T", help="which table; left out, the main one")
    three = add("export", exported, lambda said: f"{said['file']}: {_count(said['results'])}")
    three.add_argument("file", metavar="FILE", help="ending with .json or .csv")
    three.add_argument("ids", type=int, nargs="*", metavar="ID", help="left out, all")
    add("remove", removed, lambda said: f"Removed result {said['removed']}.").add_argument(
        "id", type=int, metavar="ID"
    )
    add("add", added, lambda said: f"Kept as {', '.join(map(str, said['added']))}.").add_argument(
        "file", metavar="FILE.json"
    )
    return made


def _common(made: argparse.ArgumentParser, *, again: bool = False) -> None:
    """Flags that may stand before and after the action; those of the action leave the others as they are."""
    made.add_argument(
        "--db", metavar="URL", default=argparse.SUPPRESS if again else None,
        help="the database; by default ATTENTIONLAB_DB, else a file in your data folder",
    )  # fmt: skip
    made.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS if again else False,
        help="print one JSON object",
    )  # fmt: skip


def _filters(made: argparse.ArgumentParser, *, again: bool = False) -> None:
    nothing = argparse.SUPPRESS if again else None
    made.add_argument("--task", metavar="T", default=nothing, help="only results on this data set")
    made.add_argument("--model", metavar="M", default=nothing, help="only results of this model")
    made.add_argument("--experiment", metavar="E", default=nothing, help="only results of this experiment")
    made.add_argument(
        "--limit", type=int, metavar="N", default=argparse.SUPPRESS if again else 50,
        help="how many of the newest (50)",
    )  # fmt: skip


def show_list(said: Said) -> str:
    """A line a result."""
    if not said["results"]:
        return f"No such result in {said['database']}. An experiment, such as evaluate, leaves one."
    heads = ("id", "made", "experiment", "task", "model", "rows", "main", "main_value")
    rows = [{name: one[name] for name in heads} for one in said["results"]]
    for row in rows:
        row["made"] = str(row["made"])[:16].replace("T", " ")
    return aligned(rows)


def show_report(said: Said) -> str:
    """All tables of a report, and what to mind."""
    model = said["model"]
    named = [f"{name} {number(model[name])}" for name in ("name", "revision", "digest") if model.get(name)]
    lines = [
        f"{said['id']}. {printable(said['title'])}",
        f"made {said['made']} in {number(said['seconds'])} s, {said['engine']}",
        f"model: {', '.join(named)}",
    ]
    for name, rows in said["tables"].items():
        lines += ["", f"{name}:", aligned(rows)]
    return "\n".join([*lines, "", *(f"Note: {printable(note)}" for note in said["notes"])]).rstrip()


def show_compared(said: Said) -> str:
    """The figures of both results, and where else they differ."""
    lines = [
        f"{place}: result {one['id']}, {printable(one['title'])}"
        for place, one in enumerate(said["results"], 1)
    ]
    return "\n".join([*lines, *map(printable, said["notes"]), "", f"{said['table']}:", aligned(said["rows"])])


def aligned(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table in plain text, numbers to the right.

    >>> print(aligned([{"method": "atman", "mean": 0.51234}, {"method": "random", "mean": 12}]))
    method    mean
    atman   0.5123
    random      12
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([number(row.get(name)) for name in names] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [any(_is_number(row.get(name)) for row in rows) for name in names]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ).rstrip()
        for line in cells
    )


def number(value: Any) -> str:
    """A value in a table: numbers with four significant digits, whole ones in full.

    >>> [number(one) for one in (0.123456, 12345.6, 1e-7, 1200, 3.0, True, None, "a")]
    ['0.1235', '12346', '1e-07', '1200', '3', 'yes', '', 'a']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 9999.5 else f"{value:.0f}"
    text = value if isinstance(value, str | int) else json.dumps(value, ensure_ascii=False)
    return printable(str(text))


def printable(text: str) -> str:
    r"""A text in one line, without what would steer a terminal or cannot be printed.

    >>> printable("red \x1b[31m\n and half \udc80")
    'red [31m and half'
    """
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(many: int) -> str:
    return f"{many} result" + "s" * (many != 1)
