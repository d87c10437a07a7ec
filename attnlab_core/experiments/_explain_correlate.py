"""From correlations of rows to the tables of the paper, with intervals and its figures beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from attnlab_core.experiments._explain import INTERVALS, figure, kept, left_out
from attnlab_core.experiments._explain_published import LAYERS, published
from attnlab_core.experiments._groups import group

if TYPE_CHECKING:
    from attnlab_core.experiments._base import Table
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.experiments.correlate import Correlate
    from attnlab_core.lab import Lab

KINDS = ("blank-out", "gradient norm", "summed gradient")
NAMES = ("raw attention", "rollout", "flow")
NULL = 1e-5
"""A summed gradient below this share of the absolute one is rounding in fp32."""


def tables(experiment: Correlate, lab: Lab, measured: Sequence[Measured]) -> dict[str, Table]:
    """See `Correlate.tables`."""
    rows = kept(measured)
    found: Table = []
    for kind in KINDS:
        for name in NAMES:
            mine = [row for row in rows if name in row["values"][kind]]
            for layer in range(len(mine[0]["values"][kind][name]) if mine else 0):
                head = {"importance": kind, "method": name, "layer": layer}
                values = [(row["values"][kind][name][layer], group(row)) for row in mine]
                found.append(
                    head | _pooled(values, experiment.seed) | _beside(experiment, lab, kind, name, layer)
                )
    return {"correlations": found, "gradients": _gradients(rows)}


def _pooled(values: Sequence[tuple[float | None, str]], seed: int) -> dict[str, Any]:
    """Mean, deviation and interval, with 0 where a correlation is undefined, as in the paper's scripts."""
    known = [(0.0 if value is None else value, whose) for value, whose in values]
    found = figure(known, seed)
    return {
        "mean": found["mean"],
        "std": float(np.std([value for value, _ in known])),
        "low": found["low"],
        "high": found["high"],
        "n": found["n"],
        "undefined": sum(value is None for value, _ in values),
    }


def _beside(experiment: Correlate, lab: Lab, kind: str, name: str, layer: int) -> dict[str, Any]:
    """The paper's figure, where task, tokens and number of layers are the same."""
    figures = published(experiment.task.name, kind, name, layer) if _comparable(experiment, lab) else None
    mean, std, where = figures or (None, None, None)
    return {"published": mean, "published_std": std, "published_in": where}


def _comparable(experiment: Correlate, lab: Lab) -> bool:
    read = experiment.readout == "first" or experiment.task.name == "sst2"
    return experiment.specials and read and lab.layers == LAYERS and lab.task == "classification"


def _gradients(rows: Sequence[Measured]) -> Table:
    """How much of the gradient is left when it is summed, and how its noise ranks tokens."""
    asked = {
        "|sum of the gradient| / sum of |gradient|": "ratio",
        "Spearman of the summed gradient with the gradient's norm": "noise",
    }
    found: Table = []
    for label, name in asked.items():
        values = [row[name] for row in rows if row[name] is not None]
        if values:
            said = {
                "median": float(np.median(values)),
                "mean": float(np.mean(values)),
                "largest": max(values),
            }
            found.append({"figure": label} | said | {"n": len(values)})
    return found


def notes(experiment: Correlate, lab: Lab, measured: Sequence[Measured]) -> list[str]:
    """See `Correlate.notes`."""
    rows = kept(measured)
    said = left_out(lab, measured)
    over = "all tokens, special ones too" if experiment.specials else "the tokens of words"
    read = (
        "the row that the answer is read from (the mean, where there are several)"
        if experiment.readout == "first"
        else "all rows, the largest weight of each token"
    )
    said.append(
        f"Spearman's correlation over {over}, with average ranks for ties; attention is read off {read}. Layers count from "
        "0, so layer 0 is the paper's L1. Deviations are over rows (divided by their number)."
    )
    said += [f"Blank-out: {how}" for how, _ in Counter(row["blank"] for row in rows).most_common()]
    undefined = sum(
        value is None
        for row in rows
        for one in row["values"].values()
        for layers in one.values()
        for value in layers
    )
    said.append(
        "A correlation is undefined where one side is the same for all tokens, and counts as 0 then, as in the paper's "
        f"scripts: {undefined} do. Changes of probability are rounded to 1e-6 and attention to 1e-9, so that noise breaks "
        "no tie."
    )
    said += _null(rows)
    if rows and all("right" in row for row in rows) and lab.task == "classification":
        share = sum(row["right"] for row in rows) / len(rows)
        said.append(f"{lab.name} answers {share:.1%} of the rows right.")
    if _comparable(experiment, lab) and experiment.task.name in ("agreement", "sst2"):
        said.append(_published(experiment))
    return [*said, f"{INTERVALS}."]


def _null(rows: Sequence[Measured]) -> list[str]:
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    if not ratios:
        return []
    ratio = float(np.median(ratios))
    start = f"The summed gradient is {ratio:.1e} of the sum of absolute gradients (median over rows)"
    if ratio >= NULL:
        return [
            f"{start}, so it is not the rounding noise that it is in models whose first step is a LayerNorm."
        ]
    return [
        f"{start}: rounding noise. A LayerNorm right after the embeddings ignores a constant added to all their numbers, so "
        "the true sum is 0. Its noise is larger where the gradient is, which is why it correlates all the same. Read the "
        "gradient's norm instead."
    ]


def _published(experiment: Correlate) -> str:
    if experiment.task.name == "agreement":
        whose = (
            "tables 1 and 2 of Abnar and Zuidema 2020: GPT-2's blocks without a causal mask, 6 layers of 8 heads, 128 wide, with an accuracy of "
            "0.96, on 2,000 sentences of Linzen et al. 2016"
        )
    else:
        whose = (
            "table 3 of Abnar and Zuidema 2020: DistilBERT on 100 sentences of SST-2, whose script took the largest of all "
            "rows and gave the embeddings to the model twice over"
        )
    return (
        f"Published figures are from {whose}. Model, data and pipeline differ, so they stand beside ours and are no target. "
        "Their gradients are summed ones; they stand beside both of ours."
    )
