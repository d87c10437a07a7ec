"""Average precision and recall of scores against marks, sentences of a context, and the table made of them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.experiments._explain import INTERVALS, figure, interquartile_mean, kept, left_out
from attnlab_core.experiments._groups import apart, corrected, group
from attnlab_core.prompt import SENTENCE_END

if TYPE_CHECKING:
    from attnlab_core.experiments._base import Table
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.experiments.evidence import Evidence
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run


def average_precision(scores: Float[np.ndarray, " unit"], marked: Bool[np.ndarray, " unit"]) -> float:
    """The mean precision at the ranks of the marked units; equal scores, after rounding to 1e-9, are one rank.

    >>> round(average_precision(np.array([3.0, 1.0, 2.0]), np.array([True, True, False])), 6)
    0.833333
    """
    values = np.round(scores, 9)
    ranks = [values >= value for value in values[marked]]
    return float(np.mean([marked[above].mean() for above in ranks]))


def recall(scores: Float[np.ndarray, " unit"], marked: Bool[np.ndarray, " unit"]) -> float:
    """The share of the marked units among the best k, where k is their number; equal scores share the last places.

    >>> recall(np.array([3.0, 1.0, 1.0]), np.array([True, True, False]))
    0.75
    """
    values, k = np.round(scores, 9), int(marked.sum())
    last = np.sort(values)[-k]
    above, level = values > last, values == last
    places = k - int(above.sum())
    return float((marked[above].sum() + places * marked[level].mean()) / k)


def chance(count: int, marked: int) -> tuple[float, float]:
    """The expected average precision and recall of a random order of `count` units with so many `marked`, exactly.

    >>> chance(2, 1)  # first in half of the orders, and second in the other half
    (0.75, 0.5)
    """
    harmonic = math.fsum(1 / rank for rank in range(1, count + 1))
    others = (marked - 1) / (count - 1) * (count - harmonic) if count > 1 else 0.0
    return (others + harmonic) / count, marked / count


def units_of(run: Run, judged: Bool[Tensor, " token"]) -> dict[str, list[tuple[int, ...]]]:
    """What is ranked: every judged token, and of texts without a picture every sentence."""
    found = {"token": [(place,) for place in judged.nonzero().flatten().tolist()]}
    return found if run.lab.pictures else found | {"sentence": sentences(run, judged)}


def sentences(run: Run, judged: Bool[Tensor, " token"]) -> list[tuple[int, ...]]:
    """The judged tokens of each sentence: stretches that end with . ! ? … before white space, or with a line.

    They end where AtMan's do, so abbreviations with a full stop end one, too.
    """
    found: dict[tuple[int, int], list[int]] = {}
    texts = (run.prompt.text, run.prompt.second or "")
    ends = [[match.end() for match in re.finditer(SENTENCE_END, text)] for text in texts]
    for place in judged.nonzero().flatten().tolist():
        token = run.tokens[place]
        segment = token.segment or 0
        number = sum(end <= token.start for end in ends[segment])
        found.setdefault((segment, number), []).append(place)
    return [tuple(places) for _, places in sorted(found.items())]


def table(experiment: Evidence, measured: Sequence[Measured]) -> Table:
    """A row a unit and method: means over rows, their interquartile means, and what chance gives in the same rows."""
    rows, found = kept(measured), []
    for unit in ("token", "sentence"):
        names = dict.fromkeys(name for row in rows for name in row["values"].get(unit, ()))
        for name in names:
            mine = [row for row in rows if name in row["values"].get(unit, ())]
            found.append({"unit": unit, "method": name} | _pooled(mine, unit, name, experiment.seed))
    corrected(found)
    return found


def _pooled(rows: Sequence[Measured], unit: str, name: str, seed: int) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for number, label in enumerate(("map", "mar")):
        values = [(row["values"][unit][name][number], group(row)) for row in rows]
        mean = figure(values, seed)
        said |= {label: mean["mean"], f"{label}_low": mean["low"], f"{label}_high": mean["high"]}
        said[f"{label}_iq"] = interquartile_mean([value for value, _ in values])
    said |= {"n": len(rows)}
    said |= {"chance": float(np.mean([row["chance"][unit][0] for row in rows]))}
    said |= {"chance_mar": float(np.mean([row["chance"][unit][1] for row in rows]))}
    gain = [(row["values"][unit][name][0] - row["chance"][unit][0], group(row)) for row in rows]
    over = figure(gain, seed)
    said |= {"gain": over["mean"], "gain_low": over["low"], "gain_high": over["high"]}
    return said | ({} if name == "random" else {"p": apart(gain, seed)})


def notes(experiment: Evidence, lab: Lab, measured: Sequence[Measured]) -> list[str]:
    """See `Evidence.notes`."""
    rows = kept(measured)
    said = left_out(lab, measured)
    if rows:
        said.append(f"A {'prompt' if lab.pictures else 'context'} has {_counts(rows)} (means over rows).")
    alone = sum(
        "sentence" in row["units"] and row["units"]["sentence"] == row["marked"]["sentence"] for row in rows
    )
    if alone:
        said.append(
            f"All sentences are marked in {alone} of {len(rows)} rows, so there are none to rank there."
        )
    whose = "the right answer" if experiment.target == "gold" else "the model's own answer"
    how = (
        "only positive scores count, all else is 0"
        if experiment.sign == "positive"
        else "scores are squared" + ("" if lab.pictures else ", and a sentence's is the square of the sum")
    )
    if lab.task == "answering":
        said.append(
            "Raw attention, rollout and flow are read from the rows of the answer's first and last token. Where these are "
            "themselves marked, as in SQuAD, part of the score is the residual stream's and a token's attention to itself, "
            "so these methods have an advantage from where they are read."
        )
    said.append(f"Explained is {whose}; {how}.")
    if not lab.pictures:
        said.append(
            "Sentences end at . ! ? … before white space and at line ends, so an abbreviation may end one. A sentence's score "
            "is the sum of its tokens' scores, so long sentences have an advantage that chance, a random order of the "
            "sentences, does not have: random shows it."
        )
    said += [
        "map is the mean over rows of average precision, with equal scores as one rank. mar is the mean over rows of the share "
        "of the marked units among the best k, where k is their number. map_iq and mar_iq are the means of the middle half "
        "of the rows. chance is what a random order of the same units gives on average, exactly; gain is map minus chance, row by row.",
        "The AtMan paper (Deiseroth et al. 2023, table 1) gives such figures for SQuAD, but its definition of precision and "
        "recall there is not public, and its model has 6 billion parameters: the figures here cannot be compared with it.",
        f"{INTERVALS}; p-values are of the gain, from paired sign-flip tests, corrected by Holm's method over the table.",
    ]
    return said


def _counts(rows: Sequence[Measured]) -> str:
    """How many units there are and how many are marked: means over rows."""
    names = {"token": "tokens", "sentence": "sentences"}
    sizes, marks = (
        {unit: np.mean([row[part][unit] for row in rows]) for unit in rows[0]["units"]}
        for part in ("units", "marked")
    )
    return ", and ".join(
        f"{sizes[unit]:.{0 if unit == 'token' else 1}f} {names[unit]}, {marks[unit]:.1f} of them marked"
        for unit in sizes
    )
