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
from case_studies import _story


def main(argv: Sequence[str] | None = None) -> int:
    """Run one study, or list them; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m case_studies", description="Case studies of editing attention."
    )
    parser.add_argument("study", help="list, or the name of a study")
    parser.add_argument("--model", help="a shipped name, a Hub id, or a folder; left out, the study's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--data",
        type=Path,
        help="for gender_bias: the folder of WinoBias's development set, measured as well",
    )
    parser.add_argument("--json", action="store_true", help="print the whole record")
    parser.add_argument(
        "--record", action="store_true", help="store it as the record that comes with the study"
    )
    args = parser.parse_args(argv)
    try:
        if args.study == "list":
            print(_list(args.json))
            return 0
        record = made(args.study, args.model, args.seed, args.data)
    except AttentionLabError as error:
        print("case_studies:", " ".join(str(error).split()), file=sys.stderr)
        return 2
    if args.record:
        print(_story.keep(record), file=sys.stderr)
    print(json.dumps(record, ensure_ascii=False, indent=1) if args.json else told(record))
    return 0


def made(name: str, model: str | None, seed: int, data: Path | None = None) -> dict[str, Any]:
    """Load the model, run the study, and show on standard error how far it is.

    Raises:
        BadInput: A folder is given to a study that takes none.
    """
    import attnlab_core as al

    module = _story.find(name)
    options = {} if data is None else {"winobias": data}
    if not options.keys() <= inspect.signature(module.study).parameters.keys():
        raise BadInput(f"The study {name} makes its own data and takes no folder. Leave --data out.")
    lab = al.load(model or module.MODEL)

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{name}: {done} of {total}", end="\n" if done == total else "", file=sys.stderr)

    with al.watching(show):
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
    return "\n".join(f"{one['name']:<14} {one['summary']}" for one in known)


if __name__ == "__main__":
    sys.exit(main())
