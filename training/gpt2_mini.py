"""Train a small GPT-2 on novels from nothing and write it as a checkpoint of the Hub's format: one command, resumable.

    python -m training.gpt2_mini --data DATA

DATA is a folder with `books/*.txt`, a paragraph a line. Two novels are held out. The run keeps its state in `--work` and
goes on from there when it is started again.

The tokenizer is a byte-level BPE of 8,192 entries learnt from the same novels. Every window of text begins where a
sentence begins, as a prompt does. Matrices inside the blocks are trained with Muon, everything else with AdamW; the
learning rate is flat and falls to zero over the last part (Hägele et al., Scaling Laws and Compute-Optimal Training
Beyond Fixed Training Durations, NeurIPS 2024). The last part also sees windows twice as long. After the first 1,500 steps
all of this starts once more from the weights reached: a first model shipped from there. In the last 1,600 steps verbs count
more: where the text has a form such as "were", the loss also asks how far it is ahead of the other one, "was". That is
learnt from the novels like all else; no sentence is made for it.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from torch import nn
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, GPT2Tokenizer

import attnlab_core as al
from benchmarks.models import measure_gpt2_mini
from training import common

STEPS, FIRST = 6600, 1500  # optimiser's steps in all, and those before a second start
TOKENS = 4096  # in each step
LENGTHS = (256, 512)  # tokens of a window: at first, and in the last part
FALL = 0.2667  # that last part of each of both runs, in which the learning rate falls
MUON, ADAM = 3e-3, 3e-3  # peak learning rates
PAIRED, SINCE = 0.5, 5000  # what the comparison of verb forms counts, and the step from which on
VERBS = """was/were is/are has/have does/do seems/seem looks/look stands/stand falls/fall remains/remain appears/appear comes/come
    walks/walk sees/see knows/know thinks/think wants/want says/say goes/go sits/sit lives/live speaks/speak works/work
    waits/wait laughs/laugh eats/eat runs/run makes/make takes/take gives/give finds/find feels/feel means/mean"""
END = "<|endoftext|>"


def build_tokenizer(books: dict[str, list[str]], work: Path) -> Any:
    """Learn the byte-level BPE, or read it where it was learnt before."""
    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").exists():
        learner = ByteLevelBPETokenizer()
        text = (f"{paragraph}\n" for paragraphs in books.values() for paragraph in paragraphs)
        learner.train_from_iterator(text, vocab_size=8192, min_frequency=2, special_tokens=[END])
        folder.mkdir(parents=True, exist_ok=True)
        learner.save_model(str(folder))
        GPT2Tokenizer(
            vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=LENGTHS[1]
        ).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


class Text:
    """All novels as one row of token ids, each ended by END, with the places where a sentence begins.

    Attributes:
        ids: the token ids.
        starts: places in `ids` where a sentence begins, in order.
        bare: for every token, the one without a leading space where there is one: a text begins without.
    """

    def __init__(self, books: dict[str, list[str]], tokenizer: Any) -> None:
        ids: list[int] = []
        starts: list[int] = []
        for paragraphs in books.values():
            cut = [common.sentences(paragraph) for paragraph in paragraphs]
            pieces = [(" " if k else "") + part for parts in cut for k, part in enumerate(parts)]
            last = {
                n for parts, n in zip(cut, np.cumsum([len(parts) for parts in cut]), strict=True) if parts
            }
            encoded = tokenizer([piece + "\n" * (n + 1 in last) for n, piece in enumerate(pieces)])[
                "input_ids"
            ]
            for piece in encoded:
                starts.append(len(ids))
                ids += piece
            ids.append(tokenizer.eos_token_id)
        vocabulary = tokenizer.get_vocab()
        self.ids, self.starts = np.array(ids), np.array(starts)
        self.bare = np.arange(len(vocabulary))
        for token, number in vocabulary.items():
            self.bare[number] = vocabulary.get(token.removeprefix("Ġ"), number)

    def windows(self, length: int, rng: random.Random) -> list[int]:
        """Where the windows of one pass begin: a sentence's start at or before every `length`-th token, in any order."""
        grid = np.arange(rng.randrange(length), len(self.ids) - length, length)
        begin = self.starts[np.searchsorted(self.starts, grid, side="right") - 1]
        found = [int(place) for place in np.unique(begin)]
        rng.shuffle(found)
        return found

    def batch(self, begins: list[int], length: int) -> torch.Tensor:
        """Token ids [window, length]."""
        rows = np.stack([self.ids[begin : begin + length] for begin in begins])
        rows[:, 0] = self.bare[rows[:, 0]]
        return torch.from_numpy(rows)


