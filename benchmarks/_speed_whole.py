"""Whole pieces of work: every method on one text, and scoring explanations for faithfulness beside a plain loop and ferret."""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from scipy.stats import kendalltau

import attnlab_core as al
from attnlab_core.methods import methods
from attnlab_core.methods._inputs import form
from attnlab_core.metrics import Judged, judge
from attnlab_core.run import Run
from benchmarks._speed_base import (
    Plan,
    Row,
    agree,
    alone,
    alternate,
    at_least,
    installed,
    missing,
    text_of,
    within,
)  # fmt: skip
from benchmarks._speed_gradients import quiet
from benchmarks.figures import PROBES
from pages.ui.panels import FIVE

TOKENS = 20
METRICS = ("aopc_compr", "aopc_suff", "taucorr_loo")
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
CLOSE = 1e-4
TIES = 0.1
"""How far a rank correlation may be off where rounding breaks a tie the other way."""


def every_method(plan: Plan) -> Iterator[Row]:
    """The methods chosen at first on the Compare page, and all of them; the reading of the text with them."""
    lab = plan.lab(plan.model)
    text = text_of(lab, TOKENS)

    def these(names: Sequence[str]) -> list[al.Attribution]:
        run = lab.run(text)
        return [al.attribute(run, name) for name in names]

    for names, said in (
        (FIVE, "the {} methods that the Compare page opens with"),
        (tuple(methods()), "all {} methods"),
    ):
        slowest = max(these(names), key=lambda found: found.seconds)
        yield alone(
            f"{said.format(len(names))}, {TOKENS} tokens", lambda names=names: these(names), plan, bar=within(500),
            note=f"the slowest is {slowest.method}, {1000 * slowest.seconds:.0f} ms",
        )  # fmt: skip


class Loop:
    """The plain loop over explanations, metrics and deletions: one forward pass for each.

    Args:
        run: What was explained.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.ids = run, list(run.encoding.ids)
        self.mask = run.lab.tokenizer.mask_token_id
        self.label = run.goal().picks[0].index
        self.places = [k for k, fixed in enumerate(form(run).tolist()) if not fixed]

    def without(self, gone: Sequence[int]) -> float:
        """The answer's probability with some tokens masked."""
        ids = torch.tensor([[self.mask if k in gone else number for k, number in enumerate(self.ids)]])
        with torch.inference_mode():
            logits = self.run.lab.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        return float(logits.softmax(-1)[0, self.label])

    def score(self, scores: torch.Tensor) -> dict[str, float]:
        """Comprehensiveness, sufficiency and agreement with leave-one-out of one explanation."""
        values = {place: round(float(scores[place]), 9) for place in self.places}
        order = sorted(self.places, key=lambda place: (-values[place], place))
        tops = [order[: min(len(order), max(1, int(share * len(order) + 0.5)))] for share in SHARES]
        losses: dict[str, list[float]] = {"aopc_compr": [], "aopc_suff": []}
        for top in tops:
            losses["aopc_compr"].append(self.without(()) - self.without(top))
        for top in tops:
            losses["aopc_suff"].append(self.without(()) - self.without([k for k in order if k not in top]))
        drops = [round(self.without(()) - self.without([place]), 6) for place in self.places]
        found = {name: statistics.mean(lost) for name, lost in losses.items()}
        tau: Any = kendalltau([values[place] for place in self.places], drops)
        return found | {"taucorr_loo": float(tau.statistic)}


def faithfulness(plan: Plan) -> Iterator[Row]:
    """Three metrics of all methods on each of some sentences; the explanations are made beforehand, for both."""
    lab = plan.lab(plan.model)
    runs = [lab.run(text) for text, _ in PROBES[: plan.sentences]]
    explained = [[al.attribute(run, name) for name in methods()] for run in runs]
    work = list(zip(runs, explained, strict=True))
    loops = [Loop(run) for run in runs]

    def ours() -> list[list[Judged]]:
        return [judge(run, some, names=METRICS, controls=()) for run, some in work]

    def theirs() -> list[list[dict[str, float]]]:
        return [[loop.score(one.scores) for one in some] for loop, some in zip(loops, explained, strict=True)]

    pairs = [(a, b) for xs, ys in zip(ours(), theirs(), strict=True) for a, b in zip(xs, ys, strict=True)]
    gap = max(abs(a.values[name] - b[name]) for a, b in pairs for name in METRICS[:2])
    taus = [abs(a.values[METRICS[2]] - b[METRICS[2]]) for a, b in pairs]
    off = max((tau for tau in taus if tau == tau), default=0.0)
    agree("agreement with leave-one-out and the loop", off, TIES)
    checked = agree("faithfulness and the loop", gap, CLOSE)
    few = Plan(seconds=0, least=1 if plan.quick else 2)
    times = alternate([ours, theirs], few, warm=0)
    name = f"faithfulness, {len(runs)} sentences × {len(methods())} methods × {len(METRICS)} metrics"
    yield Row(
        name, times.ms(0), "ms", "a plain loop, one forward for each deletion", times.ms(1), times.ratio(1, 0),
        at_least(5), checked, "explanations made beforehand; time grows with the sentences", len(times.taken[0]),
    )  # fmt: skip
    yield ferret_row(name, work, few)


def ferret_row(name: str, work: Sequence[tuple[Run, list[al.Attribution]]], plan: Plan) -> Row:
    """The same explanations through ferret's own evaluation."""
    if not installed("ferret"):
        return missing(name, "ferret")
    with quiet():
        peer_code = importlib.import_module("ferret")
        explanation = importlib.import_module("ferret.explainers.explanation").Explanation
        lab = work[0][0].lab
        peer = peer_code.Benchmark(lab.model, lab.tokenizer)
    given = []
    for run, some in work:
        label = run.goal().picks[0].index
        made = [
            explanation(run.prompt.text, [t.text for t in run.tokens], one.scores.numpy(), one.method, label)
            for one in some
        ]
        given.append((made, label))

    def ours() -> list[list[Judged]]:
        return [judge(run, some, names=METRICS, how="remove", controls=()) for run, some in work]

    def theirs() -> None:
        with quiet():
            for made, label in given:
                peer.evaluate_explanations(made, target=label, show_progress=False)

    times = alternate([ours, theirs], plan, warm=0)
    return Row(
        name, times.ms(0), "ms", "ferret's loop at its defaults", times.ms(1), times.ratio(1, 0), at_least(5), "",
        "it takes other shares and reads the text anew after each deletion, so only the time is compared",
        len(times.taken[0]),
    )  # fmt: skip
