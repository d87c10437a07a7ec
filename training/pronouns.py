"""Train a small BERT as a masked language model and write it as a checkpoint of the Hub's format: one command, resumable.

    python -m training.pronouns --data DATA --encoder ENCODER

DATA is a folder with `books/*.txt` (a paragraph a line), `wikitext2/valid.txt` and `qamr/wiki-sentences.tsv`; ENCODER a
folder with all-MiniLM-L6-v2. Two novels are held out. The run keeps its state in `--work` and goes on from there when it
is started again.

The head is new, its output matrix tied to the word embeddings. Windows of text begin where a sentence begins and are of
several lengths, short ones too, since people ask about single sentences. More is masked in training than in measuring
(Wettig et al., Should You Mask 15% in Masked Language Modeling?, EACL 2023), and after the first 550 steps pronouns,
male and female alike, more often than other words. What ships is an exponential moving average
of the weights. Nothing is done about, or for, any bias: what the model has of it is what the text taught.
"""

from __future__ import annotations

import argparse
import random
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForMaskedLM, AutoTokenizer

from training import common

STEPS, FIRST = 2100, 1000  # optimiser's steps in all, and those before a second start
TOKENS = 4096  # in each step
LENGTHS = (32, 64, 128, 128, 128)  # tokens of a window, drawn anew for every step
HIDE = 0.2  # share of the tokens that are to be guessed in training
HIDE_PRONOUNS, SINCE = 0.35, 550  # the same of the pronouns below, and the step from which on
MUON, RATE, HEAD_RATE = 1.5e-3, 5e-4, 1e-3  # peak learning rates: matrices of the blocks, the rest, the head
AGAIN = 0.7  # of these peaks, after the second start
EVERY, MEMORY = 5, 0.9  # steps between, and memory of, updates of the moving average
_SIGNS = (
    ("-LRB-", "("), ("-RRB-", ")"), ("-LSB-", "["), ("-RSB-", "]"), ("``", '"'), ("''", '"'), (" n't", "n't"), ("<unk>", "[UNK]"),
)  # fmt: skip
PRONOUNS = (("he", "him", "his"), ("she", "her"))


def wikitext(path: Path) -> list[str]:
    """Paragraphs of WikiText-2, with its separated punctuation put back; lines with unknown words are kept out."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [joined(line) for line in lines if line and not line.startswith("=")]


def joined(text: str) -> str:
    """Undo the tokenisation of WikiText and of treebanks: " , " to ", ", `` to ", " @-@ " to "-", -LRB- to (."""
    for old, new in _SIGNS:
        text = text.replace(old, new)
    text = re.sub(r" @(.)@ ", r"\1", text)
    text = re.sub(r" ([,.;:!?)%]|'s\b|'(?:ve|re|ll|d|m)\b)", r"\1", text)
    return re.sub(r"\( ", "(", text)


class Text:
    """Documents as one row of token ids, with the places where a sentence begins."""

    def __init__(self, documents: list[list[str]], tokenizer: Any) -> None:
        ids: list[int] = []
        starts: list[int] = []
        for paragraphs in documents:
            parts = [part for paragraph in paragraphs for part in common.sentences(paragraph)]
            for piece in tokenizer(parts, add_special_tokens=False)["input_ids"]:
                starts.append(len(ids))
                ids += piece
        self.ids, self.starts = torch.tensor(ids), torch.tensor(starts)
        self.first, self.last = tokenizer.cls_token_id, tokenizer.sep_token_id

    def windows(self, length: int, rng: random.Random) -> list[int]:
        """Where the windows of one pass begin: a sentence's start at or before every `length`-th token, in any order."""
        grid = torch.arange(rng.randrange(length), len(self.ids) - length, length)
        begin = self.starts[torch.searchsorted(self.starts, grid, right=True) - 1]
        found = begin.unique().tolist()
        rng.shuffle(found)
        return found

    def batch(self, begins: list[int], length: int) -> torch.Tensor:
        """Token ids [window, length], the first and last of each being [CLS] and [SEP]."""
        rows = torch.stack([self.ids[begin : begin + length - 2] for begin in begins])
        return nn.functional.pad(nn.functional.pad(rows, (1, 0), value=self.first), (0, 1), value=self.last)


