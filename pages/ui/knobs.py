"""Widgets made from signatures: what a method or an edit takes is what a person can turn."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import streamlit as st

from attnlab_core.errors import AttentionLabError
from pages.ui import state

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from attnlab_core.knobs import Knob

FACTORS = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0, 100.0)
WIDEST_SLIDER = 10


def turn(knob: Knob, key: str, **more: Any) -> Any:
    """A widget for one knob, read off its signature, and the value it is set to."""
    label, remark = knob.name.replace("_", " ").capitalize(), knob.help or None
    kept: dict[str, Any] = {"key": key, "help": remark, "persist_state": "session", **more}
    if knob.kind == "bool":
        return st.toggle(label, bool(knob.default), **kept)
    if knob.kind == "choice":
        options = [*([None] if knob.optional else []), *knob.choices]
        return st.selectbox(label, options, options.index(knob.default), format_func=_choice, **kept)
    if knob.name == "factor":
        steps = sorted({*FACTORS, float(state.get(key, knob.default))})
        return st.select_slider(label, steps, float(knob.default), format_func="×{:g}".format, **kept)
    if knob.kind == "float" and not knob.optional and _narrow(knob):
        return st.slider(label, float(knob.low), float(knob.high), float(knob.default), step=0.05, **kept)  # type: ignore[arg-type]
    if knob.kind in ("int", "float"):
        kind = int if knob.kind == "int" else float
        low, high = (None if v is None else kind(v) for v in (knob.low, knob.high))
        value = None if knob.default is None else kind(knob.default)
        if kind is int:
            return st.number_input(label, low, high, value, step=1, placeholder="automatic", **kept)
        return st.number_input(
            label, low, high, value, step=0.1, format="%.2f", placeholder="automatic", **kept
        )
    return st.text_input(label, str(knob.default or ""), **kept) or knob.default


def knobs_of(
    thing: Callable[..., Any], prefix: str, without: Sequence[str] = (), **more: Any
) -> dict[str, Any]:
    """Widgets for all knobs of a method or an edit; the values that differ from the defaults."""
    from attnlab_core.knobs import knobs

    fit = [knob for knob in knobs(thing) if knob.name not in without]
    values = {knob.name: turn(knob, f"{prefix}.{knob.name}", **more) for knob in fit}
    return {knob.name: values[knob.name] for knob in fit if values[knob.name] != knob.default}


def restore(things: Mapping[str, Callable[..., Any]], values: Any, prefix: str) -> None:
    """Set knobs as a link says: `{thing: {knob: value}}`; what does not fit is left at its default."""
    from attnlab_core.knobs import knobs

    for name, given in values.items() if isinstance(values, dict) else ():
        for knob in knobs(things[name]) if name in things and isinstance(given, dict) else ():
            if knob.name in given:
                with suppress(AttentionLabError):
                    state.put(f"{prefix}.{name}.{knob.name}", knob.check(given[knob.name]))


def _narrow(knob: Knob) -> bool:
    return knob.low is not None and knob.high is not None and knob.high - knob.low <= WIDEST_SLIDER


def _choice(option: Any) -> str:
    return "automatic" if option is None else str(option).replace("_", " ")
