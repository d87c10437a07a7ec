"""Print what it brings to emphasise words in profiled heads, in all heads and in random ones; and what attention patching does.

    python -m benchmarks.profiling --data DATA [--cases N] [--rows N]

DATA is a folder with `sst2/dev.tsv`. A text for profiling is two of its sentences of 5 to 15 words, one positive and one
negative, which comes first taken in turn; one of them is emphasised, and its label is the target (what a reader wants who
marks a sentence, as in PASTA). One text is one case. Heads are profiled on the first N cases and steered on the next 3 N.
Patching is measured on single sentences of 6 to 30 words, with the verdict that the model does not give as the target.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import attnlab_core as al
from attnlab_core.profiling import Case, Head, Profile, emphasise, profile, shared
from attnlab_core.run import Run
from benchmarks.figures import machine
from benchmarks.optimise import sentences

KS = (4, 8, 16, 25)
STEPS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0)
DRAWS = 5


def pairs(lab: al.Lab, path: Path, count: int) -> list[Case]:
    """Texts of two sentences that disagree, with one of them emphasised and its label as the target."""
    rows = [line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    rows = [(text.strip(), label) for text, label in rows if 5 <= len(text.split()) <= 15]
    by_label = [[text for text, label in rows if label == number] for number in "01"]
    found = []
    for number in range(count):
        first = number % 2  # the label of the sentence that comes first
        texts = [by_label[label][number * len(by_label[label]) // count] for label in (first, 1 - first)]
        run = lab.run(f"{texts[0]} . {texts[1]} .")
        chosen = number // 2 % 2  # the sentence that is emphasised
        border = len(texts[0]) + 2
        inside = [
            k
            for k, token in enumerate(run.tokens)
            if not token.special and (token.start >= border) == bool(chosen)
        ]
        found.append(Case(run, inside, ("negative", "positive")[first ^ chosen]))
    return found


def steered(cases: Sequence[Case], choices: Sequence[Sequence[Head]]) -> list[dict[str, float]]:
    """What emphasis does to the cases' targets, for each choice of heads; the first is no head."""
    values, right = [], []
    for case in cases:
        goal = case.run.goal(case.target)
        logits = case.run.evaluate(rows=[emphasise(case.words, heads) if heads else () for heads in choices])
        values.append(goal.value(logits))
        right.append(logits[:, 0].argmax(-1) == goal.picks[0].index)
    gains = torch.stack(values) - torch.stack(values)[:, :1]
    told = {"mean_gain_nats": gains, "helped": gains > 0, "verdict_is_target": torch.stack(right)}
    means = {name: one.double().mean(0).tolist() for name, one in told.items()}
    return [{name: round(mean[k], 4) for name, mean in means.items()} for k in range(len(choices))]


def profiled(found: Profile, held: Sequence[Case]) -> dict[str, Any]:
    """Steering the best heads, as many random ones (the mean over draws), and all."""
    every = found.heads(found.mean.numel())
    choices = [(), every, *[found.heads(k) for k in KS]]
    choices += [random.Random(seed).sample(every, k) for k in KS for seed in range(DRAWS)]
    without, whole, *rest = steered(held, choices)
    said: dict[str, Any] = {"no_head": without, "all_heads": whole}
    for number, k in enumerate(KS):
        draws = rest[len(KS) + DRAWS * number :][:DRAWS]
        said[f"{k}"] = {
            "profiled": rest[number],
            "random": {name: round(statistics.mean(draw[name] for draw in draws), 4) for name in whole},
            "best_random_gain_nats": max(draw["mean_gain_nats"] for draw in draws),
        }
    print(said, flush=True)
    return said


def patched(runs: Sequence[Run]) -> dict[str, Any]:
    """What steps of the patch edit do to the verdict that the model does not give."""
    said = {}
    for step in STEPS:
        gains, turned, moved = [], 0, []
        for run in runs:
            other = next(label for label in run.probabilities if label != run.prediction)
            after = run.again(al.Patch(target=other, step=step))
            gains.append(after.value(other) - run.value(other))
            turned += after.prediction == other
            moved.append(float((after.pattern.weights - run.pattern.weights).abs().sum(-1).mean() / 2))
        said[f"{step:g}"] = {
            "turned": turned,
            "mean_gain_probability": round(statistics.mean(gains), 3),
            "raised": sum(gain > 0 for gain in gains),
            "mean_share_of_a_row_moved": round(statistics.mean(moved), 3),
        }
        print(step, said[f"{step:g}"], flush=True)
    return said


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=32)
    parser.add_argument("--rows", type=int, default=100)
    args = parser.parse_args()
    lab, path = al.load("sst2"), args.data / "sst2/dev.tsv"
    cases = pairs(lab, path, 4 * args.cases)
    random.Random(0).shuffle(cases)
    learn, held = cases[: args.cases], cases[args.cases :]
    began = time.perf_counter()
    found = profile(learn)
    seconds = time.perf_counter() - began
    print(found.to_frame().head(8), flush=True)
    half = [profile_of(found, part) for part in (slice(0, None, 2), slice(1, None, 2))]
    said: dict[str, Any] = {
        "machine": machine(),
        "profiled_on": len(learn),
        "held_out": len(held),
        "seconds_to_profile": round(seconds, 1),
        "best_heads": found.heads(8),
        "correlation_of_two_halves": round(
            float(torch.corrcoef(torch.stack([one.mean.flatten() for one in half]))[0, 1]), 3
        ),
        "shared_by_both_halves": {f"{k}": len(shared(half, k)) for k in KS},
        "emphasis": profiled(found, held),
    }
    runs = [lab.run(text) for text in sentences(path, args.rows)]
    said |= {"patched": len(runs), "by_step": patched(runs)}
    print(json.dumps(said, indent=2))


def profile_of(found: Profile, part: slice) -> Profile:
    """The profile over some of the cases."""
    return Profile(found.effects[part], found.alpha, found.quantity, found.part)


if __name__ == "__main__":
    main()
