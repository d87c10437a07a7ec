"""Drawn scenes whose every shape is known: coloured, textured shapes among clutter, with a mask for each.

A scene asks one question a class: is it in the picture, and where? The answer is known to the pixel, so that an
explanation of an image model can be held against it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFilter

from attnlab_core.errors import BadInput, UnknownName

SIZE = 80
"""Pixels of a side."""
KINDS = ("circle", "square", "triangle", "star", "cross", "ring", "heart", "moon")
COLOURS = {
    "red": (214, 48, 49),
    "orange": (240, 140, 20),
    "yellow": (245, 214, 60),
    "green": (46, 160, 67),
    "teal": (0, 168, 168),
    "blue": (40, 96, 214),
    "purple": (136, 60, 190),
    "pink": (240, 110, 170),
}
LOOKS = {"plain": "", "stripes": "striped ", "dots": "dotted ", "checks": "checked "}
"""Texture → how a shape of it is called, before its colour."""
TEXTURES = tuple(LOOKS)
_FINE = 3  # drawn this many times larger, so that edges are smooth
_RADIUS = (10.0, 17.0)  # pixels
_APART = 90  # how far a colour must be from the ground's mean, in RGB
_TRIES = 60


@dataclass(frozen=True)
class Shape:
    """One shape of a scene: where its middle is and how large it is in pixels, how far it is turned in degrees."""

    kind: str
    colour: str
    texture: str
    x: float
    y: float
    radius: float
    angle: float

    @property
    def name(self) -> str:
        """In words: "striped red star"."""
        return f"{LOOKS[self.texture]}{self.colour} {self.kind}"


@dataclass(frozen=True, eq=False)
class Scene:
    """A drawn picture and what is in it.

    Attributes:
        pixels: UInt8[H, W, 3].
        shapes: What was drawn, in order.
        masks: Bool[shape, H, W], True where a shape is.
    """

    pixels: UInt8[np.ndarray, "height width 3"]
    shapes: tuple[Shape, ...]
    masks: Bool[np.ndarray, "shape height width"]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The classes that are in the picture, each once."""
        return tuple(dict.fromkeys(shape.kind for shape in self.shapes))

    def mask(self, kind: str) -> Bool[np.ndarray, "height width"]:
        """Where the shapes of a class are; nowhere for one that is not in the picture."""
        mine = [mask for shape, mask in zip(self.shapes, self.masks, strict=True) if shape.kind == kind]
        return np.any(mine, axis=0) if mine else np.zeros(self.pixels.shape[:2], dtype=bool)


def scene(seed: int, kinds: Sequence[str] | None = None, *, copies: int = 1, clutter: float = 1.0) -> Scene:
    """Draw a scene; the same seed and wishes give the same one.

    Args:
        seed: Of all that is left to chance.
        kinds: The classes to draw; left out, one, two or three different ones.
        copies: How many of the first one: alike in all but their place.
        clutter: How many lines, curves, specks and blobs lie behind and before the shapes; 0 is none, 1 the usual.

    Raises:
        UnknownName: A kind that is none of `KINDS`.
        BadInput: No room for so many.
    """
    random, ground, shapes = _laid(seed, kinds, copies)
    return _drawn(random, ground, shapes, clutter)


def shapes(seed: int, kinds: Sequence[str] | None = None, *, copies: int = 1) -> tuple[Shape, ...]:
    """What `scene` draws for the same seed and wishes, without drawing it."""
    return _laid(seed, kinds, copies)[2]


def _laid(
    seed: int, kinds: Sequence[str] | None, copies: int
) -> tuple[np.random.Generator, Image.Image, tuple[Shape, ...]]:
    """The ground and the shapes to draw on it, and the chance that goes on."""
    for kind in kinds or ():
        if kind not in KINDS:
            raise UnknownName(kind, KINDS, "shape")
    for attempt in range(_TRIES):
        random = np.random.default_rng((seed, attempt))
        wanted = list(kinds) if kinds else _some_kinds(random)
        ground = _ground(random)
        placed = _placed(random, [wanted[0]] * (copies - 1) + wanted, _seen_on(ground))
        if placed:
            return random, ground, placed
    raise BadInput(
        f"There is no room for {copies - 1 + len(kinds or ())} shapes in one picture. Ask for fewer."
    )


