"""Figures as HTML: text that wraps, is read aloud, scrolls in its own box, and needs no script."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from attnlab_core.charts._colours import (
    RGB,
    Palette,
    css,
    digits,
    duration,
    likeliest,
    mix,
    number,
    paint,
    palette,
    percent,
)  # fmt: skip
from attnlab_core.charts._frames import numbered, shares
from attnlab_core.charts._style import style

LONG = 60
"""Words from which a strip gets a box of its own."""


class Figure(str):
    """A figure as HTML text: give it to a page, or let it be the last line of a notebook's cell."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


def word_strips(
    frame: pd.DataFrame, *, notes: Mapping[str, str] | None = None, parts: Mapping[int, str] | None = None,
    missing: Mapping[str, str] | None = None, dark: bool = False,
) -> Figure:  # fmt: skip
    """One row of coloured words for each method; the rows wrap alike, so that words stay below each other.

    Args:
        frame: A score frame.
        notes: A line of small print for a method.
        parts: Positions before which a new line begins, and its title, such as `caption 2`.
        missing: Labels of methods without scores, and why: still at work, or failed.
        dark: Draw for a dark page.
    """
    notes, colours, rows = notes or {}, palette(dark), []
    for method, row in numbered(shares(frame)).groupby("method", sort=False) if len(frame) else ():
        words = "".join(_word(item, parts or {}, colours) for item in row.itertuples())
        note = f"<p>{html.escape(notes[str(method)])}</p>" if notes.get(str(method)) else ""
        label = html.escape(str(row["label"].iloc[0]))
        box = f"{_way(row['text'])}{_box(len(row))} aria-label='Words as weighed by {label}'"
        rows.append(
            f"<div class='al-row'><div class='al-label'>{label}</div><div class='al-body'>"
            f"<div role='list' {box}>{words}</div>{note}</div></div>"
        )
    rows += [
        f"<div class='al-row'><div class='al-label'>{html.escape(label)}</div><div class='al-body al-wait'>"
        f"{html.escape(why)}</div></div>"
        for label, why in (missing or {}).items()
    ]
    return Figure(f"{style(colours)}<div class='al'>{''.join(rows)}</div>")


def text_strip(words: Iterable[tuple[int, str]], *, marked: Mapping[int, str], dark: bool = False) -> Figure:
    """A sentence as plain words, some of them outlined with a remark."""
    known = list(words)
    chips = "".join(
        f"<span class='al-w' role='listitem' {_mark(marked.get(position))}>{_badge(marked.get(position))}"
        f"<bdi>{html.escape(text)}</bdi></span>"
        for position, text in known
    )
    box = f"{_way(text for _, text in known)}{_box(len(known))} aria-label='The text, edited words outlined'"
    return Figure(
        f"{style(palette(dark))}<div class='al al-plain'><div role='list' {box}>{chips}</div></div>"
    )


def score_table(
    frame: pd.DataFrame, *, seconds: Mapping[str, float] | None = None, dark: bool = False
) -> Figure:
    """All scores as numbers, methods down and words across; it scrolls within its own box.

    Args:
        frame: A score frame.
        seconds: How long each method took, as a column of its own.
        dark: Draw for a dark page.
    """
    colours, table = palette(dark), shares(frame)
    words = numbered(table.drop_duplicates("position").sort_values("position"))
    head = "<th scope='col'>time</th>" if seconds else ""
    head += "".join(f"<th scope='col'>{_bdi(item)}</th>" for item in words.itertuples())
    body = []
    for method, row in table.groupby("method", sort=False):
        scores, ordered = row["score"].tolist(), row.sort_values("position")
        decimals, signed = digits(max(map(abs, scores))), bool(row["signed"].iloc[0])
        cells = "".join(
            f"<td style='{paint(share, signed, colours)}'>{number(score, signed, decimals)}</td>"
            for share, score in zip(ordered["share"], ordered["score"], strict=True)
        )
        took = f"<td>{duration(seconds[str(method)])}</td>" if seconds else ""
        body.append(f"<tr><th scope='row'>{html.escape(str(row['label'].iloc[0]))}</th>{took}{cells}</tr>")
    return _table(head, body, "Scores of every word under every method", colours)


def agreement_table(matrix: pd.DataFrame, *, dark: bool = False) -> Figure:
    """Rank correlations as a coloured table."""
    colours = palette(dark)
    head = "".join(f"<th scope='col'>{html.escape(str(name))}</th>" for name in matrix.columns)
    body = []
    for name, row in matrix.iterrows():
        cells = "".join(
            f"<td style='{paint(0 if math.isnan(v) else v, True, colours)}'>{'–' if math.isnan(v) else number(v, True)}</td>"
            for v in row
        )
        body.append(f"<tr><th scope='row'>{html.escape(str(name))}</th>{cells}</tr>")
    return _table(head, body, "Rank correlation between methods", colours)


