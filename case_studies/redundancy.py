"""Does a method that suppresses one patch at a time miss what a picture says twice?

The pictures are drawn by `attnlab_core.shapes`; what is measured on them is in `_redundancy_measure`, the story in
`_redundancy_story`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attnlab_core import stats
from attnlab_core.errors import BadInput
from attnlab_core.metrics import inside
from attnlab_core.progress import step
from case_studies import _redundancy_measure as measure
from case_studies import _story
from case_studies._redundancy_measure import FACTOR, FACTORS, SCORES, Pair
from case_studies._redundancy_story import story

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run

__all__ = ["MODEL", "MODELS", "NAME", "QUESTION", "TITLE", "story", "study"]

NAME = "redundancy"
TITLE = "Redundancy"
QUESTION = "Does an explanation that suppresses one patch at a time miss what a picture says twice?"
MODEL = "shapes-vit"
MODELS = (MODEL,)
COUNT = 60
LIKE = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""The cosines from which on patches are suppressed together, of which one is chosen."""
LOW = 0.0
"""The control: a patch goes with all that are not unlike it."""
TRIES = 10
"""How many seeds are looked at for every pair that is wanted, before a model is refused."""
FOUND = ("single", "correlated", "low", "random")
Read = tuple[Pair, "Run", "Run"]


def study(lab: Lab, *, seed: int = 0, count: int = COUNT, likes: Sequence[float] = LIKE) -> dict[str, Any]:
    """The figures, in plain types.

    Args:
        lab: A model that knows the shapes.
        seed: Chooses the pictures.
        count: Pairs of pictures; half of them choose the cosine, the figures are of the other half.
        likes: The cosines to choose from.

    Raises:
        BadInput: The model knows other labels, or names too few of the shapes.
    """
    measure.suits(lab)
    read, looked = _read(lab, count, measure.FIRST + 10_000 * (seed % 40))
    total = count * 4
    rows = []
    for k, one in enumerate(read):
        rows.append(_row(*one))
        step(k + 1, total)
    pilot, rest = read[::2], read[1::2]
    sweep = _sweep(pilot, likes, count, total)
    chosen = max(sweep, key=lambda one: one["f"])["like"]
    found, tests, scores = _found(rest, chosen, total)
    return _story.plain_types(
        {
            "design": looked
            | {"count": count, "pilot": len(pilot), "rest": len(rest), "likes": list(likes), "low": LOW}
            | {"factors": list(FACTORS), "factor": FACTOR},
            "suppressed": {f"{factor:g}": _suppressed(rows, f"{factor:g}") for factor in FACTORS},
            "tests": _tested(rows),
            "sweep": sweep,
            "chosen": chosen,
            "found": found,
            "found_tests": tests,
            "parts": {side: list(rows[0]["lost"][f"{FACTOR:g}"][side]) for side in ("one", "two")},
            "rows": [_kept(row) for row in rows],
            "scores": scores,
        }
    )


def _read(lab: Lab, count: int, first: int) -> tuple[list[Read], dict[str, Any]]:
    """So many pairs of which both pictures are answered right, and how many seeds that took."""
    read: list[Read] = []
    looked, right = 0, {"one": 0, "two": 0}
    for seed in range(first, first + TRIES * count):
        pair = measure.pair(seed)
        if pair is None:
            continue
        runs = [measure.read(lab, scene) for scene in (pair.one, pair.two)]
        said = [run.prediction == pair.kind for run in runs]
        looked += 1
        right = {name: right[name] + ok for name, ok in zip(right, said, strict=True)}
        if all(said) and all(bool(inside(runs[1], mask).any()) for mask in pair.two.masks):
            read.append((pair, runs[0], runs[1]))
        if len(read) == count:
            return read, {"first": first, "looked": looked, "right": right}
    raise BadInput(
        f"{lab.name} is right about both pictures of {len(read)} pairs of {looked}; {count} are needed. Take a model that knows the shapes."
    )


def _row(pair: Pair, one: Run, two: Run) -> dict[str, Any]:
    """What suppressing costs in both pictures of a pair, by factor."""
    sides = (("one", one, pair.one), ("two", two, pair.two))
    return {
        "seed": pair.seed,
        "look": pair.two.shapes[0].name,
        "p": {name: run.probabilities[pair.kind] for name, run, _ in sides},
        "patches": [len(some) for some in measure.patches(two, pair.two)],
        "lost": {
            f"{factor:g}": {
                name: measure.costs(run, pair.kind, scene, factor, pair.seed) for name, run, scene in sides
            }
            for factor in FACTORS
        },
    }


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """A pair as the record has it: losses of log-probability alone, in the order of its parts."""
    return dict(row) | {
        "lost": {
            factor: {side: [one[0] for one in parts.values()] for side, parts in sides.items()}
            for factor, sides in row["lost"].items()
        }
    }


def _column(rows: Sequence[Mapping[str, Any]], factor: str, side: str, name: str, of: int = 0) -> np.ndarray:
    """One value a pair: of 0 is in log-probability, 1 in log-odds."""
    return np.array([row["lost"][factor][side][name][of] for row in rows])


def _suppressed(rows: Sequence[Mapping[str, Any]], factor: str) -> dict[str, Any]:
    """The mean losses of log-probability with their intervals, and the mean probability before."""
    found: dict[str, Any] = {}
    for side in ("one", "two"):
        names = rows[0]["lost"][factor][side]
        found[side] = {name: stats.interval(_column(rows, factor, side, name).tolist()) for name in names} | {
            "p": stats.interval([row["p"][side] for row in rows])
        }
    return found


def _tested(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Paired differences with their tests: one copy against two, both against their sum, shapes against elsewhere."""
    found = []
    for factor in (f"{factor:g}" for factor in FACTORS):

        def of(side: str, name: str, quantity: int, factor: str = factor) -> np.ndarray:
            return _column(rows, factor, side, name, quantity)

        for quantity, unit in enumerate(("log-probability", "log-odds")):
            pairs = {
                f"{name}: one less two": of("one", name, quantity) - of("two", name, quantity)
                for name in ("mean", "most", "copy")
            }
            pairs["both less the sum"] = of("two", "both", quantity) - (
                of("two", "copy", quantity) + of("two", "other", quantity)
            )
            pairs["patches: whole less the sum"] = of("one", "copy", quantity) - of("one", "sum", quantity)
            pairs["one: copy less elsewhere"] = of("one", "copy", quantity) - of("one", "elsewhere", quantity)
            pairs["two: both less elsewhere"] = of("two", "both", quantity) - of(
                "two", "elsewhere_both", quantity
            )
            found += [
                {"factor": factor, "unit": unit, "what": what} | _test(differences)
                for what, differences in pairs.items()
            ]
    return _corrected(found)


def _test(differences: np.ndarray) -> dict[str, Any]:
    return dict(stats.interval(differences.tolist())) | {"p": stats.sign_flip(differences.tolist())}


def _corrected(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same with p-values corrected for their number."""
    held = stats.holm([one["p"] for one in tests])
    return [one | {"p_holm": p} for one, p in zip(tests, held, strict=True)]


def _sweep(read: Sequence[Read], likes: Sequence[float], done: int, total: int) -> list[dict[str, Any]]:
    """Precision, recall and smaller share on the pilot half, for every cosine."""
    table: dict[float, list[dict[str, float]]] = {like: [] for like in likes}
    reach: dict[float, list[dict[str, float]]] = {like: [] for like in likes}
    for k, (pair, _, run) in enumerate(read):
        found = [measure.explained(run, pair.kind, like) for like in likes]
        for like, row in zip(likes, measure.scored(run, pair.kind, pair.two, found), strict=True):
            table[like].append(row)
            reach[like].append(measure.alike(run, pair.two, like))
        step(done + 2 * (k + 1), total)
    return [
        {"like": like}
        | {name: stats.interval([one[name] for one in reach[like]]) for name in reach[like][0]}
        | _scores(rows)
        for like, rows in table.items()
    ]


def _scores(rows: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """The means with intervals, and the harmonic mean of the mean precision and the mean recall."""
    found: dict[str, Any] = {name: stats.interval([row[name] for row in rows]) for name in SCORES}
    a, b = found["precision"]["mean"], found["recall"]["mean"]
    return found | {"f": 2 * a * b / (a + b) if a + b else 0.0}


def _found(read: Sequence[Read], chosen: float, total: int) -> tuple[dict[str, Any], list[Any], list[Any]]:
    """The scores on the other half by way of suppressing, their differences with tests, and the scores one by one."""
    table: dict[str, list[dict[str, float]]] = {name: [] for name in FOUND}
    marked, reach = [], []
    for k, (pair, _, run) in enumerate(read):
        single, correlated, low = (measure.explained(run, pair.kind, like) for like in (None, chosen, LOW))
        random = measure.at_random(run, pair.kind, correlated, chosen, pair.seed)
        scored = measure.scored(run, pair.kind, pair.two, (single, correlated, low, random))
        for name, row in zip(FOUND, scored, strict=True):
            table[name].append(row)
        reach.append(measure.alike(run, pair.two, LOW))
        gold = inside(run, pair.two.mask(pair.kind))
        marked.append(float(gold.sum()) / sum(not token.special for token in run.tokens))
        step(total - len(read) + k + 1, total)
    tests = [
        {"than": other, "score": score}
        | _test(
            np.array([a[score] - b[score] for a, b in zip(table["correlated"], table[other], strict=True)])
        )
        for other in FOUND
        if other != "correlated"
        for score in SCORES
    ]
    found = {name: _scores(rows) for name, rows in table.items()} | {"even": stats.interval(marked)}
    found["reach of low"] = {name: stats.interval([one[name] for one in reach]) for name in reach[0]}
    scores = [
        {"seed": pair.seed} | {name: [rows[k][score] for score in SCORES] for name, rows in table.items()}
        for k, (pair, _, _) in enumerate(read)
    ]
    return found, _corrected(tests), scores
