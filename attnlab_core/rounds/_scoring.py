"""Scoring a submission: every figure is computed here, from its scores, its edits or its claim, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attnlab_core import __version__, plausibility, stats
from attnlab_core.errors import BadInput
from attnlab_core.progress import step, unheard
from attnlab_core.rounds import _sources
from attnlab_core.rounds._changes import changed
from attnlab_core.rounds._document import Submission, edits_of
from attnlab_core.rounds._round import Round, Split, canonical

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.methods import Attribution
    from attnlab_core.run import Run

METRICS = 1
"""The version of what is measured: figures of different versions are not compared."""
FAITHFUL = ("aopc_compr", "aopc_suff", "taucorr_loo")
MARKED = ("auprc_plau", "token_f1_plau")
Figures = dict[str, dict[str, float | int]]
Values = dict[str, list[float | None]]


@dataclass(frozen=True)
class Scored:
    """What came out.

    Attributes:
        figures: Name → mean, low, high (a bootstrap 95 % interval) and n; a figure without any number is left out.
        values: Name → one number a sentence, None where it is undefined; what ranks are made of.
        facts: Hash of the data, revision and digest of the model, versions, seed, and what to mind (`notes`).
    """

    figures: Figures
    values: Values
    facts: dict[str, Any] = field(default_factory=dict)


def score(round_: Round, submission: Submission, split: Split, *, draw: str) -> Scored:
    """Score a submission on a split; tells `progress.watching` how many sentences are done.

    Args:
        round_: The whole round, with its hidden labels.
        submission: Checked by `read`.
        split: Of a claim, which of two independent draws.
        draw: Seeds what is drawn for a claim; made after the submission came, so that nobody can know it before.

    Raises:
        BadInput: The model is not the round's, or the submission does not fit it.
    """
    lab = model(round_)
    found = {"explain": _explain, "edit": _edit, "discover": _discover}[submission.track](
        round_, submission.content, split, lab, draw
    )
    facts = {
        "data": round_.digest,
        "model": dict(round_.model),
        "code": __version__,
        "metrics": METRICS,
        "seed": round_.seed,
    }
    return Scored(found.figures, found.values, facts | found.facts)


def model(round_: Round) -> Lab:
    """The round's model. Raises `BadInput` where its weights are others than the round was made with."""
    lab = _loaded(str(round_.model["name"]))
    if plausibility.digest(lab) != round_.model["digest"]:
        raise BadInput(
            f"The weights of {round_.model['name']!r} here are others than those the round {round_.name!r} was made with. "
            "Get that revision, or make the round anew."
        )
    return lab


@lru_cache(maxsize=2)
def _loaded(name: str) -> Lab:
    from attnlab_core.models import load

    with unheard():
        return load(name)


def explanation(run: Run, scores: Sequence[float], method: str = "submitted") -> Attribution:
    """Numbers as an explanation of a run."""
    import torch

    from attnlab_core.methods import Attribution

    return Attribution(
        method=method, label=method, scores=torch.tensor(scores, dtype=torch.float64), tokens=run.tokens,
        words=run.encoding.words, target="", params={}, seconds=0.0, signed=True, aggregation="As submitted.",
    )  # fmt: skip


def _explain(round_: Round, content: Mapping[str, Any], split: Split, lab: Lab, draw: str) -> Scored:
    """Faithfulness on every sentence, and agreement with what a person marked where somebody did."""
    from attnlab_core.metrics import judge, marked_tokens

    del draw
    rows = round_.split(split)
    values: Values = {name: [] for name in (*FAITHFUL, *MARKED)}
    for done, row in enumerate(rows):
        step(done, len(rows))
        with unheard():
            run = lab.run(row.prompt)
            numbers = content["scores"][row.id]
            if len(numbers) != len(run.tokens):
                raise BadInput(
                    f"scores/{row.id}: there are {len(numbers)} numbers, and the model reads {len(run.tokens)} tokens."
                )
            gold = marked_tokens(run, row.rationale) if row.rationale else None
            names = FAITHFUL if gold is None else (*FAITHFUL, *MARKED)
            (judged,) = judge(run, [explanation(run, numbers)], names=names, gold=gold, controls=())
        for name, into in values.items():
            into.append(_number(judged.values.get(name)))
    step(len(rows), len(rows))
    kept = {name: some for name, some in values.items() if any(one is not None for one in some)}
    return Scored({name: _interval(some, round_.seed) for name, some in kept.items()}, kept)


def _edit(round_: Round, content: Mapping[str, Any], split: Split, lab: Lab, draw: str) -> Scored:
    """What an edit repairs and what it breaks, as far as its attention is plausible."""
    del draw
    settings = round_.settings("edit")
    rows, given = round_.split(split), content["edits"]
    each = [[edits_of(given if isinstance(given, list) else given.get(row.id, ()))] for row in rows]
    asked = [one for (one,) in changed(lab, rows, each, judged=True)]
    limit = float(settings["percentile"])
    goal = [float(row.kind in settings["kinds"]) for row in rows]
    before = [one.before["correct"] for one in asked]
    free = [one.after["correct"] for one in asked]
    odd = [float(one.percentile is not None and one.percentile > limit) for one in asked]
    after = [b if implausible else a for b, a, implausible in zip(before, free, odd, strict=True)]
    values: Values = {
        "goal": list(goal),
        "before": list(before),
        "after": list(after),
        "after_any": list(free),
        "percentile": [one.percentile for one in asked],
        "touched": [float(one.touched) for one in asked],
    }
    if settings["goal"] == "gap":
        values["first"] = [float(row.kind == settings["kinds"][0]) for row in rows]
    touched = [one for one in asked if one.touched]
    notes = (
        []
        if len(touched) == len(rows)
        else [f"The edits meet {len(touched)} of {len(rows)} sentences; the others stay as they are."]
    )
    return Scored(_edit_figures(values, settings, round_.seed), values, {"notes": notes})


