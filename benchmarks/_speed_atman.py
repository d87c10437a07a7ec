"""AtMan beside the published way, one forward pass for each token, and beside a plain batch of as many rows.

The published code is not free, so `Published` is a plain version of its algorithm (Deiseroth et al. 2023, section 3.2), put
into an attention function of transformers' own; nothing of the library is in it. As in the library's default the least score
of a row is that of the keys it sees.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from scipy.stats import spearmanr
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

import attnlab_core as al
from attnlab_core.run import Run
from benchmarks._speed_base import Plan, Row, agree, at_least, at_most, text_of, versus

FACTOR = 0.1
NAME = "atman_as_published"
HIDDEN = -1e4
TOKENS = 32
RANKS = 0.99


class Published:
    """One forward pass for each token: its column of the scores is turned down in all layers, heads and rows.

    Args:
        run: What is explained.
    """

    def __init__(self, run: Run) -> None:
        self.suppressed: int | None = None
        AttentionInterface.register(NAME, self.attend)
        AttentionMaskInterface.register(NAME, eager_mask)
        self.model: Any = copy.deepcopy(run.lab.model)
        self.model.set_attn_implementation(NAME)
        ids = torch.tensor([run.encoding.ids])
        self.inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if run.encoding.types is not None:
            self.inputs["token_type_ids"] = torch.tensor([run.encoding.types])
        if run.lab.task == "causal":
            self.inputs["use_cache"] = False
        self.goal = run.goal()

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, scaling: float | None = None,
        **_: Any,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Attention with one column turned down."""
        del module
        scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
        hidden = None if attention_mask is None else attention_mask[..., : key.shape[2]] < HIDDEN
        if self.suppressed is not None:
            seen = scores if hidden is None else scores.masked_fill(hidden, torch.inf)
            least = seen.amin(-1)
            column = scores[..., self.suppressed]
            scores[..., self.suppressed] = least + FACTOR * (column - least)
        if hidden is not None:
            scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        return (weights @ value).transpose(1, 2).contiguous(), weights

    def value(self, suppressed: int | None) -> float:
        """The log-probability of the answer with one token turned down."""
        self.suppressed = suppressed
        with torch.inference_mode():
            logits = self.model(**self.inputs).logits
        return float(self.goal.value(logits if logits.ndim == 3 else logits[:, None]))

    def scores(self) -> Float[Tensor, " token"]:
        """What is lost with each token turned down."""
        whole = self.value(None)
        return torch.tensor(
            [whole - self.value(k) for k in range(self.inputs["input_ids"].shape[1])], dtype=torch.float64
        )


def atman(plan: Plan) -> Iterator[Row]:
    """Encoder in fp32 and bf16, and a decoder."""
    lab = plan.lab(plan.model)
    run = lab.run(text_of(lab, TOKENS))
    published = Published(run)
    said, name = "one forward for each token, as published", f"atman, encoder, {len(run.tokens)} tokens, fp32"
    first = against_published(name, run, published, plan, at_least(2))
    yield first
    rows = {key: value.repeat(len(run.tokens) + 1, 1) for key, value in published.inputs.items()}

    def batch() -> Tensor:
        with torch.no_grad():
            return lab.model(**rows).logits

    yield versus(
        name, lambda: al.attribute(run, "atman"), batch, plan, bar=at_most(1.15),
        against=f"{len(run.tokens) + 1} plain rows in one batch",
    )  # fmt: skip
    if computes_half():
        yield half(run, published, plan, said)
    else:
        yield Row(
            name.replace("fp32", "bf16"), None, against=said, note="this processor does not compute in bf16"
        )
    decoder = plan.lab(plan.decoder)
    text = decoder.run(text_of(decoder, TOKENS))
    yield against_published(
        f"atman, decoder, {len(text.tokens)} tokens, one target", text, Published(text), plan,
        at_least(round(first.ratio or 0, 2)),
    )  # fmt: skip


def against_published(name: str, run: Run, published: Published, plan: Plan, bar: Any) -> Row:
    """The library and the published way, in one run."""
    ours = al.attribute(run, "atman").scores
    size = len(ours)
    gap = float((ours - published.scores()[:size]).abs().max())
    return versus(
        name, lambda: al.attribute(run, "atman"), published.scores, plan, bar=bar,
        against="one forward for each token, as published", checked=agree("atman and its published form", gap, 1e-4),
    )  # fmt: skip


def half(run: Run, published: Published, plan: Plan, said: str) -> Row:
    """In bf16 beside the published way in fp32; ranks must agree."""
    lab = al.Lab(copy.deepcopy(run.lab.model).to(torch.bfloat16), run.lab.tokenizer, name="bf16")
    rough = lab.run(run.prompt)
    one, two = al.attribute(run, "atman").scores, al.attribute(rough, "atman", run.prediction).scores
    said_by_scipy: Any = spearmanr(one, two)
    ranks = float(said_by_scipy.statistic)
    enough = ranks >= RANKS
    return versus(
        f"atman, encoder, {len(run.tokens)} tokens, bf16", lambda: al.attribute(rough, "atman"), published.scores, plan,
        against=f"{said}, in fp32", bar=at_least(4),
        checked=f"Spearman {ranks:.4f} to fp32, {'as' if enough else '**not** as'} wanted (≥ {RANKS})",
    )  # fmt: skip


def computes_half() -> bool:
    """Whether the processor has instructions for bf16."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8") if path.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags
