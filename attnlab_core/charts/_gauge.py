"""How unusual a pattern is, as a gauge with words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attnlab_core.charts._colours import css, palette
from attnlab_core.charts._figures import Figure

if TYPE_CHECKING:
    from attnlab_core.plausibility import Judgement


def plausibility_gauge(found: Judgement, *, texts: int, dark: bool = False) -> Figure:
    """A scale from 0 to 100 with the pattern's percentile on it, and what that means.

    Args:
        found: the judgement.
        texts: how many texts percentiles are ranks among.
        dark: for a dark page.
    """
    from attnlab_core._reference import UNUSUAL  # here, because it brings torch

    c, place = palette(dark), min(100.0, max(0.0, found.percentile))
    said = (
        f"Odder than all {texts:,} natural patterns."
        if found.outside
        else f"Odder than {place:.0f} % of {texts:,} natural patterns."
        if place >= 1
        else f"Hardly odder than any of {texts:,} natural patterns."
    )
    beyond, heads = len(found.heads_outside), found.heads.numel()
    if beyond:
        said += f" {beyond} of {heads} heads {'is' if beyond == 1 else 'are'} beyond anything seen."
    edge = f"{UNUSUAL}%"
    track = f"linear-gradient(90deg,{css(c.line)} {edge},{css(c.plus)} {edge})"
    return Figure(
        f"<div role='meter' aria-label='How unusual this attention is' aria-valuemin='0' aria-valuemax='100' "
        f"aria-valuenow='{place:.0f}' aria-valuetext='{found.kind}. {said}' style='font-size:.92rem'>"
        f"<div style='position:relative;height:.5rem;margin:.75rem .5rem .45rem;border-radius:.25rem;background:{track}'>"
        f"<i style='position:absolute;left:{place:.1f}%;top:-.28rem;width:.32rem;height:1.06rem;margin-left:-.16rem;"
        f"border-radius:.16rem;background:{css(c.text)};box-shadow:0 0 0 2px {css(c.page)}'></i></div>"
        f"<p style='margin:0'><b>{found.kind.capitalize()}.</b> <span style='color:{css(c.muted)}'>{said}</span></p></div>"
    )
