"""Attention patterns read word by word, and the figures of them that the two studies of patterns share.

Figures are of single heads in single sentences, `[layer head]`; means and intervals over sentences come last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from attnlab_core import stats
from attnlab_core.progress import step

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.pattern import AttentionPattern
    from attnlab_core.prompt import Encoding
    from case_studies._patterns_data import Sentence

Grid = Float[np.ndarray, "layer head"]
Weights = Float[np.ndarray, "layer head query key"]
Measured = Mapping[str, Any]
PLACES = ("sink", "own", "previous", "next", "earlier", "later")
"""Where a row's attention can go; "earlier" and "later" are the words beyond the neighbours."""


@dataclass(frozen=True, eq=False)
class Words:
    """One model's attention in one sentence, from word to word.

    Attributes:
        weights: Between units: words and special tokens, in the order of the text. What the tokens of a word get
            is added up, what they give is averaged, so rows sum to one.
        visible: Which keys a query's mask lets it see.
        sink: The units that many heads turn to whatever the text says: the special tokens, or the first word of a
            text without any (Xiao et al., Efficient Streaming Language Models with Attention Sinks, ICLR 2024).
        rows: The units that are measured: all words but the first two and the last, so that each has a word on
            either side that is no sink, whatever the model.
    """

    weights: Weights
    visible: Bool[np.ndarray, "layer head query key"]
    sink: Bool[np.ndarray, " key"]
    rows: tuple[int, ...]


def read(lab: Lab, made: Sequence[Sentence], done: int = 0, total: int = 0) -> list[Words]:
    """A model's attention in every sentence, masked or not; tells a watcher of `done` and more of `total`."""
    found = []
    for k, one in enumerate(made, 1):
        encoding = lab.encode(one.text)
        found.append(by_word(next(iter(lab.attention(encoding).values())), encoding))
        step(done + k, total or len(made))
    return found


def by_word(pattern: AttentionPattern, encoding: Encoding) -> Words:
    """Tokens joined to words."""
    special = [(k,) for k, token in enumerate(encoding.tokens) if token.special]
    units = sorted([*special, *(word.positions for word in encoding.words)])
    join = np.zeros((len(units), len(encoding.tokens)))
    for k, places in enumerate(units):
        join[k, list(places)] = 1
    weights = (join / join.sum(1, keepdims=True)) @ pattern.weights.numpy().astype(float) @ join.T
    visible = join @ pattern.visible.numpy().astype(float) @ join.T > 0
    sink = np.array([unit in special for unit in units])
    sink[0] |= not special
    words = [k for k, unit in enumerate(units) if unit not in special]
    return Words(weights, visible, sink, tuple(words[2:-1]))


def looking_back(one: Words) -> Words:
    """The same weights, but only those on a word itself and on what stands before; rows sum to one again."""
    seen = one.visible & np.tri(len(one.sink), dtype=bool)
    kept = one.weights * seen
    return Words(kept / kept.sum(-1, keepdims=True), seen, one.sink, one.rows)


def even(one: Words) -> Words:
    """Rows that give all that they see the same."""
    return Words(one.visible / one.visible.sum(-1, keepdims=True), one.visible, one.sink, one.rows)


def ahead(one: Words) -> Grid:
    """The share of the measured rows' attention on what stands after the word."""
    return np.triu(one.weights, 1)[:, :, list(one.rows)].sum(-1).mean(-1)


def evenness(one: Words) -> Grid:
    """The entropy of rows over the logarithm of the number of keys each sees: 0 is one key, 1 is all alike.

    The mean over the measured rows; those that see one key only are left out.
    """
    some = list(one.rows)
    weights, count = one.weights[:, :, some], one.visible[:, :, some].sum(-1)
    nats = -(weights * np.log(np.where(weights > 0, weights, 1))).sum(-1)
    several = count > 1
    return (several * nats / np.log(np.maximum(count, 2))).sum(-1) / np.maximum(several.sum(-1), 1)