def _some_kinds(random: np.random.Generator) -> list[str]:
    count = int(random.choice([1, 2, 3], p=[0.5, 0.3, 0.2]))
    return [KINDS[k] for k in random.choice(len(KINDS), count, replace=False)]


def _seen_on(ground: Image.Image) -> list[str]:
    """The colours that stand out from a ground."""
    mean = np.asarray(ground, dtype=np.float32).mean((0, 1))
    return [name for name, colour in COLOURS.items() if float(np.linalg.norm(colour - mean)) > _APART]


def _placed(random: np.random.Generator, kinds: Sequence[str], colours: Sequence[str]) -> tuple[Shape, ...]:
    """Shapes that do not touch; none where they found no room."""
    found: list[Shape] = []
    for kind in kinds:
        alike = next((shape for shape in found if shape.kind == kind), None)
        for _ in range(_TRIES):
            shape = _one(random, kind, colours, alike)
            if all(
                math.dist((shape.x, shape.y), (o.x, o.y)) > 1.05 * (shape.radius + o.radius) for o in found
            ):
                found.append(shape)
                break
        else:
            return ()
    return tuple(found)


def _one(random: np.random.Generator, kind: str, colours: Sequence[str], alike: Shape | None) -> Shape:
    radius = alike.radius if alike else float(random.uniform(*_RADIUS))
    x, y = (float(v) for v in random.uniform(radius + 1, SIZE - radius - 1, 2))
    if alike:
        return Shape(kind, alike.colour, alike.texture, x, y, radius, alike.angle)
    colour, texture = str(random.choice(colours)), str(random.choice(TEXTURES, p=[0.4, 0.2, 0.2, 0.2]))
    turn = {"square": 20, "triangle": 180, "star": 36, "cross": 20, "heart": 25, "moon": 180}.get(kind, 0)
    return Shape(kind, colour, texture, x, y, radius, float(random.uniform(-turn, turn)))


def _drawn(
    random: np.random.Generator, ground: Image.Image, shapes: tuple[Shape, ...], clutter: float
) -> Scene:
    picture = _cluttered(random, ground, round(clutter * random.integers(5, 12)))
    masks = []
    for shape in shapes:
        mask = _outline(shape)
        picture.paste(_surface(random, shape), (0, 0), mask)
        masks.append(np.asarray(mask) > 127)
    picture = _lines(random, picture, round(clutter * random.integers(0, 3)))
    noisy = np.asarray(picture, dtype=np.float32) + random.normal(0, random.uniform(2, 9), (SIZE, SIZE, 3))
    return Scene(noisy.clip(0, 255).astype(np.uint8), shapes, np.stack(masks))


def _ground(random: np.random.Generator) -> Image.Image:
    """A quiet gradient between two colours."""
    ends = random.uniform(40, 225, (2, 1, 1, 3))
    ends[1] = (ends[0] + random.uniform(-60, 60, (1, 1, 3))).clip(20, 235)
    angle = random.uniform(0, 2 * math.pi)
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE - 0.5
    part = ((math.cos(angle) * x + math.sin(angle) * y) / 1.42 + 0.5)[..., None]
    return Image.fromarray((ends[0] * (1 - part) + ends[1] * part).astype(np.uint8))


