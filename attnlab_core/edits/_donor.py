"""The attention of other runs, put in the place of a run's own."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Where, first_query
from attnlab_core.edits._rows import fill, level, window

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

T = TypeVar("T")
KEPT = 4
"""How many readings are remembered of each lab."""

_memory: WeakKeyDictionary[Lab, OrderedDict[Hashable, object]] = WeakKeyDictionary()
_lock = threading.Lock()


def remember(lab: Lab, key: Hashable, make: Callable[[], T]) -> T:
    """What `make` gave for this key before, while the model's weights are the same. Forgotten with the lab.

    An edit is settled anew for each run and each variation of it; what it reads for that is read once.
    """
    weights = tuple((p.data_ptr(), 0 if p.is_inference() else p._version) for p in lab.model.parameters())
    full = (key, weights)
    with _lock:
        kept = _memory.setdefault(lab, OrderedDict())
        if full in kept:
            kept.move_to_end(full)
            return kept[full]  # type: ignore[return-value]
    made = make()  # a model may run here: not under the lock
    with _lock:
        kept[full] = made
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return made


def parts(where: Where, lab: Lab) -> tuple[str, ...]:
    """The parts of the model in which a place lies."""
    only = len({part for part, _ in lab.calls}) == 1
    return tuple(dict.fromkeys(part for part, layer in lab.calls if where.covers(part, layer, only)))


def put(
    values: Float[Tensor, "*batch head query key"],
    visible: Bool[Tensor, "*batch head query key"],
    chosen: Bool[Tensor, "*batch head query key"],
    call: Call,
    donor: Float[Tensor, "layer h q k"] | None,
    amount: float | Tensor,
) -> Float[Tensor, "*batch head query key"]:
    """Weights with the donor's at the chosen cells; the other cells of a row share what is left.

    A row of the donor counts for what it says of visible keys, scaled to the row's own sum; a row that says nothing of
    these, or that the donor does not have, stays as it is. One layer or one head of the donor serves for all.
    """
    if donor is None:
        return values
    queries, keys = values.shape[-2:]
    part = window(
        donor[call[1] if len(donor) > 1 else 0], queries, keys, first_query(call, queries, keys)
    ).to(values)
    new = level(part * visible, values)
    return fill(values, values + amount * (new - values), chosen)