def gain(values: Mapping[str, Sequence[float | None]], goal: str) -> Callable[[Any], Any]:
    """How much nearer the goal is, as a function of row numbers [draw, row] → [draw].

    For "accuracy" the change in the share of right answers among the goal's sentences; for "gap" by how much the
    difference between the accuracies of its two kinds became smaller.
    """
    import numpy as np

    before, after, meant = (np.array(values[name], dtype=float) for name in ("before", "after", "goal"))
    if goal == "accuracy":

        def found(rows: Any) -> Any:
            with np.errstate(invalid="ignore"):
                return ((after - before) * meant)[rows].sum(-1) / meant[rows].sum(-1)

        return found
    first = np.array(values["first"], dtype=float)

    def apart(right: Any, rows: Any) -> Any:
        with np.errstate(invalid="ignore"):
            one = (right * first)[rows].sum(-1) / first[rows].sum(-1)
            two = (right * (meant - first))[rows].sum(-1) / (meant - first)[rows].sum(-1)
        return np.abs(one - two)

    return lambda rows: apart(before, rows) - apart(after, rows)


def _edit_figures(values: Values, settings: Mapping[str, Any], seed: int) -> Figures:
    import numpy as np

    meant = [k for k, one in enumerate(values["goal"]) if one]
    others = [k for k, one in enumerate(values["goal"]) if not one]

    def take(name: str, rows: Sequence[int]) -> Any:
        return np.array([values[name][k] for k in rows], dtype=float)

    before, after = take("before", meant), take("after", meant)
    measure, n = gain(values, settings["goal"]), len(values["goal"])
    draws = np.array([measure(rows) for rows in stats.resamples(n, stats.DRAWS, seed)])
    low, high = (
        np.quantile(draws[np.isfinite(draws)], (0.025, 0.975))
        if np.isfinite(draws).any()
        else (math.nan,) * 2
    )
    whole = float(measure(np.arange(n)))
    found: Figures = {
        "gain": {"mean": whole, "low": float(low), "high": float(high), "n": len(meant)},
        "repaired": _interval(((before == 0) & (after == 1)).astype(float).tolist(), seed),
        "broken": _interval(((before == 1) & (after == 0)).astype(float).tolist(), seed),
        "accuracy": _interval(after.tolist(), seed),
    }
    if others:
        found["cost"] = _interval((take("before", others) - take("after", others)).tolist(), seed)
    percentiles = [one for one in values["percentile"] if one is not None]
    if percentiles:
        limit = float(settings["percentile"])
        found["plausible"] = _interval([float(one <= limit) for one in percentiles], seed)
        found["percentile"] = _interval(percentiles, seed)
    return found


def _discover(round_: Round, content: Mapping[str, Any], split: Split, lab: Lab, draw: str) -> Scored:
    """An effect and that of its control, on sentences that nobody had seen when the claim came."""
    claim, settings = content["claim"], round_.settings("discover")
    seed = int.from_bytes(sha256(f"{draw} {split}".encode()).digest()[:4])
    rows = _sources.drawn_for(claim, settings["draws"], lab, seed)
    both = [edits_of(claim[name]) for name in ("edits", "control")]
    pairs = changed(lab, rows, [both] * len(rows))
    edits, control = ([pair[k] for pair in pairs] for k in (0, 1))
    effect, other = ([one.effect for one in some] for some in (edits, control))
    sign = 1.0 if claim["direction"] == "up" else -1.0
    net = [
        None if one is None or two is None else sign * (one - two)
        for one, two in zip(effect, other, strict=True)
    ]
    values: Values = {"net": net, "effect": effect, "control": other}
    figures = {name: _interval(some, round_.seed) for name, some in values.items()}
    found = figures["net"]
    facts = {
        "data": sha256(canonical([_sources.to_json(row) for row in rows]).encode()).hexdigest(),
        "draw": seed,
        "replicated": bool(found["low"] > 0),
        "size": claim["size"],
        "size_inside": bool(found["low"] <= claim["size"] <= found["high"]),
        "notes": [
            f"The {what} meet{'s' if what == 'control' else ''} {n} of {len(rows)} sentences."
            for what, some in (("edits", edits), ("control", control))
            if (n := sum(one.touched for one in some)) < len(rows)
        ],
    }
    return Scored(figures, values, facts)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6)


def _interval(values: Sequence[float | None], seed: int) -> dict[str, float | int]:
    return stats.interval([one for one in values if one is not None], seed=seed)
