"""Figures of a language model's text: how surprising its tokens are, and what each written token rests on."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pandas as pd

from attnlab_core.charts._boxes import boxes
from attnlab_core.charts._colours import css, ink, mix, paint, palette, percent
from attnlab_core.charts._figures import Figure, _badge, _box, _mark, _table, _way
from attnlab_core.charts._files import _dress, attention_chart
from attnlab_core.charts._style import style

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FULL = 12.0
"""Bits of surprise that get the full colour: a token that was given one in 4,096."""


def surprise_strip(
    frame: pd.DataFrame, *, label: str = "The text", marked: Mapping[int, str] | None = None, dark: bool = False
) -> Figure:  # fmt: skip
    """Tokens coloured by their surprise, each with the probability it was given; those without one stay plain.

    Args:
        frame: `position`, `text`, `probability`, `bits`, and `rank` where it is known.
        label: What the strip is, for those who hear it.
        marked: Positions to outline, with a short remark or none.
        dark: Draw for a dark page.
    """
    c, marks = palette(dark), marked or {}
    plain = frame.astype(object).where(frame.notna(), None)
    words = "".join(_token(row, marks, c) for row in plain.to_dict("records"))
    box = f"{_way(frame['text'])}{_box(len(frame))} aria-label='{html.escape(label, quote=True)}'"
    return Figure(f"{style(c)}<div class='al'><div role='list' {box}>{words}</div></div>")


def _token(row: Mapping[Any, Any], marked: Mapping[int, str], c: Any) -> str:
    text, remark = html.escape(str(row["text"]), quote=True), marked.get(row["position"])
    if row["probability"] is None:
        look, said, title = "", "–", f"{text}: nothing before it"
    else:
        look = f" style='{paint(min(1.0, row['bits'] / FULL), False, c)}'"
        said = percent(row["probability"])
        rank = row.get("rank")
        ranked = "" if rank is None else f", rank {int(rank):,}"
        title = f"{text}: {said}{ranked}, {row['bits']:.1f} bits"
    return (
        f"<span class='al-w' role='listitem'{look} title='{title}' {_mark(remark)}>{_badge(remark)}"
        f"<bdi>{text}</bdi><small dir='ltr'>{said}</small></span>"
    )


def expectation_table(frame: pd.DataFrame, *, dark: bool = False) -> Figure:
    """What came at every place, and what was expected there; it scrolls within its own box.

    Args:
        frame: `state`, `position`, `text`, `probability`, `rank`, `bits` and `expected_1`, `probability_1` and on; rows of several
            states (such as with and without edits) at one place stand below each other.
        dark: Draw for a dark page.
    """
    c, states = palette(dark), len(set(frame["state"]))
    most = sum(name.startswith("expected_") for name in frame)
    head = "".join(
        f"<th scope='col'>{name}</th>"
        for name in (*(["with"] if states > 1 else []), "probability", "rank", "bits", *(["expected"] * most))
    )
    body = []
    plain = frame.astype(object).where(frame.notna(), None).sort_values("position", kind="stable")
    for row in plain.to_dict("records"):
        cells = [f"<td>{html.escape(row['state'])}</td>"] if states > 1 else []
        if row["probability"] is None:
            cells.append("<td></td><td></td><td></td>")
        else:
            look = paint(min(1.0, row["bits"] / FULL), False, c)
            cells.append(f"<td>{percent(row['probability'])}</td><td>{int(row['rank']):,}</td>")
            cells.append(f"<td style='{look}'>{row['bits']:.1f}</td>")
        for k in range(1, most + 1):
            text, p = row[f"expected_{k}"], row[f"probability_{k}"]
            hit = "font-weight:600" if text == row["text"] else ""
            said = "" if p is None else f"<bdi>{html.escape(str(text))}</bdi> {percent(p)}"
            cells.append(f"<td style='{hit}'>{said}</td>")
        name = html.escape(str(row["text"])) or "<i>what follows</i>"
        body.append(f"<tr><th scope='row'><bdi>{name}</bdi></th>{''.join(cells)}</tr>")
    return _table(head, body, "What was expected at every place", c)


def surprise_chart(frame: pd.DataFrame, *, dark: bool = False, title: str = "") -> Any:
    """The tokens of a text, one row a state, coloured by their surprise.

    Args:
        frame: `state`, `position`, `text`, `probability`, `bits`.
        dark: Draw for a dark page.
        title: A line above the chart.
    """
    c = palette(dark)
    table = frame[frame["text"] != ""].fillna({"bits": 0.0})
    paints = [mix(min(1.0, bits / FULL), False, c) for bits in table["bits"]]
    said = [
        percent(p) if p >= 0 else "–" for p in table["probability"].tolist()
    ]  # not a number: nothing before it
    table = table.assign(paint=[css(p) for p in paints], ink=[css(ink(p)) for p in paints], said=said)
    table = table.reindex(columns=["state", "position", "text", "paint", "ink", "said"])
    return _dress(boxes(table, "position", "state", 48, 110), c, title)


def source_chart(
    frame: pd.DataFrame,
    texts: Sequence[str],
    written: Sequence[str],
    *,
    signed: bool,
    dark: bool = False,
    title: str = "",
) -> Any:
    """A heat map of what written tokens (down) rest on (across), all on one scale.

    Args:
        frame: `number` of the written token, `position` of the source, `score`.
        texts: The texts of the sources by position.
        written: Those of the written tokens.
        signed: Whether a score below zero speaks against the token.
        dark: Draw for a dark page.
        title: A line above the chart.
    """
    cells = pd.DataFrame({"query": frame["number"], "key": frame["position"], "weight": frame["score"]})
    top = max(map(abs, cells["weight"].tolist()), default=1.0) or 1e-6
    chart = attention_chart(cells, list(texts), signed=signed, top=top, dark=dark, title=title)
    chart.data = chart.data.assign(row=[written[number] for number in frame["number"]])
    chart.encoding.y = attention_chart(cells.assign(key=0), list(written)).encoding.y
    chart.encoding.y.title, chart.encoding.x.title = "written", "rests on"
    return chart
