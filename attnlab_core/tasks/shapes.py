"""Drawn pictures: which shape is there, and where; see `attnlab_core.shapes`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range, labelled
from attnlab_core.pictures import Picture
from attnlab_core.prompt import Prompt
from attnlab_core.shapes import KINDS, Scene, scene
from attnlab_core.shapes import shapes as shapes_of
from attnlab_core.tasks._base import Region, Row, Task, by_name
from attnlab_core.tasks._measuring import ACCURACY, SURPRISAL, label_number, of_label
from attnlab_core.tasks._reading import Source

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.targets import Asked

CLASSES = tuple((kind,) for kind in KINDS)
FRESH = 500_000
"""The first seed of the rows: the shipped model was trained on those from 1,000,000 on, and measured on those from 0 on."""


@labelled("Drawn shapes")
@dataclass(frozen=True, kw_only=True)
class Shapes(Task):
    """Coloured shapes among clutter, made up by a generator, with the mask of the shape that is asked for.

    A picture asks one question for each of its shapes: is it there, and where? A row is one of these questions; those of one
    picture are a group. The right answer is the shape's name, the rationale its mask. With several shapes in a picture none of
    them is the only right answer, so accuracy counts any of them.

    Attributes:
        count: How many pictures.
        shapes: How many different shapes a picture has; 0 draws one, two or three.
        copies: How many copies of the shape that is asked for; above 1 a picture asks one question only.
    """

    count: Annotated[int, Range(1, 10_000)] = 200
    shapes: Annotated[int, Range(0, 3)] = 0
    copies: Annotated[int, Range(1, 3)] = 1

    asks = ("classification",)
    scores = by_name(ACCURACY, SURPRISAL)
    source = Source()
    pictures = True

    def table(self, data: Path | None, *, lab: Lab | None, seed: int) -> list[tuple[int, int]]:
        """A picture's seed and the number of the shape that is asked for."""
        del lab
        if data is not None:
            raise BadInput("Drawn shapes are made up, not read from files. Leave the data out.")
        first = FRESH + 10_000 * (seed % 40)
        return [
            (first + k, which)
            for k in range(self.count)
            for which in range(1 if self.copies > 1 else self._count(first + k))
        ]

    def drawn(self, seed: int) -> Scene:
        """The scene of a seed."""
        return scene(seed, self._wanted(seed), copies=self.copies)

    def _wanted(self, seed: int) -> list[str] | None:
        if not self.shapes and self.copies == 1:
            return None
        order = np.random.default_rng(seed).permutation(len(KINDS))
        return [KINDS[k] for k in order[: self.shapes or 1]]

    def _count(self, seed: int) -> int:
        """How many kinds are in the picture of a seed."""
        return len({shape.kind for shape in shapes_of(seed, self._wanted(seed))})

    def row(self, record: Any, number: int, lab: Lab | None) -> Row:
        """One question of a picture; its label's name, or the lab's name for that."""
        del number
        seed, which = record
        made = self.drawn(seed)
        kind = made.kinds[which]
        names = [kind, *(other for other in made.kinds if other != kind)]
        gold = [
            name if lab is None else lab.labels[label_number(name, lab.labels, CLASSES)] for name in names
        ]
        mask = np.repeat(made.mask(kind)[..., None].astype(np.uint8) * 255, 3, axis=2)
        return Row(
            f"{seed}-{kind}",
            Prompt(image=Picture.of(made.pixels)),
            tuple(gold),
            rationale=(Region(Picture.of(mask)),),
            kind=f"{len(made.shapes)} shape{'s' * (len(made.shapes) > 1)}/{kind}",
            group=str(seed),
        )

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """Whether the likeliest label is a shape of the picture; the surprisal of the one that is asked for."""
        right = [label_number(name, asked.labels, CLASSES) for name in row.gold]
        return of_label(asked, right[0]) | {"correct": float(int(asked.logits[0].argmax()) in right)}
