"""Which token of one text stands for which of another."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.errors import BadInput
from attnlab_core.prompt import CONTINUATION

if TYPE_CHECKING:
    from attnlab_core.prompt import Encoding

Pair = tuple[tuple[int, ...], tuple[int, ...]]
"""Positions here and positions there that stand for each other."""
Group = tuple[tuple[str, str], tuple[int, ...]]
"""What must be equal, and the positions of its tokens."""


def by_position(own: Encoding, other: Encoding) -> list[Pair]:
    """Each token with the token at its place; of a text that goes on, the tokens it was given."""
    count = sum(token.segment != CONTINUATION for token in own.tokens)
    if count != len(other.ids):
        raise BadInput(
            f"By position, both texts need as many tokens: this one has {count}, the other {len(other.ids)}. "
            'Use align="word".'
        )
    return [((k,), (k,)) for k in range(count)]


def by_word(own: Encoding, other: Encoding) -> list[Pair]:
    """Equal words with each other, whatever their case, in order; special tokens with those of the same place."""
    mine, theirs = _groups(own), _groups(other)
    blocks = SequenceMatcher(
        None, [key for key, _ in mine], [key for key, _ in theirs], autojunk=False
    ).get_matching_blocks()
    pairs = [(mine[a + k], theirs[b + k]) for a, b, size in blocks for k in range(size)]
    if not any(key[0] == "word" for (key, _), _ in pairs):
        raise BadInput(
            f"No word of {own.prompt.text[:60]!r} stands in {other.prompt.text[:60]!r} too, so there is nothing to "
            "match by word. Choose a text that shares words with it."
        )
    return [(ours, yours) for (_, ours), (_, yours) in pairs]


def carry(
    weights: Float[Tensor, "layer head q k"],
    pairs: list[Pair],
    size: int,
) -> Float[Tensor, "layer head query key"]:
    """A pattern laid out for a text of `size` tokens; what has no match is zero.

    Where two matched words have different numbers of tokens, rows are the mean over the donor's tokens, and what the
    donor's word gets is shared evenly.
    """
    if all(len(mine) == len(theirs) for mine, theirs in pairs):
        own, other = (torch.tensor([p for pair in pairs for p in pair[side]]) for side in (0, 1))
        found = weights.new_zeros(*weights.shape[:2], size, size)
        found[..., own[:, None], own] = weights[..., other[:, None], other]
        return found
    rows, columns = weights.new_zeros(size, weights.shape[-2]), weights.new_zeros(weights.shape[-1], size)
    for mine, theirs in pairs:
        own, other = torch.tensor(mine), torch.tensor(theirs)
        alike = len(mine) == len(theirs)
        rows[own[:, None], other] = torch.eye(len(mine)) if alike else 1 / len(theirs)
        columns[other[:, None], own] = torch.eye(len(mine)) if alike else 1 / len(mine)
    return rows @ weights @ columns


def _groups(encoding: Encoding) -> list[Group]:
    """Words and special tokens in order; a special token is known by where it stands."""
    inside = [p for word in encoding.words for p in word.positions]
    groups: list[Group] = [(("word", w.text.casefold()), w.positions) for w in encoding.words]
    for place, token in enumerate(encoding.tokens):
        if token.special:
            kind = "start" if place < min(inside) else "end" if place > max(inside) else "between"
            groups.append((("special", kind), (place,)))
    return sorted(groups, key=lambda group: group[1][0])
