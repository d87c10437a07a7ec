"""What the recipes share: reading the novels, batches, a loop that can be broken off, and writing a checkpoint."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

HELD_OUT = ("the-railway-children", "black-beauty")  # novels for measuring: the only ones of their authors
_ENDS = re.compile(r"[.!?][\"'”’)]*\s+(?=[\"'“‘(]*[A-Z])")


def novels(data: Path, held_out: bool = False) -> dict[str, list[str]]:
    """The paragraphs of every novel, by its name: those to train on, or those held out for measuring."""
    paths = sorted((data / "books").glob("*.txt"))
    return {
        path.stem: [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        for path in paths
        if (path.stem in HELD_OUT) == held_out
    }


def sentences(paragraph: str) -> list[str]:
    """Cut after ., ! or ? (and closing quotes) where a capital follows; no abbreviation is known but short ones."""
    cuts, start = [], 0
    for end in _ENDS.finditer(paragraph):
        before = paragraph[start : end.start()].rsplit(maxsplit=1)
        if before and before[-1].strip("“‘\"'(") in {"Mr", "Mrs", "Dr", "St", "Ms", "M", "Messrs"}:
            continue
        cuts.append(paragraph[start : end.end()].strip())
        start = end.end()
    return [*cuts, paragraph[start:].strip()] if paragraph[start:].strip() else cuts


def pad(rows: list[list[int]], value: int = 0) -> dict[str, torch.Tensor]:
    """Pad token ids on the right; shapes [batch, longest]."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [value] * (longest - len(row)) for row in rows])
    return {
        "input_ids": ids,
        "attention_mask": (torch.arange(longest) < torch.tensor([[len(r)] for r in rows])).long(),
    }


def batches(lengths: list[int], size: int, seed: int) -> list[list[int]]:
    """Shuffled batches of row numbers, rows of similar length together (sorted within pools of 64 batches)."""
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pools = [
        sorted(order[i : i + 64 * size], key=lambda k: lengths[k]) for i in range(0, len(order), 64 * size)
    ]
    groups = [pool[i : i + size] for pool in pools for i in range(0, len(pool), size)]
    rng.shuffle(groups)
    return groups


def trapezoid(step: int, steps: int, warm: int, fall: float) -> float:
    """Learning rate as a share of its peak: up over `warm` steps, flat, then down to 0 over the last `fall` of all."""
    return min(1.0, (step + 1) / warm, max(0.0, steps - step) / (fall * steps))


def twice(step: int, first: int, steps: int, peak: float, warm: int, fall: float) -> float:
    """The same, run through twice: once over `first` steps, and over those left after them to `peak` of the peak."""
    if step < first:
        return trapezoid(step, first, warm, fall)
    return peak * trapezoid(step - first, steps - first, warm, fall)


def resumable(
    work: Path, parts: dict[str, Any], steps: int, every: int, report: Callable[[int], str]
) -> Iterator[int]:
    """Yield the numbers of the steps that are left; save all parts every so many, and go on from there when run again.

    Args:
        work: the folder that keeps `state.pt`.
        parts: what has `state_dict` and `load_state_dict`.
        steps: how many there are in all.
        every: steps between two saves.
        report: what to print with a save, given the steps done.
    """
    state, start = work / "state.pt", 0
    work.mkdir(parents=True, exist_ok=True)
    if state.exists():
        saved = torch.load(state, weights_only=True)
        start = saved.pop("step")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        print(f"going on from step {start}", flush=True)
    began = time.time()
    for step in range(start, steps):
        yield step
        done = step + 1
        if done % every == 0 or done == steps:
            kept = {name: part.state_dict() for name, part in parts.items()}
            torch.save({"step": done} | kept, f"{state}.new")
            Path(f"{state}.new").rename(state)
            print(f"step {done}/{steps} {time.time() - began:.0f} s {report(done)}", flush=True)


class Optimisers:
    """Muon for the matrices inside the blocks, AdamW for the rest; both follow one schedule.

    Args:
        model: the model.
        inside: a regular expression that the names of the blocks' parameters match.
        muon: Muon's peak learning rate, in AdamW's measure; None leaves all to AdamW.
        adam: AdamW's peak learning rates: of the blocks' vectors and of what stands before them, of the head.
        head: a regular expression for the head's names.
    """

    def __init__(
        self,
        model: nn.Module,
        inside: str,
        muon: float | None,
        adam: float,
        head: str = "^$",
        head_rate: float = 0.0,
    ) -> None:
        groups: dict[tuple[bool, float, float], list[nn.Parameter]] = {}
        for name, parameter in model.named_parameters():
            matrix = parameter.ndim >= 2
            own = muon is not None and matrix and bool(re.search(inside, name))
            rate = (muon or adam) if own else head_rate if re.search(head, name) else adam
            decay = 0.05 if own else 0.01 * (matrix and "emb" not in name and "wte" not in name)
            groups.setdefault((own, rate, decay), []).append(parameter)
        self.parts: list[torch.optim.Optimizer] = []
        for own in (True, False):
            chosen = [
                {"params": part, "lr": rate, "peak": rate, "weight_decay": decay}
                for (kind, rate, decay), part in groups.items()
                if kind == own
            ]
            if chosen and own:
                self.parts.append(torch.optim.Muon(chosen, adjust_lr_fn="match_rms_adamw"))
            elif chosen:
                self.parts.append(torch.optim.AdamW(chosen, betas=(0.9, 0.95), fused=True))

    def step(self, share: float) -> None:
        """One step of all at this share of the peak rates; gradients are dropped afterwards."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = group["peak"] * share
            part.step()
            part.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        return {str(n): part.state_dict() for n, part in enumerate(self.parts)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        for n, part in enumerate(self.parts):
            part.load_state_dict(saved[str(n)])


def averaged(model: nn.Module, memory: float) -> Any:
    """An exponential moving average of the model's weights, with `update_parameters(model)` and `.module`."""
    return torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(memory)
    )


def ship(model: Any, tokenizer: Any, out: Path, figures: dict[str, Any]) -> None:
    """Write the weights in fp16, the tokenizer, and the figures."""
    model.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    note(out, figures)


def note(out: Path, figures: dict[str, Any]) -> None:
    """Print the figures, and write them as `training.json`."""
    (out / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=2))
