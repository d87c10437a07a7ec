"""The commands that work on whole data sets: one for each experiment of the catalogue, and `analyse`."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attnlab_core import _loading
from attnlab_core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from attnlab_core.experiments import Experiment
    from attnlab_core.lab import Lab
    from attnlab_core.report import Report
    from attnlab_core.store import Store

NAMES = ("evaluate", "bench", "correlate", "evidence")
"""The experiments, named here so that the parser needs no torch; a test holds it against the catalogue."""
HELP = {
    "evaluate": "What changes of attention do to a model's answers over a data set.",
    "bench": "How faithful and how plausible explanations are over a data set.",
    "correlate": "How raw attention, rollout and flow agree with blank-out scores and gradients, layer by layer.",
    "evidence": "How well explanations find the tokens that people marked.",
}
Adder = Callable[..., argparse.ArgumentParser]


def experiment(args: argparse.Namespace) -> dict[str, Any]:
    """Make an experiment on a model; keep the report where it is asked for."""
    from attnlab_core.experiments import run
    from attnlab_core.progress import told, watching

    store = None if args.no_store else _store(args.db)  # before the work, which a wrong address would waste
    lab = _loading.lab(args)
    asked = requested(args, lab)
    with watching(told("rows")):
        report = run(
            asked, lab, engine=args.engine, workers=args.workers, address=args.address, resume=not args.fresh,
            budget=int(args.memory * 2**20),
        )  # fmt: skip
    said = report.to_json()
    if store is not None:
        said = {"stored": store.add(report)} | said
    if args.out:
        written([report], Path(args.out))
    return said


def _store(db: str | None) -> Store:
    from attnlab_core.store import Store

    return Store(db)


def requested(args: argparse.Namespace, lab: Lab) -> Experiment:
    """The experiment that a command line means."""
    from attnlab_core.experiments import experiments
    from attnlab_core.tasks import task_from_json

    kind = experiments()[args.experiment]
    given: dict[str, Any] = {
        "task": task_from_json(args.task or _of_name(args.model)),
        "data": args.data,
        "limit": args.limit,
        "seed": args.seed,
    }
    for name in _own(kind):
        value = getattr(args, name, None)
        if value is not None:
            given[name] = tuple(value) if isinstance(value, list) else value
    for pair in getattr(args, "set", ()):
        name, equals, text = pair.partition("=")
        if not equals:
            raise BadInput(f"A setting is NAME=VALUE, such as by=word, not {pair!r}.")
        if name not in _own(kind):
            raise UnknownName(name, _own(kind), f"setting of {args.experiment}")
        given[name] = _value(text)
    if args.experiment == "evaluate":
        given["conditions"] = _conditions(args, lab)
    return kind(**given)


def _value(text: str) -> Any:
    """JSON, or the text itself where it is none."""
    try:
        said = json.loads(text)
    except ValueError:
        return text
    return tuple(said) if isinstance(said, list) else said


def _of_name(model: str) -> str:
    """The data set that a model is named after."""
    from attnlab_core.tasks import tasks

    if model not in tasks():
        raise BadInput(f"Say on which data set: one of {', '.join(tasks())}.")
    return model


def _conditions(args: argparse.Namespace, lab: Lab) -> tuple[Any, ...]:
    """The conditions of an evaluation: the edits together, the usual ones, searches; each in every set of layers."""
    from attnlab_core.edits import edit_from_json
    from attnlab_core.experiments._conditions import Condition, in_layers, layers_from_text, usual

    found = list(usual(lab, search=False)) if args.usual else []
    if args.edit:
        edits = tuple(edit_from_json(text) for text in args.edit)
        found.append(Condition(" + ".join(_short(edit.to_json()) for edit in edits), edits))
    found += [
        Condition(f"optimised {way}, λ = {args.plausibility:g}", search=way, plausibility=args.plausibility)
        for way in dict.fromkeys(args.optimise)
    ]
    sets = [layers_from_text(text) for text in args.layers] or [None]
    return in_layers(found, sets)


def _short(said: dict[str, Any]) -> str:
    """An edit in a table: its name and what was set."""
    rest = {key: value for key, value in said.items() if key != "op"}
    return said["op"] + (f" {json.dumps(rest, ensure_ascii=False)}" if rest else "")


def analyse(args: argparse.Namespace) -> dict[str, Any]:
    """Write a self-contained HTML report of stored results: figures, and a text that says what the numbers support."""
    from attnlab_core.store import Store

    store = Store(args.db)
    numbers = args.ids or [
        entry.id for entry in store.find(task=args.task, model=args.model, limit=args.limit)
    ]
    if not numbers:
        raise BadInput(
            "The store holds no such results. Run evaluate first, or name the numbers that results list shows."
        )
    file = Path(args.out)
    written([store.get(number) for number in numbers], file)
    return {"file": str(file), "results": numbers}


def written(reports: Sequence[Report], file: Path) -> None:
    """Write reports to a file by its ending: .html for people, .json for programs."""
    if file.suffix not in (".html", ".json"):
        raise BadInput(f"{file} ends neither with .html nor with .json, so it is not clear what to write.")
    if file.suffix == ".html":
        from attnlab_core.analysis import html

        text = html(reports)
    else:
        said = [report.to_json() for report in reports]
        text = json.dumps(said[0] if len(said) == 1 else said, ensure_ascii=False, indent=1) + "\n"
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.") from error


def add_parsers(add: Adder) -> None:
    """Add the commands to the command line; `add(function, show, name=…, about=…)` makes one."""
    for name in NAMES:
        made = add(experiment, shown, name=name, about=HELP[name])
        made.set_defaults(experiment=name)
        made.add_argument(
            "task", nargs="?",
            help='a data set, such as sst2, or JSON such as {"task": "winobias", "split": "test"}; left out, the one of the '
            "model's name",
        )  # fmt: skip
        _loading.flags(made)
        _common(made)
        _own_flags(made, name)
    made = add(analyse, lambda said: f"{said['file']}: results {', '.join(map(str, said['results']))}")
    made.add_argument("ids", type=int, nargs="*", help="numbers of results; left out, the newest")
    made.add_argument("--out", required=True, metavar="FILE", help="the page to write, ending with .html")
    made.add_argument("--task", help="only results on this data set")
    made.add_argument("--model", help="only results of this model")
    made.add_argument("--limit", type=int, default=12, help="how many of the newest")
    made.add_argument("--db", metavar="URL", help="the database; by default a file in your data folder")


def _common(made: argparse.ArgumentParser) -> None:
    made.add_argument("--data", metavar="PATH", help="a file or folder with the data; left out, the Hub")
    made.add_argument("--limit", type=int, metavar="N", help="how many rows; left out, all")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--engine", choices=("local", "ray"), default="local")
    made.add_argument("--workers", type=int, metavar="N", help="of Ray; left out, one for every processor")
    made.add_argument("--address", metavar="A", help="of a Ray cluster; left out, Ray on this machine")
    made.add_argument("--memory", type=float, default=512, metavar="MB", help="what a batch may take (512)")
    made.add_argument("--fresh", action="store_true", help="begin anew where an earlier run stopped half-way")
    made.add_argument(
        "--db", metavar="URL", help="the database to keep the report in; by default in your data folder"
    )
    made.add_argument("--no-store", action="store_true", help="keep no report")
    made.add_argument("--out", metavar="FILE", help="write the report, too: .html or .json")


def _own_flags(made: argparse.ArgumentParser, name: str) -> None:
    if name == "evaluate":
        made.add_argument(
            "--edit", action="append", default=[], metavar="JSON", help="an edit; several act together"
        )
        made.add_argument("--usual", action="store_true", help="inversion, focusing, smoothing, transfer")
        made.add_argument(
            "--optimise", action="append", default=[], choices=("towards", "away"),
            help="search attention towards the right answer, or away from it, for each row",
        )  # fmt: skip
        made.add_argument(
            "--plausibility", type=float, default=1.0, metavar="LAMBDA", help="of the searches (1)"
        )
        made.add_argument(
            "--layers", action="append", default=[], metavar="SET", help="such as 0-2; may be repeated"
        )
        made.add_argument("--no-controls", dest="controls", action="store_false", default=None)
        made.add_argument("--no-judge", dest="judged", action="store_false", default=None)
        return
    made.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the experiment"
    )
    if name in ("bench", "evidence", "correlate"):
        made.add_argument("--method", dest="methods", action="append", metavar="NAME", help="may be repeated")
    if name == "bench":
        made.add_argument("--metric", dest="metrics", action="append", metavar="NAME", help="may be repeated")


def _own(kind: Any) -> list[str]:
    """The settings of an experiment that are its own."""
    base = {"task", "data", "limit", "seed", "conditions"}
    return [f.name for f in dataclasses.fields(kind) if f.name not in base]


def shown(said: dict[str, Any]) -> str:
    """The main table, the notes, and where the report is kept."""
    from attnlab_core.report import report_from_json

    report = report_from_json(said)
    lines = [report.title]
    for name in report.tables:
        frame = report.to_frame(name)
        lines += ["", name, frame.to_string(index=False, float_format=lambda x: f"{x:.4g}", na_rep="")]
    lines += ["", *report.notes]
    if "stored" in said:
        lines.append(f"Kept as result {said['stored']}.")
    return "\n".join(lines)
