"""The catalogues: names of methods, edits and so on, found by importing a folder.

A folder's file `some_name.py` offers `some_name` (a function) or `SomeName` (a class). Files that begin with an
underscore are helpers. Adding a file is all it takes to add a name.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def catalog(package: str) -> Mapping[str, Any]:
    """Everything a package's folder offers, as name → function or class, in alphabetical order.

    >>> "scale" in catalog("attnlab_core.edits")
    True
    """
    found = {}
    for info in sorted(pkgutil.iter_modules(importlib.import_module(package).__path__), key=lambda i: i.name):
        if not info.name.startswith("_"):
            module = importlib.import_module(f"{package}.{info.name}")
            found[info.name] = getattr(module, info.name, None) or getattr(module, camel(info.name))
    return MappingProxyType(found)


def pick(package: str, name: str, what: str) -> Any:
    """The one thing called `name`; `UnknownName` with the nearest known name where there is none."""
    known = catalog(package)
    if name not in known:
        raise UnknownName(name, known, what)
    return known[name]


def camel(name: str) -> str:
    """`mean_pattern` → `MeanPattern`."""
    return "".join(part.capitalize() for part in name.split("_"))
