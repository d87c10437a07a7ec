"""Print every figure that the README and the model card quote, with the machine they were measured on.

    python -m benchmarks.figures [--data DATA]

DATA is a folder with `sst2/dev.tsv` (`sentence<TAB>label`); without it the accuracies are left out. Times are medians;
comparisons are ratios of medians taken in turn within this one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import torch

import attnlab_core as al
from attnlab_core.methods import methods
from attnlab_core.surgery import Surgery

NOTHING, EXPECTED = "There is nothing to dislike here.", "The movie was not as bad as I expected."
PROBES = (
    ("The film is good.", "positive"),
    ("The film is not good.", "negative"),
    ("The film is not bad.", "positive"),
    ("The film is not bad at all.", "positive"),
    ("I can't say that the film is bad.", "positive"),
    ("Not only is it funny, it is moving.", "positive"),
    ("Hardly a dull moment.", "positive"),
    ("It is hardly a masterpiece.", "negative"),
    ("There is nothing to dislike here.", "positive"),
    ("There is nothing to like here.", "negative"),
    ("Nobody will regret seeing it.", "positive"),
    ("I would have loved it if it were an hour shorter.", "negative"),
    ("It could have been great.", "negative"),
    ("Far from perfect, yet I was never bored.", "positive"),
    ("My phone died during the film, which was the best part.", "negative"),
    ("The soup was cold and the waiter was rude.", "negative"),
    ("The parcel arrived a day early, in one piece.", "positive"),
    ("The meeting is at ten.", "neither"),
)
FACTORS = (0, 0.25, 0.5, 1, 2, 4, 8)


def machine() -> dict[str, Any]:
    """What these figures were measured on."""
    model = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    return {"processor": model[0] if model else platform.processor(), "cores": os.cpu_count(), **versions}


def overhead(lab: al.Lab, times: int = 50) -> dict[str, float]:
    """Milliseconds of a forward pass plain, watched, and with an edit; taken in turn."""
    inputs = lab.tokenizer(EXPECTED, return_tensors="pt")
    edit = lab.settle(lab.encode(EXPECTED), [al.Scale(factor=2.0, where=al.Where(keys=("not",)))])

    def plain() -> None:
        lab.model(**inputs)

    def watched() -> None:
        with Surgery(lab.calls, keep=True):
            lab.model(**inputs)

    def edited() -> None:
        with Surgery(lab.calls, [edit]):
            lab.model(**inputs)

    with torch.no_grad():
        found = in_turn([plain, watched, edited], times)
    names = ("plain_ms", "watched_ms", "edited_ms")
    return {name: round(1000 * t, 2) for name, t in zip(names, found, strict=True)} | {
        "watched_over_plain": round(found[1] / found[0], 2),
        "edited_over_plain": round(found[2] / found[0], 2),
    }


def in_turn(functions: Sequence[Callable[[], Any]], times: int) -> list[float]:
    """The median seconds of each function, called one after the other `times` times after a warm-up."""
    taken: list[list[float]] = [[] for _ in functions]
    for turn in range(times + 3):
        for one, function in zip(taken, functions, strict=True):
            began = time.perf_counter()
            function()
            if turn >= 3:
                one.append(time.perf_counter() - began)
    return [statistics.median(one) for one in taken]


def sweep(lab: al.Lab, text: str, word: str) -> dict[str, float]:
    """P(positive) against the factor on the attention that a word gets, all layers and heads."""
    run = lab.run(text)
    edits = {f: al.Scale(factor=f, where=al.Where(keys=(word,))) for f in FACTORS}
    return {f"{f:g}": round(run.again(edit).probabilities["positive"], 3) for f, edit in edits.items()}


def seconds(run: al.Run, times: int = 5) -> dict[str, float]:
    """The median seconds of every method on one sentence."""
    found = {}
    for name in methods():
        (found[name],) = (round(t, 4) for t in in_turn([lambda name=name: al.attribute(run, name)], times))
    return found


def flow_check(run: al.Run) -> dict[str, float]:
    """The largest difference from networkx over all tokens, and how much longer networkx takes."""
    weights = run.pattern.mean_heads().double()
    shares = (weights + torch.eye(weights.shape[-1])) / (weights.sum(-1, keepdim=True) + 1)
    layers, n, _ = shares.shape
    graph = nx.DiGraph()
    for layer, query, key in torch.nonzero(shares).tolist():
        graph.add_edge((layer + 1, query), (layer, key), capacity=float(shares[layer, query, key]))
    began = time.perf_counter()
    theirs = [nx.maximum_flow_value(graph, (layers, 0), (0, key)) for key in range(n)]
    took = time.perf_counter() - began
    ours = al.attribute(run, "attention_flow")
    gap = max(abs(a - b) for a, b in zip(theirs, ours.scores.tolist(), strict=True))
    return {"largest_difference": gap, "networkx_seconds_over_ours": round(took / ours.seconds, 1)}


def probes(lab: al.Lab) -> list[dict[str, Any]]:
    """Single sentences that try what such models get wrong: P(positive), and the answer a reader would give."""
    return [
        {"text": text, "reader": reader, "positive": round(lab.run(text).probabilities["positive"], 2)}
        for text, reader in PROBES
    ]


def accuracy(lab: al.Lab, path: Path, batch: int = 128) -> dict[str, float]:
    """Accuracy on `sentence<TAB>label` rows, counted through the library."""
    rows = [line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    rows.sort(key=lambda row: len(row[0]))
    right = 0
    for at in range(0, len(rows), batch):
        part = rows[at : at + batch]
        encodings = [lab.encode(text) for text, _ in part]
        types = None if encodings[0].types is None else [e.types or () for e in encodings]
        logits, _ = lab.forward([e.ids for e in encodings], types=types)
        right += sum(
            int(g) == int(y) for g, (_, y) in zip(logits[:, 0].argmax(-1).tolist(), part, strict=True)
        )
    return {"rows": len(rows), "accuracy": round(right / len(rows), 4)}


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="sst2")
    args = parser.parse_args()
    began = time.perf_counter()
    lab = al.load(args.model)
    found: dict[str, Any] = {"machine": machine(), "load_seconds": round(time.perf_counter() - began, 2)}
    run = lab.run(EXPECTED)
    found["forward"] = overhead(lab)
    found["method_seconds"] = seconds(run)
    found["attention_flow_against_networkx"] = flow_check(run)
    found["integrated_gradients"] = dict(al.attribute(run, "integrated_gradients").details)
    found["positive_by_factor"] = {
        "nothing": sweep(lab, NOTHING, "nothing"),
        "not": sweep(lab, EXPECTED, "not"),
    }
    found["probes"] = probes(lab)
    if args.data:
        found["sst2_dev"] = accuracy(lab, args.data / "sst2/dev.tsv")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
