"""Where the passes of a batch must differ, and where they cannot.

Rows of the same text are one until the first attention that an edit changes; and behind the last attention no position hears of
another, so only those where the answer is read need computing. What is saved is a part of the first layer, most of the last, and
in a language model the vocabulary's logits at all other places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LINEAR = frozenset({functional.linear, torch.addmm})


class Narrow:
    """Lets linear maps act on what counts alone: one row before the first attention, some positions behind the last.

    Args:
        reads: The positions that count in the end; the others hold no meaning then.
        batch: Rows of the batch.
        tokens: Positions of a row.
        alike: Whether all rows are the same text, with the same embeddings.
    """

    def __init__(self, reads: Sequence[int], batch: int, tokens: int, alike: bool = False) -> None:
        self.reads, self.batch, self.tokens = list(reads), batch, tokens
        self.alike = alike and batch > 1
        self.times = 0
        self.turned = False  # seen: tokens before rows, as XLNet has them, which a square batch would hide

    def __call__(
        self, first: bool, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Call `func`, one of `LINEAR`, before the first attention or behind the last."""
        at = int(func is torch.addmm)
        given = args[at] if len(args) > at else None
        if not isinstance(given, Tensor) or not (self.alike if first else len(self.reads) < self.tokens):
            return func(*args, **kwargs)
        apart = given.shape[:-1] == (self.batch, self.tokens)
        self.turned |= given.shape[:-1] == (self.tokens, self.batch) and not apart
        if not apart and given.shape[:-1] != (self.batch * self.tokens,):
            return func(*args, **kwargs)
        self.times += not first
        whole = given.view(self.batch, self.tokens, -1)
        some = whole[:1] if first else whole[:, self.reads]
        few = func(*args[:at], some if apart else some.flatten(0, 1), *args[at + 1 :], **kwargs)
        few = few.view(*some.shape[:2], -1)
        if first or (apart and len(self.reads) == 1):
            few = few.expand(self.batch, self.tokens, -1)  # takes no memory
        else:
            put = few.new_zeros(self.batch, self.tokens, few.shape[-1])
            put[:, self.reads] = few
            few = put
        return few if apart else few.flatten(0, 1)
