"""Print what the shipped models' cards quote, measured on the weights as they ship, loaded as the app loads them.

    python -m benchmarks.models --data DATA [--model NAME]

DATA is a folder with `sst2/`, `books/`, `wikitext2/`, `winobias/`, `xquad/` and `agreement/`; what is missing is left out.
Nothing measured here was trained on: novels held out, sentences held out, names held out, sets never read in training.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import attnlab_core as al
from attnlab_core.captions import ABOUT
from attnlab_core.models import shipped
from attnlab_core.shapes import KINDS, scene
from attnlab_core.tasks import _agreement_items as agreement
from attnlab_core.tasks._squad_score import exact, f1
from attnlab_core.tasks.captions import Captions
from benchmarks.figures import accuracy, machine
from case_studies import multi_hop
from training import common, pronouns

FRESH = 4_000  # the first seed of pictures that neither training nor its own measure has drawn


def answers(lab: al.Lab, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The model's answer to every (question, context); a context that is too long is cut."""
    found = []
    for question, context in pairs:
        prompt, _ = lab.fit(al.Prompt(question, second=context))
        found.append(lab.run(prompt).prediction)
    return found


def score(found: Sequence[str], gold: Sequence[Sequence[str]]) -> dict[str, float]:
    """Mean exact match and F1 as SQuAD counts them."""
    said = ["" if text == "no answer" else text for text in found]
    pairs = list(zip(said, gold, strict=True))
    means = {
        name: sum(how(a, g) for a, g in pairs) / len(pairs) for name, how in (("exact", exact), ("f1", f1))
    }
    return {"rows": len(pairs)} | {name: round(value, 4) for name, value in means.items()}


def measure_sst2(lab: al.Lab, data: Path) -> dict[str, Any]:
    """Accuracy on a random tenth of the training set, kept out; phrases overlap."""
    return {"dev": accuracy(lab, data / "sst2/dev.tsv")}


def measure_pronouns(lab: al.Lab, data: Path) -> dict[str, Any]:
    """Masked tokens of held-out novels guessed right; the gender it expects at WinoBias's masked pronouns."""
    unseen = pronouns.Text(list(common.novels(data, held_out=True).values()), lab.tokenizer)
    return {
        "held_out_novels": pronouns.accuracy(lab.model, unseen, lab.tokenizer),
        "winobias": pronouns.gender_figures(lab.model, lab.tokenizer, data),
    }


def measure_qa(lab: al.Lab, data: Path) -> dict[str, Any]:
    """Paragraphs of SQuAD from XQuAD; generated passages with names never trained on."""
    articles = json.loads((data / "xquad/xquad.en.first_half.json").read_text(encoding="utf-8"))["data"]
    rows = [
        ((entry["question"], part["context"]), [answer["text"] for answer in entry["answers"]])
        for article in articles
        for part in article["paragraphs"]
        for entry in part["qas"]
    ]
    found: dict[str, Any] = {
        "xquad": score(answers(lab, [pair for pair, _ in rows]), [gold for _, gold in rows])
    }
    for name, hops, variant in (
        ("two_hops", 2, "whole"),
        ("two_hops_bridge_removed", 2, "removed"),
        ("two_hops_bridge_replaced", 2, "replaced"),
        ("one_hop", 1, "whole"),
    ):
        items = multi_hop.make(300, seed=2024, split="test", hops=(hops,), variants={variant: 1.0})
        found[name] = score(
            answers(lab, [(i.question, i.context) for i in items]), [[i.answer] for i in items]
        )
    return found


@torch.no_grad()
def log_likelihood(lab: al.Lab, ids: Sequence[int], window: int = 512, stride: int = 256) -> float:
    """Log-probability of a long text's tokens after the first, in nats, each with at least `window - stride` before it."""
    total, known = 0.0, 1
    for begin in range(0, max(1, len(ids) - (window - stride)), stride):
        part = list(ids[begin : begin + window])
        logits, _ = lab.forward([part])
        logs = logits[0, :-1].float().log_softmax(-1).gather(-1, torch.tensor(part[1:])[:, None])
        total += float(logs[known - begin - 1 :].sum())
        known = begin + len(part)
    return total


def perplexity(lab: al.Lab, paragraphs: Sequence[str], words: int) -> dict[str, float]:
    """Perplexity per token of the model's own, and per word (of which there are `words`); strided windows."""
    ids = lab.tokenizer("\n".join(paragraphs), verbose=False)["input_ids"]
    total = -log_likelihood(lab, ids)
    return {
        "tokens": len(ids),
        "words": words,
        "per_token": round(math.exp(total / (len(ids) - 1)), 2),
        "per_word": round(math.exp(total / words), 1),
    }


@torch.no_grad()
def prefers(lab: al.Lab, rows: Sequence[tuple[str, str, str]]) -> list[bool]:
    """For each (prefix, right, wrong): is the right form the likelier continuation? All its tokens count."""
    found = []
    for prefix, right, wrong in rows:
        target = al.Target(f" {right}", rather_than=f" {wrong}")
        found.append(lab.run(prefix).value(target, "log_probability") > 0)
    return found


