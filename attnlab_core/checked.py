"""How a model is checked on loading, and what was found: it reads a sentence of its own tokens, watched and not."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from attnlab_core._narrow import Narrow
from attnlab_core.errors import ModelRefused
from attnlab_core.surgery import Surgery

if TYPE_CHECKING:
    from attnlab_core.lab import Lab


@dataclass(frozen=True)
class SelfCheck:
    """The model read a sentence of its own tokens twice, once watched without an edit and once not.

    Attributes:
        calls: How many attention calls were seen, as many as the configuration promises.
        heads: The most heads of one call.
        difference: The greatest difference between the logits of the two readings.
        seconds: How long both took.
        causal: Whether no token sees a later one.
        reads: The row of the last layer's attention that a classifier's answer hangs on: that of the first token, of the
            last, or of all; "all" for every other task.
    """

    calls: int
    heads: int
    difference: float
    seconds: float
    causal: bool = False
    reads: Literal["first", "last", "all"] = "all"

    @property
    def text(self) -> str:
        """In one line.

        >>> SelfCheck(6, 12, 0.0, 0.02).text
        'Checked: 6 attention calls, no-edit difference 0.0'
        """
        size = "0.0" if self.difference == 0 else f"{self.difference:.1e}"
        return f"Checked: {self.calls} attention calls, no-edit difference {size}"


def check(lab: Lab) -> SelfCheck:
    """Run the model's own tokens with and without the surgery.

    Raises:
        ModelRefused: Attention is not called as often as the configuration says, the logits differ, or there are none.
    """
    ids = lab.reader.sample()
    inputs, began = lab.reader.inputs([ids], None), time.perf_counter()
    try:
        with torch.no_grad():
            plain = lab._outputs(inputs)
    except (
        Exception
    ) as error:  # any of many kinds; all mean that the model does not take its tokenizer's text
        reason = " ".join(str(error).split())[:200]
        raise ModelRefused(f"{lab.name} cannot read its own tokenizer's text: {reason}") from error
    if plain.isnan().any():
        raise ModelRefused(f"{lab.name} answers with no numbers (NaN) in {lab._dtype}: load it in fp32.")
    with (
        torch.enable_grad(),
        Surgery(lab.calls, keep=True, sink=lab.sink, frame=lab.reader.frame([ids])) as tape,
    ):
        seen = lab._outputs(inputs)
    if tape.seen != len(lab.calls):
        raise ModelRefused(
            f"{lab.name} made {tape.seen} attention calls where its configuration promises {len(lab.calls)}. "
            f'Load it with attn_implementation="eager"; if that was done, its attention cannot be held.'
        )
    if not torch.equal(plain, seen) and not torch.allclose(plain, seen, rtol=1e-5, atol=1e-5):
        raise ModelRefused(
            f"{lab.name} answers differently when it is watched, so nothing is to be learnt from it."
        )
    parts = [part for part, _ in lab.calls]
    causal = parts[0] == "decoder" and not bool(tape.visible[0].triu(1).any())
    apart = float((plain.float() - seen.detach().float()).nan_to_num().abs().max())
    took = time.perf_counter() - began
    reads: Literal["first", "last", "all"] = "all"
    if lab.task == "classification":
        last = max(k for k, part in enumerate(parts) if part != "cross")
        (slope,) = torch.autograd.grad(seen.float().pow(2).sum(), tape.weights[last])
        read = (slope[0].abs().sum((0, 2)) > 0).tolist()
        if sum(read) == 1 and (read[0] or read[-1]):
            reads = "first" if read[0] else "last"
    return SelfCheck(tape.seen, max(w.shape[1] for w in tape.weights), apart, took, causal, reads)


def narrows(lab: Lab) -> bool:
    """Whether the model's answer is the same when only what is read is computed to the end."""
    ids = lab.reader.sample()
    reads = lab.reads(len(ids), (len(ids) - 1,))
    if reads is None:
        return False
    rows = min(2, lab.batch_size)
    inputs, narrow = lab.reader.inputs([ids] * rows, None), Narrow(reads, rows, len(ids), alike=True)
    place = 0 if lab.task == "classification" else reads[0]
    try:
        with torch.no_grad():
            plain = lab._outputs(inputs)[:, place]
            with Surgery(lab.calls, sink=lab.sink, narrow=narrow):
                narrowed = lab._outputs(inputs)[:, place]
    except (RuntimeError, ValueError, TypeError):
        return False
    near = 1e-4 if lab._dtype in (torch.float32, torch.float64) else 3e-2
    return narrow.times > 0 and not narrow.turned and torch.allclose(plain, narrowed, rtol=near, atol=near)
