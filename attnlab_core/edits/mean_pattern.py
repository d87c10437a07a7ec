"""Put a head's average over other texts in the place of its attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit
from attnlab_core.edits._corpus import TEXTS, checked
from attnlab_core.edits._donor import put, remember
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding

CELLS = 2**26
"""How many weights are held at once while the corpus is read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanPattern(Edit):
    """Put a head's average over other texts in the place of its attention: where it looks, whatever the words.

    What remains is what a head does by position alone; what goes is what it does with these words (mean ablation, as in
    Wang et al., Interpretability in the Wild, ICLR 2023, here of patterns and not of outputs).

    Patterns of different lengths have no mean, so none are made: the other texts are read in the frame of the text at
    hand. Its special tokens, masks and token types stay, and each corpus text fills the places between them, going on
    with the corpus texts after it or cut off where the places end. Every pattern then has the same shape and the same
    hidden keys, and the mean is taken cell by cell; all texts count alike. Of a pair, the second text begins with the
    corpus text after the one that the first began with.

    Attributes:
        texts: The corpus; left out, 24 plain English sentences.
        amount: How far, from 0 (nothing changes) to 1 (the average).
    """

    texts: tuple[str, ...] = ()
    amount: Annotated[float, Range(0, 1)] = 1.0
    tensors: Mapping[str, Tensor] | None = dataclasses.field(default=None, compare=False, repr=False)

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}

    def __post_init__(self) -> None:
        """Take a list, as JSON gives it."""
        object.__setattr__(self, "texts", checked(self.texts))
        super().__post_init__()

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """Read the corpus in the frame of this text."""
        settled = super().settle(encoding, lab)
        if lab.pictures:
            raise BadInput(
                f"mean_pattern is an average over texts, and {lab.name} reads pictures. Take uniform, or transplant with a layer and head."
            )
        segments = _segments(encoding, lab)
        fixed = tuple(-1 if s is not None else i for s, i in zip(segments, encoding.ids, strict=True))
        tensors = remember(
            lab,
            ("mean", self.texts, fixed, tuple(segments), encoding.types),
            lambda: mean(lab, framed(lab, encoding, segments, self.texts or TEXTS), encoding.types),
        )
        return dataclasses.replace(settled, tensors=tensors)

    def rearrange(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        chosen: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Put in the average."""
        return put(values, visible, chosen, call, (self.tensors or {}).get(call[0]), self.amount)


def framed(
    lab: Lab, encoding: Encoding, segments: Sequence[int | None], texts: Sequence[str]
) -> list[list[int]]:
    """The token ids of each corpus text in the frame of the text at hand."""
    found = []
    counts = {s: segments.count(s) for s in dict.fromkeys(segments) if s is not None}
    runs = [_tokens(lab, [*texts[k:], *texts[:k]]) for k in range(len(texts))]
    for k in range(len(texts)):
        streams = {s: islice(cycle(runs[(k + s) % len(texts)]), n) for s, n in counts.items()}
        found.append(
            [
                number if s is None else next(streams[s])
                for s, number in zip(segments, encoding.ids, strict=True)
            ]
        )
    return found


def mean(
    lab: Lab, rows: Sequence[Sequence[int]], types: Sequence[int] | None
) -> dict[str, Float[Tensor, "layer head query key"]]:
    """The mean attention over rows of as many token ids, by part; CPU, fp32."""
    total: list[Tensor] = []
    cells = len(lab.calls) * lab.heads * len(rows[0]) ** 2
    size = max(1, min(lab.batch_size, CELLS // cells))
    for at in range(0, len(rows), size):
        batch = rows[at : at + size]
        _, tape = lab.forward(batch, types=None if types is None else [types] * len(batch), keep=True)
        sums = [weights.detach().float().sum(0).cpu() for weights in tape.weights]
        total = [a + b for a, b in zip(total, sums, strict=True)] if total else sums
    named = [part for part, _ in lab.calls]
    return {
        part: torch.stack([w for w, one in zip(total, named, strict=True) if one == part]) / len(rows)
        for part in dict.fromkeys(named)
    }


def _segments(encoding: Encoding, lab: Lab) -> list[int | None]:
    """The text that each place belongs to; None for what stays: special tokens and masks."""
    marks = set(lab.tokenizer.all_special_ids)
    return [
        None if token.special or number in marks else token.segment
        for token, number in zip(encoding.tokens, encoding.ids, strict=True)
    ]


def _tokens(lab: Lab, texts: Sequence[str]) -> list[int]:
    found = lab.tokenizer(" ".join(texts), add_special_tokens=False, truncation=False, verbose=False)[
        "input_ids"
    ]
    if not found:
        raise BadInput("The tokenizer makes no token of these texts. Give texts with words in them.")
    return list(found)
