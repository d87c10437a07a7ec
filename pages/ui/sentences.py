"""Edits in words that a person says: "Scale ×2 on “nothing”, all layers"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pages.ui import units

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from attnlab_core.prompt import Encoding

MOST_NAMED = 4
_QUIET = ("op", "where", "cells")


def of_edit(said: Mapping[str, Any], encoding: Encoding | None = None) -> str:
    """An edit, given as JSON, in one line; positions are named by their tokens where these are known."""
    where = said.get("where", {})
    layers, heads = (_numbers(name, where.get(f"{name}s")) for name in ("layer", "head"))
    if said["op"] == "draw":
        count = len(said["cells"])
        more = [f"{100 * said['amount']:g} %"] if "amount" in said else []
        return "Painted: " + ", ".join((layers, heads, f"{count} cell{'s' * (count != 1)}", *more))
    parts = [" ".join((_title(said["op"]), *_settings(said)))]
    if "cells" in said:
        places = {tuple(cell[:2]) for cell in said["cells"]}
        return f"{parts[0]}: {len(said['cells']):,} cells in {len(places)} head{'s' * (len(places) != 1)}"
    if where.get("keys"):
        parts[0] += f" on {_words(where['keys'], encoding)}"
    if where.get("queries"):
        parts[0] += f", seen from {_words(where['queries'], encoding)}"
    parts.append(layers)
    if where.get("heads"):
        parts.append(heads)
    if where.get("part"):
        parts.append(where["part"])
    return ", ".join(parts)


def _title(op: str) -> str:
    from attnlab_core.catalog import catalog
    from attnlab_core.knobs import title

    known = catalog("attnlab_core.edits")
    return title(known[op]) if op in known else op


def _settings(said: Mapping[str, Any]) -> list[str]:
    """What was turned away from its default."""
    told = []
    for name, value in said.items():
        if name in _QUIET:
            continue
        if name == "factor":
            told.append(f"×{value:g}")
        elif name == "amount":
            told.append(f"{100 * value:g} %")
        elif isinstance(value, bool):
            told.append(f"{name.replace('_', ' ')} {'on' if value else 'off'}")
        elif isinstance(value, str):
            told.append(f"{name} “{value[:30]}{'…' * (len(value) > 30)}”")
        elif isinstance(value, list):
            told.append(f"{len(value)} {name}")
        else:
            told.append(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return told


def _numbers(name: str, numbers: Sequence[int] | None) -> str:
    if not numbers:
        return f"all {name}s"
    told = ", ".join(map(str, numbers[:MOST_NAMED])) + ("…" if len(numbers) > MOST_NAMED else "")
    return f"{name}{'s' * (len(numbers) > 1)} {told}"


def _words(places: Sequence[int | str], encoding: Encoding | None) -> str:
    def name(place: int | str) -> str:
        if isinstance(place, str):
            return f"“{units.short(place)}”"
        if encoding is None or not 0 <= place < len(encoding.tokens):
            return f"token {place}"
        text = encoding.tokens[place].text
        twice = sum(token.text == text for token in encoding.tokens) > 1
        return f"“{text}”" + (f" (token {place})" if twice else "")

    named = [name(place) for place in places[:MOST_NAMED]]
    more = len(places) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
