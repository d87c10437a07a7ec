"""How an image model is fed: a picture as square patches, each looked up by one convolution.

A vision transformer cuts a picture into patches and maps each by the same linear map, `projection`; what comes out is to a
patch what its word embedding is to a word. So an encoding's ids are the patches themselves, and all that is done with ids
and embeddings of words (blanking, gradients on the way from a blank, likeness) is done with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from attnlab_core.errors import BadInput, ModelRefused
from attnlab_core.pictures import Picture
from attnlab_core.prompt import PICTURE, Encoding, Id, Prompt, Token, Word
from attnlab_core.surgery import Surgery, Swap, calls_of

CLASS = "[CLS]"


@dataclass(frozen=True)
class Patch:
    """A piece of a picture as the model is given it: normalised numbers, fp32, [channel, row, column]. Equal where they are."""

    data: bytes
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, pixels: Float[Tensor, "channel row column"]) -> Patch:
        """From its numbers."""
        channel, row, column = pixels.shape
        return cls(pixels.float().contiguous().numpy().tobytes(), (channel, row, column))

    @property
    def pixels(self) -> Float[Tensor, "channel row column"]:
        """Its numbers."""
        return torch.from_numpy(np.frombuffer(self.data, dtype=np.float32).reshape(self.shape).copy())

    def __repr__(self) -> str:
        return "Patch({} × {})".format(*self.shape[1:])


class Patches:
    """What stands between a prompt and a model that reads pictures.

    Args:
        model: Of transformers, whose pictures are looked up by one convolution without overlap.
        processor: Its image processor.
        name: For messages.

    Raises:
        ModelRefused: The model looks its pictures up in another way, or its attention is not over patches.
    """

    pictures, texts = True, False
    unit = "patch"
    masks = False
    pad = 0
    tokenizer = None
    max_tokens = None

    def __init__(self, model: Any, processor: Any, name: str) -> None:
        self.model, self.processor, self.name = model, processor, name
        found = [
            part
            for part in model.modules()
            if isinstance(part, nn.Conv2d) and part.kernel_size == part.stride and part.groups == 1
        ]
        if len(found) != 1 or found[0].kernel_size == (1, 1):
            raise ModelRefused(
                f"{name} does not cut its pictures into patches by one convolution. Choose a model such as ViT, DeiT or BEiT."
            )
        self.projection, self.calls = found[0], calls_of(model.config)
        high, wide = (int(size) for size in self.projection.kernel_size)
        self.size = self._given(Picture.of(np.full((64, 64, 3), 128, np.uint8))).shape[1:]
        self.grid = (self.size[0] // high, self.size[1] // wide)
        if not self.grid[0] * self.grid[1]:
            raise ModelRefused(f"{name}'s pictures are smaller than one of its patches.")
        self.specials = self._specials()

    def _specials(self) -> int:
        """How many tokens stand before the patches."""
        grey = torch.zeros(1, self.projection.in_channels, *self.size)
        try:
            with torch.no_grad(), Surgery((), keep=True) as tape:
                self.model(pixel_values=grey.to(self.projection.weight))
        except (
            Exception
        ) as error:  # of many kinds; all mean that the model does not take its processor's pictures
            reason = " ".join(str(error).split())[:200]
            raise ModelRefused(f"{self.name} cannot read its own processor's pictures: {reason}") from error
        sizes = {weights.shape[-1] for weights in tape.weights}
        more = max(sizes, default=0) - self.grid[0] * self.grid[1]
        if len(sizes) != 1 or more < 0:
            raise ModelRefused(
                f"The attention of {self.name} is not over all patches of a picture (its calls have {sorted(sizes)} places, "
                f"the picture {self.grid[0]} × {self.grid[1]} patches), so it cannot be shown on them."
            )
        return more

    def encode(self, prompt: Prompt) -> Encoding:
        """Patches as tokens, behind the class token; `BadInput` where there is no picture, or a text."""
        if prompt.image is None:
            raise BadInput(f"{self.name} reads pictures, not text. Give an image.")
        if prompt.text or prompt.second:
            raise BadInput(f"{self.name} reads pictures alone. Leave the text out.")
        given, (high, wide) = self._given(prompt.image), self.projection.kernel_size
        left, top, right, bottom = self._seen(prompt.image)
        tokens = [Token(CLASS if k == 0 else f"[EXTRA {k}]", special=True) for k in range(self.specials)]
        ids: list[Id] = list(range(self.specials))
        words = []
        across, down = (right - left) / self.size[1], (bottom - top) / self.size[0]
        for row in range(self.grid[0]):
            for column in range(self.grid[1]):
                y, x = row * high, column * wide
                box = (left + x * across, top + y * down, left + (x + wide) * across, top + (y + high) * down)
                text = f"r{row} c{column}"
                words.append(Word(text, 0, 0, PICTURE, (len(tokens),)))
                tokens.append(Token(text, segment=PICTURE, word=len(words) - 1, box=box))
                ids.append(Patch.of(given[:, y : y + high, x : x + wide]))
        return Encoding(prompt, tuple(ids), None, tuple(tokens), tuple(words))

    def sample(self) -> list[Id]:
        """The ids on which the model is checked: patches of noise."""
        return list(self.encode(Prompt(image=self.noise())).ids)

    def noise(self) -> Picture:
        """A picture of noise, as large as the model's."""
        return Picture.of(np.random.default_rng(0).integers(0, 256, (*self.size, 3), dtype=np.uint8))

    def inputs(self, ids: Sequence[Sequence[Id]], types: object = None) -> dict[str, Any]:
        """What the model's `forward` is given for rows of ids."""
        weight = self.projection.weight
        first = list(ids[0])
        if all(list(row) == first for row in ids):
            pixels = self._pixels(first).expand(len(ids), -1, -1, -1)
        else:
            pixels = torch.stack([self._pixels(row) for row in ids])
        return {"pixel_values": pixels.to(weight)}

    def _pixels(self, row: Sequence[Id]) -> Float[Tensor, "channel height width"]:
        high, wide = self.projection.kernel_size
        if len(row) != self.specials + self.grid[0] * self.grid[1]:
            raise BadInput(
                "A picture has all its patches: none can be deleted. Replace them by a blank one instead."
            )
        found = torch.zeros(self.projection.in_channels, *self.size)
        for k, patch in enumerate(row[self.specials :]):
            y, x = k // self.grid[1] * high, k % self.grid[1] * wide
            assert isinstance(patch, Patch)
            found[:, y : y + high, x : x + wide] = patch.pixels
        return found

    def embeddings(self, ids: Sequence[Id] | Tensor) -> Float[Tensor, "token width"]:
        """What the convolution makes of patches, before positions are added; zeros for what stands before them."""
        weight, bias = self.projection.weight, self.projection.bias
        found = torch.zeros(len(ids), weight.shape[0], dtype=weight.dtype, device=weight.device)
        places = [k for k, patch in enumerate(ids) if isinstance(patch, Patch)]
        if places:
            patches = torch.stack([patch.pixels for patch in ids if isinstance(patch, Patch)])
            found[places] = functional.conv2d(patches.to(weight), weight, bias, stride=weight.shape[2:])[
                ..., 0, 0
            ]
        return found.detach()

    def swap(
        self, inputs: dict[str, Any], embeddings: Float[Tensor, "batch token width"]
    ) -> tuple[Swap, ...]:
        """Put embeddings in the place of those of the patches; what stands before them stays."""

        def put(_: Tensor) -> Tensor:
            return embeddings[:, self.specials :].transpose(1, 2).unflatten(2, self.grid)

        return ((self.projection.weight, put),)

    def layout(self, row: Sequence[Id]) -> tuple[int, ...]:
        """Nothing: rows of all kinds go together."""
        return ()

    def frame(self, ids: Sequence[Sequence[Id]]) -> None:
        """None: every call is over all tokens."""

    def fixed(self, encoding: Encoding) -> list[bool]:
        """True for what stands before the patches."""
        return [token.special for token in encoding.tokens]

    def blank(self, wanted: str) -> tuple[Patch, str, tuple[str, ...]]:
        """The patch that stands for nothing: the colour that the model's normalisation makes zero."""
        zero = Patch.of(torch.zeros(self.projection.in_channels, *self.projection.kernel_size))
        notes = ()
        if wanted != "mask":
            notes = (f"A picture has no {wanted} token; a patch of the mean colour stands in for it.",)
        return zero, "a patch of the mean colour", notes

    def whole(self, blank: str) -> str:
        """What a prompt of blanks is called."""
        return (
            "a picture of the mean colour"
            if blank == "a patch of the mean colour"
            else f"a picture of {blank}"
        )

    def any_of(self, encoding: Encoding) -> tuple[list[Patch], str]:
        """The ids that a random picture is drawn from, and its name: the picture's own patches, shuffled."""
        return [
            one for one in encoding.ids if isinstance(one, Patch)
        ], "pictures of its own patches in any order"

    def _given(self, picture: Picture) -> Float[Tensor, "channel height width"]:
        return self.processor(picture.image, return_tensors="pt")["pixel_values"][0].float()

    def _seen(self, picture: Picture) -> tuple[float, float, float, float]:
        """The part of a picture that the model is given, as shares: all of it, unless its processor cuts the edges off."""
        cut = (
            getattr(self.processor, "crop_size", None)
            if getattr(self.processor, "do_center_crop", False)
            else None
        )
        if not cut:
            return 0.0, 0.0, 1.0, 1.0
        wide, high = float(picture.width), float(picture.height)
        wanted = dict(self.processor.size) if getattr(self.processor, "do_resize", True) else {}
        if wanted.get("shortest_edge"):
            by = wanted["shortest_edge"] / min(wide, high)
            wide, high = wide * by, high * by
        elif wanted.get("height"):
            wide, high = wanted["width"], wanted["height"]
        left, top = (1 - cut["width"] / wide) / 2, (1 - cut["height"] / high) / 2
        return left, top, 1 - left, 1 - top
