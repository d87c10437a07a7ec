"""Fine-tune a small BERT on SST-2 and write it as a checkpoint of the Hub's format: one command, resumable.

    python -m training.sst2 --data DATA --encoder ENCODER

DATA is a folder with `sst2/train.tsv` and `sst2/dev.tsv` (`sentence<TAB>label`); ENCODER a folder with
all-MiniLM-L6-v2. The run keeps its state in `--work` and goes on from there when it is started again.

What is trained: all weights, in bf16 autocast, with AdamW, linear warm-up and decay. Every batch goes through
twice under different dropout, and the two answers are pulled together (R-Drop, Liang et al., NeurIPS 2021).
The weights that ship are an exponential moving average over the steps.

What is measured: SST-2's training set holds sentences *and the phrases they are made of*, so a random split shares
phrases between its two sides. The whole sentences of `dev.tsv` are therefore measured apart, after every phrase of
three words or more that occurs inside one of them was taken out of the training set.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    get_linear_schedule_with_warmup,
)

Row = tuple[str, int]
TYPICAL = 12  # tokens of a row
LABELS = {0: "negative", 1: "positive"}


def read(path: Path) -> list[Row]:
    """Read `sentence<TAB>label` rows; the first line is a header."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return [(text.strip(), int(label)) for text, label in (line.rsplit("\t", 1) for line in lines)]


def whole_sentences(dev: list[Row], train: list[Row], words: int = 8) -> list[Row]:
    """Rows of `dev` with at least `words` words that are no part of any other row: sentences, not phrases."""
    corpus = "\n".join(f" {text} " for text, _ in train + dev)
    return [row for row in dev if len(row[0].split()) >= words and corpus.count(f" {row[0]} ") == 1]


def without_phrases_of(train: list[Row], sentences: list[Row], words: int = 3) -> list[Row]:
    """`train` without the rows of at least `words` words that occur inside one of `sentences`."""
    held_out = "\n".join(f" {text} " for text, _ in sentences)
    return [row for row in train if len(row[0].split()) < words or f" {row[0]} " not in held_out]


def batches(rows: list[list[int]], size: int, seed: int) -> list[list[int]]:
    """Shuffled batches of row numbers, rows of similar length together (sorted within pools of 64 batches)."""
    rng = random.Random(seed)
    order = list(range(len(rows)))
    rng.shuffle(order)
    pools = [
        sorted(order[i : i + 64 * size], key=lambda k: len(rows[k])) for i in range(0, len(order), 64 * size)
    ]
    groups = [pool[i : i + size] for pool in pools for i in range(0, len(pool), size)]
    rng.shuffle(groups)
    return groups


def pad(rows: list[list[int]]) -> dict[str, torch.Tensor]:
    """Pad token ids on the right with 0; shapes [batch, longest]."""
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    return {
        "input_ids": ids,
        "attention_mask": (torch.arange(longest) < torch.tensor([[len(r)] for r in rows])).long(),
    }


@torch.no_grad()
def measure(model: nn.Module, ids: list[list[int]], labels: list[int]) -> dict[str, float]:
    """Accuracy, and the mean negative log-probability of the right label in nats."""
    model.eval()
    right, loss = 0, 0.0
    order = sorted(range(len(ids)), key=lambda k: len(ids[k]))
    for at in range(0, len(order), 128):
        group = order[at : at + 128]
        logits, wanted = (
            model(**pad([ids[k] for k in group])).logits,
            torch.tensor([labels[k] for k in group]),
        )
        right += int((logits.argmax(-1) == wanted).sum())
        loss += float(nn.functional.cross_entropy(logits, wanted, reduction="sum"))
    return {"accuracy": round(right / len(ids), 4), "nll": round(loss / len(ids), 4)}


def groups(model: PreTrainedModel, lr: float, decay: float) -> list[dict[str, Any]]:
    """Parameter groups: the learning rate falls by `decay` a layer from the head down; no weight decay on vectors."""
    depth = model.config.num_hidden_layers
    found: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        layer = re.search(r"encoder\.layer\.(\d+)\.", name)
        level = int(layer[1]) + 1 if layer else 0 if ".embeddings." in name else depth + 1
        found.setdefault((level, parameter.ndim >= 2), []).append(parameter)
    return [
        {"params": part, "lr": lr * decay ** (depth + 1 - level), "weight_decay": 0.01 * matrix}
        for (level, matrix), part in found.items()
    ]


