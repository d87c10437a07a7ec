"""Does attention to a negation decide the sentiment? Pairs of sentences that differ in one negation, and edits of its attention.

The sentences are in `_negation_data`, the measurements in `_negation_measure`, and the story is told in `_negation_story`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from case_studies import _story
from case_studies._negation_data import KINDS, pairs

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

NAME = "negation"
TITLE = "Negation"
QUESTION = "Does attention to a negation decide the sentiment?"
MODEL = "sst2"
MODELS = ("sst2",)

FOUNDING = "The movie was not as bad as I expected."
FOUNDING_WORD = "not"
FOUNDING_FACTOR = 2.0
EXPECTED = (("negative", 0.65), ("positive", 0.58))
"""What the founding document expected before and after, written before anything was measured."""

EACH = 80
"""Pairs of each kind."""
SAMPLE = 20
"""Pairs of each kind in which every head is tried."""
EXPLAINED = 8
"""Pairs of each kind that every method explains."""


def study(
    lab: Lab, *, seed: int = 0, each: int = EACH, sample: int = SAMPLE, explained: int = EXPLAINED
) -> dict[str, Any]:
    """The figures, in plain types.

    Args:
        lab: A classifier with a negative and a positive label.
        seed: Of the choice of sentences and of the random controls.
        each: Pairs of each kind.
        sample: Pairs of each kind in which every head is tried; at most half of `each`.
        explained: Pairs of each kind that every method explains.

    Raises:
        BadInput: The model is for another task, or its labels are no sentiments.
    """
    _story.needs(lab, "classification", "its sentences are judged negative or positive.")
    from case_studies import _negation_measure as measure
    from case_studies._negation_read import Meter, Reader

    made = pairs(each, seed=seed)
    cells, turning = lab.layers * lab.heads, len(measure.TURNING)
    negated = (len(KINDS) - 1) * each
    weights = {
        "accuracy": 2 * len(made),
        "factors": negated * len(measure.FACTORS),
        "explained": 2 * sample * turning * (lab.layers + 6),
        "heads": turning * (sample + 2 * (sample // 2)) * (cells + 1),
        "few": sample * turning * 16,
        "methods": (len(KINDS) - 1) * explained * (measure.SLOW + 9),
    }
    meter = Meter(sum(weights.values()))
    reader = Reader(lab, meter)
    labels = reader.labels()
    found: dict[str, Any] = {
        "labels": labels,
        "founding": {
            "expected": [list(one) for one in EXPECTED],
            **measure.founding(lab, labels, FOUNDING, FOUNDING_WORD, FOUNDING_FACTOR),
        },
        "count": len(made),
        "each": each,
    }
    meter.begin(weights["accuracy"])
    found |= measure.accuracy(reader, made)
    meter.begin(weights["factors"])
    found["factors"] = measure.factors(reader, made)
    meter.begin(weights["explained"])
    found["explained"] = measure.explained(reader, made, 2 * sample)
    found["heads"] = measure.heads(reader, made, sample, max(1, sample // 2))
    ranked = [(row["layer"], row["head"]) for row in found["heads"]["table"]]
    meter.begin(weights["few"])
    found["few"] = measure.few(reader, made, ranked, sample, seed)
    found["methods"] = measure.methods(reader, made, explained)
    return _story.plain_types(found)


def story(record: _story.Record) -> tuple[list[_story.Step], _story.Closing]:
    """The steps and the end."""
    from case_studies import _negation_story

    return _negation_story.steps(record), _negation_story.closing(record)
