"""What does fine-tuning do to attention patterns? One encoder before, and three models made from it after.

The encoder is not shipped; the record is. The sentences are in `_patterns_data`, the figures of a pattern in
`_patterns`, the story in `_patterns_tuning_story`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from attnlab_core import stats
from attnlab_core.errors import BadInput
from case_studies import _patterns as patterns
from case_studies import _story
from case_studies._patterns_base import encoder
from case_studies._patterns_data import EACH, KINDS, LENGTHS, pairs, sentences
from case_studies._patterns_tuning_story import story

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from case_studies._patterns import Words
    from case_studies._patterns_data import Sentence

__all__ = ["MODEL", "NAME", "QUESTION", "READ_ONLY", "TITLE", "story", "study"]

NAME = "fine_tuning"
TITLE = "Before and after fine-tuning"
QUESTION = "What does fine-tuning do to attention patterns, and is it the same for every task?"
MODEL = "sst2"
OTHERS = ("pronouns", "qa")
BASE = "sentence-transformers/all-MiniLM-L6-v2"
KEPT = 0.1
"""A head that moved less than this share of its attention has kept its pattern."""
READ_ONLY = (
    "The encoder from before the fine-tuning does not come with the lab, so this page tells its record. To compute it again: "
    "`python -m case_studies fine_tuning`, which fetches the encoder from the Hub, or takes it from a folder with `--base FOLDER`."
)
"""Why the page does not compute this study again, and how one can."""

Moves = Mapping[str, Float[np.ndarray, "sentence layer head"]]


def study(
    lab: Lab, *, seed: int = 0, base: str = BASE, others: Sequence[str] = OTHERS, each: int = EACH
) -> dict[str, Any]:
    """The figures, in plain types.

    Args:
        lab: The first of the fine-tuned models.
        seed: Of the choice of sentences and of the intervals.
        base: The encoder from before: a folder or a Hub id.
        others: The other fine-tuned models.
        each: Sentences of each template.

    Raises:
        BadInput: The models have different shapes, or cut a sentence into different tokens.
    """
    made = sentences(each, seed=seed)
    before, digest = encoder(base)
    after = [lab, *(lab.other(name) for name in others)]
    _alike(before, after, made)
    total = (1 + len(after)) * len(made)
    words = patterns.read(before, made, 0, total)
    first = _all_rows(words)
    read = {
        one.name: _all_rows(patterns.read(one, made, k * len(made), total)) for k, one in enumerate(after, 1)
    }
    moves = {name: _moves(first, some) for name, some in read.items()}
    return _story.plain_types(
        {
            "design": _design(made, first, before, after),
            "base": {"name": before.name, "revision": before.revision, "digest": digest},
            "models": list(read),
            "moved": {name: _moved(some, made) for name, some in moves.items()},
            "heads": _heads(words, moves),
            "shared": _shared(first, read, moves, seed),
            "before": _figures(first, made),
            "change": {name: _change(first, some, made) for name, some in read.items()},
        }
    )


def _alike(before: Lab, after: Sequence[Lab], made: Sequence[Sentence]) -> None:
    """Check that patterns can be compared cell by cell."""
    ids = [before.encode(one.text).ids for one in made]
    for lab in after:
        if (lab.layers, lab.heads) != (before.layers, before.heads):
            raise BadInput(
                f"{lab.name} has {lab.layers} layers of {lab.heads} heads, {before.name} {before.layers} of {before.heads}: it was not made "
                "from it. Give the encoder that it was made from (--base)."
            )
        if [lab.encode(one.text).ids for one in made] != ids:
            raise BadInput(
                f"{lab.name} and {before.name} cut words differently. Give models of one tokenizer."
            )


def _all_rows(read: Sequence[Words]) -> list[Words]:
    """Every row counts here, those of special tokens as well: the models cut a sentence alike."""
    return [replace(one, rows=tuple(range(len(one.sink)))) for one in read]


def _moves(before: Sequence[Words], after: Sequence[Words]) -> Float[np.ndarray, "sentence layer head"]:
    """The share of every head's attention that moved, over all rows of a sentence."""
    return np.stack(
        [
            patterns.moved(one.weights, other.weights, one.rows)
            for one, other in zip(before, after, strict=True)
        ]
    )


def _layers(values: Float[np.ndarray, "sentence layer"]) -> dict[str, Any]:
    """The mean over layers, and every layer, with intervals over sentences."""
    return {
        "overall": stats.interval(values.mean(1).tolist()),
        "layers": [stats.interval(column.tolist()) for column in values.T],
    }


def _moved(moves: Float[np.ndarray, "sentence layer head"], made: Sequence[Sentence]) -> dict[str, Any]:
    """How much one model's attention moved, also by kind of sentence."""
    mean = moves.mean(-1)
    kinds = {kind: mean[[one.kind == kind for one in made]].mean(1).tolist() for kind in KINDS}
    return _layers(mean) | {"kinds": {kind: stats.interval(values) for kind, values in kinds.items()}}


