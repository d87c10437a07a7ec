"""Take a step against the gradient of an answer's loss, in the attention itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._base import Call, Edit, first_query
from attnlab_core.edits._corpus import checked
from attnlab_core.edits._donor import remember
from attnlab_core.edits._rows import window
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range
from attnlab_core.prompt import CONTINUATION

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding
    from attnlab_core.run import Run


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patch(Edit):
    """Shift attention the way that training on an answer would: one step against the gradient of its loss.

    Attention patching (Katz & Wolf, Reversed Attention: On the Gradient Descent of Attention Layers in GPT, NAACL 2025).
    The reversed attention R is the gradient of the answer's loss, -log P, by the attention scores, as it comes out of the
    softmax on its way back: R = A·(G - Σ A·G), where A are the weights of the model without edits, G is the loss's gradient
    by them, and the sum runs over a row. Weights become w - step·R. Rows of R sum to zero, so a row keeps its sum; the
    authors' code goes on with weights below zero too, here they are set to zero and the row is rescaled. Its learning
    rate is minus `step`.

    A gradient holds for small steps. Of 100 sentences of SST-2, with the verdict that the shipped `sst2` did not give as
    the answer, a step of 1 turns 18 and moves 3.4 % of a row's attention, 10 turns 60 and moves 15.5 %, 100 turns 82 and
    moves 32.1 % (`python -m benchmarks.profiling`).

    Attributes:
        target: The answer that is to become likelier; left out, the model's own.
        step: How far, in units of R; 0 changes nothing.
        texts: Other texts, over which R is averaged, with the same answer (left out: each with its own) and as many
            tokens as the text at hand; left out, R is that of the text at hand.
    """

    target: str = ""
    step: Annotated[float, Range(0, 1000)] = 10.0
    texts: tuple[str, ...] = ()
    tensors: Mapping[str, Tensor] | None = dataclasses.field(default=None, compare=False, repr=False)

    identity: ClassVar[Mapping[str, Any]] = {"step": 0.0}

    def __post_init__(self) -> None:
        """Take a list, as JSON gives it."""
        object.__setattr__(self, "texts", checked(self.texts))
        super().__post_init__()

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """Find the reversed attention of the text, or the mean over the other texts."""
        settled = super().settle(encoding, lab)
        part = lab.calls[0][0]
        if self.where.part not in (None, part):
            raise BadInput(
                f"patch knows the gradient by the {part} attention of {lab.name} only, not by its {self.where.part} "
                "attention. Leave part out."
            )
        own = _prompted(encoding)
        found = remember(lab, ("patch", self.target, self.texts, own), lambda: self._found(own, lab))
        where = dataclasses.replace(settled.where, part=part)
        return dataclasses.replace(settled, where=where, tensors={part: found})

    def _found(self, own: Encoding, lab: Lab) -> Float[Tensor, "layer head query key"]:
        with torch.inference_mode(False), torch.enable_grad():
            runs = [lab.run(dataclasses.replace(own.prompt, text=text)) for text in self.texts]
            for run in runs:
                if len(run.tokens) != len(own.ids):
                    raise BadInput(
                        f"By position, both texts need as many tokens: this one has {len(own.ids)}, "
                        f"{run.prompt.text[:60]!r} has {len(run.tokens)}. Give other texts, or none."
                    )
            maps = [reversed_attention(run, self.target) for run in runs or [lab.read(own.prompt, own, ())]]
            return torch.stack(maps).mean(0)

    def change(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Take the step; tokens that came after the text have no gradient and stay."""
        del visible
        found = (self.tensors or {}).get(call[0])
        if found is None:
            return values
        queries, keys = values.shape[-2:]
        part = window(found[call[1]], queries, keys, first_query(call, queries, keys)).to(values)
        return (values - self.step * part).clamp_min(0)


def reversed_attention(run: Run, target: str = "") -> Float[Tensor, "layer head query key"]:
    """The gradient of an answer's loss by a run's attention scores, for the tokens of the prompt; CPU, fp32.

    Args:
        run: plain or edited; of an edited one, by the scores that would have given the weights that went on.
        target: the answer; empty, the run's own.
    """
    goal = run.goal(target or None)
    longer = run.with_continuation(goal)
    weights, slopes = longer.pattern.weights, longer.slopes(goal)
    found = weights * ((weights * slopes).sum(-1, keepdim=True) - slopes)
    n = len(run.tokens)
    return found[..., :n, :n]


def _prompted(encoding: Encoding) -> Encoding:
    """The encoding without the continuation that a target appended."""
    n = sum(token.segment != CONTINUATION for token in encoding.tokens)
    return dataclasses.replace(
        encoding,
        ids=encoding.ids[:n],
        types=None if encoding.types is None else encoding.types[:n],
        tokens=encoding.tokens[:n],
        words=tuple(word for word in encoding.words if word.segment != CONTINUATION),
    )
