"""What both sides are asked: which answer each explains, and the probabilities of the same answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnlab_core.errors import AttentionLabError, BadInput
from pages.ui.sides import OF_A, OWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attnlab_core.targets import Target
    from pages.ui.sides import Side


def targets(sides: tuple[Side, Side]) -> tuple[list[Target], str]:
    """What each side explains, and a remark where B cannot be asked about the answer of A."""
    from attnlab_core.targets import Target

    a, b = sides
    first = _target(a, a.run.prediction)
    if b.wanted != OF_A:
        return [first, _target(b, b.run.prediction)], ""
    same = first.of
    if a.run.lab.task == b.run.lab.task:
        try:
            b.run.goal(Target(same))
            return [first, Target(same)], ""
        except BadInput:
            pass
    return [
        first,
        Target(b.run.prediction),
    ], f"B cannot answer “{same}”, so its own answer “{b.run.prediction}” is explained there."


def _target(side: Side, own: str) -> Target:
    from attnlab_core.targets import Target

    return Target(own if side.wanted in (OF_A, OWN) else side.wanted)


def answers(sides: tuple[Side, Side], most: int = 6) -> list[Mapping[str, float]]:
    """The probabilities of the same answers in both; each side's own where the two do not answer the same question."""
    from attnlab_core.targets import Target

    runs = [side.run for side in sides]
    own = [dict(list(run.probabilities.items())[:most]) for run in runs]
    if len({run.lab.task for run in runs}) > 1:
        return list(own)
    names = sorted(
        dict.fromkeys(name for side in own for name in side), key=lambda name: -max(side.get(name, 0.0) for side in own)
    )[:most]  # fmt: skip
    found: list[Mapping[str, float]] = []
    for run in runs:
        known = {}
        for name in names:
            try:
                known[name] = (
                    run.probabilities[name] if name in run.probabilities else run.value(Target(name))
                )
            except AttentionLabError:  # an answer that this side does not have
                continue
        found.append(known)
    return found
