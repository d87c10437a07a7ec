"""What the pages of the documentation take from the code: the catalogues, and the help of the command line."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"^<!-- catalogue: (\w+) -->$|^<!-- (command line) -->$", re.MULTILINE)


def on_config(config: Any, **_: Any) -> Any:
    """Let the library of this clone be found."""
    sys.path.insert(0, str(ROOT))
    return config


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the catalogue, or the command line's help, where a page asks for it."""
    return MARK.sub(lambda found: catalogue(found[1]) if found[1] else command_line(), markdown)


def on_post_build(config: Any, **_: Any) -> None:
    """The icon of the app is that of the documentation."""
    shutil.copyfile(ROOT / "favicon.png", Path(config["site_dir"]) / "favicon.png")


def catalogue(kind: str) -> str:
    """A table of everything a folder of the library offers, and the docstring of each."""
    from attnlab_core.catalog import catalog
    from attnlab_core.knobs import caption, title

    known = catalog(f"attnlab_core.{kind}")
    table = [
        f"| [`{name}`](#{place(thing)}) | {title(thing)} | {caption(thing)} |"
        for name, thing in known.items()
    ]
    told = [f"::: {place(thing)}" for thing in known.values()]
    return "\n".join(["| name | for people | what it does |", "|---|---|---|", *table, "", *told])


def place(thing: Any) -> str:
    """The full name of a function or class."""
    return f"{thing.__module__}.{thing.__name__}"


def command_line() -> str:
    """The help of every command."""
    from attnlab_core import serving
    from attnlab_core.__main__ import _parser

    with mock.patch.object(sys, "argv", ["attnlab"]), mock.patch.dict(os.environ, {"COLUMNS": "92"}):
        parser = _parser()
        (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        said = [("attnlab", parser.format_help())]
        said += [(f"attnlab {name}", one.format_help()) for name, one in commands.choices.items()]
        study = io.StringIO()
        with contextlib.redirect_stdout(study), contextlib.suppress(SystemExit):
            serving.study(["--help"])
    helps = dict(said) | {"attnlab study": study.getvalue()}
    return "\n\n".join(f"## {name}\n\n```text\n{text.rstrip()}\n```" for name, text in helps.items())
