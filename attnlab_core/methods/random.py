"""Random scores: the control."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch

from attnlab_core.knobs import Range
from attnlab_core.lab import Run
from attnlab_core.methods._found import Found
from attnlab_core.targets import Goal


def random(run: Run, goal: Goal, *, seed: Annotated[int, Range(0)] = 0) -> Found:
    """Chance, for comparison: an explanation that knows nothing.

    Every token gets a number between 0 and 1, the same for the same seed and length. A method that a measure cannot
    tell from this one has shown nothing.

    Args:
        seed: Which of the random explanations.
    """
    del goal
    scores = np.random.default_rng([seed, len(run.tokens)]).random(len(run.tokens))
    return Found(torch.from_numpy(scores), f"Uniform random numbers, seed {seed}.")