def probability_bars(
    before: Mapping[str, float],
    after: Mapping[str, float] | None = None,
    *,
    most: int = 6,
    dark: bool = False,
) -> Figure:
    """The probability of every label, and where there is an edited run, before and after it.

    Args:
        before: Label → probability of the run as it is.
        after: The same of the edited run.
        most: How many labels to show, the likeliest first.
        dark: Draw for a dark page.
    """
    colours, rows = palette(dark), []
    for label in likeliest(before, after, most):
        p, q = before.get(label, 0.0), (after or before).get(label, 0.0)
        old, new = _or_less(before, label), _or_less(after or before, label)
        grey, full = css(colours.muted), css(colours.amount)
        bars = f"<i style='width:{100 * p:.2f}%;background:{full if after is None else grey}'></i>"
        words = old
        if after is not None:
            bars += f"<i style='width:{100 * q:.2f}%;background:{full}'></i>"
            words = f"<span>{old}</span> → <b>{new}</b>"
        rows.append(
            f"<div class='al-p' role='listitem'><bdi>{html.escape(label) or '(empty)'}</bdi>"
            f"<span class='al-n'>{words}</span><span class='al-bars' aria-hidden='true'>{bars}</span></div>"
        )
    legend = (
        ""
        if after is None
        else f"<p class='al-key'>{_swatch(colours.muted)} as it is {_swatch(colours.amount)} edited</p>"
    )
    return Figure(f"{style(colours)}<div class='al' role='list'>{''.join(rows)}</div>{legend}")


def verdict(
    before: Mapping[str, float], after: Mapping[str, float] | None = None, *, dark: bool = False
) -> Figure:
    """The likeliest answer in large letters, and with an edited run what it was before."""
    colours, now = palette(dark), before if after is None else after
    best, was = max(now, key=lambda n: now[n]), max(before, key=lambda n: before[n])
    line = "as the model is, without any edit"
    if after is not None:
        points = 100 * (after[best] - before.get(best, 0.0))
        old = f"it was {percent(before[best])}" if best in before else "it was not among the likeliest"
        line = (
            f"{number(points, True, 1)} points: {old}"
            if best == was
            else f"was “{was}” ({percent(before[was])}); {number(points, True, 1)} points"
        )
    return Figure(
        f"{style(colours)}<div class='al-verdict' role='status'><div><bdi>{html.escape(best) or '(empty)'}</bdi> "
        f"<span>{percent(now[best])}</span></div><p>{html.escape(line)}</p></div>"
    )


def legend(target: str, *, signed: bool = True, unsigned: bool = True, dark: bool = False) -> Figure:
    """The meaning of the colours in words."""
    c, name, parts = palette(dark), html.escape(target), []
    if signed:
        ramp = ", ".join(css(mix(v, True, c)) for v in (-1, -0.5, 0, 0.5, 1))
        parts.append(f"− against “{name}” {_ramp(ramp)} + for “{name}”")
    if unsigned:
        ramp = ", ".join(css(mix(v, False, c)) for v in (0, 0.5, 1))
        parts.append(f"little {_ramp(ramp)} much attention, which takes no side")
    spans = "".join(f"<span>{part}</span>" for part in parts)
    return Figure(f"{style(c)}<p class='al-key al-legend'>{spans}</p>")


def _word(item: Any, parts: Mapping[int, str], c: Palette) -> str:
    text, signed, title = html.escape(str(item.text)), bool(item.signed), parts.get(item.position)
    share = number(item.share, signed)
    kind = "al-w al-special" if item.special else "al-w"
    part = f"<span class='al-part' role='listitem'>{html.escape(title)}</span>" if title else ""
    return (
        f"{part}<span class='{kind}' role='listitem' style='{paint(item.share, signed, c)}' title='{text}: {item.score:.4g}'"
        f">{_bdi(item)}<small dir='ltr'>{share}</small></span>"
    )


def _bdi(item: Any) -> str:
    """A word, with its number below where another one is like it."""
    number = f"<sub>{item.number}</sub>" if item.number else ""
    return f"<bdi>{html.escape(str(item.text))}{number}</bdi>"


def _way(texts: Iterable[str]) -> str:
    """The direction of a text, by its first letter that has one."""
    ways = (unicodedata.bidirectional(letter) for text in texts for letter in text)
    return f"dir='{'rtl' if next((way for way in ways if way in ('L', 'R', 'AL')), 'L') != 'L' else 'ltr'}'"


def _box(count: int) -> str:
    """Long texts scroll within their own box, which the keyboard can reach."""
    return " class='al-words al-long' tabindex='0'" if count > LONG else " class='al-words'"


def _mark(remark: str | None) -> str:
    return "" if remark is None else "data-mark='1'"


def _badge(remark: str | None) -> str:
    return "" if not remark else f"<sup>{html.escape(remark)}</sup>"


def _table(head: str, body: list[str], label: str, c: Palette) -> Figure:
    return Figure(
        f"{style(c)}<div class='al-scroll' tabindex='0' role='region' aria-label='{html.escape(label)}'><table>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _or_less(known: Mapping[str, float], label: str) -> str:
    """The probability of a label, or that it is less than the least of the likeliest."""
    return percent(known[label]) if label in known else f"< {percent(min(known.values())).lstrip('<> ')}"


def _swatch(colour: RGB) -> str:
    return f"<i style='background:{css(colour)}'></i>"


def _ramp(stops: str) -> str:
    return f"<i class='al-ramp' style='background:linear-gradient(90deg, {stops})'></i>"
