"""The form of an edit: which one, its settings, its words or sentences, layers and heads; for a new one and for a card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from pages.ui import knobs, state, units, widgets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Word
    from attnlab_core.run import Run

FIRST = "scale"
WORDLESS = ("scale", "suppress", "focus", "zero")
"""Edits that, without any word or head chosen, would change nothing or everything."""
KEYS, QUERIES = {"word": "w", "sentence": "sw"}, {"word": "q", "sentence": "sq"}
"""The names of the boxes for those attended to, and for those that attend."""
WHOLE = "A sentence stands for all of its tokens."


def draft(lab: Lab, run: Run) -> Edit | None:
    """The edit that is being made; None while it is nothing yet."""
    from attnlab_core.catalog import catalog
    from attnlab_core.edits import Where
    from attnlab_core.knobs import caption, title

    known = {name: kind for name, kind in catalog("attnlab_core.edits").items() if not _by_cells(kind)}
    op = st.selectbox(
        "What happens", list(known), list(known).index(FIRST), format_func=lambda name: title(known[name]), key="op"
    )  # fmt: skip
    widgets.small(caption(known[op]))
    unit = units.choose("Choose among", units.WHOLE, "among", WHOLE)
    parts = units.of(run.encoding, unit)
    chosen = widgets.words_box("To the attention on", _texts(parts), KEYS[unit])
    values = knobs.knobs_of(known[op], f"e.{op}")
    layers, heads, queries = where(lab, parts, unit)
    if not chosen and op in WORDLESS and not (op == "zero" and heads):
        return None
    somewhere = chosen or layers or heads or queries
    if not somewhere and not st.checkbox(f"For all {unit}s, in all layers and heads", key="op_on"):
        return None
    place = Where(
        layers=layers, heads=heads, keys=widgets.places(run.encoding, [parts[k] for k in chosen]) or None,
        queries=widgets.places(run.encoding, [parts[k] for k in queries]) if queries else None,
    )  # fmt: skip
    return known[op](**values, where=place)


def where(
    lab: Lab, parts: Sequence[Word], unit: str, prefix: str = ""
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None, list[int]]:
    """Layers, heads, and the words or sentences that attend, by their numbers; None or nothing for all."""
    labels = widgets.unique(_texts(parts))
    with st.expander("Where: layers, heads, who attends", icon=":material/layers:"):
        layers = several("Layers", range(lab.layers), f"{prefix}layers", "all layers")
        heads = several("Heads", range(lab.heads), f"{prefix}heads", "all heads")
        queries = several(
            f"{unit.capitalize()}s that attend", range(len(labels)), f"{prefix}{QUERIES[unit]}",
            f"all {unit}s and special tokens", labels.__getitem__,
        )  # fmt: skip
    return layers, heads, list(queries or ())


def several(label: str, options: Any, key: str, all_of: str, shown: Any = str) -> tuple[int, ...] | None:
    """Some of the options, or None for all of them."""
    chosen = st.multiselect(
        label, list(options), placeholder=all_of, key=key, format_func=shown, persist_state="session"
    )
    return tuple(chosen) or None


def clear() -> None:
    """Begin a new edit."""
    for key in KEYS.values():
        widgets.set_words((), key, ())
    state.put("op_on", False)
    for key in ("layers", "heads", *QUERIES.values()):
        state.put(key, [])


def changed(said: dict[str, Any], lab: Lab, run: Run, prefix: str) -> dict[str, Any]:
    """The form of an edit that is there already; the edit, given and returned as JSON, as the form says it is now."""
    from attnlab_core.catalog import catalog

    kind, place = catalog("attnlab_core.edits")[said["op"]], dict(said.get("where", {}))
    names = [knob.name for knob in _knobs(kind)]
    for name in names:
        if name in said:
            state.begin(f"{prefix}{name}", said[name])
    values = knobs.knobs_of(kind, prefix.rstrip("."), without=("mode",) if _by_cells(kind) else ())
    kept = {name: value for name, value in said.items() if name not in names or name == "mode"}
    if _by_cells(kind):
        widgets.small("The cells themselves are painted, or found; here they can be made weaker.")
        return {**kept, **values} | ({"where": place} if place else {})
    place = _where_again(place, lab, run, prefix)
    return {**{k: v for k, v in kept.items() if k != "where"}, **values} | ({"where": place} if place else {})


def _where_again(place: dict[str, Any], lab: Lab, run: Run, prefix: str) -> dict[str, Any]:
    """The same for `where`; places that are no whole words, or sentences, stay as they are."""
    from attnlab_core.edits import Where

    settled = Where(**place).settle(run.encoding, lab.layers, lab.heads)
    sentences = units.of(run.encoding, "sentence")
    named = len(sentences) > 1 and _whole(sentences, settled.keys)
    state.begin(f"{prefix}among", "sentences" if named else "words")
    unit = units.choose("Choose among", units.WHOLE, f"{prefix}among", WHOLE, bound=False)
    parts = units.of(run.encoding, unit)
    texts, box = _texts(parts), f"{prefix}{KEYS[unit]}"
    keys, queries = (_whole(parts, chosen) for chosen in (settled.keys, settled.queries))
    if place.get("keys") and not keys:
        widgets.small(f"It acts on tokens that are no whole {unit}s; these stay.")
    else:
        if state.get(box) is None and state.get(f"{box}s") is None:
            widgets.set_words(texts, box, keys)
        chosen = widgets.words_box("To the attention on", texts, box, bound=False)
        place["keys"] = (
            place.get("keys")
            if chosen == keys
            else list(widgets.places(run.encoding, [parts[k] for k in chosen]))
        )
    for name, given in (("layers", settled.layers), ("heads", settled.heads), (QUERIES[unit], queries)):
        state.begin(f"{prefix}{name}", list(given or ()))
    layers, heads, attending = where(lab, parts, unit, prefix)
    place |= {"layers": list(layers or ()), "heads": list(heads or ())}
    if not (place.get("queries") and not queries) and attending != queries:
        place["queries"] = list(widgets.places(run.encoding, [parts[k] for k in attending]))
    return {name: value for name, value in place.items() if value}


def marks(run: Run, edits: Sequence[Edit]) -> dict[int, str]:
    """The words whose attention is edited: first position → `×2` or the edit's name."""
    marked: dict[int, list[str]] = {}
    for edit in edits:
        keys = set(edit.where.settle(run.encoding, run.lab.layers, run.lab.heads).keys or ())
        factor = getattr(edit, "factor", None)
        for word in run.encoding.words:
            if keys & set(word.positions):
                marked.setdefault(word.positions[0], []).append(edit.op if factor is None else f"×{factor:g}")
    return {position: " ".join(remarks) for position, remarks in marked.items()}


def words(run: Run) -> list[tuple[int, str]]:
    """The words of a run with their first positions."""
    return [(word.positions[0], word.text) for word in run.encoding.words]


def _knobs(kind: Any) -> Any:
    from attnlab_core.knobs import knobs as read

    return read(kind)


def _by_cells(kind: Any) -> bool:
    """Whether an edit is a list of cells, which are painted or found and not chosen."""
    return kind.by_hand or "cells" in kind.__dataclass_fields__


def _whole(parts: Sequence[Word], positions: Any) -> list[int]:
    """The numbers of the words or sentences that make up exactly these positions; none where they do not."""
    wanted = set(positions or ())
    found = [k for k, part in enumerate(parts) if set(part.positions) <= wanted]
    return found if {p for k in found for p in parts[k].positions} == wanted else []


def _texts(parts: Sequence[Word]) -> list[str]:
    return [units.short(part.text) for part in parts]
