"""What reaching into the attention costs: a forward pass under surgery beside the plain eager one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

import attnlab_core as al
from attnlab_core.surgery import Surgery
from benchmarks._speed_base import Plan, Row, agree, at_most, text_of, versus

LENGTHS = {12: 1.10, 128: 1.03}
KEY = 3


def surgery(plan: Plan) -> Iterator[Row]:
    """No edit and one edit, for a short and a long text."""
    lab = plan.lab(plan.model)
    for wanted, bar in LENGTHS.items():
        tokens = min(wanted, lab.max_tokens or wanted)
        text = text_of(lab, tokens)
        inputs = lab.tokenizer(text, return_tensors="pt")
        settled = lab.settle(lab.encode(text), [al.Scale(factor=2.0, where=al.Where(keys=(KEY,)))])

        def plain(inputs: dict[str, Tensor] = inputs) -> Tensor:
            with torch.no_grad():
                return lab.model(**inputs).logits

        def watched(inputs: dict[str, Tensor] = inputs) -> Tensor:
            with torch.no_grad(), Surgery(lab.calls):
                return lab.model(**inputs).logits

        def edited(inputs: dict[str, Tensor] = inputs, rows: tuple[al.Edit, ...] = settled) -> Tensor:
            with torch.no_grad(), Surgery(lab.calls, [rows]):
                return lab.model(**inputs).logits

        def kept(inputs: dict[str, Tensor] = inputs) -> Tensor:
            with torch.no_grad(), Surgery(lab.calls, keep=True):
                return lab.model(**inputs).logits

        same = agree("surgery without an edit", float((plain() - watched()).abs().max()), 0.0)
        biased = dict(inputs)
        biased["attention_mask"] = torch.zeros(1, 1, tokens, tokens)
        biased["attention_mask"][..., KEY] = math.log(2)  # odds times two is log 2 on the score
        gap = float((plain(biased) - edited()).abs().max())
        right = agree("surgery with an edit", gap, 1e-4) + " from an additive mask"
        forward = "the plain eager forward"
        yield versus(
            f"surgery, no edit, {tokens} tokens", watched, plain, plan, against=forward, bar=at_most(bar), checked=same,
        )  # fmt: skip
        yield versus(
            f"surgery, one edit in all layers, {tokens} tokens", edited, plain, plan, against=forward,
            bar=at_most(bar), checked=right,
        )  # fmt: skip
        yield versus(
            f"surgery, all attention kept, {tokens} tokens", kept, plain, plan, against=forward, checked=same,
            note="what a page does; no bar",
        )  # fmt: skip