def order(text: Text, steps: int, seed: int) -> list[tuple[int, list[int]]]:
    """For every step the windows' length and where they begin: pass after pass, longer windows in the last part."""
    rng, plan = random.Random(seed), []
    for length, count in zip(LENGTHS, (steps - int(FALL * steps), int(FALL * steps)), strict=True):
        size, waiting = TOKENS // length, []
        for _ in range(count):
            if len(waiting) < size:
                waiting += text.windows(length, rng)
            plan.append((length, [waiting.pop() for _ in range(size)]))
    return plan


def forms(tokenizer: Any) -> torch.Tensor:
    """For every token the one with the other form of the same verb; -1 where it is no verb of `VERBS`."""
    vocabulary = tokenizer.get_vocab()
    other = torch.full((len(vocabulary),), -1)
    for pair in VERBS.split():
        one, two = (vocabulary.get(f"Ġ{word}") for word in pair.split("/"))
        if one is not None and two is not None:
            other[one], other[two] = two, one
    return other


def loss(
    model: GPT2LMHeadModel, ids: torch.Tensor, offset: int = 0, other: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean negative log-probability of every next token, in nats; positions count from `offset`.

    With `other` (see `forms`), plus `PAIRED` times the same for verbs when only their two forms are to choose from.
    """
    places = torch.arange(offset, offset + ids.shape[1])
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.transformer(ids, position_ids=places[None], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[:, :-1])
    logits, told = logits.float().flatten(0, 1), ids[:, 1:].flatten()
    usual = nn.functional.cross_entropy(logits, told)
    if other is None:
        return usual
    rows = (other[told] >= 0).nonzero().squeeze(-1)
    ahead = logits[rows, told[rows]] - logits[rows, other[told[rows]]]
    return usual + PAIRED * nn.functional.softplus(-ahead).mean() if len(rows) else usual


@torch.no_grad()
def held_out_loss(model: GPT2LMHeadModel, text: Text, windows: int = 64) -> float:
    """Mean loss over windows spread evenly over a text, in nats a token."""
    begins = text.windows(LENGTHS[0], random.Random(1))[:windows]
    model.eval()
    parts = [
        float(loss(model, text.batch(begins[k : k + 16], LENGTHS[0]))) for k in range(0, len(begins), 16)
    ]
    return sum(parts) / len(parts)


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("training/runs/gpt2-mini"))
    parser.add_argument("--out", type=Path, default=Path("attnlab_core/checkpoints/gpt2-mini"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    books = common.novels(args.data)
    tokenizer = build_tokenizer(books, args.work)
    text, unseen = Text(books, tokenizer), Text(common.novels(args.data, held_out=True), tokenizer)
    torch.manual_seed(1)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=LENGTHS[1], n_embd=320, n_layer=6, n_head=8,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=end, eos_token_id=end,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    inside = sum(p.numel() for name, p in model.named_parameters() if "wte" not in name)
    print(f"{len(text.ids)} tokens, {inside} parameters outside the embedding matrix", flush=True)
    optimisers = common.Optimisers(model, r"\.h\.", MUON, ADAM)
    plan = order(text, FIRST, 7) + order(text, args.steps - FIRST, 8)
    parts = {"model": model, "optimisers": optimisers}
    other = forms(tokenizer)
    for step in common.resumable(
        args.work, parts, args.steps, 100, lambda _: f"held out {held_out_loss(model, unseen):.3f}"
    ):
        model.train()
        length, begins = plan[step]
        offset = random.Random(step).randrange(LENGTHS[1] - length + 1)  # so that every position is learnt
        loss(model, text.batch(begins, length), offset, other if step >= SINCE else None).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimisers.step(common.twice(step, FIRST, args.steps, 1.0, 60, FALL))
    figures = {"training": {"steps": args.steps, "tokens_a_step": TOKENS, "tokens": len(text.ids)}}
    common.ship(model, tokenizer, args.out, figures)
    common.note(args.out, measure_gpt2_mini(al.load(args.out), args.data) | figures)


if __name__ == "__main__":
    main()
