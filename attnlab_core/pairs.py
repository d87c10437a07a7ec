"""Two of a kind side by side: which words of one text are those of another, and how far what is said of them differs.

Words are matched by their texts and their order, so that a repeated word stays apart; a word that only one text has is kept as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.methods import Attribution, spearman
from attnlab_core.prompt import named, repeats

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd

    from attnlab_core.prompt import Encoding
    from attnlab_core.run import Run

FEWEST = 3
"""Shared words below which no order is compared."""

Matched = tuple[int | None, int | None]
"""A place in one text and the one that stands for it in the other; None where there is none."""


def match(one: Sequence[Hashable], two: Sequence[Hashable]) -> list[Matched]:
    """Equal things with each other, in order; what only one side has stands where it stood.

    >>> match("a film is bad".split(), "a film is not bad".split())
    [(0, 0), (1, 1), (2, 2), (None, 3), (3, 4)]
    """
    found: list[Matched] = []
    for kind, a, b, c, d in SequenceMatcher(None, one, two, autojunk=False).get_opcodes():
        if kind == "equal":
            found += zip(range(a, b), range(c, d), strict=True)
        else:
            found += [(k, None) for k in range(a, b)] + [(None, k) for k in range(c, d)]
    return found


@dataclass(frozen=True)
class Agreement:
    """How far two accounts agree on the words that both texts have.

    Attributes:
        words: How many these are.
        spearman: The rank correlation; not a number where there are fewer than three, or one account is all ties.
        top: How many of the strongest words were compared: three, or all where there are fewer.
        shared: The words that are among the strongest of both.
        by_chance: How many that would be on average if either order were drawn at random.
    """

    words: int
    spearman: float
    top: int
    shared: tuple[str, ...]
    by_chance: float


@dataclass(frozen=True, eq=False)
class Compared:
    """Two explanations on one scale.

    Attributes:
        frame: A row a word: `text`, `number` (of those alike in their text, else 0), `special`, `position_a`, `position_b` (missing where
            a text lacks it), `score_a`, `score_b` (as computed), `a`, `b` (as compared) and `difference` (a - b; missing where a text
            lacks the word).
        shares: Whether `a` and `b` are shares of the strongest word of each side.
        sizes: Whether they are sizes, without their signs, since only one of the methods takes sides.
        signed: Whether they may speak against the target.
        top: The greatest size among them and their differences, which ends the scale.
        agreement: On the words that both have.
    """

    frame: pd.DataFrame
    shares: bool
    sizes: bool
    signed: bool
    top: float
    agreement: Agreement


def compare(one: Attribution, two: Attribution, by: str = "word", shares: bool | None = None, specials: bool = False) -> Compared:  # fmt: skip
    """Put two explanations side by side.

    Args:
        one: Explanation A.
        two: Explanation B, of the same text or another, by the same method or another.
        by: `token`, `word` or `sentence`; scores of the pieces of a word or a sentence are added up.
        shares: Compare shares of the strongest word of each side rather than the scores; by default where methods or their settings differ,
            whose scores have no common unit.
        specials: Whether [CLS] and its like are kept, by `token`.
    """
    import pandas as pd

    alike = one.method == two.method and dict(one.params) == dict(two.params)
    shares, sizes = not alike if shares is None else shares, one.signed != two.signed
    left, right = (side.to_frame(by=by, specials=specials).to_dict("records") for side in (one, two))
    given = [[_size(row["score"], sizes) for row in rows] for rows in (left, right)]
    if shares:
        given = [[value / (max(map(abs, values)) or 1.0) for value in values] for values in given]
    known = [_keys(side, rows) for side, rows in ((one, left), (two, right))]
    numbers = [repeats([row["text"] for row in rows]) for rows in (left, right)]
    rows: list[dict[str, Any]] = []
    for a, b in match(*known):
        row, number = (left[a], numbers[0][a]) if a is not None else (right[b], numbers[1][b])  # type: ignore[index]
        rows.append(
            {
                "text": row["text"],
                "number": number,
                "special": row["special"],
                "position_a": None if a is None else left[a]["position"],
                "position_b": None if b is None else right[b]["position"],
                "score_a": None if a is None else left[a]["score"],
                "score_b": None if b is None else right[b]["score"],
                "a": None if a is None else given[0][a],
                "b": None if b is None else given[1][b],
                "difference": None if a is None or b is None else given[0][a] - given[1][b],
            }
        )
    frame = pd.DataFrame(rows)
    whole = dict.fromkeys(("position_a", "position_b"), "Int64")
    frame = frame.astype(whole | dict.fromkeys(("score_a", "score_b", "a", "b", "difference"), "float64"))
    both = frame.dropna(subset=["difference"])
    top = max(map(abs, [*given[0], *given[1], *both["difference"]]), default=0.0)
    return Compared(frame, shares, sizes, one.signed and two.signed, top or 1e-9, _agreement(both))


def _size(score: float, sizes: bool) -> float:
    return abs(score) if sizes else score


def _keys(side: Attribution, rows: Sequence[Any]) -> list[Hashable]:
    """What must be equal: the text, whatever its case, and which of the two texts it stands in."""
    return [(side.tokens[row["position"]].segment, row["text"].casefold()) for row in rows]


def _agreement(both: pd.DataFrame) -> Agreement:
    count = len(both)
    first, second = (torch.tensor(both[name].to_numpy(dtype="float64")) for name in ("a", "b"))
    order = float(spearman([first, second])[0, 1]) if count >= FEWEST else float("nan")
    top = min(3, count)
    best = [set(side.abs().argsort(descending=True, stable=True)[:top].tolist()) for side in (first, second)]
    shared = sorted(best[0] & best[1], key=lambda k: -float(first[k].abs()))
    texts = [named(text, number) for text, number in zip(both["text"], both["number"], strict=True)]
    return Agreement(count, order, top, tuple(texts[k] for k in shared), top * top / count if count else 0.0)


@dataclass(frozen=True, eq=False)
class Patterns:
    """Attention of two runs on one scale.

    Attributes:
        first: Float[Tensor, "query key"] of A.
        second: The same of B.
        texts: What the rows and columns of either are, a word with its number where it occurs more than once.
        pairs: Which row (and column) of A stands for which of B.
        difference: A - B over these pairs.
        by: `token`, or `word` where the two models cut words differently: what the pieces of a word get is then added up, and what
            they give is the mean over them.
    """

    first: Float[Tensor, "query key"]
    second: Float[Tensor, "other_query other_key"]
    texts: tuple[tuple[str, ...], tuple[str, ...]]
    pairs: tuple[tuple[int, int], ...]
    difference: Float[Tensor, "pair pair"]
    by: str


def patterns(one: Run, two: Run, at: tuple[int, int | None], there: tuple[int, int | None]) -> Patterns:
    """Compare the attention of a text to itself in two runs.

    Args:
        one: Run A.
        two: Run B.
        at: Layer and head of A; without a head the mean over heads.
        there: The same of B.
    """
    by = "token" if same_pieces(one, two) else "word"
    rows = [_places(run.encoding, by) for run in (one, two)]
    weights = [
        by_place(_weights(run, *where), [positions for _, _, positions in places])
        for run, where, places in zip((one, two), (at, there), rows, strict=True)
    ]
    pairs = [
        (a, b) for a, b in match(*([key for key, _, _ in places] for places in rows)) if None not in (a, b)
    ]
    texts = [tuple(map(named, said, repeats(said))) for said in ([text for _, text, _ in p] for p in rows)]
    a, b = ([pair[side] for pair in pairs] for side in (0, 1))
    cut = [w[index][:, index] for w, index in zip(weights, (a, b), strict=True)]
    return Patterns(weights[0], weights[1], (texts[0], texts[1]), tuple(pairs), cut[0] - cut[1], by)  # type: ignore[arg-type]


def same_pieces(one: Run, two: Run) -> bool:
    """Whether both models cut words into the same pieces: their tokenizers know the same ones."""
    mine, theirs = one.lab.tokenizer, two.lab.tokenizer
    return mine is theirs or mine.get_vocab() == theirs.get_vocab()


def by_place(
    weights: Float[Tensor, "query key"], places: Sequence[Sequence[int]]
) -> Float[Tensor, "place place"]:
    """Attention between groups of tokens: the mean over those that attend of the sum over those attended to."""
    gather = partial(torch.zeros, dtype=weights.dtype)
    rows, columns = gather(len(places), weights.shape[0]), gather(weights.shape[1], len(places))
    for k, positions in enumerate(places):
        rows[k, list(positions)] = 1 / len(positions)
        columns[list(positions), k] = 1
    return rows @ weights @ columns


def _weights(run: Run, layer: int, head: int | None) -> Float[Tensor, "query key"]:
    found = run.pattern.weights[layer].double()
    return found.mean(0) if head is None else found[head]


def _places(encoding: Encoding, by: str) -> list[tuple[Hashable, str, tuple[int, ...]]]:
    """What rows and columns are: key to match by, text, positions. Special tokens are known by where they stand."""
    inside = [p for word in encoding.words for p in word.positions]
    found: list[tuple[Hashable, str, tuple[int, ...]]] = []
    if by == "word":
        found += [
            ((word.segment, word.text.casefold()), word.text, word.positions) for word in encoding.words
        ]
    for place, token in enumerate(encoding.tokens):
        if token.special:
            kind = "start" if place < min(inside) else "end" if place > max(inside) else "between"
            found.append((kind, token.text, (place,)))
        elif by == "token":
            found.append(((token.segment, token.text.casefold()), token.text, (place,)))
    return sorted(found, key=lambda one: one[2])
