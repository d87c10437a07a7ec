"""Print how often attention can be nudged into the other verdict, how visibly, and how few cells it takes.

    python -m benchmarks.optimise --data DATA [--rows N] [--penalties 0 1 3 10] [--others N]

DATA is a folder with `sst2/dev.tsv`; rows are whole sentences of 6 to 30 words, spread over the file. For every penalty λ:
how many verdicts turn, the share of attention moved, and the percentile of plausibility. For λ = 0, how little of the found
change carries 90 % of the effect, beside a random change of the same size; for λ = 1, the fewest cells and heads that still
turn the verdict, and what the change does to other sentences.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from pathlib import Path
from typing import Any

import torch

import attnlab_core as al
from attnlab_core.plausibility import reference
from attnlab_core.search import Search
from benchmarks.figures import machine


def sentences(path: Path, count: int) -> list[str]:
    """Sentences of 6 to 30 words, evenly spread over a file of `sentence<TAB>label`."""
    rows = [line.rsplit("\t", 1)[0].strip() for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    rows = [row for row in rows if 6 <= len(row.split()) <= 30]
    return rows[:: max(1, len(rows) // count)][:count]


def told(found: list[Search], percentiles: list[float]) -> dict[str, Any]:
    """The figures of one penalty over all sentences."""
    said = {
        "flipped": sum(one.flipped for one in found),
        "mean_distance_nats_a_row": round(statistics.mean(one.trace[-1].distance for one in found), 4),
        "mean_share_moved": round(
            statistics.mean(float(one.figures()["minimality"] or 0) for one in found), 4
        ),
        "median_seconds": round(statistics.median(one.seconds for one in found), 2),
    }
    if percentiles:
        pairs = list(zip(found, percentiles, strict=True))
        said["median_percentile"] = round(statistics.median(percentiles), 1)
        said["flipped_under_95th"] = sum(one.flipped and p < 95 for one, p in pairs)
    return said


def carried_over(found: list[Search], runs: list[al.Run]) -> dict[str, Any]:
    """What the changes of some sentences do to others, by each way of carrying, with few heads for the last."""
    said: dict[str, Any] = {}
    for by in ("word", "role", "head"):
        made = []
        for one in found:
            others = [run for run in runs if run is not one.before and run.prediction != one.target][:8]
            made.append(al.carry(one if by != "head" else one.fewest(), others, by))
        turned = [one.turned for one in made]
        said[by] = {
            "turned": sum(n for n, _ in turned),
            "of": sum(n for _, n in turned),
            "mean_effect": round(statistics.mean(e for one in made for e in one.effects), 3),
            "mean_control": round(statistics.mean(e for one in made for e in one.control), 3),
        }
    return said


def pairs(by_penalty: dict[float, list[tuple[bool, float]]]) -> dict[str, str]:
    """Of the sentences that turn at two neighbouring penalties: at how many the larger one ends at a lower percentile."""
    said, order = {}, sorted(by_penalty)
    for low, high in itertools.pairwise(order):
        both = [
            (p, q)
            for (turned, p), (still, q) in zip(by_penalty[low], by_penalty[high], strict=True)
            if turned and still
        ]
        said[f"{low:g} to {high:g}"] = f"{sum(q < p for p, q in both)} of {len(both)}"
    return said


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--penalties", type=float, nargs="+", default=[0, 1, 3, 10])
    parser.add_argument("--others", type=int, default=12, help="sentences whose change is carried to others")
    args = parser.parse_args()
    torch.set_num_threads(1)
    lab = al.load("sst2")
    known = reference(lab)
    runs = [lab.run(text) for text in sentences(args.data / "sst2/dev.tsv", args.rows)]
    found: dict[str, Any] = {"machine": machine(), "rows": len(runs), "by_penalty": {}}
    ended: dict[float, list[tuple[bool, float]]] = {}
    for penalty in args.penalties:
        searches = [al.optimise(run, plausibility=penalty) for run in runs]
        ranks = [known.judge(one.after, one.before).percentile for one in searches] if known else []
        ended[penalty] = [(one.flipped, rank) for one, rank in zip(searches, ranks, strict=True)]
        found["by_penalty"][f"{penalty:g}"] = told(searches, ranks)
        print(penalty, found["by_penalty"][f"{penalty:g}"], flush=True)
        turned = [one for one in searches if one.flipped and one.effect > 0]
        if penalty == 0:
            small = [one.smallest() for one in turned]
            found["smallest_with_90_percent"] = {
                "median_cells": statistics.median(len(one.edit.cells) for one in small),
                "median_share_of_cells": round(
                    statistics.median(
                        len(few.edit.cells) / len(one.edit.cells)
                        for few, one in zip(small, turned, strict=True)
                    ),
                    3,
                ),
                "random_change_over_effect": round(
                    statistics.mean(statistics.mean(one.control(5)) / one.effect for one in turned), 3
                ),
            }
        elif penalty == 1:
            few = [one.fewest() for one in turned]
            found["fewest_that_turn_the_verdict"] = {
                "median_cells": statistics.median(len(one.edit.cells) for one in few),
                "quartiles_of_cells": statistics.quantiles([len(one.edit.cells) for one in few], n=4),
                "median_heads_of_these": statistics.median(one.figures()["heads"] or 0 for one in few),
                "median_heads": statistics.median(
                    one.fewest("head").figures()["heads"] or 0 for one in turned
                ),
            }
            print(found["fewest_that_turn_the_verdict"], flush=True)
            found["carried_over"] = carried_over(turned[: args.others], runs)
            print(found["carried_over"], flush=True)
    found["larger_penalty_lower_percentile"] = pairs(ended)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