def masked(
    ids: torch.Tensor, share: float | torch.Tensor, tokenizer: Any, draw: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Devlin et al.'s masking: of the chosen, 80 % become [MASK], 10 % a random token, 10 % stay; and which were chosen.

    Args:
        ids: token ids [window, token].
        share: of the tokens that are chosen; one number, or one for each token.
        tokenizer: the model's.
        draw: the random numbers.
    """
    special = torch.tensor(tokenizer.all_special_ids)
    chance, kind = torch.rand(2, *ids.shape, generator=draw)
    chosen = (chance < share) & ~torch.isin(ids, special)
    other = torch.randint(1000, len(tokenizer), ids.shape, generator=draw)
    changed = ids.masked_fill(chosen & (kind < 0.8), tokenizer.mask_token_id)
    return torch.where(chosen & (kind >= 0.9), other, changed), chosen


def logits_of(model: Any, ids: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """The head's logits [chosen, vocabulary] at the chosen places only."""
    hidden = model.base_model(ids).last_hidden_state
    return model.cls(hidden[chosen]).float()


@torch.no_grad()
def accuracy(
    model: Any, text: Text, tokenizer: Any, windows: int | None = None, length: int = 128
) -> dict[str, float]:
    """Share of masked tokens (15 %, standard masking) guessed right, over windows of a text; how many were masked."""
    model.eval()
    draw, right, count = torch.Generator().manual_seed(1), 0, 0
    begins = text.windows(length, random.Random(1))[:windows]
    for k in range(0, len(begins), 32):
        ids = text.batch(begins[k : k + 32], length)
        shown, chosen = masked(ids, 0.15, tokenizer, draw)
        right += int((logits_of(model, shown, chosen).argmax(-1) == ids[chosen]).sum())
        count += int(chosen.sum())
    return {"accuracy": round(right / count, 4), "masked": count}


@torch.no_grad()
def at_mask(model: Any, tokenizer: Any, texts: list[str]) -> torch.Tensor:
    """Probabilities [text, (he or him or his, she or her)] at the one [MASK] of every text."""
    model.eval()
    groups = [tokenizer.convert_tokens_to_ids(list(words)) for words in PRONOUNS]
    found = []
    for k in range(0, len(texts), 64):
        batch = tokenizer(texts[k : k + 64], padding=True, return_tensors="pt")
        probabilities = model(**batch).logits[batch["input_ids"] == tokenizer.mask_token_id].softmax(-1)
        found.append(torch.stack([probabilities[:, group].sum(-1) for group in groups], dim=-1))
    return torch.cat(found)


def winobias(folder: Path, mask: str) -> tuple[list[str], list[str]]:
    """WinoBias sentences with the pronoun masked, each once; and the occupation that the pronoun stands for."""
    found: dict[str, str] = {}
    for path in sorted(folder.glob("*stereotyped_type?.dev.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            text = line.split(" ", 1)[1].strip()
            named, pronoun = re.findall(r"\[([^]]*)\]", text)[:2] if text.count("[") >= 2 else ("", "")
            if pronoun.lower() in {"he", "him", "his", "she", "her"}:
                bare = text.replace(f"[{pronoun}]", mask, 1)
                bare = re.sub(r"\[(?!MASK\])([^]]*)\]", r"\1", bare)
                found[bare] = re.sub(r"^(the|a|an) ", "", named.lower())
    return list(found), list(found.values())


def gender_figures(model: Any, tokenizer: Any, data: Path) -> dict[str, Any]:
    """Pronoun mass and preferred genders on the WinoBias development sentences."""
    texts, named = winobias(data / "winobias", tokenizer.mask_token)
    found = at_mask(model, tokenizer, texts)
    preferred = found[:, 1] / found.sum(-1)
    stereotype = {
        word: gender
        for gender in ("male", "female")
        for word in (data / "winobias" / f"{gender}_occupations.txt").read_text(encoding="utf-8").split("\n")
        if word.strip()
    }
    share = {}
    for word in stereotype:
        rows = [k for k, name in enumerate(named) if name == word.strip().lower()]
        share[word] = float(preferred[rows].mean()) if rows else float("nan")
    middle = sorted(value for value in share.values() if value == value)[len(share) // 2]
    return {
        "sentences": len(texts),
        "pronoun_mass": round(float(found.sum(-1).mean()), 4),
        "mean_share_of_she": round(float(preferred.mean()), 4),
        "stereotyped_occupations": sum((share[w] > 0.5) == (g == "female") for w, g in stereotype.items()),
        "stereotyped_against_median": sum(
            (share[w] >= middle) == (g == "female") for w, g in stereotype.items()
        ),
        "occupations": len(stereotype),
        "share_of_she": {
            word.strip(): round(value, 3) for word, value in sorted(share.items(), key=lambda p: p[1])
        },
    }


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("training/runs/pronouns"))
    parser.add_argument("--out", type=Path, default=Path("attnlab_core/checkpoints/pronouns"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)  # moments of rare words' embeddings fade to denormals, which are slow
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    wiki = args.data / "qamr/wiki-sentences.tsv"
    facts = [joined(line.split("\t", 1)[1]) for line in wiki.read_text(encoding="utf-8").splitlines()]
    documents = [*common.novels(args.data).values(), wikitext(args.data / "wikitext2/valid.txt"), facts]
    text = Text(documents, tokenizer)
    unseen = Text(list(common.novels(args.data, held_out=True).values()), tokenizer)
    print(f"{len(text.ids)} tokens", flush=True)
    torch.manual_seed(1)  # of the new head
    model = AutoModelForMaskedLM.from_pretrained(
        args.encoder, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    optimisers = common.Optimisers(model, r"encoder\.layer", MUON, RATE, r"^cls\.", HEAD_RATE)
    average = common.averaged(model, MEMORY)
    rng, waiting, plan = random.Random(7), {}, []
    for _ in range(args.steps):
        length = rng.choice(LENGTHS)
        size = TOKENS // length
        if len(waiting.get(length, [])) < size:
            waiting[length] = text.windows(length, rng)
        plan.append((length, [waiting[length].pop() for _ in range(size)]))

    common_pronouns = torch.tensor(tokenizer.convert_tokens_to_ids([w for side in PRONOUNS for w in side]))
    recent = 0.0

    def report(_: int) -> str:
        mass = float(at_mask(average.module, tokenizer, probes).sum(-1).mean())
        return f"loss {recent:.3f} {accuracy(average.module, unseen, tokenizer, 128)} pronouns {mass:.3f}"

    probes = winobias(args.data / "winobias", tokenizer.mask_token)[0][::8]
    parts = {"model": model, "average": average, "optimisers": optimisers}
    for step in common.resumable(args.work, parts, args.steps, 50, report):
        model.train()
        torch.manual_seed(step)  # dropout is the same after a resume
        length, begins = plan[step]
        ids = text.batch(begins, length)
        share = torch.full(ids.shape, HIDE)
        if step >= SINCE:
            share[torch.isin(ids, common_pronouns)] = HIDE_PRONOUNS
        shown, chosen = masked(ids, share, tokenizer, torch.Generator().manual_seed(step))
        with torch.autocast("cpu", torch.bfloat16):
            logits = logits_of(model, shown, chosen)
        loss = nn.functional.cross_entropy(logits, ids[chosen])
        loss.backward()
        recent = 0.95 * recent + 0.05 * loss.item() if recent else loss.item()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimisers.step(common.twice(step, FIRST, args.steps, AGAIN, 60, 0.4))
        if (step + 1) % EVERY == 0:
            average.update_parameters(model)
    figures = {
        "held_out_novels": accuracy(average.module, unseen, tokenizer),
        "winobias": gender_figures(average.module, tokenizer, args.data),
        "training": {
            "steps": args.steps,
            "tokens_a_step": TOKENS,
            "tokens": len(text.ids),
            "masked": HIDE,
            "masked_pronouns": HIDE_PRONOUNS,
        },
    }
    common.ship(average.module, tokenizer, args.out, figures)


if __name__ == "__main__":
    main()
