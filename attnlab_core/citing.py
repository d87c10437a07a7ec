"""How to cite this software and what it rests on, as text and as BibTeX; nothing is looked up anywhere."""

from __future__ import annotations

import inspect
import re
from typing import Any

from attnlab_core import __version__

TITLE = "AttentionLab: A laboratory for the attention of transformers"
AUTHORS = "The AttentionLab authors"
LICENSE = "Apache-2.0"


def bibtex() -> str:
    """The entry for this version."""
    return (
        "@software{attentionlab,\n"
        f"  title   = {{{TITLE}}},\n"
        f"  author  = {{{{{AUTHORS}}}}},\n"
        f"  version = {{{__version__}}},\n"
        f"  license = {{{LICENSE}}}\n"
        "}"
    )


def text() -> str:
    """The same as a line."""
    return f"{AUTHORS}. {TITLE}. Version {__version__}. {LICENSE}."


def source(thing: Any) -> str:
    """Where a method or an edit comes from: what its docstring says of it; empty where it says nothing.

    >>> from attnlab_core.methods import methods
    >>> source(methods()["occlusion"])
    'Abnar and Zuidema 2020, section 2 (blank-out); Zeiler and Fergus 2014.'
    """
    found = re.search(
        r"^Sources?:\s*(.+?)(?:\n\s*\n|\Z)", inspect.getdoc(thing) or "", re.DOTALL | re.MULTILINE
    )
    return " ".join(found[1].split()) if found else ""


def about(thing: Any) -> str:
    """What a method's docstring says between its first line and its arguments: what it measures, and when that misleads."""
    body = (inspect.getdoc(thing) or "").partition("\n")[2]
    return " ".join(
        re.split(r"^(?:Args|Source|Sources|Raises|Returns|Attributes):", body, flags=re.MULTILINE)[0].split()
    )
