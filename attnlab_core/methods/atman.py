"""AtMan: what happens to the answer when the attention to a token is turned down."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

import torch

from attnlab_core.edits import Where
from attnlab_core.edits.suppress import Suppress
from attnlab_core.knobs import Range, labelled
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.methods._inputs import measured
from attnlab_core.prompt import CONTINUATION, sentences
from attnlab_core.targets import Goal

Variant = Literal["visible_min", "log", "official"]
FORMS: dict[str, dict[str, Any]] = {
    "visible_min": {"on": "scores", "minimum": "visible"},
    "log": {"on": "weights"},
    "official": {"on": "scores", "minimum": "all"},
}
WAYS = {
    "visible_min": "scaled above the least visible score of the row",
    "log": "as weights are scaled",
    "official": "scaled above the least score of the row, hidden ones too",
}


@labelled("AtMan")
def atman(
    run: Run,
    goal: Goal,
    *,
    factor: Annotated[float, Range(0, 10)] = 0.1,
    variant: Variant = "visible_min",
    similarity: Annotated[float, Range(0, 1)] | None = None,
    unit: Literal["token", "word", "sentence"] = "token",
    delimiter: str | None = None,
    layer: Annotated[int | None, Range(0)] = None,
) -> Found:
    """How much the answer suffers when attention to a word is turned down.

    For every token the attention that all queries in all heads and layers pay to it is suppressed, and the score is the
    log-probability of the target before minus after (natural logarithm): positive where the token supports the target.
    The token stays in its own row's residual stream, so this is not deletion; a word said twice is only half suppressed
    unless `similarity` is set.

    Args:
        factor: How far attention is turned down: 1 changes nothing, 0 is most, above 1 turns it up.
        variant: Scale scores above the least visible one of the row; or weights, as later versions do (log); or scores
            above the least of all, hidden ones too, as the published code of 2023 does (official).
        similarity: Also suppress tokens whose word embedding has at least this cosine with the token; empty is off.
        unit: Suppress tokens, words or sentences at a time.
        delimiter: Where sentences end, as a text; empty is at . ! ? and at line ends.
        layer: Suppress in this layer only, counted from 0; empty is in all.

    Source: Deiseroth et al. 2023, "AtMan: Understanding Transformer Predictions Through Memory Efficient Attention
    Manipulation", sections 3.2 and 3.3.
    """
    causal, where = run.lab.causal, None if layer is None else (layer,)
    notes = ()
    if variant == "official" and not bool(run.pattern.visible.all()):
        notes = ("This variant uses scores that the mask hides, so later tokens change the result.",)
    elif variant == "official":
        variant = "visible_min"
        notes = (
            "Nothing is masked here, so this variant is the same as scaling above the least visible score.",
        )
    # A causal model never sees what comes after the answer's place: those chunks score 0.
    chunks = [chunk for chunk in _chunks(run, unit, delimiter) if not causal or chunk[0] <= max(goal.reads)]
    turn_down = partial(Suppress, factor=factor, similarity=similarity, **FORMS[variant])
    passes = [(), *((turn_down(where=Where(layers=where, keys=chunk)),) for chunk in chunks)]
    found = measured(
        run, goal.each, len(passes), lambda part: {"rows": passes[part]}, goal
    )  # [1 + chunk, pick]
    found *= torch.tensor([pick.sign for pick in goal.picks])
    lost = found[0] - found[1:]
    scores = torch.zeros(len(run.tokens), dtype=torch.float64)
    for chunk, delta in zip(chunks, lost.sum(-1), strict=True):
        scores[list(chunk)] = delta / len(chunk)
    details: dict[str, Any] = {"passes": len(passes)}
    if len(goal.picks) > 1:
        details["chunks"] = [list(chunk) for chunk in chunks]
        details["per_target_token"] = lost.tolist()
    return Found(scores, _words(factor, variant, unit, layer, similarity), True, details, notes)


def _words(factor: float, variant: str, unit: str, layer: int | None, similarity: float | None) -> str:
    where = "all layers" if layer is None else f"layer {layer}, counted from 0"
    similar = "" if similarity is None else f" and to tokens like it (cosine from {similarity:g})"
    share = "" if unit == "token" else f"; a {unit}'s score is shared equally by its tokens"
    return (
        f"Log-probability of the target minus the same with attention to the {unit}{similar} times {factor:g} "
        f"in {where}, all heads and rows, {WAYS[variant]}{share}."
    )


def _chunks(run: Run, unit: str, delimiter: str | None) -> list[tuple[int, ...]]:
    """What is suppressed together, as positions in order; special and continuation tokens stand alone."""
    if unit == "word":
        inside = [word.positions for word in run.encoding.words]
    elif unit == "sentence":
        inside = [one.positions for one in sentences(run.encoding, delimiter) if one.segment != CONTINUATION]
    else:
        inside = []
    taken = {place for chunk in inside for place in chunk}
    return sorted([*inside, *((k,) for k in range(len(run.tokens)) if k not in taken)])
