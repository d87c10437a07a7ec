"""What all canvases of attention share: the files they are made of, numbers as codes, and a view in the address."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import streamlit as st

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from _typeshed import DataclassInstance

V = TypeVar("V", bound="DataclassInstance")
MOST = 4096
"""Numbers in a view are below it."""
HIDDEN = 65535
"""The code of a cell that the mask hides; the others run from 0 to one less."""


def asset(*names: str) -> str:
    """Some files of this folder, one after the other."""
    return "\n".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in names)


def codes(values: np.ndarray, low: float, high: float) -> bytes:
    """Values as little-endian 16-bit codes: from `low` to `high` in 65,534 steps, hidden cells (NaN) apart."""
    import numpy as np

    share = (values - low) / max(high - low, 1e-9)
    found = np.where(np.isnan(values), HIDDEN, np.rint(np.clip(share, 0, 1) * (HIDDEN - 1)))
    return found.astype("<u2").tobytes()


def taken(said: Mapping[str, Any], start: V, choices: Mapping[str, Sequence[str]], lowest: int = 0) -> V:
    """A view from what a browser or an address says; what makes no sense is left as it is in `start`.

    Args:
        said: Name → value, or its text.
        start: The view before.
        choices: Of each field of text what it can be; other fields are whole numbers, shares, or on and off.
        lowest: Number.
    """
    for field in fields(start):
        value = said.get(field.name)
        if field.name in choices:
            value = value if value in choices[field.name] else None
        else:
            value = _number(type(field.default), value, lowest)
        start = start if value is None else replace(start, **{field.name: value})
    return start


def _number(kind: type, value: Any, lowest: int) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not lowest <= number < MOST:  # also what is no number
        return None
    return min(max(number, 0.0), 1.0) if kind is float else kind(number)


def differing(view: DataclassInstance, plain: DataclassInstance) -> dict[str, str]:
    """The parameters of an address that say where a view differs from a plain one."""
    return {
        name: str(int(value) if isinstance(value, bool) else value)
        for name, value in asdict(view).items()
        if value != getattr(plain, name)
    }


def keep_in_address(view: DataclassInstance, said: dict[str, str]) -> None:
    """Let the address say this of a view, and nothing else of it."""
    for name in asdict(view):
        st.query_params.pop(name, None)
    st.query_params.update(said)
