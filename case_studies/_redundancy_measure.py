"""What the redundancy study measures: pictures in pairs, what suppressing some patches costs, and where relevance lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float

from attnlab_core.edits import Where
from attnlab_core.edits.suppress import Suppress, factors
from attnlab_core.errors import BadInput
from attnlab_core.methods import Attribution, attribute
from attnlab_core.metrics import cases, inside, metrics
from attnlab_core.pictures import Picture
from attnlab_core.progress import step, unheard
from attnlab_core.prompt import Prompt
from attnlab_core.shapes import KINDS, Scene, scene

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run

FIRST = 600_000
"""The first seed of the pictures; those of training begin at 1,000,000."""
FACTORS = (0.1, 0.0)
FACTOR = FACTORS[0]
"""AtMan's own, for the maps."""
TOUCHED = 0.01
"""A patch with this share of its pixels in a shape's mask is suppressed with the shape: one of 64 is enough."""
SCORES = ("precision", "recall", "smaller")
Values = Float[np.ndarray, "edit quantity"]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two pictures of one seed, with the same ground and the same shape at the same place.

    Attributes:
        seed: Of both.
        kind: The shape.
        one: The picture with one copy.
        two: The picture with a second copy; clutter and noise are its own.
    """

    seed: int
    kind: str
    one: Scene
    two: Scene


def pair(seed: int) -> Pair | None:
    """The pair of a seed; None where the second copy found room only on another ground."""
    kind = KINDS[seed % len(KINDS)]
    one, two = scene(seed, [kind]), scene(seed, [kind], copies=2)
    return Pair(seed, kind, one, two) if one.shapes[0] == two.shapes[0] else None


def read(lab: Lab, drawn: Scene) -> Run:
    """The model's run on a scene."""
    return lab.run(Prompt(image=Picture.of(drawn.pixels)), keep=False)


def suits(lab: Lab) -> None:
    """Refuse a model that cannot answer; `BadInput`."""
    if not lab.pictures or not set(KINDS) <= set(lab.labels):
        raise BadInput(
            f"This study needs a model that reads pictures and knows {', '.join(KINDS)}. {lab.name} does not; take shapes-vit."
        )


def together(places: Sequence[int], factor: float) -> Suppress:
    """Some patches suppressed at once, in all layers and heads."""
    return Suppress(factor=factor, where=Where(keys=tuple(places)))


def lost(run: Run, kind: str, edits: Sequence[Edit]) -> Values:
    """How much each edit lowers the log-probability of a shape, and its log-odds (natural logarithm)."""
    goal = run.goal(kind)
    with unheard():
        logits = run.evaluate(rows=[(), *((edit,) for edit in edits)], goal=goal)
    log_p = goal.value(logits, "log_probability").double().numpy()
    log_p = np.minimum(log_p, -1e-9)
    both = np.stack([log_p, log_p - np.log(-np.expm1(log_p))], 1)
    return both[0] - both[1:]


def patches(run: Run, drawn: Scene) -> list[list[int]]:
    """The positions of the patches that each shape of a scene touches."""
    return [inside(run, mask, TOUCHED).nonzero().flatten().tolist() for mask in drawn.masks]


def costs(run: Run, kind: str, drawn: Scene, factor: float, seed: int) -> dict[str, Any]:
    """What suppressing costs: single patches of the first copy, each copy, all copies, and as many patches elsewhere.

    Every value is a pair: in log-probability and in log-odds.
    """
    copies = patches(run, drawn)
    every = sorted({place for some in copies for place in some})
    free = [k for k, token in enumerate(run.tokens) if not token.special and k not in every]
    random = np.random.default_rng((seed, 1))
    sets = {"copy": copies[0], "elsewhere": _some(random, free, len(copies[0]))}
    if len(copies) > 1:
        sets |= {"other": copies[1], "both": every, "elsewhere_both": _some(random, free, len(every))}
    values = lost(run, kind, [together(some, factor) for some in (*([k] for k in copies[0]), *sets.values())])
    singles, grouped = values[: len(copies[0])], values[len(copies[0]) :]
    found = {"mean": singles.mean(0), "most": singles.max(0), "sum": singles.sum(0)}
    found |= dict(zip(sets, grouped, strict=True))
    return {name: value.tolist() for name, value in found.items()}


def _some(random: np.random.Generator, free: Sequence[int], count: int) -> list[int]:
    return sorted(int(k) for k in random.permutation(np.asarray(free, dtype=int))[:count])