def division(one: Words) -> Float[np.ndarray, "place layer head"]:
    """How the measured rows divide their attention: the shares of `PLACES`, mean over rows."""
    n = len(one.sink)
    off = np.arange(n)[None, :] - np.arange(n)[:, None]
    spots = [off == 0, off == -1, off == 1, off < -1, off > 1]
    masks = np.stack([np.broadcast_to(one.sink, (n, n)), *(spot & ~one.sink for spot in spots)])
    return np.einsum("lhqk,wqk->wlhq", one.weights, masks.astype(float))[..., list(one.rows)].mean(-1)


def distance(one: Words) -> Float[np.ndarray, "part layer head"]:
    """How far away attention lies: |query - key| in words under the measured rows.

    Returns:
        The sum of weights times distance and the sum of weights, both without the sink. The first over the second
        is the mean distance; added up over heads first, heads count by how much they look at words.
    """
    n = len(one.sink)
    far = np.abs(np.arange(n)[None, :] - np.arange(n)[:, None])
    rows = list(one.rows)
    kept = (one.weights * ~one.sink)[:, :, rows]
    return np.stack([(kept * far[rows]).sum((-1, -2)), kept.sum((-1, -2))])


def moved(one: Weights, other: Weights, rows: Sequence[int]) -> Grid:
    """The share of attention that must be moved to make one pattern the other: total variation, mean over rows.

    Half the sum of |a - b| over a row: 0 where two rows are the same, 1 where they share no key.
    """
    some = list(rows)
    return np.abs(one[:, :, some] - other[:, :, some]).sum(-1).mean(-1) / 2


def apart(
    sentences: Sequence[Words], pairs: Sequence[tuple[int, int]]
) -> Float[np.ndarray, "pair layer head"]:
    """How far a head's patterns in two sentences of the same length lie apart: `moved`, by pair."""
    return np.stack([moved(sentences[a].weights, sentences[b].weights, sentences[a].rows) for a, b in pairs])


def apart_on_words(
    sentences: Sequence[Words], pairs: Sequence[tuple[int, int]]
) -> Float[np.ndarray, "pair part layer head"]:
    """The same of the attention to words alone: half the sums of |a - b| and of a + b, the sink left out.

    The first over the second is the share of this attention that differs (Bray and Curtis, Ecological Monographs
    27, 1957): 0 where it is the same, 1 where it has no key in common.
    """
    found = []
    for a, b in pairs:
        one, other = ((s.weights * ~s.sink)[:, :, list(s.rows)] for s in (sentences[a], sentences[b]))
        found.append([np.abs(one - other).sum((-1, -2)) / 2, (one + other).sum((-1, -2)) / 2])
    return np.array(found)


def same_size(sentences: Sequence[Words], pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs whose patterns can be compared cell by cell."""
    return [
        (a, b)
        for a, b in pairs
        if sentences[a].rows == sentences[b].rows and sentences[a].sink.tolist() == sentences[b].sink.tolist()
    ]


def ratio(parts: Float[np.ndarray, "sentence part layer head"]) -> Float[np.ndarray, "sentence layer"]:
    """The first part over the second, each added up over a layer's heads."""
    added = parts.sum(-1)
    return added[:, 0] / added[:, 1]


def overall(values: Float[np.ndarray, "sentence layer head"]) -> dict[str, float | int]:
    """The mean over all heads with its interval over sentences."""
    return stats.interval(values.mean((1, 2)).tolist())


def asked(lab: Lab) -> dict[str, str]:
    """One sentence as a model's task wants it, for a link: the text, and the second text of a pair."""
    if lab.task == "masked":
        return {"text": f"The king took the {lab.tokenizer.mask_token} and went slowly away."}
    if lab.task == "answering":
        return {"text": "Who took the watch?", "second": "The king took the watch and went slowly away."}
    return {"text": f"The king took the watch and went slowly{'' if lab.task == 'causal' else ' away.'}"}


def within(value: Measured, unit: str = "%") -> str:
    """A share with its interval, or a difference of shares in points."""
    mean, low, high = (100 * value[k] for k in ("mean", "low", "high"))
    sign = "+" if unit == "points" else ""
    return f"{mean:{sign}.1f} {unit} ({low:{sign}.1f} to {high:{sign}.1f})"


def clear(difference: Measured) -> int:
    """1 or -1 where the interval of a difference lies above or below zero, else 0."""
    return 1 if difference["low"] > 0 else -1 if difference["high"] < 0 else 0
