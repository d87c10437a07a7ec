"""Behind the last attention no position hears of another, so only those where the answer is read need computing.

What is saved is most of the last layer and, in a language model, the vocabulary's logits at all other places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

LINEAR = frozenset({functional.linear, torch.addmm})


class Narrow:
    """Lets a linear map of all positions act on some of them; the others hold no meaning afterwards.

    Args:
        reads: The positions that count.
        batch: Rows of the batch.
        tokens: Positions of a row.
    """

    def __init__(self, reads: Sequence[int], batch: int, tokens: int) -> None:
        self.reads, self.batch, self.tokens = list(reads), batch, tokens
        self.times = 0
        self.turned = False  # seen: tokens before rows, as XLNet has them, which a square batch would hide

    def __call__(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call `func`, one of `LINEAR`, for the positions that count, where it was to act on all of them."""
        at = int(func is torch.addmm)
        given = args[at] if len(args) > at else None
        if not isinstance(given, Tensor) or len(self.reads) == self.tokens:
            return func(*args, **kwargs)
        apart = given.shape[:-1] == (self.batch, self.tokens)
        self.turned |= given.shape[:-1] == (self.tokens, self.batch) and not apart
        if not apart and given.shape[:-1] != (self.batch * self.tokens,):
            return func(*args, **kwargs)
        self.times += 1
        some = given.view(self.batch, self.tokens, -1)[:, self.reads]
        if apart:
            few = func(*args[:at], some, *args[at + 1 :], **kwargs)
        else:
            few = func(*args[:at], some.flatten(0, 1), *args[at + 1 :], **kwargs)
            few = few.view(self.batch, len(self.reads), -1)
        if apart and len(self.reads) == 1:
            return few.expand(-1, self.tokens, -1)  # takes no memory
        whole = few.new_zeros(self.batch, self.tokens, few.shape[-1])
        whole[:, self.reads] = few
        return whole if apart else whole.flatten(0, 1)
