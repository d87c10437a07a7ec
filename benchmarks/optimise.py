"""Print how often attention can be nudged into the other verdict, how visibly, and how few cells it takes.

    python -m benchmarks.optimise --data DATA [--rows N] [--penalties 0 1 3 10]

DATA is a folder with `sst2/dev.tsv`; rows are whole sentences of 6 to 30 words, spread over the file. For every penalty:
how many verdicts turn, the mean distance from the model's own attention, the percentile of plausibility, and for no penalty
the fewest cells and heads that carry 90 % of the effect, beside a random change of the same size.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import attnlab_core as al
from attnlab_core.plausibility import reference
from attnlab_core.search import Search, optimise
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


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--penalties", type=float, nargs="+", default=[0, 1, 3, 10])
    args = parser.parse_args()
    lab = al.load("sst2")
    known = reference(lab)
    runs = [lab.run(text) for text in sentences(args.data / "sst2/dev.tsv", args.rows)]
    found: dict[str, Any] = {"machine": machine(), "rows": len(runs), "by_penalty": {}}
    for penalty in args.penalties:
        searches = [optimise(run, plausibility=penalty) for run in runs]
        ranks = [known.judge(one.after, one.before).percentile for one in searches] if known else []
        found["by_penalty"][f"{penalty:g}"] = told(searches, ranks)
        print(penalty, found["by_penalty"][f"{penalty:g}"], flush=True)
        if penalty == 0:
            turned = [one for one in searches if one.effect > 0]
            cells = [len(one.smallest().edit.cells) for one in turned]
            heads = [int(one.smallest(by="head").figures()["heads"] or 0) for one in turned]
            control = [statistics.mean(one.control(5)) / one.effect for one in turned]
            found["smallest_with_90_percent"] = {
                "median_cells": statistics.median(cells),
                "median_share_of_cells": round(
                    statistics.median(n / len(one.edit.cells) for n, one in zip(cells, turned, strict=True)),
                    3,
                ),
                "median_heads": statistics.median(heads),
                "random_change_over_effect": round(statistics.mean(control), 3),
            }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