def measure_gpt2_mini(lab: al.Lab, data: Path) -> dict[str, Any]:
    """Perplexities; share of agreement pairs in which the right verb is the likelier one."""
    novels = [p for paragraphs in common.novels(data, held_out=True).values() for p in paragraphs]
    raw = (data / "wikitext2/valid.txt").read_text(encoding="utf-8")
    wiki = [p.replace("[UNK]", "<unk>") for p in pronouns.wikitext(data / "wikitext2/valid.txt")]
    kept = [line for line in raw.splitlines() if line.strip() and not line.strip().startswith("=")]
    found: dict[str, Any] = {
        "held_out_novels": perplexity(lab, novels, sum(len(p.split()) for p in novels)),
        "wikitext2_valid": perplexity(lab, wiki, sum(len(line.split()) for line in kept)),
    }
    for attractors in (0, 1):
        items = agreement.make(1000, seed=2024, attractors=(attractors,), split="test")
        right = prefers(lab, [(item.prefix, item.right, item.wrong) for item in items])
        found[f"pairs_{attractors}_attractors"] = {
            "pairs": len(right),
            "accuracy": round(sum(right) / len(right), 4),
            "by_kind": {
                kind: round(
                    statistics.mean(ok for ok, item in zip(right, items, strict=True) if item.kind == kind), 3
                )
                for kind in sorted({item.kind for item in items})
            },
        }
    found["colorless_green"] = colorless(lab, data / "agreement/generated.tab")
    return found


def colorless(lab: al.Lab, path: Path) -> dict[str, Any]:
    """The same on Gulordova et al.'s items (NAACL 2018): sentences as they were found, and with words swapped at random."""
    with path.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    pairs: dict[tuple[str, ...], dict[str, dict[str, str]]] = {}
    for row in table:
        key = (row["pattern"], row["constr_id"], row["sent_id"], row["type"], row["prefix"])
        pairs.setdefault(key, {})[row["class"]] = row
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for both in pairs.values():
        if set(both) == {"correct", "wrong"}:
            one = both["correct"]
            before = " ".join(one["sent"].split()[: int(one["len_prefix"])])
            groups.setdefault(one["type"], []).append(
                (pronouns.joined(before), one["form"], both["wrong"]["form"])
            )
    found = {kind: prefers(lab, rows) for kind, rows in groups.items()}
    return {
        kind: {"pairs": len(right), "accuracy": round(sum(right) / len(right), 4)}
        for kind, right in found.items()
    }


def measure_agreement(lab: al.Lab, data: Path) -> dict[str, Any]:
    """Generated items, whose nouns were never trained on, without and with a noun of the other number between."""
    del data
    found = {}
    for attractors in (0, 1, 2):
        items = agreement.make(1000, seed=2024, attractors=(attractors,), split="test")
        right = [lab.run(item.prefix).prediction == item.number for item in items]
        found[f"items_{attractors}_attractors"] = {
            "items": len(right),
            "accuracy": round(sum(right) / len(right), 4),
        }
    return found


def measure_shapes_vit(lab: al.Lab, data: Path) -> dict[str, Any]:
    """Pictures with one shape, a hundred of each kind, of seeds that neither training nor its own measure knows."""
    del data
    right: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for seed in range(FRESH, FRESH + 100 * len(KINDS)):
        kind = KINDS[seed % len(KINDS)]
        picture = al.Picture.of(scene(seed, [kind]).pixels)
        right[kind].append(lab.run(al.Prompt(image=picture), keep=False).prediction == kind)
    every = [one for rows in right.values() for one in rows]
    by_kind = {kind: round(statistics.mean(rows), 3) for kind, rows in right.items()}
    return {
        "one_shape": {"items": len(every), "accuracy": round(statistics.mean(every), 4), "by_kind": by_kind}
    }


def measure_shapes_clip(lab: al.Lab, data: Path) -> dict[str, Any]:
    """The data set `captions`, by what is asked."""
    del data
    found = {}
    for kind in ABOUT:
        task = Captions(about=kind, count=1_000)
        right = [task.ask(row, lab)["correct"] for row in task.rows(lab=lab)]
        found[kind] = {"items": len(right), "accuracy": round(statistics.mean(right), 4)}
    return found


MEASURES: dict[str, Callable[[al.Lab, Path], dict[str, Any]]] = {
    "sst2": measure_sst2,
    "pronouns": measure_pronouns,
    "qa": measure_qa,
    "gpt2-mini": measure_gpt2_mini,
    "agreement": measure_agreement,
    "shapes-vit": measure_shapes_vit,
    "shapes-clip": measure_shapes_clip,
}


def loading(name: str) -> tuple[al.Lab, dict[str, Any]]:
    """The model, how long it took to load when everything was imported, and its size."""
    al.load(name)
    began = time.perf_counter()
    lab = al.load(name)
    took = time.perf_counter() - began
    size = sum(file.stat().st_size for file in shipped()[name].folder.iterdir())
    return lab, {"load_seconds": round(took, 2), "megabytes": round(size / 1e6, 1)} | {
        key: lab.summary()[key] for key in ("architecture", "layers", "heads", "parameters")
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="not needed for drawn pictures")
    parser.add_argument("--model", choices=sorted(MEASURES), action="append")
    args = parser.parse_args()
    found: dict[str, Any] = {"machine": machine()}
    for name in args.model or [name for name in MEASURES if name in shipped()]:
        lab, facts = loading(name)
        found[name] = facts | MEASURES[name](lab, args.data)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