def _cluttered(random: np.random.Generator, picture: Image.Image, count: int) -> Image.Image:
    """Soft blobs, specks and lines behind the shapes."""
    veil = picture.copy()
    pen = ImageDraw.Draw(veil)
    for _ in range(count // 3):
        x, y, wide, high = random.uniform([0, 0, 6, 6], [SIZE, SIZE, 20, 20])
        pen.ellipse((x - wide, y - high, x + wide, y + high), fill=_any_colour(random))
    picture = Image.blend(picture, veil.filter(ImageFilter.GaussianBlur(6)), 0.5)
    pen = ImageDraw.Draw(picture)
    for _ in range(3 * count):
        x, y = random.uniform(0, SIZE, 2)
        r = random.uniform(0.4, 1.6)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=_any_colour(random))
    return _lines(random, picture, count // 2)


def _lines(random: np.random.Generator, picture: Image.Image, count: int) -> Image.Image:
    """Thin lines and arcs."""
    pen = ImageDraw.Draw(picture)
    for _ in range(count):
        ends = [float(v) for v in random.uniform(0, SIZE, 4)]
        if random.random() < 0.5:
            pen.line(ends, fill=_any_colour(random), width=1)
        else:
            box = (min(ends[0], ends[2]), min(ends[1], ends[3]), max(ends[0], ends[2]), max(ends[1], ends[3]))
            start = float(random.uniform(0, 360))
            pen.arc(box, start, start + float(random.uniform(40, 140)), fill=_any_colour(random))
    return picture


def _any_colour(random: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in random.integers(20, 240, 3))
    return red, green, blue


def _surface(random: np.random.Generator, shape: Shape) -> Image.Image:
    """A picture full of the shape's colour and texture."""
    colour = np.array(COLOURS[shape.colour], dtype=np.float32)
    other = colour * 0.45 if colour.mean() > 110 else colour * 0.4 + 150
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    x, y = x - shape.x, y - shape.y  # textures go with their shape, so that copies are alike
    along = x * math.cos(math.radians(shape.angle + 30)) + y * math.sin(math.radians(shape.angle + 30))
    part = {
        "plain": np.zeros_like(x),
        "stripes": (along % 6 < 2.5),
        "dots": ((x % 6 - 3) ** 2 + (y % 6 - 3) ** 2 < 3.2),
        "checks": ((x // 4 + y // 4) % 2 == 0),
    }[shape.texture].astype(np.float32)[..., None]
    return Image.fromarray((colour * (1 - part) + other * part).clip(0, 255).astype(np.uint8))


def _outline(shape: Shape) -> Image.Image:
    """The mask of a shape, smooth at its edges."""
    size = SIZE * _FINE
    mask = Image.new("L", (size, size))
    pen = ImageDraw.Draw(mask)
    x, y, r = shape.x * _FINE, shape.y * _FINE, shape.radius * _FINE
    disc = (x - r, y - r, x + r, y + r)
    if shape.kind == "circle":
        pen.ellipse(disc, fill=255)
    elif shape.kind == "ring":
        pen.ellipse(disc, fill=255)
        pen.ellipse((x - 0.55 * r, y - 0.55 * r, x + 0.55 * r, y + 0.55 * r), fill=0)
    elif shape.kind == "moon":
        pen.ellipse(disc, fill=255)
        turn = math.radians(shape.angle)
        cx, cy, inner = x + 0.5 * r * math.cos(turn), y + 0.5 * r * math.sin(turn), 0.85 * r
        pen.ellipse((cx - inner, cy - inner, cx + inner, cy + inner), fill=0)
    else:
        corners = _CORNERS[shape.kind]
        turn = math.radians(shape.angle)
        cos, sin = math.cos(turn), math.sin(turn)
        pen.polygon(
            [(x + r * (a * cos - b * sin), y + r * (a * sin + b * cos)) for a, b in corners], fill=255
        )
    return mask.resize((SIZE, SIZE), Image.Resampling.BOX)


def _regular(count: int, radii: Sequence[float] = (1.0,)) -> list[tuple[float, float]]:
    """Corners around the middle, the first at the top."""
    total = count * len(radii)
    return [
        (
            radii[k % len(radii)] * math.sin(2 * math.pi * k / total),
            -radii[k % len(radii)] * math.cos(2 * math.pi * k / total),
        )
        for k in range(total)
    ]


def _heart() -> list[tuple[float, float]]:
    turns = [2 * math.pi * k / 60 for k in range(60)]
    return [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16,
        )
        for t in turns
    ]


def _plus(arm: float = 0.33) -> list[tuple[float, float]]:
    quarter = [(-arm, -1.0), (arm, -1.0), (arm, -arm)]
    corners = []
    for _ in range(4):
        corners += quarter
        quarter = [(-b, a) for a, b in quarter]
    return corners


_CORNERS = {
    "square": [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)],
    "triangle": _regular(3),
    "star": _regular(5, (1.0, 0.42)),
    "cross": _plus(),
    "heart": _heart(),
}
