"""Many texts read at once, each under its own edits, with what was answered and, where wanted, the attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.experiments._batches import fitting, through
from attnlab_core.pattern import AttentionPattern
from attnlab_core.targets import Asked

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding


@dataclass(frozen=True, eq=False)
class Reading:
    """One text as it was read; CPU, fp32, without padding.

    Attributes:
        asked: The text with its logits.
        weights: The attention as it went on, of the part that reads the text; None where it was not kept.
        visible: What the mask lets through.
    """

    asked: Asked
    weights: Float[Tensor, "layer head query key"] | None = None
    visible: Bool[Tensor, "layer head query key"] | None = None

    @property
    def pattern(self) -> AttentionPattern:
        """The attention with its tokens' names, where it was kept."""
        assert self.weights is not None
        assert self.visible is not None
        texts = tuple(token.text for token in self.asked.encoding.tokens)
        return AttentionPattern(self.weights, self.visible, texts, texts)


def read(
    lab: Lab,
    encodings: Sequence[Encoding],
    edits: Sequence[Sequence[Edit]] | None = None,
    *,
    budget: int,
    keep: bool = False,
) -> list[Reading]:
    """Every text under its settled edits, in batches of a size that the budget allows.

    Texts with a picture go together only where their words and patches lie alike (`Joint.layout`).

    Raises:
        EditTouchedNothing: An edit of one of them met no cell.
    """
    jobs = list(zip(encodings, edits or [()] * len(encodings), strict=True))
    if not jobs:
        return []
    found: dict[int, Reading] = {}
    for group in _alike(lab, encodings):
        longest = max(len(encodings[k].ids) for k in group)
        size = fitting(lab, longest, budget=budget, kept=lab.layers if keep else 0)
        done = through([jobs[k] for k in group], lambda part: _batch(lab, part, keep), size)
        found |= dict(zip(group, done, strict=True))
    return [found[k] for k in range(len(jobs))]


def _alike(lab: Lab, encodings: Sequence[Encoding]) -> list[list[int]]:
    """The numbers of those that can be read in one batch."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for number, encoding in enumerate(encodings):
        groups.setdefault(lab.reader.layout(encoding.ids), []).append(number)
    return list(groups.values())


def _batch(lab: Lab, jobs: Sequence[tuple[Encoding, Sequence[Edit]]], keep: bool) -> list[Reading]:
    encodings = [encoding for encoding, _ in jobs]
    types = None if encodings[0].types is None else [list(one.types or ()) for one in encodings]
    ids = [list(one.ids) for one in encodings]
    logits, tape = lab.forward(ids, types=types, rows=[edits for _, edits in jobs], keep=keep)
    logits = logits.float().cpu()
    found = []
    for b, encoding in enumerate(encodings):
        n = len(encoding.ids)
        own = logits[b]
        if lab.task == "answering":
            own = own[:, :n]
        elif lab.task != "classification":
            own = own[:n]
        weights = visible = None
        if keep:
            weights, visible = (one[..., :n, :n] for one in lab.gathered(tape, lab.calls[0][0], b))
        found.append(Reading(lab.asked(encoding, own.clone()), weights, visible))
    return found


def moved(one: Float[Tensor, "layer head query key"], two: Float[Tensor, "layer head query key"]) -> float:
    """The share of attention that goes elsewhere: the total variation of the rows, mean over all of them."""
    return float((two - one).abs().sum(-1).mean() / 2)
