"""Captions of drawn pictures: which of eight is right; see `attnlab_core.captions`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from attnlab_core.captions import ABOUT, question
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range, labelled
from attnlab_core.pictures import Picture
from attnlab_core.prompt import Prompt
from attnlab_core.shapes import COLOURS, KINDS, LOOKS, scene
from attnlab_core.tasks._base import Region, Row, Stretch, Task, by_name
from attnlab_core.tasks._measuring import ACCURACY, SURPRISAL, of_label
from attnlab_core.tasks._reading import Source
from attnlab_core.tasks.shapes import FRESH

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.targets import Asked

SAYS = re.compile(
    rf"\b({'|'.join((*KINDS, *COLOURS, *(look.strip() for look in LOOKS.values() if look)))})\b"
)
"""The words of a caption that say something of a shape."""


@labelled("Captions of drawn pictures")
@dataclass(frozen=True, kw_only=True)
class Captions(Task):
    """Which of eight captions, or fewer where two are the same, fits a drawn picture.

    A picture asks one question: which kind of shape is there, which colour it has, which texture, or all three with one or two of
    them changed in the other captions; and of two shapes, whose colour is whose. One caption is right. The rationale is the mask
    of what it describes, with the words of it that say so.

    Attributes:
        count: How many pictures.
        about: What is asked; "any" takes the five in turn, and results come by each.
    """

    count: Annotated[int, Range(1, 10_000)] = 200
    about: Literal["any", "kind", "colour", "texture", "whole", "pair"] = "any"

    asks = ("matching",)
    scores = by_name(ACCURACY, SURPRISAL)
    source = Source()
    pictures = True

    def table(self, data: Path | None, *, lab: Lab | None, seed: int) -> list[tuple[int, str]]:
        """A picture's seed, and what is asked about it."""
        del lab
        if data is not None:
            raise BadInput("Captions of drawn pictures are made up, not read from files. Leave the data out.")
        first = FRESH + 10_000 * (seed % 40)
        return [
            (first + k, ABOUT[k % len(ABOUT)] if self.about == "any" else self.about)
            for k in range(self.count)
        ]

    def row(self, record: Any, number: int, lab: Lab | None) -> Row:
        """One question of a picture, its captions in an order of their own."""
        del number, lab
        seed, about = record
        random = np.random.default_rng(seed)
        kinds = [KINDS[k] for k in random.permutation(len(KINDS))[: 2 if about == "pair" else 1]]
        made = scene(seed, kinds)
        asked = question(random, made.shapes, about)
        shown = list(dict.fromkeys(asked.captions))
        text = "\n".join(shown[k] for k in random.permutation(len(shown)))
        right, fits = next(pair for pair in zip(asked.captions, asked.fits, strict=True) if pair[1])
        mask = np.any(made.masks[list(fits)], axis=0).astype(np.uint8)[..., None] * 255
        start = re.search(rf"^{right}$", text, re.MULTILINE)
        assert start is not None, "the right caption is among those shown"
        said = (
            Stretch(0, start.start() + one.start(), start.start() + one.end()) for one in SAYS.finditer(right)
        )
        return Row(
            f"{seed}-{about}",
            Prompt(text, image=Picture.of(made.pixels)),
            (right,),
            rationale=(Region(Picture.of(np.repeat(mask, 3, axis=2))), *said),
            kind=about,
        )

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """Whether the likeliest caption is the right one, and its surprisal."""
        captions = [caption for caption, _ in asked.encoding.choices]
        return of_label(asked, captions.index(row.gold[0]))