def _comparable(read: Sequence[Words], made: Sequence[Sentence]) -> list[tuple[int, int]]:
    return patterns.same_size(read, pairs(made)[1])


def _heads(before: Sequence[Words], moves: Moves) -> list[dict[str, Any]]:
    """Every head: how much it moved in each model, and where words with a word on either side looked before."""
    division = np.stack([patterns.division(one) for one in before]).mean(0)
    _, layers, heads = division.shape
    return [
        {"layer": layer, "head": head}
        | {"moved": {name: some[:, layer, head].mean() for name, some in moves.items()}}
        | {"before": dict(zip(patterns.PLACES, division[:, layer, head].tolist(), strict=True))}
        for layer in range(layers)
        for head in range(heads)
    ]


def _shared(
    before: Sequence[Words], read: Mapping[str, Sequence[Words]], moves: Moves, seed: int
) -> list[dict[str, Any]]:
    """For every two models: whether the same heads moved much, and whether they moved the same way."""
    return [
        {"models": [one, other]}
        | _ranks(moves[one], moves[other], seed)
        | {"direction": patterns.overall(_directions(before, read[one], read[other]))}
        for one, other in combinations(read, 2)
    ]


def _ranks(
    one: Float[np.ndarray, "sentence layer head"],
    other: Float[np.ndarray, "sentence layer head"],
    seed: int,
    draws: int = 500,
) -> dict[str, Any]:
    """Spearman's correlation of how much heads moved, over all and, as a mean, within layers.

    The intervals resample sentences.
    """
    from scipy.stats import rankdata

    def said(k: np.ndarray) -> list[float]:
        a, b = one[k].mean(0), other[k].mean(0)
        within = [_pearson(rankdata(x), rankdata(y)) for x, y in zip(a, b, strict=True)]
        return [_pearson(rankdata(a.ravel()), rankdata(b.ravel())), float(np.mean(within))]

    every = np.arange(len(one))
    picks = np.random.default_rng(seed).integers(0, len(one), (draws, len(one)))
    low, high = np.quantile([said(k) for k in picks], (0.025, 0.975), axis=0)
    return {
        name: {"mean": said(every)[k], "low": low[k], "high": high[k], "n": len(one)}
        for k, name in enumerate(("ranks", "ranks within layers"))
    }


def _pearson(one: np.ndarray, other: np.ndarray) -> float:
    """Of ranks; 0 where one of them is constant."""
    a, b = one - one.mean(), other - other.mean()
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size else 0.0


def _directions(
    before: Sequence[Words], one: Sequence[Words], other: Sequence[Words]
) -> Float[np.ndarray, "sentence layer head"]:
    """The cosine of two changes of a head's pattern: 1 the same, 0 nothing in common, -1 the opposite."""
    found = []
    for first, second, third in zip(before, one, other, strict=True):
        a, b = second.weights - first.weights, third.weights - first.weights
        size = np.sqrt((a**2).sum((-1, -2)) * (b**2).sum((-1, -2)))
        found.append((a * b).sum((-1, -2)) / np.maximum(size, 1e-12))
    return np.stack(found)


def _values(
    read: Sequence[Words], made: Sequence[Sentence]
) -> dict[str, Float[np.ndarray, "sentence layer"]]:
    """Evenness over all rows, the share on the sink, and how far patterns of two sentences lie apart."""
    return {
        "evenness": np.stack([patterns.evenness(one) for one in read]).mean(-1),
        "sink": np.stack([patterns.division(one)[0] for one in read]).mean(-1),
        "content": patterns.apart(read, _comparable(read, made)).mean(-1),
    }


def _figures(read: Sequence[Words], made: Sequence[Sentence]) -> dict[str, Any]:
    return {name: _layers(values) for name, values in _values(read, made).items()}


def _change(before: Sequence[Words], after: Sequence[Words], made: Sequence[Sentence]) -> dict[str, Any]:
    """What became of these figures: after less before, sentence by sentence."""
    was, now = _values(before, made), _values(after, made)
    return {name: _layers(now[name] - was[name]) for name in was}


def _design(
    made: Sequence[Sentence], first: Sequence[Words], before: Lab, after: Sequence[Lab]
) -> dict[str, Any]:
    return {
        "sentences": len(made),
        "templates": len({one.template for one in made}),
        "kinds": list(KINDS),
        "lengths": list(LENGTHS),
        "pairs": len(_comparable(first, made)),
        "layers": before.layers,
        "heads": before.layers * before.heads,
        "kept": KEPT,
        "special": [token.text for token in before.encode(made[0].text).tokens if token.special],
        "pair": [made[k].text for k in _comparable(first, made)[0]],
        "tries": {lab.name: patterns.asked(lab) for lab in after},
        "texts": [one.text for one in made],
    }