def explained(run: Run, kind: str, similarity: float | None = None) -> Attribution:
    """AtMan, with tokens alike or without."""
    with unheard():
        return attribute(run, "atman", kind, factor=FACTOR, similarity=similarity)


def at_random(run: Run, kind: str, like: Attribution, similarity: float, seed: int) -> Attribution:
    """AtMan where each patch is suppressed with so many others drawn at random, by the factors of those alike.

    Args:
        run: What is explained.
        kind: The shape.
        like: The explanation with tokens alike, whose scores are replaced.
        similarity: The cosine from which on patches were alike there.
        seed: Of the draws.
    """
    random, cosines = np.random.default_rng((seed, 2)), run.word_similarity()
    places = [k for k, token in enumerate(run.tokens) if not token.special]
    edits = []
    for place in places:
        group = factors(cosines, {place}, FACTOR, similarity)
        by = [factor for other, factor in group.items() if other != place and other in places]
        drawn = _some(random, [k for k in places if k != place], len(by))
        order = random.permutation(len(by))
        others = tuple((drawn[k], by[n]) for k, n in enumerate(order))
        edits.append(Suppress(factor=FACTOR, where=Where(keys=(place,)), others=others))
    scores = like.scores.clone().zero_()
    scores[places] = scores.new_tensor(lost(run, kind, edits)[:, 0])
    return replace(like, scores=scores)


def alike(run: Run, drawn: Scene, similarity: float) -> dict[str, float]:
    """What a cosine takes together: how many others with a patch, and with one of a copy which share of what.

    Returns:
        others: the mean over all patches; same, other, elsewhere: of the patches of that copy, of the other copies, and off all
        copies, the share that is alike with a patch of a copy.
    """
    close = (run.word_similarity() >= similarity).double()
    copies, every = [inside(run, mask) for mask in drawn.masks], inside(run, drawn.mask(drawn.shapes[0].kind))
    plain = ~torch.tensor([token.special for token in run.tokens])
    found = {"others": float(close[plain][:, plain].sum(1).mean()) - 1}
    groups = {
        "same": [close[copy][:, copy] for copy in copies],
        "other": [close[copy][:, every & ~copy] for copy in copies],
        "elsewhere": [close[every][:, plain & ~every]],
    }
    return found | {
        name: float(torch.cat([one.flatten() for one in some]).mean()) for name, some in groups.items()
    }


def example(run: Run, kind: str, drawn: Scene, similarity: float) -> dict[str, Any]:
    """One picture: the maps of single patches and of patches alike, and the shape's probability without some patches.

    Returns:
        maps: both explanations; rows: what is suppressed, and the probability then.
    """
    step(0, 3)
    single = explained(run, kind)
    step(1, 3)
    maps = [single, explained(run, kind, similarity)]
    step(2, 3)
    copies = patches(run, drawn)
    strongest = max(
        (k for k, token in enumerate(run.tokens) if not token.special), key=lambda k: float(single.scores[k])
    )
    sets = {f"the strongest patch, {run.tokens[strongest].text}": [strongest]}
    sets |= {f"copy {k}": some for k, some in enumerate(copies, 1)}
    if len(copies) > 1:
        sets["all copies"] = sorted({place for some in copies for place in some})
    rows = [("nothing", run.probabilities[kind])]
    rows += [(name, run.again(together(some, FACTOR)).probabilities[kind]) for name, some in sets.items()]
    return {"maps": maps, "rows": rows}


def scored(run: Run, kind: str, drawn: Scene, found: Sequence[Attribution]) -> list[dict[str, float]]:
    """Relevance precision and recall on all copies, and the share of the copy that got less of what lies on them.

    An explanation without any positive score finds nothing and has 0 in each.
    """
    copies = [inside(run, mask) for mask in drawn.masks]
    gold, known = inside(run, drawn.mask(drawn.shapes[0].kind)), metrics()
    rows = []
    for case in cases(run, found, target=kind, gold=gold):
        values = case.scores.clamp_min(0)
        on = [float(values[copy].sum()) for copy in copies]
        row = {name: float(known[f"relevance_{name}"](case)) for name in ("precision", "recall")}
        row["smaller"] = min(on) / sum(on) if sum(on) else 0.0
        rows.append({name: value if np.isfinite(value) else 0.0 for name, value in row.items()})
    return rows
