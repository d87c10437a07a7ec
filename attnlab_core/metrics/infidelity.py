"""Infidelity: do the scores of deleted tokens add up to what their deletion costs?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.knobs import Range
from attnlab_core.metrics._case import Case, Undefined, metric


@metric("lower", "faithfulness")
def infidelity(
    case: Case,
    *,
    samples: Annotated[int, Range(1)] = 32,
    scaled: bool = True,
    seed: Annotated[int, Range(0)] = 0,
) -> float:
    """How badly scores add up to what deleting tokens together costs.

    Random sets of tokens are deleted; of each, the sum of its tokens' scores is compared with the probability lost, and
    the squared errors' mean is the value, at least 0. A set has from one to all tokens, each number as likely. The same
    sets serve all explanations of a text. Undefined where no token can be deleted.

    Args:
        case: What is scored.
        samples: How many sets are drawn.
        scaled: Multiply the scores by the number that fits best first, since methods give scores of different sizes.
        seed: Of the draw.

    Source: Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", definition 2.1, with the presence of
    each token as the input; computed by captum.
    """
    from captum.metrics import infidelity as measure

    count = len(case.units)
    if not count:
        return Undefined("There is no token to delete.")
    draw = np.random.default_rng([seed, count])
    gone = torch.zeros(samples, count, dtype=torch.float64)
    for row in gone:
        row[draw.choice(count, size=int(draw.integers(1, count + 1)), replace=False)] = 1

    def left(present: Float[Tensor, "set unit"]) -> Float[Tensor, " set"]:
        return case.without([(row == 0).nonzero().flatten().tolist() for row in present])

    def delete(present: Float[Tensor, "set unit"]) -> tuple[Tensor, Tensor]:
        return gone, present - gone

    whole = torch.ones(1, count, dtype=torch.float64)
    found = measure(left, delete, whole, case.values[None], n_perturb_samples=samples, normalize=scaled)
    return max(float(found[0]), 0.0)
