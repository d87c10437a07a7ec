"""Is plausibility calibrated, and does it tell natural patterns from broken ones? Measured on texts that no fit has seen.

    python -m benchmarks.plausibility --data DATA [--model NAME ...] [--count N]
    python -m benchmarks.plausibility --model shapes-vit

DATA as for `training.plausibility`. Percentiles of natural patterns should be uniform: `ks` is the largest difference
between their distribution and the uniform one (Kolmogorov and Smirnov). `shape` is without the plain pattern; `total` is of
words in another sentence, or of patches in another picture, with it. Shuffled patterns have the keys of each row in random order, inverted ones weights in
proportion to 1 - w, in swapped ones the heads of each layer have changed places.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import attnlab_core as al
from attnlab_core import plausibility
from attnlab_core._contexts import asked, observe
from benchmarks.figures import machine
from training.plausibility import CORPORA, add_corpora, chosen

Odd = Callable[[Tensor, Tensor, torch.Generator], Tensor]


def shuffled(weights: Tensor, visible: Tensor, draw: torch.Generator) -> Tensor:
    """The visible keys of each row in random order."""
    key = torch.rand(weights.shape, generator=draw).masked_fill(~visible, 2.0)
    order = key.argsort(-1)  # visible keys first, at random
    places = (~visible).to(torch.uint8).argsort(dim=-1, stable=True)
    return torch.zeros_like(weights).scatter(-1, places, weights.gather(-1, order))


def inverted(weights: Tensor, visible: Tensor, draw: torch.Generator) -> Tensor:
    """Little where there was much."""
    turned = (1 - weights) * visible
    total = turned.sum(-1, keepdim=True)
    return torch.where(total > 0, turned / total.clamp_min(1e-9), weights)


def swapped(weights: Tensor, visible: Tensor, draw: torch.Generator) -> Tensor:
    """Every head does another one's work."""
    by = int(torch.randint(1, max(2, weights.shape[1]), (1,), generator=draw))
    return weights.roll(by, 1)


BROKEN: dict[str, Odd] = {"shuffled": shuffled, "inverted": inverted, "swapped": swapped}


def ks(percentiles: list[float]) -> float:
    """The Kolmogorov-Smirnov distance of percentiles, 0 to 100, from the uniform distribution."""
    ranked = torch.tensor(percentiles).sort().values / 100
    steps = torch.arange(len(ranked) + 1) / len(ranked)
    return float(torch.maximum(steps[1:] - ranked, ranked - steps[:-1]).max())


def cost(found: plausibility.Reference, run: al.Run) -> dict[str, float]:
    """Processor time of the energy of one pattern, without and with its gradient, in ms; medians of 50."""
    pattern, special = run.pattern, torch.tensor([token.special for token in run.tokens])
    weights = pattern.weights.clone().requires_grad_()

    def timed(back: bool) -> float:
        began = time.process_time()
        energy = found.energy(weights, pattern.visible, special, pattern.weights)
        if back:
            energy.backward()
        return 1000 * (time.process_time() - began)

    times = {
        name: [timed(back) for _ in range(50)] for name, back in (("energy", False), ("with_gradient", True))
    }
    return {name: round(statistics.median(values), 2) for name, values in times.items()} | {
        "tokens": len(run.tokens)
    }


def measure(lab: al.Lab, data: Path, count: int) -> dict[str, Any]:
    """All figures of one model."""
    began = time.process_time()
    found = plausibility.reference(lab)
    loading = time.process_time() - began
    if found is None:
        raise SystemExit(
            f"{lab.name} has no reference that fits its weights: run training.plausibility first."
        )
    texts, corpus = CORPORA[lab.name](data, count, 7, lab, True)
    seen = observe(lab, texts, random.Random(7))
    shape = found.shapes(seen.figures, seen.lengths)
    far = seen.divergences / found.natural
    ranks = {
        kind: [found.rank(kind, float(score)) for score in scores.mean((1, 2))]
        for kind, scores in (("shape", shape), ("distance", far), ("total", shape + far))
    }
    heads = torch.stack([found.rank_heads("shape", one) for one in shape]).flatten(1).T
    each = [ks(row.tolist()) for row in heads]
    draw = torch.Generator().manual_seed(0)
    broken: dict[str, list[float]] = {name: [] for name in BROKEN}
    pick = random.Random(8)
    runs = [lab.run(lab.fit(asked(lab, text, pick))[0]) for text in pick.sample(texts, min(100, len(texts)))]
    for run in runs:
        for name, how in BROKEN.items():
            made = replace(run.pattern, weights=how(run.pattern.weights, run.pattern.visible, draw))
            broken[name].append(found.judge(made).percentile)
    by_length = seen.lengths.sort().indices.chunk(4 if len(seen.lengths.unique()) > 1 else 1)
    return {
        "corpus": corpus,
        "fitted_on": found.texts,
        "held_back": found.held_back,
        "measured_on": len(seen.lengths),
        "ks": {kind: round(ks(values), 4) for kind, values in ranks.items()},
        "ks_by_head": {"median": round(statistics.median(each), 4), "largest": round(max(each), 4)},
        "mean_percentile_by_length": [
            round(statistics.mean(ranks["shape"][k] for k in part.tolist()), 1) for part in by_length
        ],
        "beyond_99": {"natural": above(ranks["shape"]), "in_other_contexts": above(ranks["total"])}
        | {name: above(values) for name, values in broken.items()},
        "beyond_all": {
            name: above(values, 100) for name, values in {"natural": ranks["shape"], **broken}.items()
        },
        "milliseconds": cost(found, runs[0]),
        "loading_seconds": round(loading, 3),
    }


def above(percentiles: list[float], bar: float = 99) -> float:
    """The share of percentiles above the 99th, or at another bar and above."""
    return (
        round(statistics.mean(p > bar or p >= 100 for p in percentiles), 4) if percentiles else float("nan")
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_corpora(parser)
    parser.add_argument("--count", type=int, default=1000, help="texts to measure on, at most")
    args = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, Any] = {"machine": machine()}
    for name in chosen(parser, args):
        figures[name] = measure(al.load(name), args.data, args.count)
        print(name, json.dumps(figures[name], indent=2), flush=True)
    print(json.dumps(figures["machine"]))


if __name__ == "__main__":
    main()
