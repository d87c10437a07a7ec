"""The command line: `attnlab --help`, or `python -m attnlab_core --help`, lists what there is.

Bad input ends with status 2 and one line on standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import attnlab_core
from attnlab_core import _experimenting, _loading, _results, _shared_task, _shown, _typed, serving
from attnlab_core.errors import AttentionLabError, BadInput, UnknownName

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.plausibility import Reference
    from attnlab_core.prompt import Prompt
    from attnlab_core.run import Run


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        if given[:1] == ["study"]:  # it has a command line of its own
            return serving.study(given[1:])
        args = _parser().parse_args(given)
        said = args.command(args)
    except AttentionLabError as error:
        print("attnlab_core:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    if isinstance(said, int):
        return said
    print(json.dumps(said, ensure_ascii=False, indent=2) if args.json else args.show(said))
    return 0


def listing(_: argparse.Namespace) -> dict[str, Any]:
    """What there is: methods, edits, metrics, tasks (data sets), experiments and shipped models."""
    from attnlab_core.catalog import catalog
    from attnlab_core.models import shipped

    kinds = ("methods", "edits", "metrics", "tasks", "experiments")
    return {
        kind: [_entry(name, thing) for name, thing in catalog(f"attnlab_core.{kind}").items()]
        for kind in kinds
    } | {
        "models": [
            {"name": card.name, "label": card.name, "summary": card.summary, "knobs": [], "task": card.task}
            for card in shipped().values()
        ],
    }


def run(args: argparse.Namespace) -> dict[str, Any]:
    """What a model says, without and with edits."""
    from attnlab_core.record import of_run

    edits = _typed.edits(args.edit)
    plain = _run(args)
    return of_run(plain.again(*edits), before=plain) if edits else of_run(plain)


def attribute(args: argparse.Namespace) -> dict[str, Any]:
    """Which tokens an answer rests on, by one method or several."""
    from attnlab_core.catalog import catalog
    from attnlab_core.methods import FOLDER, attribute_all
    from attnlab_core.record import of_attributions

    known = catalog(FOLDER)
    names = list(dict.fromkeys(args.method or ["all"]))
    if "all" in names:
        names = list(known)
    for name in names:  # before a model is loaded
        if name not in known:
            raise UnknownName(name, [*known, "all"], "method")
    params = _typed.params(args.param, names)
    found = _edited(args)
    made = attribute_all(found, names, _typed.target(args), params)
    said = of_attributions(found, made)
    if args.by != "token":
        for one, attribution in zip(said["attributions"], made, strict=True):
            frame = attribution.to_frame(by=args.by)
            one[f"{args.by}s"] = frame.drop(columns="special").to_dict("records")
    return said | {"by": args.by}


def suggest(args: argparse.Namespace) -> dict[str, Any]:
    """What would help a target most: single changes of attention, predicted by the gradient and really run."""
    from attnlab_core.gradient import suggest as suggestions
    from attnlab_core.record import header

    found = _edited(args)
    target = _typed.target(args)
    made = suggestions(found, target, of=args.of, most=args.most)
    return header(found) | {"target": found.goal(target).text, "suggestions": [one.to_json() for one in made]}


def optimise(args: argparse.Namespace) -> dict[str, Any]:
    """Search attention that makes a target likely and stays plausible."""
    from attnlab_core.edits import where_from_json
    from attnlab_core.record import header
    from attnlab_core.search import optimise as search

    found = _edited(args)
    options: dict[str, Any] = {
        name: getattr(args, name) for name in ("plausibility", "steps", "rate", "enough")
    }
    wished = _typed.target(args) if args.target else None
    made = search(found, wished, where=where_from_json(args.where or {}), **options)
    if args.smallest is not None:
        made = made.smallest(args.smallest)
    return header(found) | made.to_json()


def generate(args: argparse.Namespace) -> dict[str, Any]:
    """How a language model goes on with a text, without and with edits."""
    from attnlab_core.generation import generate as write
    from attnlab_core.record import header

    found = _edited(args)
    options = {"tokens": args.tokens, "temperature": args.temperature, "seed": args.seed}
    said = header(found) | write(found, **options).to_json()
    return said | ({"before": write(found.plain, **options).to_json()} if found.edits else {})


def judge(args: argparse.Namespace) -> dict[str, Any]:
    """How plausible the edited attention is for the model, beside its own of the same text."""
    from attnlab_core import plausibility
    from attnlab_core.record import header

    found = _edited(args)
    known = plausibility.reference(found.lab)
    if known is None:
        raise BadInput(
            f"Nothing is known of what is usual for {args.model}: {_advice(args.model, found.lab)}."
        )
    plain = found.plain if found.edits else None
    return header(found) | {
        "plausibility": known.judge(found, plain).to_json(),
        "reference": {"corpus": known.corpus, "texts": known.texts, "held_back": known.held_back},
    }


def fit(args: argparse.Namespace) -> dict[str, Any]:
    """Learn what a model's own attention looks like, from a file of texts or a folder of pictures, and keep it."""
    from attnlab_core import plausibility
    from attnlab_core.pictures import files_in, read_all
    from attnlab_core.progress import told, watching

    of_texts = args.images is None
    kind, source = ("texts", Path(args.texts)) if of_texts else ("pictures", Path(args.images))
    texts, files = (_texts(source), []) if of_texts else ([], files_in(source))
    if args.out and not Path(args.out).absolute().parent.is_dir():  # before the work, which would be lost
        raise BadInput(f"{args.out} cannot be written: there is no such folder.")
    lab = _loading.lab(args)
    with watching(told("pictures read")):
        pictures = read_all(files[:1] if lab.texts else files)  # the first is enough to be refused
    with watching(told(kind)):
        corpus = args.corpus or f"{kind} of {source.absolute().name}"
        found = plausibility.fit(lab, texts or pictures, corpus=corpus)
    file = _saved(found, Path(args.out)) if args.out else plausibility.keep(found)
    counts = {"texts": found.texts, "held_back": found.held_back}
    return {"file": str(file), "read": kind, **counts, "corpus": found.corpus}


