"""Print how much of each method's relevance lies in the mask of a drawn shape, and its deletion and insertion curves.

    python -m benchmarks.masks [--model shapes-vit] [--pictures N] [--json FILE]

The pictures are `attnlab_core.tasks.shapes`: one question for each shape of a picture, explained is that shape's label. Precision is the
share of the positive relevance inside the mask, recall the mean of relevance over the highest in it (Deiseroth et al. 2023, section 4.2);
patches count as inside where half of them is. Deletion is the mean of the label's probability while patches are blanked, most
relevant first (lower is better); insertion the same while they come back, most relevant first, which is blanking the least relevant
first (higher is better). Intervals are bootstrap 95 % intervals over pictures; IQ is the mean of the middle half.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attnlab_core as al
from attnlab_core.experiments._explain import figure, interquartile_mean
from attnlab_core.knobs import title
from attnlab_core.methods import Attribution, attribute, methods
from attnlab_core.metrics import Case, cases, marked_tokens, metrics
from attnlab_core.tasks.shapes import Shapes
from benchmarks.figures import machine

NAMES = {
    "precision": "relevance_precision",
    "recall": "relevance_recall",
    "deletion": "morf",
    "insertion": "lerf",
}
PAPER = {
    "Input × gradient": (59.1, 59.0, 10.8, 10.2),
    "Integrated gradients": (60.5, 60.6, 10.7, 10.0),
    "AtMan": (65.5, 70.2, 15.7, 19.7),
}
"""Table 1b of the AtMan paper in percent: precision, IQ, recall, IQ; photographs (OpenImages) and a model of 6 billion parameters."""
SIMILAR = 0.7  # the paper's threshold for correlated suppression


def explained(run: al.Run, target: str) -> Iterator[Attribution]:
    """Every method at its defaults, and AtMan with patches that are alike suppressed together."""
    for name in methods():
        yield attribute(run, name, target)
    yield attribute(run, "atman", target, similarity=SIMILAR)


def measured(lab: al.Lab, pictures: int, seed: int) -> Iterator[tuple[str, str, dict[str, float]]]:
    """Method, picture and values of every question."""
    for row in Shapes(count=pictures).rows(lab=lab, seed=seed):
        run = lab.run(row.prompt)
        found = list(explained(run, row.gold[0]))
        gold = marked_tokens(run, row.rationale or ())
        if not bool(gold.any()):
            continue  # so small that it covers half of no patch
        made = cases(run, found, target=row.gold[0], gold=gold)
        with made[0].deletions.planning():
            for case in made:
                values(case)
        seen: set[str] = set()
        for one, case in zip(found, made, strict=True):
            label = title(methods()[one.method])
            yield f"{label}, alike from {SIMILAR}" if label in seen else label, row.group, values(case)
            seen.add(label)
        inside = float(gold.sum()) / len(run.encoding.words)
        yield "the same everywhere", row.group, {"precision": inside, "recall": 1.0}


def values(case: Case) -> dict[str, float]:
    """The four figures of one explanation."""
    return {label: float(metrics()[name](case)) for label, name in NAMES.items()}


def table(rows: list[tuple[str, str, dict[str, float]]], seed: int) -> list[dict[str, Any]]:
    """A row a method, most precise first."""
    found = []
    for method in dict.fromkeys(row[0] for row in rows):
        said: dict[str, Any] = {"method": method}
        for name in NAMES:
            mine = [
                (row[2][name], row[1])
                for row in rows
                if row[0] == method and not math.isnan(row[2].get(name, math.nan))
            ]
            if mine:
                said[name] = figure(mine, seed) | {"iq": interquartile_mean([value for value, _ in mine])}
        found.append(said)
    return sorted(found, key=lambda said: -said["precision"]["mean"])


def shown(found: list[dict[str, Any]]) -> str:
    """The table as Markdown, in percent."""
    lines = [
        "| method | "
        + " | ".join(f"{name} | IQ" if name in ("precision", "recall") else name for name in NAMES)
        + " |"
    ]
    lines.append("|---" * (1 + len(NAMES) + 2) + "|")
    for said in found:
        cells = []
        for name in NAMES:
            one = said.get(name)
            cells.append(
                "–"
                if one is None
                else f"{100 * one['mean']:.1f} ({100 * one['low']:.1f} to {100 * one['high']:.1f})"
            )
            if name in ("precision", "recall"):
                cells.append(f"{100 * one['iq']:.1f}")
        lines.append(f"| {said['method']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="shapes-vit")
    parser.add_argument("--pictures", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    began, lab = time.perf_counter(), al.load(args.model)
    rows = list(measured(lab, args.pictures, args.seed))
    found = table(rows, args.seed)
    questions = sum(row[0] == rows[0][0] for row in rows)
    took, on = time.perf_counter() - began, machine()
    print(f"{args.model}, {args.pictures} pictures, {questions} questions, {took:.0f} s")
    print(f"{on['cores']} cores of {on['processor']}, torch {on['torch']}\n")
    print(shown(found))
    print(
        "\nThe AtMan paper's table 1b (photographs, a model of 6 billion parameters; out of reach here, so not comparable):"
    )
    for method, (precision, precise, recall, recalled) in PAPER.items():
        print(f"{method}: precision {precision} (IQ {precise}), recall {recall} (IQ {recalled})")
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
