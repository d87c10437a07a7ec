"""Fine-tune a small BERT on SST-2 and write it as a checkpoint of the Hub's format: one command, resumable.

    python -m training.sst2 --data DATA --encoder ENCODER

DATA is a folder with `sst2/train.tsv` and `sst2/dev.tsv` (`sentence<TAB>label`); ENCODER a folder with
all-MiniLM-L6-v2. The run keeps its state in `--work` and goes on from there when it is started again.

Two teachers are trained by different settings, then the model that ships, on the labels and on the teachers' mean
probabilities (Furlanello et al., Born-Again Networks, ICML 2018). All weights are trained, in bf16 autocast, with AdamW,
linear warm-up and decay. Every batch goes through twice under different dropout, and the two answers are pulled
together (R-Drop, Liang et al., NeurIPS 2021). What is kept is an exponential moving average of the weights.

What is measured: SST-2's training set holds sentences *and the phrases they are made of*, so a random split shares
phrases between its two sides. The whole sentences of `dev.tsv` are therefore measured apart, after every phrase of
three words or more that occurs inside one of them was taken out of the training set. A last pass goes over the whole
training set, those phrases with it; the figure for whole sentences is taken before that pass.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import asdict, dataclass
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

from training.common import averaged, batches, pad, resumable, ship

Row = tuple[str, int]
Rows = tuple[list[list[int]], list[int]]  # token ids, labels


@dataclass(frozen=True)
class Settings:
    """How one model is trained.

    Attributes:
        epochs: Passes over the training set.
        lr: The head's learning rate; `decay` is a layer's over that of the layer above.
        alpha: Weight of the agreement between the two dropout passes.
        hide: Share of the tokens that are masked at random.
        length: Power of its length by which a row counts, so that sentences outweigh short phrases.
        soft: Weight of the teachers' probabilities against the labels.
        seed: Of the order, the dropout and the new head.
    """

    epochs: int
    lr: float
    decay: float
    alpha: float = 1.0
    hide: float = 0.0
    length: float = 0.0
    soft: float = 0.0
    seed: int = 1


TEACHERS = (Settings(epochs=4, lr=6e-5, decay=1.0, seed=1), Settings(epochs=1, lr=1.5e-4, decay=0.8, seed=11))
STUDENT = Settings(epochs=3, lr=1e-4, decay=0.9, alpha=0.5, hide=0.05, length=0.3, soft=0.6, seed=21)
LAST = Settings(epochs=1, lr=4e-5, decay=0.9, alpha=0.5, hide=0.05, length=0.3, soft=0.5, seed=31)
BATCH, EVERY, MEMORY = 32, 5, 0.99  # rows a step; steps between, and memory of, updates of the moving average
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


@torch.no_grad()
def answers(model: nn.Module, ids: list[list[int]]) -> torch.Tensor:
    """Log-probabilities [row, label], in batches of rows of similar length."""
    model.eval()
    found = torch.zeros(len(ids), len(LABELS))
    order = sorted(range(len(ids)), key=lambda k: len(ids[k]))
    for at in range(0, len(order), 128):
        part = order[at : at + 128]
        found[part] = model(**pad([ids[k] for k in part])).logits.float().log_softmax(-1)
    return found


def measure(model: nn.Module, ids: list[list[int]], labels: list[int]) -> dict[str, float]:
    """Accuracy, and the mean negative log-probability of the right label in nats."""
    found, wanted = answers(model, ids), torch.tensor(labels)
    right = (found.argmax(-1) == wanted).float().mean()
    return {"accuracy": round(float(right), 4), "nll": round(float(nn.functional.nll_loss(found, wanted)), 4)}


def step_loss(
    model: nn.Module, batch: dict[str, torch.Tensor], wanted: torch.Tensor, how: Settings, mask: int
) -> torch.Tensor:
    """Cross entropy of two dropout passes with the wanted probabilities, plus `how.alpha` times their symmetric KL."""
    twice = {name: value.repeat(2, 1) for name, value in batch.items()}
    ids, real = twice["input_ids"], twice["attention_mask"].bool()
    place = torch.arange(ids.shape[1])
    inner = (place > 0) & (place < real.sum(1, keepdim=True) - 1)
    twice["input_ids"] = ids.masked_fill(inner & (torch.rand(ids.shape) < how.hide), mask)
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(**twice).logits
    one, two = logits.float().log_softmax(-1).chunk(2)
    apart = (one.exp() * (one - two)).sum(-1) + (two.exp() * (two - one)).sum(-1)
    loss = -(wanted * (one + two) / 2).sum(-1)
    counts = batch["attention_mask"].sum(1).float() ** how.length
    return ((loss + how.alpha * 0.5 * apart) * counts).mean() / TYPICAL**how.length


class Data:
    """The rows as token ids: for training, and the two sets that are measured."""

    def __init__(self, folder: Path, tokenizer: Any) -> None:
        dev, full = read(folder / "sst2/dev.tsv"), read(folder / "sst2/train.tsv")
        sentences = whole_sentences(dev, full)
        rows = without_phrases_of(full, sentences)
        print(
            f"{len(full)} rows, {len(rows)} without phrases of {len(sentences)} held-out sentences",
            flush=True,
        )
        self.mask = tokenizer.mask_token_id
        chosen = {text for text, _ in rows}
        self.kept = torch.tensor([text in chosen for text, _ in full])

        def encode(part: list[Row]) -> Rows:
            ids = tokenizer([text for text, _ in part], truncation=True, max_length=128)["input_ids"]
            return ids, [label for _, label in part]

        self.train, self.full, self.dev, self.sentences = map(encode, (rows, full, dev, sentences))


def fit(
    model: PreTrainedModel,
    data: Data,
    rows: Rows,
    how: Settings,
    work: Path,
    soft: torch.Tensor | None = None,
) -> Any:
    """Train or resume, and return the averaged model; `soft` are the teachers' probabilities [row, label]."""
    ids, labels = rows
    hard = nn.functional.one_hot(torch.tensor(labels), len(LABELS)).float()
    wanted = hard if soft is None else how.soft * soft + (1 - how.soft) * hard
    lengths = [len(row) for row in ids]
    plan = [group for epoch in range(how.epochs) for group in batches(lengths, BATCH, how.seed + epoch)]
    optimiser = torch.optim.AdamW(groups(model, how.lr, how.decay), fused=True)
    schedule = get_linear_schedule_with_warmup(optimiser, int(0.06 * len(plan)), len(plan))
    average = averaged(model, MEMORY)
    parts = {"model": model, "average": average, "optimiser": optimiser, "schedule": schedule}

    def report(_: int) -> str:
        return str(measure(average.module, *data.sentences))

    for step in resumable(work, parts, len(plan), 500, report):
        model.train()
        torch.manual_seed(how.seed * 1_000_003 + step)  # dropout is the same after a resume
        group = plan[step]
        step_loss(model, pad([ids[k] for k in group]), wanted[group], how, data.mask).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        if (step + 1) % EVERY == 0:
            average.update_parameters(model)
    return average.module


