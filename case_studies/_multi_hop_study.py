"""The measurements of the multi-hop study: answers with and without the bridge, attention by layer, knock-outs.

Passages are read in batches, each under its own edits; what is measured is collected passage by passage and summed up with
bootstrap intervals at the end. How explanation methods are scored, and the graph, are in `_multi_hop_methods`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from attnlab_core.edits import Edit, Where
from attnlab_core.edits.zero import Zero
from attnlab_core.errors import BadInput
from attnlab_core.stats import interval
from attnlab_core.targets import NO_ANSWER
from attnlab_core.tasks._squad_score import exact
from case_studies._multi_hop_reading import (
    GROUPS,
    Progress,
    Reading,
    Weights,
    answers,
    between,
    corrected,
    fitting,
    flipped,
    log_p,
    right,
    said,
)
from case_studies._story import plain_types
from case_studies.multi_hop import FRESH, make, with_other_bridge, without_bridge

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

ENOUGH = 20
"""With fewer passages answered right than this, knock-outs are made on all of them, right or wrong."""
SOURCES = ("answer", "question")
CONTROLS = {
    "support": ("pair", "answer_other"),
    "question_bridge": ("question_other",),
}
"""Which knock-outs are compared with which matched ones."""


def matched(reading: Reading, rng: random.Random) -> tuple[tuple[int, int], int]:
    """Sentences that are not needed, as long as possible as those that are.

    Returns:
        A pair of as many tokens as the bridging and the answering sentence, and the one most like the bridging sentence.
    """
    sizes = [len(places) for places in reading.sentences]
    bridge, answer = (sizes[k] for k in reading.item.supporting)
    others = list(reading.others)
    rng.shuffle(others)
    pairs = [(one, two) for one in others for two in others if one != two]
    pair = min(pairs, key=lambda both: abs(sizes[both[0]] - bridge) + abs(sizes[both[1]] - answer))
    return pair, min(others, key=lambda k: abs(sizes[k] - bridge))


def knockouts(
    reading: Reading, causal: bool, pair: tuple[int, int], alone: int
) -> dict[str, tuple[Edit, ...]]:
    """What is cut, by name, in all layers."""
    bridge, answer, question = reading.bridge, reading.answering, reading.question
    other = reading.sentences[alone]
    support, asked = between(bridge, answer, causal), between(question, bridge, causal)
    rest = tuple(k for k in range(len(reading.encoding.ids)) if k not in bridge)
    hidden = Zero(where=Where(queries=rest, keys=bridge))
    return {
        "support": support,
        "pair": between(reading.sentences[pair[0]], reading.sentences[pair[1]], causal),
        "answer_other": between(answer, other, causal),
        "question_bridge": asked,
        "question_other": between(question, other, causal),
        "both": support + asked,
        "hidden": (hidden,) if not causal or max(rest) > min(bridge) else (),
    }


@dataclass
class Base:
    """The passages that attention and knock-outs are measured on, with what the model says without edits."""

    readings: list[Reading]
    logits: list[torch.Tensor]
    only_right: bool

    def __post_init__(self) -> None:
        self.log_p = [log_p(r, found) for r, found in zip(self.readings, self.logits, strict=True)]


def accuracy(
    lab: Lab, whole: Sequence[Reading], logits: Sequence[torch.Tensor], seed: int, tell: Progress
) -> dict[str, Any]:
    """Exact match with the bridge, without it, with another, and where one fact is enough."""
    items = [reading.item for reading in whole]
    asked = {
        "removed": [without_bridge(item) for item in items],
        "replaced": [with_other_bridge(item) for item in items],
        "one_hop": make(len(items), seed=FRESH + seed, hops=(1,)),
    }
    found: dict[str, Any] = {
        "whole": [right(r, said(lab, r, one)[0]) for r, one in zip(whole, logits, strict=True)]
    }
    stale = {}
    for name, variants in asked.items():
        readings = fitting(lab, variants)
        given = [said(lab, r, one)[0] for r, one in zip(readings, answers(lab, readings, tell), strict=True)]
        found[name] = [right(reading, answer) for reading, answer in zip(readings, given, strict=True)]
        if name != "one_hop" and len(readings) == len(items):
            pairs = zip(items, given, strict=True)
            stale[name] = [float(one != NO_ANSWER and exact(one, [item.answer])) for item, one in pairs]
    return {
        "exact": {name: interval(values) for name, values in found.items()},
        "stale": {name: interval(values) for name, values in stale.items()},
        "cost_of_second_hop": float(np.mean(found["one_hop"]) - np.mean(found["whole"])),
    }


def masses(reading: Reading, weights: Weights) -> np.ndarray:
    """The attention [source, layer, group] that the answer's and the question's tokens pay to each group."""
    groups = [list(places) for places in reading.groups.values()]
    table = weights.double().numpy()
    sources = [list(reading.span), list(reading.question)]
    return np.array([[[rows[s][:, g].sum(1).mean() for g in groups] for rows in table] for s in sources])


def attention(base: Base, seen: Sequence[np.ndarray]) -> dict[str, Any]:
    """Attention by layer: its mass, and how many times the share that the group has of the tokens."""
    shares = np.array(
        [[len(p) / len(r.encoding.ids) for p in r.groups.values()] for r in base.readings]
    )  # [passage, group]
    mass = np.stack(seen)  # [passage, source, layer, group]
    times = mass / shares[:, None, None, :]
    found: dict[str, Any] = {"n": len(seen), "share": dict(zip(GROUPS, shares.mean(0).tolist(), strict=True))}
    tests = []
    for s, source in enumerate(SOURCES):
        rows = []
        for layer in range(mass.shape[2]):
            gap = (times[:, s, layer, 1] - times[:, s, layer, 3]).tolist()
            rows.append(
                {
                    "mass": dict(zip(GROUPS, mass[:, s, layer].mean(0).tolist(), strict=True)),
                    "times": {
                        name: interval(times[:, s, layer, g].tolist()) for g, name in enumerate(GROUPS)
                    },
                    "bridge_minus_others": interval(gap) | {"p": flipped(gap)},
                }
            )
        tests += [row["bridge_minus_others"] for row in rows]
        found[source] = rows
    corrected(tests)
    return found


Cut = tuple[list[float], list[float], list[float]]
"""Of each passage: the change of log P(answer), whether the answer is right, and whether none is given."""


def cut(lab: Lab, base: Base, edits: Sequence[Sequence[Edit]], tell: Callable[[int], None]) -> Cut:
    """What the edits do, each passage under its own."""
    found = answers(lab, base.readings, tell, edits)
    changes = [log_p(r, x) - before for r, x, before in zip(base.readings, found, base.log_p, strict=True)]
    given = [said(lab, r, x)[0] for r, x in zip(base.readings, found, strict=True)]
    kept = [right(r, answer) for r, answer in zip(base.readings, given, strict=True)]
    return changes, kept, [float(answer == NO_ANSWER) for answer in given]


def compared(one: Cut, other: Cut) -> dict[str, Any]:
    """Two knock-outs of the same passages: the difference of their effects, and which answers only one of them loses."""
    from scipy.stats import binomtest

    gap = [a - b for a, b in zip(one[0], other[0], strict=True)]
    lost = [
        sum(a < b for a, b in zip(x, y, strict=True)) for x, y in ((one[1], other[1]), (other[1], one[1]))
    ]
    p = float(binomtest(lost[0], sum(lost)).pvalue) if sum(lost) else 1.0
    return interval(gap) | {
        "p": flipped(gap),
        "lost_only_here": lost[0],
        "lost_only_there": lost[1],
        "p_exact": p,
    }


def knocked(
    lab: Lab, base: Base, picks: Sequence[tuple[tuple[int, int], int]], by_layer: int, tell: Progress
) -> dict[str, Any]:
    """Attention cut between the supporting sentences and between matched ones: in all layers, and in each alone."""
    causal = lab.calls[0][0] == "decoder"
    cuts = [knockouts(r, causal, *pick) for r, pick in zip(base.readings, picks, strict=True)]
    done = {name: cut(lab, base, [one[name] for one in cuts], tell) for name in cuts[0]}
    exact_now = [right(r, said(lab, r, x)[0]) for r, x in zip(base.readings, base.logits, strict=True)]
    tests = {
        f"{name}-{control}": compared(done[name], done[control])
        for name, controls in CONTROLS.items()
        for control in controls
    }
    corrected(list(tests.values()))
    found: dict[str, Any] = {
        "n": len(base.readings),
        "only_right": base.only_right,
        "exact_before": interval(exact_now),
        "all": {
            name: {
                "effect": interval(effects),
                "median": float(np.median(effects)),
                "ratio": math.exp(float(np.mean(effects))),
                "exact": interval(kept),
                "silent": interval(silent),
            }
            for name, (effects, kept, silent) in done.items()
        },
        "tests": tests,
        "tokens": _tokens(base, picks),
        "share_of_hidden": float(np.mean(done["support"][0]) / (np.mean(done["hidden"][0]) or math.nan)),
    }
    few = Base(base.readings[:by_layer], base.logits[:by_layer], base.only_right)
    rows = []
    for layer in range(lab.layers):
        here, there = ([], [])
        for reading, (_, alone) in zip(few.readings, picks, strict=False):
            answer, only = reading.answering, (layer,)
            here.append(between(reading.bridge, answer, causal, only))
            there.append(between(reading.sentences[alone], answer, causal, only))
        one, other = cut(lab, few, here, tell), cut(lab, few, there, tell)
        rows.append(
            {"support": interval(one[0]), "answer_other": interval(other[0]), "test": compared(one, other)}
        )
    corrected([row["test"] for row in rows])
    return found | {"by_layer": rows}


def _tokens(base: Base, picks: Sequence[tuple[tuple[int, int], int]]) -> dict[str, float]:
    """The mean length of the sentences that are cut apart, to show how well they are matched."""
    sizes = [[len(places) for places in reading.sentences] for reading in base.readings]
    rows = list(zip(base.readings, sizes, picks, strict=True))
    names: Mapping[str, list[int]] = {
        "bridge": [size[r.item.supporting[0]] for r, size, _ in rows],
        "answer": [size[r.item.supporting[1]] for r, size, _ in rows],
        "pair_one": [size[pick[0][0]] for _, size, pick in rows],
        "pair_two": [size[pick[0][1]] for _, size, pick in rows],
        "alone": [size[pick[1]] for _, size, pick in rows],
    }
    return {name: float(np.mean(values)) for name, values in names.items()}


def chosen(
    lab: Lab, whole: Sequence[Reading], logits: Sequence[torch.Tensor], pairs: int
) -> tuple[Base, list[int]]:
    """The passages to look into: two sentences to spare, the bridge named in both that are needed, answered right."""
    fit = [
        k
        for k, reading in enumerate(whole)
        if len(reading.others) > 1
        and reading.item.bridge.lower() in reading.item.sentences[reading.item.supporting[1]].lower()
    ]
    good = [k for k in fit if right(whole[k], said(lab, whole[k], logits[k])[0])]
    only_right = len(good) >= ENOUGH
    picked = (good if only_right else fit)[:pairs]
    if not picked:
        raise BadInput(
            "None of the passages fits into what this model reads at once. Take one for longer texts."
        )
    return Base([whole[k] for k in picked], [logits[k] for k in picked], only_right), picked


def study(
    lab: Lab, *, seed: int = 0, passages: int = 150, pairs: int = 100, by_layer: int = 40, explained: int = 20
) -> dict[str, Any]:
    """All figures.

    Args:
        lab: A model that answers questions.
        seed: Which passages; `FRESH` is added to it.
        passages: How many questions are asked, each in four forms.
        pairs: In how many passages attention is looked at and cut.
        by_layer: In how many of these it is cut in each layer alone.
        explained: How many are explained by every method.
    """
    from case_studies import _multi_hop_methods as methods

    whole = fitting(lab, make(passages, seed=FRESH + seed))
    total = 4 * passages + 7 * pairs + 2 * lab.layers * by_layer + explained * methods.COST
    tell = Progress(total)
    seen: dict[int, np.ndarray] = {}
    logits = answers(lab, whole, tell, look=lambda k, weights: seen.__setitem__(k, masses(whole[k], weights)))
    if not whole:
        raise BadInput(
            "None of the passages fits into what this model reads at once. Take one for longer texts."
        )
    base, picked = chosen(lab, whole, logits, pairs)
    rng = random.Random(f"{seed} controls")
    picks = [matched(reading, rng) for reading in base.readings]
    found = {
        "passages": len(whole),
        "tokens": float(np.mean([len(reading.encoding.ids) for reading in whole])),
        "sentences": float(np.mean([len(reading.sentences) for reading in whole])),
        "accuracy": accuracy(lab, whole, logits, seed, tell),
        "attention": attention(base, [seen[k] for k in picked]),
        "knockout": knocked(lab, base, picks, by_layer, tell),
    }
    short = methods.shortest(base.readings, explained)
    found["methods"] = methods.scored(lab, [base.readings[k] for k in short], tell)
    found["example"] = methods.example(lab, [(base.readings[k], picks[k]) for k in short])
    tell(total)
    return plain_types(found)
