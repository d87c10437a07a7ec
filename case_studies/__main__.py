"""The command line of the studies: `python -m case_studies list`, or a study's name.

Bad input ends with status 2 and one line on standard error.
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attnlab_core.errors import AttentionLabError, BadInput
from attnlab_core.progress import told as told_how_far
from case_studies import _story

OPTIONS = {
    "data": ("winobias", "makes its own data and takes no folder"),
    "other": ("other", "takes no second model"),
    "base": ("base", "has no model from before"),
}
"""Option of some studies → the parameter of `study`, and what is said of a study that has none."""


def main(argv: Sequence[str] | None = None, called: str = "python -m case_studies") -> int:
    """Run one study, or list them; returns the exit status. `called` is how this command line was reached."""
    parser = argparse.ArgumentParser(prog=called, description="Case studies of editing attention.")
    parser.add_argument("study", help="list, or the name of a study")
    parser.add_argument("--model", help="a shipped name, a Hub id, or a folder; left out, the study's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--data",
        type=Path,
        help="for gender_bias: the folder of WinoBias's development set, measured as well",
    )
    parser.add_argument("--other", help="for encoder_and_decoder: the decoder; left out, gpt2-mini")
    parser.add_argument(
        "--base",
        help="for fine_tuning: the encoder from before, a folder or a Hub id; left out, fetched from the Hub",
    )
    parser.add_argument(
        "--rows", type=Path, metavar="FILE",
        help="only write the study's sentences as a data set for experiments: a CSV, TSV or JSON-lines file",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the whole record")
    parser.add_argument(
        "--record", action="store_true", help="store it as the record that comes with the study"
    )
    args = parser.parse_args(argv)
    try:
        if args.study == "list":
            print(_list(args.json))
            return 0
        if args.rows:
            from case_studies._suites import to_file

            print(f"{args.rows}: {to_file(args.study, args.rows, args.seed)} rows")
            return 0
        given = {option: getattr(args, option) for option in OPTIONS}
        record = made(args.study, args.model, args.seed, **given)
    except AttentionLabError as error:
        print("case_studies:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    if args.record:
        print(_story.keep(record), file=sys.stderr)
    print(json.dumps(record, ensure_ascii=False, indent=1) if args.json else told(record))
    return 0


def made(name: str, model: str | None, seed: int, **given: Any) -> dict[str, Any]:
    """Load the model, run the study, and show on standard error how far it is.

    Args:
        name: Of the study.
        model: What it asks; None is the study's own.
        seed: Of all that is drawn.
        given: The values of `OPTIONS`, None where one was left out.

    Raises:
        BadInput: An option is given to a study that takes none of this kind.
    """
    import attnlab_core as al

    module = _story.find(name)
    taken, options = inspect.signature(module.study).parameters, {}
    for option, value in given.items():
        if value is not None and OPTIONS[option][0] not in taken:
            raise BadInput(f"The study {name} {OPTIONS[option][1]}. Leave --{option} out.")
        if value is not None:
            options[OPTIONS[option][0]] = value
    lab = al.load(model or module.MODEL)

    with al.watching(told_how_far(name)):
        return _story.run(name, lab, seed=seed, **options)


def told(record: _story.Record) -> str:
    """The story as text."""
    module = _story.find(record["study"])
    steps, closing = module.story(record)
    lines = [module.TITLE, module.QUESTION, ""]
    for number, step in enumerate(steps, 1):
        lines += [f"{number}. {step.title}", step.text, ""]
        if step.figure is not None:
            lines += [step.figure.caption, step.figure.frame.to_string(index=False), ""]
    for title, said in (
        ("Found", closing.found),
        ("Not found", closing.not_found),
        ("How sure", closing.sure),
    ):
        if said:
            lines += [f"{title}:", *(f"- {line}" for line in said)]
    return "\n".join(lines)


def _list(as_json: bool) -> str:
    known = [
        {"name": name, "label": module.TITLE, "summary": module.QUESTION, "model": module.MODEL}
        for name, module in _story.studies().items()
    ]
    if as_json:
        return json.dumps({"studies": known}, ensure_ascii=False, indent=2)
    wide = max(len(one["name"]) for one in known)
    return "\n".join(f"{one['name']:<{wide}} {one['summary']}" for one in known)


if __name__ == "__main__":
    sys.exit(main())
