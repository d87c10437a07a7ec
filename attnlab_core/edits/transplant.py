"""Transplant the attention of another run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from jaxtyping import Bool, Float
from torch import Tensor

from attnlab_core.edits._align import by_position, by_word, carry
from attnlab_core.edits._base import Call, Edit, within
from attnlab_core.edits._donor import parts, put, remember
from attnlab_core.errors import BadInput, TextTooLong
from attnlab_core.knobs import Range

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.pattern import AttentionPattern
    from attnlab_core.prompt import Encoding


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transplant(Edit):
    """Put in the attention of another run: of another sentence, another model, another layer or head.

    The donor runs without edits. Each chosen row gets the donor's row, as far as the donor says anything of keys that
    are visible here, brought to the row's own sum; where keys are chosen too, only these cells are the donor's, and the
    row's others share what is left. With nothing but `where`, a pattern is put back to what it is without edits.

    Near to it: patching of attention patterns as in TransformerLens (Nanda & Bloom 2022), which needs texts of equal length.

    Attributes:
        text: The donor's text; left out, the text at hand.
        second: The donor's second text, for pairs.
        model: The donor's model: a shipped name, a folder or a Hub id; left out, the model at hand.
        layer: The donor's layer for every chosen layer; left out, each layer's own number.
        head: The donor's head for every chosen head; left out, each head's own number.
        align: Match tokens by position, which needs texts of as many tokens, or equal words in order, whatever their case;
            rows and keys without a match keep their own attention and get none.
        amount: How far, from 0 (nothing changes) to 1 (the donor's).
    """

    text: str | None = None
    second: str | None = None
    model: str | None = None
    layer: Annotated[int, Range(0, None)] | None = None
    head: Annotated[int, Range(0, None)] | None = None
    align: Literal["position", "word"] = "position"
    amount: Annotated[float, Range(0, 1)] = 1.0
    tensors: Mapping[str, Tensor] | None = dataclasses.field(default=None, compare=False, repr=False)

    identity: ClassVar[Mapping[str, Any]] = {"amount": 0.0}

    def settle(self, encoding: Encoding, lab: Lab) -> Self:
        """Run the donor, and lay its attention out for the text at hand."""
        settled = super().settle(encoding, lab)
        donor, name = lab, self.model
        if name is not None and name != lab.name:
            donor = remember(lab, ("model", name), lambda: lab.other(name))
        asked = encoding.prompt
        if self.text is not None or self.second is not None:
            asked = dataclasses.replace(
                asked, text=asked.text if self.text is None else self.text, second=self.second
            )
        theirs = encoding if donor is lab and asked == encoding.prompt else donor.encode(asked)
        if donor.max_tokens is not None and len(theirs.ids) > donor.max_tokens:
            raise TextTooLong(len(theirs.ids), donor.max_tokens)
        named = parts(settled.where, lab)
        key = (self.text, self.second, name, self.layer, self.head, self.align, named)
        tensors = remember(lab, (key, encoding), lambda: self._laid(encoding, theirs, named, lab, donor))
        return dataclasses.replace(settled, tensors=tensors)

    def _laid(
        self, encoding: Encoding, theirs: Encoding, named: tuple[str, ...], lab: Lab, donor: Lab
    ) -> dict[str, Float[Tensor, "layer head query key"]]:
        """The donor's attention, laid out for the text at hand."""
        if theirs is encoding:
            pairs = [((k,), (k,)) for k in range(len(encoding.ids))]
        else:
            pairs = (by_position if self.align == "position" else by_word)(encoding, theirs)
        read = donor.attention(theirs)
        return {part: carry(self._taken(read, part, donor, lab), pairs, len(encoding.ids)) for part in named}

    def _taken(
        self, read: Mapping[str, AttentionPattern], part: str, donor: Lab, lab: Lab
    ) -> Float[Tensor, "layer head q k"]:
        """The layers and heads of the donor that serve for one part of the model at hand."""
        if part not in read and (part == "cross" or len(read) > 1):
            raise BadInput(f"{donor.name} has no {part} attention to give. Name another part in where.")
        weights = (read[part] if part in read else next(iter(read.values()))).weights
        layers, heads = len({layer for one, layer in lab.calls if one == part}), lab.heads
        for what, asked, own, count in (
            ("layer", self.layer, layers, len(weights)),
            ("head", self.head, heads, weights.shape[1]),
        ):
            if asked is not None:
                within((asked,), count, what, f"{donor.name} has {what}s")
            elif own != count:
                raise BadInput(
                    f"{donor.name} has {count} {what}s and {lab.name} has {own}, so they cannot be matched. "
                    f"Say which one to take, as in {what}=0."
                )
        weights = weights if self.layer is None else weights[self.layer : self.layer + 1]
        return weights if self.head is None else weights[:, self.head : self.head + 1]

    def rearrange(
        self,
        values: Float[Tensor, "*batch head query key"],
        visible: Bool[Tensor, "*batch head query key"],
        chosen: Bool[Tensor, "*batch head query key"],
        call: Call,
    ) -> Float[Tensor, "*batch head query key"]:
        """Put in the donor's rows."""
        return put(values, visible, chosen, call, (self.tensors or {}).get(call[0]), self.amount)