def _advice(model: str, lab: Lab) -> str:
    if lab.pictures and lab.texts:
        return "it reads text and pictures together, of which no reference is fitted"
    source = "--images FOLDER" if lab.pictures else "--texts FILE"
    return f"fit a reference first, with python -m attnlab_core fit --model {model} {source}"


def _texts(file: Path) -> list[Prompt]:
    from attnlab_core.prompt import Prompt

    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read as text: {error}") from error
    split = [line.partition("\t") for line in lines if line.strip()]
    return [Prompt(text, second if tab else None) for text, tab, second in split]


def _saved(fitted: Reference, file: Path) -> Path:
    try:
        fitted.save(file)
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.") from error
    return file


def app(args: argparse.Namespace) -> int:
    """Serve the app in a browser, to this machine alone unless told otherwise."""
    return serving.serve(args.port, args.address)


def _edited(args: argparse.Namespace) -> Run:
    edits = _typed.edits(args.edit)
    plain = _run(args)
    return plain.again(*edits) if edits else plain


def _run(args: argparse.Namespace) -> Run:
    from attnlab_core.prompt import Prompt

    if args.image is not None:
        from attnlab_core.pictures import Picture

        prompt = Prompt(args.text or "", args.second, Picture.read(Path(args.image)))
    elif args.text is None:
        raise BadInput("Give what is asked: --text T, or --image FILE for a model that reads pictures.")
    else:
        prompt = Prompt(args.text, args.second)
    return _loading.lab(args).run(prompt, keep=False)


def _entry(name: str, thing: Any) -> dict[str, Any]:
    from attnlab_core.knobs import caption, knobs, title

    return {
        "name": name,
        "label": title(thing),
        "summary": caption(thing),
        "knobs": [asdict(k) for k in knobs(thing)],
    }


