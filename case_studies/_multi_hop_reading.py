"""Passages as a model reads them: where their sentences are, what is answered under edits, and tests over passages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from attnlab_core.edits import Edit, Where
from attnlab_core.edits.zero import Zero
from attnlab_core.progress import step
from attnlab_core.prompt import Encoding, Prompt
from attnlab_core.stats import holm
from attnlab_core.targets import NO_ANSWER, probabilities
from attnlab_core.tasks._squad_score import exact
from case_studies.multi_hop import Item

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

BATCH = 32
DRAWS = 10_000
GROUPS = ("question", "bridge", "answer", "others", "special")
Weights = torch.Tensor
Look = Callable[[int, Weights], None]


@dataclass(frozen=True)
class Reading:
    """A passage as a model reads it: its item, its tokens, and which positions belong to what.

    Attributes:
        sentences: The positions of each sentence's tokens.
        question: Those of the question's tokens.
        span: Those of the answer itself; empty where the passage holds none.
    """

    item: Item
    encoding: Encoding
    sentences: tuple[tuple[int, ...], ...]
    question: tuple[int, ...]
    span: tuple[int, ...]

    @property
    def bridge(self) -> tuple[int, ...]:
        """The bridging sentence's tokens."""
        return self.sentences[self.item.supporting[0]]

    @property
    def answering(self) -> tuple[int, ...]:
        """The tokens of the sentence that states the answer."""
        return self.sentences[self.item.supporting[-1]]

    @property
    def others(self) -> tuple[int, ...]:
        """The numbers of the sentences that are not needed."""
        return tuple(k for k in range(len(self.sentences)) if k not in self.item.supporting)

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Every token in one of the `GROUPS`."""
        parts = {"question": self.question, "bridge": self.bridge, "answer": self.answering}
        parts["others"] = tuple(place for k in self.others for place in self.sentences[k])
        taken = {place for part in parts.values() for place in part}
        return parts | {"special": tuple(k for k in range(len(self.encoding.ids)) if k not in taken)}


def read(lab: Lab, item: Item) -> Reading:
    """Tokenise an item and find its sentences, its question and its answer among the tokens."""
    encoding = lab.encode(Prompt(item.question, item.context))
    inside = [(k, token) for k, token in enumerate(encoding.tokens) if token.segment == 1]
    sentences, at = [], 0
    for text in item.sentences:
        sentences.append(tuple(k for k, token in inside if at <= token.start < at + len(text)))
        at += len(text) + 1
    span: tuple[int, ...] = ()
    if item.start is not None:
        low, high = item.start, item.start + len(item.answer)
        span = tuple(k for k, token in inside if token.start < high and token.end > low)
    question = tuple(k for k, token in enumerate(encoding.tokens) if token.segment == 0)
    return Reading(item, encoding, tuple(sentences), question, span)


class Progress:
    """Counts the work of a whole study, and tells who watches."""

    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total

    def __call__(self, more: int) -> None:
        self.done = min(self.done + more, self.total)
        step(self.done, self.total)


def answers(
    lab: Lab,
    readings: Sequence[Reading],
    tell: Callable[[int], None],
    edits: Sequence[Sequence[Edit]] | None = None,
    look: Look | None = None,
) -> list[torch.Tensor]:
    """The logits [place, token] of each passage under its own edits, read in batches of passages of like length.

    Args:
        lab: The model.
        readings: The passages.
        tell: Called with the number of passages of each batch.
        edits: Of each passage; none where left out.
        look: Called with each passage's number and its attention [layer, query, key], the mean over heads.
    """
    order = sorted(range(len(readings)), key=lambda k: len(readings[k].encoding.ids))
    found: dict[int, torch.Tensor] = {}
    mine = [k for k, call in enumerate(lab.calls) if call[0] == lab.calls[0][0]]
    for at in range(0, len(order), BATCH):
        part = order[at : at + BATCH]
        encodings = [readings[k].encoding for k in part]
        typed = encodings[0].types is not None
        logits, tape = lab.forward(
            [list(one.ids) for one in encodings],
            types=[list(one.types or ()) for one in encodings] if typed else None,
            rows=[lab.settle(readings[k].encoding, edits[k]) for k in part] if edits else ((),),
            keep=look is not None,
        )
        for row, k in enumerate(part):
            n = len(readings[k].encoding.ids)
            found[k] = logits[row, :, :n].float().cpu()
            if look is not None:
                heads = [tape.weights[call][row, :, :n, :n].float().mean(0).cpu() for call in mine]
                look(k, torch.stack(heads))
        tell(len(part))
    return [found[k] for k in range(len(readings))]


def said(lab: Lab, reading: Reading, logits: torch.Tensor) -> tuple[str, float]:
    """The likeliest answer and its probability."""
    return next(iter(probabilities(lab.asked(reading.encoding, logits), 1).items()))


def right(reading: Reading, answer: str) -> float:
    """1.0 where an answer is the right one (in a passage without an answer: that there is none), else 0.0."""
    if not reading.item.answer:
        return float(answer == NO_ANSWER)
    return float(answer != NO_ANSWER and exact(answer, [reading.item.answer]))


def log_p(reading: Reading, logits: torch.Tensor) -> float:
    """The log-probability of the right answer: that of its first token as the start, plus its last as the end."""
    start, end = logits.log_softmax(-1)
    return float(start[reading.span[0]] + end[reading.span[-1]])


def flipped(differences: Sequence[float], seed: int = 0) -> float:
    """A paired permutation test: how often the mean is as far from zero where every difference gets a random sign."""
    table = np.asarray(differences, dtype=float)
    signs = np.random.default_rng(seed).integers(0, 2, (DRAWS, len(table))) * 2.0 - 1.0
    beyond = np.abs(signs @ table) >= abs(table.sum()) - 1e-9
    return float((1 + beyond.sum()) / (DRAWS + 1))


def between(
    one: Sequence[int], other: Sequence[int], causal: bool = False, layers: tuple[int, ...] | None = None
) -> tuple[Edit, ...]:
    """Knock out attention between two groups of tokens, both ways; where a model only looks back, that way."""
    ways = [(one, other), (other, one)]
    return tuple(
        Zero(where=Where(layers=layers, queries=tuple(queries), keys=tuple(keys)))
        for queries, keys in ways
        if not causal or max(queries) >= min(keys)
    )


def fitting(lab: Lab, items: Sequence[Item]) -> list[Reading]:
    """The items that the model can read in one piece."""
    readings = [read(lab, item) for item in items]
    return [one for one in readings if lab.max_tokens is None or len(one.encoding.ids) <= lab.max_tokens]


def corrected(tests: Sequence[dict[str, Any]]) -> None:
    """Write Holm's correction of their p beside it, in place."""
    for test, p in zip(tests, holm([one["p"] for one in tests]), strict=True):
        test["p_holm"] = p
