"""Would adapters do? What is left of a shipped model when its change of the common encoder is kept at a low rank.

    python -m benchmarks.adapters --data DATA --encoder ENCODER

ENCODER is the folder of all-MiniLM-L6-v2, from which `sst2`, `pronouns` and `qa` were made. Of every matrix of the six
layers only the best rank-r approximation of its change is kept (a LoRA adapter of rank r can hold no more; Eckart and
Young, 1936), vectors and the task's head are kept whole, the word embeddings are the encoder's own or the model's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

import attnlab_core as al
from benchmarks.figures import machine
from training import common, pronouns, qa

RANKS = (8, 32, 96, None)  # None: the whole change
HALF = 2  # bytes of a stored number


def reduced(
    whole: dict[str, Tensor], base: dict[str, Tensor], rank: int | None, words: bool
) -> tuple[dict[str, Tensor], int]:
    """The weights with every matrix's change cut to a rank, and how many numbers an adapter would store.

    Args:
        whole: the task's weights.
        base: the encoder's, by the same names.
        rank: what is kept of each matrix's change.
        words: whether the word embeddings' change is kept, whole.
    """
    made, stored = {}, 0
    for name, weight in whole.items():
        start = base.get(name.removeprefix("bert."))
        if start is None or weight.ndim < 2 or (rank is None and "embeddings" not in name):
            made[name], stored = weight, stored + weight.numel()
        elif "embeddings" in name:
            made[name], stored = (weight, stored + weight.numel()) if words else (start, stored)
        else:
            u, s, v = torch.linalg.svd(weight.float() - start.float(), full_matrices=False)
            made[name] = start + (u[:, :rank] * s[:rank]) @ v[:rank]
            stored += rank * sum(weight.shape)
    return made, stored


def measures(data: Path) -> dict[str, Callable[[al.Lab], float]]:
    """One figure for each model, on a part of what its card is measured on."""
    rows = [
        line.rsplit("\t", 1) for line in (data / "sst2/dev.tsv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    unseen = common.novels(data, held_out=True)

    def sst2(lab: al.Lab) -> float:
        part = rows[::8]
        right = 0
        for at in range(0, len(part), 64):
            texts, labels = zip(*part[at : at + 64], strict=True)
            batch = lab.tokenizer(list(texts), padding=True, return_tensors="pt")
            right += sum(
                lab.model(**batch).logits.argmax(-1) == torch.tensor([int(x) for x in labels])
            ).item()
        return right / len(part)

    def masked(lab: al.Lab) -> float:
        text = pronouns.Text(list(unseen.values()), lab.tokenizer)
        return pronouns.accuracy(lab.model, text, lab.tokenizer, 256)["accuracy"]

    def answering(lab: al.Lab) -> float:
        return qa.measure_xquad(lab.model, lab.tokenizer, data / "xquad/xquad.en.first_half.json", 4)["f1"]

    return {"sst2": sst2, "pronouns": masked, "qa": answering}


@torch.no_grad()
def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--encoder", type=Path, required=True)
    args = parser.parse_args()
    base = load_file(args.encoder / "model.safetensors")
    found: dict[str, Any] = {"machine": machine()}
    for name, measure in measures(args.data).items():
        lab = al.load(name)
        whole = {key: value.clone() for key, value in lab.model.state_dict().items()}
        found[name] = []
        for words in (False, True):
            for rank in RANKS:
                weights, stored = reduced(whole, base, rank, words)
                lab.model.load_state_dict(weights)
                row = {"rank": rank, "own_words": words, "megabytes": round(stored * HALF / 1e6, 1)}
                found[name].append(row | {"figure": round(measure(lab), 4)})
                print(name, found[name][-1], flush=True)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
