"""Cases made of explanations: checked against the run they are of, and all with the same deletions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.errors import BadInput
from attnlab_core.knobs import knobs
from attnlab_core.methods import Attribution, attribute
from attnlab_core.methods import methods as known_methods
from attnlab_core.metrics._case import By, Case, judged_tokens, units
from attnlab_core.metrics._deletions import Deletions, How
from attnlab_core.run import Run
from attnlab_core.targets import Answer, Goal, Target

Gold = Bool[Tensor, " token"] | Sequence[int]


def cases(
    run: Run,
    attributions: Sequence[Attribution],
    *,
    target: Target | Answer | None = None,
    gold: Gold | None = None,
    how: How = "mask",
    by: By = "token",
) -> list[Case]:
    """What metrics take: a case for each explanation, all with the same deletions. See `judge`."""
    goal = run.goal(target)
    judged, marked, deletions = judged_tokens(run), _marked(run, gold), Deletions(run, goal, how)
    wanted = target if isinstance(target, Target) else Target(target)
    if wanted.of is None:
        wanted = replace(wanted, of=_answer(run, goal))
    return [
        Case(run, goal, _scores(run, goal, a), judged, deletions, marked, by, _again(run, a, wanted))
        for a in attributions
    ]


def oracle(run: Run, deletions: Deletions, *, gold: Gold | None = None, by: By = "token") -> Case:
    """The control that has seen the answers: a token's score is the probability that is lost without it.

    A word's loss is shared equally by its tokens. It is the best ranking by single deletions, not by sets of them.
    """
    judged = judged_tokens(run)
    places, scores = units(run, judged, by), torch.zeros(len(run.tokens), dtype=torch.float64)
    for unit, drop in zip(places, deletions.drops(places).tolist(), strict=True):
        scores[list(unit)] = drop / len(unit)
    return Case(run, deletions.goal, scores, judged, deletions, _marked(run, gold), by)


def _scores(run: Run, goal: Goal, attribution: Attribution) -> Float[Tensor, " token"]:
    """An explanation's scores of the run's own tokens."""
    size = len(run.tokens)
    if attribution.tokens[:size] != run.tokens:
        raise BadInput(
            f"The scores of {attribution.method} are not of this text. Explain it anew, or align them with read_scores."
        )
    if attribution.target and attribution.target != goal.text:
        raise BadInput(
            f"The scores of {attribution.method} explain {attribution.target!r}, and {goal.text!r} is judged. "
            "Give the target that was explained."
        )
    found = attribution.scores[:size].double()
    if not bool(found.isfinite().all()):
        raise BadInput(f"Some scores of {attribution.method} are no finite numbers.")
    return found


def _marked(run: Run, gold: Gold | None) -> Bool[Tensor, " token"] | None:
    if gold is None:
        return None
    if isinstance(gold, Tensor):
        if gold.shape != (len(run.tokens),):
            raise BadInput(f"Gold has {len(gold)} truth values, and the text has {len(run.tokens)} tokens.")
        return gold.bool()
    found = torch.zeros(len(run.tokens), dtype=torch.bool)
    for place in gold:
        if not 0 <= place < len(found):
            raise BadInput(f"Gold names position {place}; the text's tokens are 0 to {len(found) - 1}.")
        found[place] = True
    return found


def _again(run: Run, attribution: Attribution, target: Target) -> Callable[[Run], Tensor] | None:
    """How to explain another run in the same way; None where the scores came from elsewhere."""
    method, params, size = attribution.method, dict(attribution.params), len(run.tokens)
    own = known_methods().get(method)
    if own is None or {knob.name for knob in knobs(own)} != set(params):
        return None
    return lambda other: attribute(other, method, target, **params).scores[:size]


def _answer(run: Run, goal: Goal) -> Answer:
    """A run's own answer as a target, so that it stays the same where the model would say something else."""
    first = goal.picks[0].index
    return (first, goal.picks[1].index) if run.lab.task == "answering" else first
