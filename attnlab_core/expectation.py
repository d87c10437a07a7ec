"""What a language model expected at every place of a text, and how surprising what stands there was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attnlab_core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from attnlab_core.run import Run


@dataclass(frozen=True)
class Expectation:
    """What was expected at one place, from what stands before it.

    Attributes:
        position: The place; one more than the last token's for what follows the text.
        text: The token that stands there; empty for what follows the text.
        probability: What the model gave that token; None where nothing stands there, or nothing before it.
        rank: 1 where it was the likeliest, and so on.
        likeliest: The likeliest tokens with their probabilities; none where nothing stands before.
    """

    position: int
    text: str
    probability: float | None
    rank: int | None
    likeliest: tuple[tuple[str, float], ...]

    @property
    def bits(self) -> float | None:
        """The surprise: minus the logarithm of the probability to the base 2."""
        return None if self.probability is None else -math.log2(max(self.probability, 1e-45))


def expect(run: Run, most: int = 5) -> tuple[Expectation, ...]:
    """What a run's model expected at every place and after the text, under the run's edits.

    Args:
        run: Of a causal language model.
        most: How many of the likeliest tokens.

    Raises:
        BadInput: The model does not read from left to right.
    """
    if run.lab.task != "causal":
        raise BadInput(f"{run.lab.name} does not go on with texts. Choose a causal language model.")
    odds = run.logits.float().softmax(-1)
    top = odds.topk(min(most, odds.shape[-1]))
    found = [Expectation(0, run.tokens[0].text, None, None, ())]
    for place, (values, indices) in enumerate(zip(top.values.tolist(), top.indices.tolist(), strict=True), 1):
        likeliest = tuple(
            (piece(run.lab.tokenizer.decode([k])), p) for p, k in zip(values, indices, strict=True)
        )
        if place == len(run.tokens):
            found.append(Expectation(place, "", None, None, likeliest))
            continue
        row, number = odds[place - 1], run.encoding.ids[place]
        assert isinstance(number, int), "a text is made of token ids"
        rank = 1 + int((row > row[number]).sum())
        found.append(Expectation(place, run.tokens[place].text, float(row[number]), rank, likeliest))
    return tuple(found)


def bits_a_token(found: Sequence[Expectation]) -> float | None:
    """The mean surprise of the tokens that were expected at all; None where there is none."""
    bits = [one.bits for one in found if one.bits is not None]
    return sum(bits) / len(bits) if bits else None


def to_frame(found: Sequence[Expectation]) -> pd.DataFrame:
    """One row a place: position, text, probability, rank, bits, and the likeliest tokens with theirs, `expected_1` and on."""
    import pandas as pd

    rows = []
    for one in found:
        row: dict[str, object] = {
            "position": one.position, "text": one.text, "probability": one.probability, "rank": one.rank, "bits": one.bits,
        }  # fmt: skip
        for k, (text, p) in enumerate(one.likeliest, 1):
            row |= {f"expected_{k}": text, f"probability_{k}": p}
        rows.append(row)
    return pd.DataFrame(rows)


def piece(text: str) -> str:
    """A token's text so that it is seen: without the space before it, and with a sign for white space alone."""
    return text.strip() or {"": "∅", "\n": "⏎", "\t": "⇥"}.get(text, "␣")
