"""What edits do to sentences: each is read without them and with them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from attnlab_core import plausibility
from attnlab_core.errors import BadInput, EditTouchedNothing
from attnlab_core.progress import step, unheard
from attnlab_core.tasks.custom import Custom

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.experiments._readings import Reading
    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Row

BUDGET = 256 * 2**20
TASK = Custom()


@dataclass(frozen=True)
class Changed:
    """One sentence before and after edits; where these do not fit it, nothing changed."""

    before: Mapping[str, float]
    after: Mapping[str, float]
    touched: bool
    percentile: float | None = None

    @property
    def effect(self) -> float | None:
        """By how much the log-probability of the right answer changed, in nats."""
        found = self.before["surprisal"] - self.after["surprisal"]
        return float(found) if math.isfinite(found) else None


def changed(
    lab: Lab, rows: Sequence[Row], edits: Sequence[Sequence[Sequence[Edit]]], *, judged: bool = False
) -> list[list[Changed]]:
    """Every sentence without edits, read once, and with each of its lists of edits.

    Args:
        lab: Who reads.
        rows: The sentences.
        edits: For each sentence some lists; an empty one changes nothing.
        judged: Say how plausible the attention is, too.

    Returns:
        For each sentence what became of it under each of its lists.
    """
    known = plausibility.reference(lab) if judged else None
    found = []
    for done, (row, lists) in enumerate(zip(rows, edits, strict=True)):
        step(done, len(rows))
        with unheard():
            found.append(_changed(lab, row, lists, known))
    step(len(rows), len(rows))
    return found


def _changed(
    lab: Lab, row: Row, lists: Sequence[Sequence[Edit]], known: plausibility.Reference | None
) -> list[Changed]:
    # The labels of a classifier are written in many ways; TASK makes them the model's own.
    mine = TASK.fitted(_labelled(row, lab), lab)
    encodings = list(TASK.readings(mine, lab))
    plain = _read(lab, encodings, [()] * len(encodings), keep=known is not None)
    before = TASK.measure(mine, *(one.asked for one in plain))
    found = []
    for some in lists:
        try:
            settled = [lab.settle(encoding, some) for encoding in encodings]
            new = _read(lab, encodings, settled, keep=known is not None) if some else None
        except (BadInput, EditTouchedNothing):
            new = None
        if new is None:
            found.append(Changed(before, before, touched=False))
            continue
        after = TASK.measure(mine, *(one.asked for one in new))
        percentile = None if known is None else known.judge(new[0].pattern, plain[0].pattern).percentile
        found.append(Changed(before, after, touched=True, percentile=percentile))
    return found


def _labelled(row: Row, lab: Lab) -> Row:
    if lab.task != "classification":
        return row
    known = {label.lower(): label for label in lab.labels}
    gold = tuple(known.get(one.lower(), one) for one in row.gold)
    wrong = None if row.wrong is None else known.get(row.wrong.lower(), row.wrong)
    return replace(row, gold=gold, wrong=wrong)


def _read(
    lab: Lab, encodings: Sequence[Any], edits: Sequence[Sequence[Edit]], *, keep: bool
) -> list[Reading]:
    from attnlab_core.experiments._readings import read

    return read(lab, encodings, edits, budget=BUDGET, keep=keep)