def main() -> None:
    """Train the teachers, then the model that ships; write it with `training.json` beside it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("training/runs/sst2"))
    parser.add_argument("--out", type=Path, default=Path("attnlab_core/checkpoints/sst2"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # moments of rare words' embeddings fade to denormals, which are slow
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    data = Data(args.data, tokenizer)

    def fresh(folder: Path, seed: int) -> Any:
        torch.manual_seed(seed)  # of the new head
        names = {"id2label": LABELS, "label2id": {label: number for number, label in LABELS.items()}}
        return AutoModelForSequenceClassification.from_pretrained(
            folder, num_labels=2, dtype=torch.float32, **names
        )

    teachers = []
    for number, how in enumerate(TEACHERS):
        folder = args.work / f"teacher-{number}"
        if not (folder / "config.json").exists():
            fit(fresh(args.encoder, how.seed), data, data.train, how, folder).save_pretrained(folder)
        teachers.append(fresh(folder, how.seed))
        print(f"teacher {number}: {measure(teachers[-1], *data.sentences)}", flush=True)
    soft = sum(answers(teacher, data.full[0]).exp() for teacher in teachers) / len(teachers)
    model = fit(fresh(args.encoder, STUDENT.seed), data, data.train, STUDENT, args.work, soft[data.kept])
    held_out = measure(model, *data.sentences)  # while it still is held out
    final = fit(model, data, data.full, LAST, args.work / "last", soft)
    figures = {
        "sentences": {"rows": len(data.sentences[0])} | held_out,
        "dev": {"rows": len(data.dev[0])} | measure(final, *data.dev),
        "sentences_after_last": measure(final, *data.sentences),
        "training": {
            "rows": [len(data.train[0]), len(data.full[0])],
            "settings": [asdict(how) for how in (*TEACHERS, STUDENT, LAST)],
        },
    }
    ship(final, tokenizer, args.out, figures)


if __name__ == "__main__":
    main()
