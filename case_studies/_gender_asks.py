"""Asking a masked language model for the share of "she": many sentences at once, with an edit or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.edits import Edit, Where
from attnlab_core.edits.scale import Scale
from attnlab_core.errors import BadInput
from attnlab_core.targets import Target, masks
from case_studies._gender_data import PRONOUNS, Item

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding

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


def logits(
    lab: Lab, asked: Sequence[Asked], how: How | None = None, *, grad: bool = False
) -> Float[Tensor, "n class"]:
    """The logits at the mask of every sentence, in order; sentences whose edits are alike go through together."""
    groups: dict[object, list[int]] = {}
    for number, one in enumerate(asked):
        groups.setdefault(one.shape if how else len(one.encoding.ids), []).append(number)
    order, found = [], []
    for group in groups.values():
        for at in range(0, len(group), lab.batch_size):
            part = [asked[number] for number in group[at : at + lab.batch_size]]
            first = part[0].encoding
            edits = lab.settle(first, how(part[0])) if how else ()
            types = None if first.types is None else [list(one.encoding.types or ()) for one in part]
            out, _ = lab.forward(
                [list(one.encoding.ids) for one in part], types=types, rows=[edits], grad=grad
            )
            places = torch.tensor([one.mask for one in part], device=out.device)
            found.append(out[torch.arange(len(part), device=out.device), places].float().cpu())
            order += group[at : at + lab.batch_size]
    back = torch.tensor(order).argsort()
    return torch.cat(found)[back]


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