class _Parser(argparse.ArgumentParser):
    """One line for a wrong call, as for every other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def _parser() -> argparse.ArgumentParser:
    called = "attnlab" if Path(sys.argv[0]).stem == "attnlab" else "python -m attnlab_core"
    parser = _Parser(prog=called, description="Take hold of a model's attention.")
    parser.add_argument("--version", action="version", version=f"attentionlab {attnlab_core.__version__}")
    commands = parser.add_subparsers(required=True)
    served = commands.add_parser("app", help=app.__doc__, description=app.__doc__)
    served.set_defaults(command=app)
    served.add_argument("--port", type=int, default=serving.PORT, metavar="N", help="8501 where left out")
    served.add_argument(
        "--address", default=serving.LOCAL, metavar="A",
        help="127.0.0.1 where left out; 0.0.0.0 opens the app to everybody who reaches this machine",
    )  # fmt: skip
    commands.add_parser("study", help="Run a case study; see study --help.")

    def add(command: Any, show: Any, *, name: str = "", about: str = "") -> argparse.ArgumentParser:
        name = name or command.__name__.replace("listing", "list")
        made = commands.add_parser(name, help=about or command.__doc__, description=about or command.__doc__)
        made.set_defaults(command=command, show=show)
        made.add_argument("--json", action="store_true", help="print one JSON object")
        return made

    add(listing, _shown.listing)
    _asks(add(run, _shown.run))
    one = add(attribute, _shown.attributions)
    one.add_argument(
        "--method", action="append", metavar="NAME", help="a method's name, or all; may be repeated"
    )
    one.add_argument("--param", action="append", default=[], metavar="METHOD.KNOB=VALUE", help="turn a knob")
    one.add_argument(
        "--by", choices=("token", "word", "sentence"), default="token",
        help="scores of words or sentences: those of their tokens added up",
    )  # fmt: skip
    two = add(suggest, _shown.suggestions)
    two.add_argument("--of", choices=("cells", "heads"), default="cells")
    two.add_argument("--most", type=int, default=10, metavar="N", help="how many")
    three = add(optimise, _shown.search)
    three.add_argument(
        "--plausibility", type=float, default=0.0, metavar="LAMBDA", help="what implausibility counts"
    )
    three.add_argument("--steps", type=int, default=60)
    three.add_argument("--rate", type=float, default=0.1)
    three.add_argument("--enough", type=float, default=0.9, metavar="P", help="the probability aimed at")
    three.add_argument("--where", metavar="JSON", help='what may change, such as {"layers": [3, 4]}')
    three.add_argument(
        "--smallest", type=float, metavar="SHARE", help="keep the fewest cells that carry this share"
    )
    for command in (one, two, three):
        _asks(command)
        command.add_argument(
            "--target", metavar="X", help="a label, a word, a continuation, an answer, or FIRST:LAST tokens"
        )
        command.add_argument("--rather-than", metavar="Y", help="X rather than Y")
        command.add_argument("--mask", type=int, default=0, metavar="N", help="which mask, from 0")
    four = add(generate, _shown.generation)
    _asks(four)
    four.add_argument("--tokens", type=int, default=20)
    four.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest token")
    four.add_argument("--seed", type=int, default=0)
    _asks(add(judge, _shown.judgement))
    five = add(fit, _shown.fit)
    _loading.flags(five)
    source = five.add_mutually_exclusive_group(required=True)
    source.add_argument("--texts", metavar="FILE", help="a text a line; of pairs both texts, a tab between")
    source.add_argument(
        "--images", metavar="FOLDER", help="a folder of pictures, for a model that reads pictures"
    )
    five.add_argument(
        "--corpus", metavar="WORDS", help="what these are; by default named after the file or folder"
    )
    five.add_argument("--out", metavar="FILE", help="where to; by default where the app finds it")
    _experimenting.add_parsers(add)
    _results.add_parser(commands)
    _shared_task.add_parsers(commands)
    commands.metavar = f"{{{','.join(commands.choices)}}}"
    return parser


def _asks(command: argparse.ArgumentParser) -> None:
    _loading.flags(command)
    command.add_argument("--text", metavar="T")
    command.add_argument("--image", metavar="FILE", help="a picture, for a model that reads pictures")
    command.add_argument("--second", metavar="S", help="the second text of a pair: a context, a hypothesis")
    command.add_argument(
        "--edit", action="append", default=[], metavar="JSON", help="an edit; may be repeated"
    )


if __name__ == "__main__":
    sys.exit(main())
