"""Asking a masked language model for the share of "she": many sentences at once, with an edit or none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from attnlab_core.edits import Edit, Where
from attnlab_core.edits.scale import Scale
from attnlab_core.errors import BadInput
from attnlab_core.targets import Target, masks
from case_studies._gender_data import PRONOUNS, Item

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding
    from attnlab_core.surgery import Surgery

Head = tuple[int, int]


@dataclass(frozen=True)
class Asked:
    """A sentence as the model reads it.

    Attributes:
        item: The sentence.
        encoding: Its tokens.
        mask: The position of the mask.
        referent: The positions of the occupation that the mask stands for.
        other: Those of the other candidate.
        words: The token numbers of the male and the female pronoun that fit.
    """

    item: Item
    encoding: Encoding
    mask: int
    referent: tuple[int, ...]
    other: tuple[int, ...]
    words: tuple[int, int]

    @property
    def shape(self) -> tuple[object, ...]:
        """What two sentences share that can be edited as one."""
        return len(self.encoding.ids), self.mask, self.referent, self.other, self.item.female

    def people(self) -> tuple[int, ...]:
        """The positions of all candidates."""
        return self.referent + self.other

    def woman(self) -> tuple[int, ...]:
        """Those of the candidate whose occupation has more women; none where nobody's has."""
        return self.referent if self.item.female else self.other

    def man(self) -> tuple[int, ...]:
        """Those of the candidate whose occupation has more men; none where nobody's has."""
        return self.other if self.item.female else self.referent

    def meant(self) -> tuple[int, ...]:
        """Those of the referent."""
        return self.referent


How = Callable[[Asked], Sequence[Edit]]


def read(lab: Lab, items: Sequence[Item]) -> list[Asked]:
    """Encode sentences and find their mask and candidates; those whose pronouns are not one token each are left out.

    Raises:
        BadInput: A sentence is longer than the model reads, or it has no token for "he" or "she".
    """
    found, words = [], {slot: _numbers(lab, pair, slot == "subject") for slot, pair in PRONOUNS.items()}
    for item in items:
        pair = words[item.slot]
        if pair is None:
            continue
        encoding = lab.encode(item.text)
        if lab.max_tokens is not None and len(encoding.ids) > lab.max_tokens:
            raise BadInput(f"{item.text!r} is longer than the {lab.max_tokens} tokens that {lab.name} reads.")
        other = encoding.find(item.other) if item.other else ()
        mask = masks(lab.tokenizer, encoding)[0]
        found.append(Asked(item, encoding, mask, encoding.find(item.referent), other, pair))
    return found


def _numbers(lab: Lab, pair: tuple[str, str], needed: bool) -> tuple[int, int] | None:
    run = lab.run(f"This is {lab.tokenizer.mask_token}.")
    try:
        one, two = (run.goal(Target(word)).picks[0].index for word in pair)
    except BadInput:
        if needed:
            raise
        return None
    return one, two


class AtMask(TorchFunctionMode):
    """A block in which a model computes its words at the mask alone: nothing else is asked, and most of the work is there.

    Args:
        lab: The model; one that turns hidden states into words in another way than by one linear map says all, as it does.
        places: The position of the mask in every row of the batch.
    """

    def __init__(self, lab: Lab, places: Sequence[int]) -> None:
        super().__init__()
        self.table = getattr(lab.model.get_output_embeddings(), "weight", None)
        self.places = torch.tensor(places, device=lab.device)

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Called by torch for every torch function inside the block."""
        if func is functional.linear and len(args) > 1 and args[1] is self.table and args[0].ndim == 3:
            args = (self.pick(args[0]), *args[1:])
        return func(*args, **(kwargs or {}))

    def pick(self, values: Float[Tensor, "n token width"]) -> Float[Tensor, "n 1 width"]:
        """What stands at the mask; at the one place there is, where it has been picked already."""
        if values.shape[1] == 1:
            return values
        return values[torch.arange(len(values), device=values.device), self.places][:, None]


def at_mask(
    lab: Lab, asked: Sequence[Asked], edits: Sequence[Edit] = (), *, keep: bool = False, grad: bool = False
) -> tuple[Float[Tensor, "n class"], Surgery]:
    """The logits at the mask of sentences that go through together, under the same edits, and the tape."""
    types = None if asked[0].encoding.types is None else [list(one.encoding.types or ()) for one in asked]
    block = AtMask(lab, [one.mask for one in asked])
    rows = [lab.settle(asked[0].encoding, edits)]
    with block:
        out, tape = lab.forward(
            [list(one.encoding.ids) for one in asked], types=types, rows=rows, keep=keep, grad=grad
        )
    return block.pick(out)[:, 0].float().cpu(), tape


def together(asked: Sequence[Asked], *, edited: bool) -> list[list[int]]:
    """The numbers of the sentences that can go through together: as long as each other and, for edits, of one shape."""
    groups: dict[object, list[int]] = {}
    for number, one in enumerate(asked):
        groups.setdefault(one.shape if edited else len(one.encoding.ids), []).append(number)
    return list(groups.values())


def logits(lab: Lab, asked: Sequence[Asked], how: How | None = None) -> Float[Tensor, "n class"]:
    """The logits at the mask of every sentence, in order; sentences whose edits are alike go through together."""
    order, found = [], []
    for group in together(asked, edited=how is not None):
        for at in range(0, len(group), lab.batch_size):
            numbers = group[at : at + lab.batch_size]
            part = [asked[number] for number in numbers]
            found.append(at_mask(lab, part, how(part[0]) if how else ())[0])
            order += numbers
    return torch.cat(found)[torch.tensor(order).argsort()]


def odds(found: Float[Tensor, "n class"], asked: Sequence[Asked]) -> Float[Tensor, " n"]:
    """Log-odds of the female against the male pronoun."""
    words = torch.tensor([one.words for one in asked])
    pair = found.gather(1, words)
    return pair[:, 1] - pair[:, 0]


def shares(lab: Lab, asked: Sequence[Asked], how: How | None = None) -> list[float]:
    """P(she) / (P(he) + P(she)) in every sentence, with him, his and her where the place asks for them."""
    return odds(logits(lab, asked, how), asked).sigmoid().tolist()


def scaled(factors: dict[Head, float], places: Callable[[Asked], tuple[int, ...]]) -> How:
    """The attention from the mask to some places multiplied in some heads."""
    by_layer: dict[tuple[int, float], list[int]] = {}
    for (layer, head), factor in sorted(factors.items()):
        by_layer.setdefault((layer, factor), []).append(head)

    def how(one: Asked) -> list[Edit]:
        return [
            Scale(factor=factor, where=Where((layer,), tuple(heads), (one.mask,), places(one)))
            for (layer, factor), heads in by_layer.items()
        ]

    return how


def gaps(values: Sequence[float], asked: Sequence[Asked]) -> list[float]:
    """Of each schema: the share of she where the mask stands for the woman's occupation, less that where for the man's."""
    found: dict[int, list[float]] = {}
    for value, one in zip(values, asked, strict=True):
        found.setdefault(one.item.schema, []).append(value if one.item.female else -value)
    return [2 * sum(some) / len(some) for some in found.values()]