def step_loss(
    model: nn.Module,
    batch: dict[str, torch.Tensor],
    labels: torch.Tensor,
    args: argparse.Namespace,
    mask: int,
) -> torch.Tensor:
    """Cross entropy of two dropout passes plus `args.alpha` times their symmetric KL divergence.

    Each pass sees other words: a share `args.hide` of the tokens (none of the ends) is replaced by the mask token.
    A row counts by its length to the power `args.length`, so that sentences outweigh short phrases.
    """
    twice = {name: value.repeat(2, 1) for name, value in batch.items()}
    ids, real = twice["input_ids"], twice["attention_mask"].bool()
    inner = (
        real & (torch.arange(ids.shape[1]) > 0) & (torch.arange(ids.shape[1]) < real.sum(1, keepdim=True) - 1)
    )
    twice["input_ids"] = ids.masked_fill(inner & (torch.rand(ids.shape) < args.hide), mask)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(**twice).logits
    log_p = logits.float().log_softmax(-1)
    one, two = log_p.chunk(2)
    apart = (one.exp() * (one - two)).sum(-1) + (two.exp() * (two - one)).sum(-1)
    counts = batch["attention_mask"].sum(1).float() ** args.length
    loss = nn.functional.nll_loss(log_p, labels.repeat(2), reduction="none").view(2, -1).mean(0)
    return ((loss + args.alpha * 0.5 * apart) * counts).mean() / TYPICAL**args.length


def train(args: argparse.Namespace) -> None:
    """Run or resume the training and write the checkpoint and `training.json` beside it."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    dev, full = read(args.data / "sst2/dev.tsv"), read(args.data / "sst2/train.tsv")
    sentences = whole_sentences(dev, full)
    rows = without_phrases_of(full, sentences)
    print(
        f"{len(full)} training rows, {len(rows)} without phrases of the {len(sentences)} held-out sentences",
        flush=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    model = AutoModelForSequenceClassification.from_pretrained(
        args.encoder, num_labels=2, id2label=LABELS, label2id={v: k for k, v in LABELS.items()}
    )
    encode = lambda part: tokenizer([text for text, _ in part], truncation=True, max_length=128)["input_ids"]  # noqa: E731
    ids, labels = encode(rows), [label for _, label in rows]
    plan = [group for epoch in range(args.epochs) for group in batches(ids, args.batch, args.seed + epoch)]
    optimiser = torch.optim.AdamW(groups(model, args.lr, args.decay), fused=True)
    schedule = get_linear_schedule_with_warmup(optimiser, int(0.06 * len(plan)), len(plan))
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(args.ema)
    )
    parts = {"model": model, "average": average, "optimiser": optimiser, "schedule": schedule}
    state, start = args.work / "state.pt", 0
    args.work.mkdir(parents=True, exist_ok=True)
    if state.exists():
        saved = torch.load(state, weights_only=True)
        start = saved.pop("step")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        print(f"going on from step {start}", flush=True)
    measured = {
        "dev": (encode(dev), [y for _, y in dev]),
        "sentences": (encode(sentences), [y for _, y in sentences]),
    }
    began = time.time()
    for step in range(start, len(plan)):
        model.train()
        torch.manual_seed(args.seed * 1_000_003 + step)  # dropout is the same after a resume
        group = plan[step]
        batch, wanted = pad([ids[k] for k in group]), torch.tensor([labels[k] for k in group])
        loss = step_loss(model, batch, wanted, args, tokenizer.mask_token_id)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        average.update_parameters(model)
        done = step + 1
        if done % 500 == 0 or done == len(plan):
            torch.save(
                {"step": done} | {name: part.state_dict() for name, part in parts.items()}, f"{state}.new"
            )
            Path(f"{state}.new").rename(state)
            figures = measure(average.module, *measured["sentences"])
            print(
                f"step {done}/{len(plan)} loss {loss.item():.3f} {figures} {time.time() - began:.0f} s",
                flush=True,
            )
    final: Any = average.module
    figures: dict[str, Any] = {name: measure(final, *what) for name, what in measured.items()}
    figures |= {
        "dev_rows": len(dev),
        "sentence_rows": len(sentences),
        "train_rows": len(rows),
        "steps": len(plan),
    }
    figures |= {
        "settings": {
            k: getattr(args, k) for k in ("epochs", "batch", "lr", "decay", "alpha", "hide", "length", "ema", "seed")
        }
    }
    print(json.dumps(figures, indent=2))
    final.half().save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    (args.out / "training.json").write_text(json.dumps(figures, indent=2) + "\n")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("training/runs/sst2"))
    parser.add_argument("--out", type=Path, default=Path("attnlab_core/checkpoints/sst2"))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=6e-5)
    parser.add_argument(
        "--alpha", type=float, default=1.0, help="weight of the agreement between the two dropout passes"
    )
    parser.add_argument(
        "--decay", type=float, default=0.8, help="learning rate of a layer over that of the one above"
    )
    parser.add_argument("--hide", type=float, default=0.1, help="share of tokens that are masked at random")
    parser.add_argument("--length", type=float, default=0.0, help="power of its length by which a row counts")
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
