"""What is typed on the command line, read: targets, edits, and the knobs of methods."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from attnlab_core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    import argparse

    from attnlab_core.targets import Target


def target(args: argparse.Namespace) -> Target:
    """What `--target`, `--rather-than` and `--mask` ask for."""
    from attnlab_core.targets import Target

    return Target(answer(args.target), answer(args.rather_than), args.mask)


def edits(texts: Sequence[str]) -> list[Any]:
    """Edits from their JSON."""
    from attnlab_core.edits import edit_from_json

    return [edit_from_json(text) for text in texts]


def answer(text: str | None) -> Any:
    """A target as typed: `12:14` is a span, everything else is a label, word or text."""
    first, colon, last = (text or "").partition(":")
    return (int(first), int(last)) if colon and first.isdecimal() and last.isdecimal() else text


def params(pairs: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`method.knob=value` pairs as method → knob → value; values are JSON, or text where they are not."""
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        place, equals, text = pair.partition("=")
        method, dot, knob = place.partition(".")
        if not (equals and dot):
            raise BadInput(f"A parameter is method.knob=value, such as atman.factor=0.5, not {pair!r}.")
        if method not in names:
            raise UnknownName(method, names, "method asked for")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(method, {})[knob] = value
    return found
