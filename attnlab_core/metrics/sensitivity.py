"""Sensitivity: does the explanation hold still when the input hardly moves?"""

from __future__ import annotations

from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range
from attnlab_core.methods._inputs import word_embeddings
from attnlab_core.metrics._case import Case, Undefined, metric
from attnlab_core.metrics._shifted import shifted


@metric("lower", "robustness", slow=True)
def sensitivity(
    case: Case,
    *,
    radius: Annotated[float, Range(0)] = 0.1,
    samples: Annotated[int, Range(1)] = 4,
    seed: Annotated[int, Range(0)] = 0,
) -> float:
    """How far the scores move when word embeddings hardly do.

    Every number of every word embedding is moved at random a little, the method runs again, and the value is the
    largest distance between the scores then and now over the length of those now. The answer that is explained stays
    the same one. It says nothing of faithfulness: an explanation that never looks at the input has 0. Undefined for
    scores that came from elsewhere, for a method that removes tokens, and where there is no score but 0.

    Args:
        case: What is scored.
        radius: How far a number moves at most, as a share of the embeddings' root mean square.
        samples: How often the embeddings are moved; each time the method runs once.
        seed: Of the moves.

    Source: Yeh et al. 2019, "On the (In)fidelity and Sensitivity of Explanations", the maximum sensitivity; computed by captum.
    """
    from captum.metrics import sensitivity_max

    again, judged = case.again, case.judged
    if again is None:
        return Undefined("How these scores were made is not known, so they cannot be made again.")
    if not bool(case.scores[judged].any()):
        return Undefined("All scores are 0.")
    plain = word_embeddings(case.run).cpu()
    draw = torch.Generator().manual_seed(seed)
    size = radius * float(plain.pow(2).mean().sqrt())

    def explain(moved: Any) -> Any:
        rows = moved[0] if isinstance(moved, tuple) else moved
        found = torch.stack([again(shifted(case.run, row - plain[0]))[judged] for row in rows])
        return (found,) if isinstance(moved, tuple) else found  # captum wants back what it gives

    def move(embeddings: Float[Tensor, "sample token width"]) -> Float[Tensor, "sample token width"]:
        return embeddings + (2 * torch.rand(embeddings.shape, generator=draw) - 1) * size

    try:
        return float(sensitivity_max(explain, plain, move, n_perturb_samples=samples)[0])
    except BadInput as error:
        return Undefined(str(error))
