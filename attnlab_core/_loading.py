"""What every command that loads a model takes on the command line, and the lab it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnlab_core._heads import TASKS
from attnlab_core.weights import DTYPES

if TYPE_CHECKING:
    import argparse

    from attnlab_core.lab import Lab


def flags(command: argparse.ArgumentParser) -> None:
    """Add the flags that say which model, and how it is loaded."""
    command.add_argument("--model", required=True, metavar="M", help="a shipped name, a Hub id, or a folder")
    command.add_argument("--revision", metavar="R", help="a branch, tag or commit of a Hub model")
    command.add_argument("--device", metavar="D", help="cpu or cuda; by default cuda where there is one")
    command.add_argument("--dtype", metavar="F", help=f"{', '.join(DTYPES)}; by default fp32")
    tasks = ", ".join(TASKS)
    command.add_argument("--task", metavar="T", dest="head", help=f"{tasks}; by default as the model says")


def lab(args: argparse.Namespace) -> Lab:
    """Load the model that the flags name."""
    from attnlab_core.models import load

    return load(args.model, revision=args.revision, device=args.device, dtype=args.dtype, task=args.head)
