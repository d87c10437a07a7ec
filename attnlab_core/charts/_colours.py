"""Two palettes, two scales, and numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

RGB = tuple[int, int, int]
FONT = "Source Sans, Source Sans Pro, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
"""One name with a digit by itself and the whole list is void: pictures then have no text."""


@dataclass(frozen=True)
class Palette:
    """The colours of one theme: the page, its text, and the three ends of the two scales."""

    page: RGB
    text: RGB
    muted: RGB
    line: RGB
    minus: RGB
    plus: RGB
    amount: RGB
    mark: RGB


LIGHT = Palette(
    page=(255, 255, 255), text=(26, 29, 35), muted=(84, 91, 103), line=(214, 218, 225),
    minus=(84, 39, 136), plus=(179, 88, 6), amount=(8, 81, 156), mark=(0, 114, 178),
)  # fmt: skip
DARK = Palette(
    page=(20, 22, 27), text=(236, 239, 244), muted=(168, 176, 189), line=(58, 64, 75),
    minus=(178, 148, 224), plus=(255, 170, 84), amount=(122, 183, 255), mark=(86, 180, 233),
)  # fmt: skip


def palette(dark: bool = False) -> Palette:
    """The colours of the light or the dark theme."""
    return DARK if dark else LIGHT


def look(dark: bool = False) -> dict[str, str]:
    """The same as hexadecimal text by name, as Altair takes them."""
    c = palette(dark)
    return {field.name: "#{:02x}{:02x}{:02x}".format(*getattr(c, field.name)) for field in fields(Palette)}


def mix(value: float, signed: bool, c: Palette) -> RGB:
    """The colour of a share: from -1 to 1 where it is signed, else from 0 to 1."""
    end = c.amount if not signed else c.plus if value >= 0 else c.minus
    depth = min(1.0, abs(value)) ** (0.8 if signed else 1.25)
    return (
        round(c.page[0] + (end[0] - c.page[0]) * depth),
        round(c.page[1] + (end[1] - c.page[1]) * depth),
        round(c.page[2] + (end[2] - c.page[2]) * depth),
    )


def light(colour: RGB) -> float:
    """Relative luminance, as the accessibility guidelines define it."""
    parts = [x / 255 / 12.92 if x <= 10 else ((x / 255 + 0.055) / 1.055) ** 2.4 for x in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def ink(paper: RGB) -> RGB:
    """Black or white, whichever is read better on the paper: 4.5 : 1 or more, always."""
    return (0, 0, 0) if light(paper) > 0.179 else (255, 255, 255)


def css(colour: RGB) -> str:
    """`#rrggbb`."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def paint(share: float, signed: bool, c: Palette) -> str:
    """Paper and ink of a share as a style."""
    paper = mix(share, signed, c)
    return f"background:{css(paper)};color:{css(ink(paper))}"


def percent(p: float) -> str:
    """A probability for people: one decimal, and never 100 % or 0 % unless it is."""
    shown = f"{100 * p:.1f} %"
    if shown == "100.0 %" and p < 1:
        return "> 99.9 %"
    return "< 0.1 %" if shown == "0.0 %" and p > 0 else shown


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 1:
        return f"{1000 * seconds:.{1 if seconds < 0.01 else 0}f} ms"
    return f"{seconds:.1f} s"


def number(value: float, signed: bool, decimals: int = 2) -> str:
    """A score with a true minus sign, and with a plus sign where it is signed."""
    shown = f"{value:+.{decimals}f}" if signed else f"{value:.{decimals}f}"
    return shown.replace("-", "−") if float(shown) else shown.lstrip("+-")


def digits(top: float) -> int:
    """So many decimals that the greatest number of a row shows two figures."""
    return 2 if top >= 0.5 or top <= 0 else min(9, 1 - math.floor(math.log10(top)))


def likeliest(before: Mapping[str, float], after: Mapping[str, float] | None, most: int) -> list[str]:
    """The labels that are likeliest before or after."""
    later = after or {}
    names: list[str] = list(before) + [name for name in later if name not in before]
    return sorted(names, key=lambda name: -max(before.get(name, 0.0), later.get(name, 0.0)))[:most]
