"""Questions in words about drawn pictures: eight captions each, of which it is known which are right; see `shapes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from attnlab_core.shapes import COLOURS, KINDS, LOOKS, TEXTURES, Shape

if TYPE_CHECKING:
    import numpy as np

COUNT = 8
"""Captions of a question."""
ABOUT = ("kind", "colour", "texture", "whole", "pair")
"""What a question may be about: which kind of shape is there; which colour a shape has; which texture; all three, with one or two
of them changed in the other captions; or, of two shapes, whose colour is whose."""
FRAMES = (
    "{a} {x}",
    "{x}",
    "a picture of {a} {x}",
    "a photo of {a} {x}",
    "there is {a} {x}",
    "the {x}",
    "i see {a} {x}",
)
"""Sentences that a caption may be, around a shape in words and its article."""
VALUES = {"kind": KINDS, "colour": tuple(COLOURS), "texture": TEXTURES}


@dataclass(frozen=True)
class Question:
    """Captions in any order, some of them twice, and for each the numbers of the shapes that it describes: none where it is wrong."""

    captions: tuple[str, ...]
    fits: tuple[tuple[int, ...], ...]

    @property
    def right(self) -> tuple[bool, ...]:
        """Which captions are right."""
        return tuple(bool(one) for one in self.fits)


def question(random: np.random.Generator, drawn: Sequence[Shape], about: str | None = None) -> Question:
    """A question about a picture.

    Args:
        random: What is left to chance.
        drawn: The shapes of the picture.
        about: One of `ABOUT`, where "pair" needs two kinds of shapes; left out, any that the picture allows.
    """
    two = len({one.kind for one in drawn}) > 1
    asked = about or str(random.choice([*ABOUT[:4], "pair" if two else "whole"]))
    one = drawn[int(random.integers(len(drawn)))]
    if asked == "kind":
        return _asked(random, list(KINDS), [_those(drawn, kind=kind) for kind in KINDS])
    if asked == "colour":
        whose = str(random.choice([one.kind, "shape"]))
        only = {} if whose == "shape" else {"kind": whose}
        fits = [_those(drawn, colour=colour, **only) for colour in COLOURS]
        return _asked(random, [f"{colour} {whose}" for colour in COLOURS], fits)
    if asked == "texture":
        options = [replace(one, texture=texture) for texture in TEXTURES]
        options += [_changed(random, one, "kind", "colour") for _ in range(COUNT - len(options))]
        return _asked(random, [other.name for other in options], [_named(drawn, other) for other in options])
    if asked == "whole":
        names, texts = [shape.name for shape in drawn], [one.name]
        while len(texts) < COUNT:
            other = _changed(random, one, *random.choice(list(VALUES), random.integers(1, 3), replace=False))
            texts += [other.name] if other.name not in texts + names else []
        return _asked(random, texts, [_named(drawn, one)] + [()] * (COUNT - 1))
    return _pair(random, drawn)


def article(thing: str) -> str:
    """The article before a word."""
    return "an" if thing[0] in "aeiou" else "a"


def language() -> list[str]:
    """Every word that captions are written in, in alphabetical order."""
    frames = " ".join(FRAMES).replace("{a}", "a an").replace("{x}", "shape something with and plain").split()
    return sorted({*frames, *KINDS, *COLOURS, *(look.strip() for look in LOOKS.values() if look)})


def _pair(random: np.random.Generator, drawn: Sequence[Shape]) -> Question:
    """Two shapes with their colours, against the colours exchanged, and one word changed."""
    one = drawn[int(random.integers(len(drawn)))]
    two = next(shape for shape in drawn if shape.kind != one.kind)

    def said(a: Shape, b: Shape) -> str:
        names = [f"{shape.colour} {shape.kind}" for shape in (a, b)]
        return f"{names[0]} and {article(names[1])} {names[1]}"

    texts = [said(one, two)]
    if one.colour != two.colour:
        texts.append(said(replace(one, colour=two.colour), replace(two, colour=one.colour)))
    there = {(shape.colour, shape.kind) for shape in drawn}
    while len(texts) < COUNT:
        part = str(random.choice(["kind", "colour"]))
        other = _changed(random, one, part)
        sides = (other, two) if random.random() < 0.5 else (two, other)
        if (other.colour, other.kind) not in there and other.kind != two.kind and said(*sides) not in texts:
            texts.append(said(*sides))
    both = {(shape.colour, shape.kind) for shape in (one, two)}
    fits = tuple(k for k, shape in enumerate(drawn) if (shape.colour, shape.kind) in both)
    return _asked(random, texts, [fits] + [()] * (COUNT - 1))


def _asked(random: np.random.Generator, things: list[str], fits: list[tuple[int, ...]]) -> Question:
    """All in the same sentence, chosen at random."""
    frame = FRAMES[random.integers(len(FRAMES))]
    return Question(tuple(frame.format(a=article(thing), x=thing) for thing in things), tuple(fits))


def _changed(random: np.random.Generator, shape: Shape, *parts: str) -> Shape:
    """A shape with other values for some of its parts."""
    new = {part: str(random.choice([v for v in VALUES[part] if v != getattr(shape, part)])) for part in parts}
    return replace(shape, **new)


def _those(drawn: Sequence[Shape], **are: str) -> tuple[int, ...]:
    """The numbers of the shapes that are as said."""
    return tuple(
        k
        for k, shape in enumerate(drawn)
        if all(getattr(shape, part) == value for part, value in are.items())
    )


def _named(drawn: Sequence[Shape], like: Shape) -> tuple[int, ...]:
    """The numbers of the shapes of the same kind, colour and texture."""
    return _those(drawn, kind=like.kind, colour=like.colour, texture=like.texture)
