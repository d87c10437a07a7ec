"""A small round, documents for it, and scores as a scorer might give them; for tests of the board and its workers."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from attnlab_core.progress import step
from attnlab_core.prompt import Prompt
from attnlab_core.rounds._document import Submission
from attnlab_core.rounds._round import Round
from attnlab_core.rounds._scoring import Scored
from attnlab_core.tasks import Row

IDS = ("a", "b", "c", "d")
MODEL = {"name": "sst2", "revision": "r1", "digest": "ab12", "task": "classification"}


def small_round(**changed: Any) -> Round:
    """Four sentences, two of them hidden."""
    made = Round(
        name="spring",
        title="Spring <b>2026</b>",
        model=MODEL,
        source={"suite": "negation"},
        tracks={
            "explain": {"marked": False},
            "edit": {"goal": "accuracy", "kinds": [""], "percentile": 95.0},
        },
        rows=tuple(Row(name, Prompt(f"Sentence {name}."), ("positive",), "negative") for name in IDS),
        hidden=frozenset(IDS[2:]),
        lengths=dict.fromkeys(IDS, 3),
    )
    return replace(made, **changed)


def document(first: float = 0.5, **changed: Any) -> dict[str, Any]:
    """A submission to the track explain; another `first`, another content."""
    said = {"schema": "attentionlab.submission", "schema_version": 1, "round": "spring", "track": "explain"}
    said |= {"title": "Mine", "report": "As <i>it</i> is.\nReally."}
    return said | {"scores": {name: [first, 1.0, -2.0] for name in IDS}} | changed


def edits(**changed: Any) -> dict[str, Any]:
    """A submission to the track edit."""
    said = document(track="edit", edits=[{"op": "uniform"}], **changed)
    del said["scores"]
    return said


def scored(mean: float = 0.25, **facts: Any) -> Scored:
    """Two figures, one of them of nothing."""
    figures: dict[str, dict[str, float | int]] = {
        "aopc_compr": {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": 2},
        "taucorr_loo": {"mean": float("nan"), "low": float("nan"), "high": float("nan"), "n": 0},
    }
    said = {"data": "d1", "model": MODEL, "code": "0.1.0", "metrics": 1, "seed": 0, "notes": ["As is."]}
    return Scored(figures, {"aopc_compr": [0.5, None], "taucorr_loo": [float("nan"), None]}, said | facts)


def slow_score(round_: Round, submission: Submission, split: str, *, draw: str) -> Scored:
    """A scorer that takes SCORING seconds in steps, and writes a line into the file LOG as it begins and ends."""
    log, seconds = Path(os.environ["LOG"]), float(os.environ.get("SCORING", "0"))
    first = submission.content["scores"]["a"][0]
    _write(log, f"began {first:g} {os.getpid()}")
    if submission.title == "Deadly":
        os.kill(os.getpid(), 9)
    if submission.title == "Broken":
        raise RuntimeError("out of\nmemory")
    steps = 20
    for done in range(steps):
        step(done, steps)
        time.sleep(seconds / steps)
    _write(log, f"ended {first:g} {os.getpid()}")
    return scored(first)


def _write(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(line + "\n")


def dumped(said: Any) -> bytes:
    """A document as a file holds it; with NaN where it is."""
    return json.dumps(said).encode()
