"""Charts: a frame in, an HTML figure or an Altair chart out. For a page and for a notebook; knows no web framework.

A *score frame* has one row for each method and word: `method`, `label`, `position`, `text`, `special`, `score`, `signed`.
Every method is drawn on one scale, as the share of its own strongest word: `signed` methods from -1 (purple) over
white to +1 (orange), the others from 0 (white) to 1 (blue). Numbers stand beside the colours, which are safe for
colour-blind readers. Words are kept apart by their position, never by their text, and are always escaped.
"""

from __future__ import annotations

import html
import importlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    import altair as alt

    from attnlab_core.methods import Attribution

RGB = tuple[int, int, int]
FONT = (
    "Source Sans, Source Sans 3, Source Sans Pro, Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif"
)


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


class Figure(str):
    """A figure as HTML text: give it to a page, or let it be the last line of a notebook's cell."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return str(self)


def palette(dark: bool = False) -> Palette:
    """The colours of the light or the dark theme."""
    return DARK if dark else LIGHT


def score_frame(
    attributions: Iterable[Attribution], by: str = "word", specials: bool = True, first: bool = True
) -> pd.DataFrame:
    """The score frame of some attributions, by `word` or by `token`.

    Args:
        attributions: Explanations of one run.
        by: `word` adds the scores of a word's tokens up, `token` leaves them.
        specials: Whether [CLS] and its like are kept.
        first: Whether the first token is kept, where attention that has nothing to do tends to rest.
    """
    frames = []
    for found in attributions:
        frame = found.to_frame(by=by, specials=specials)
        frame = frame if first else frame[frame["position"] > 0]
        frames.append(frame.assign(method=found.method, label=found.label, signed=found.signed))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def shares(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with a column `share`: the score divided by the greatest size within the same method."""
    top = frame["score"].abs().groupby(frame["method"]).transform("max")
    return frame.assign(share=(frame["score"] / top.where(top > 0, 1.0)).fillna(0.0))


def rank_agreement(frame: pd.DataFrame) -> pd.DataFrame:
    """Spearman's rank correlation between every two methods, over the words of a score frame.

    A method that gives every word the same score has no ranking, and its correlations are NaN. Signs count: a word
    that speaks against the target ranks lowest.

    >>> rows = [("a", 0, 1.0), ("a", 1, 2.0), ("b", 0, 5.0), ("b", 1, 3.0)]
    >>> frame = pd.DataFrame(rows, columns=["label", "position", "score"]).assign(method=lambda f: f.label)
    >>> rank_agreement(frame).loc["a", "b"].item()
    -1.0
    """
    import torch

    from attnlab_core.methods import spearman

    wide = shares(frame).pivot_table(index="position", columns="label", values="share", sort=False)
    ranked = spearman([torch.tensor(wide[name].to_numpy()) for name in wide])
    return pd.DataFrame(ranked.numpy(), index=list(wide), columns=list(wide))


def strongest(frame: pd.DataFrame) -> dict[str, list[str]]:
    """The word that each method weighs most, whatever its sign: word → labels of the methods, the commonest first."""
    found: dict[str, list[str]] = {}
    for label, row in frame.groupby("label", sort=False):
        found.setdefault(str(row.loc[row["score"].abs().idxmax(), "text"]), []).append(str(label))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


# --- HTML: text that wraps, reads aloud and needs no script --------------------------------------------------------


def word_strips(
    frame: pd.DataFrame, *, notes: Mapping[str, str] | None = None, marked: Mapping[int, str] | None = None,
    missing: Mapping[str, str] | None = None, dark: bool = False,
) -> Figure:  # fmt: skip
    """One row of coloured words for each method; the rows wrap alike, so that words stay below each other.

    Args:
        frame: A score frame.
        notes: A line of small print for a method.
        marked: Positions to outline, with a short remark such as `×2`.
        missing: Labels of methods without scores, and why: still at work, or failed.
        dark: Draw for a dark page.
    """
    notes, colours, rows = notes or {}, palette(dark), []
    for method, row in shares(frame).groupby("method", sort=False) if len(frame) else ():
        words = "".join(_word(item, marked or {}, colours) for item in row.itertuples())
        note = f"<p>{html.escape(notes[method])}</p>" if notes.get(str(method)) else ""
        label = html.escape(str(row["label"].iloc[0]))
        rows.append(
            f"<div class='al-row'><div class='al-label'>{label}</div><div class='al-body'>"
            f"<div class='al-words' role='list' dir='auto' aria-label='Words as weighed by {label}'>{words}</div>"
            f"{note}</div></div>"
        )
    rows += [
        f"<div class='al-row'><div class='al-label'>{html.escape(label)}</div><div class='al-body al-wait'>"
        f"{html.escape(why)}</div></div>"
        for label, why in (missing or {}).items()
    ]
    return Figure(f"{_style(colours)}<div class='al'>{''.join(rows)}</div>")


def text_strip(words: Iterable[tuple[int, str]], *, marked: Mapping[int, str], dark: bool = False) -> Figure:
    """A sentence as plain words, some of them outlined with a remark."""
    chips = "".join(
        f"<span class='al-w' role='listitem' {_mark(marked.get(position))}>{_badge(marked.get(position))}"
        f"<bdi>{html.escape(text)}</bdi></span>"
        for position, text in words
    )
    return Figure(
        f"{_style(palette(dark))}<div class='al al-plain'><div class='al-words' role='list' dir='auto'>{chips}</div></div>"
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
    words = table.drop_duplicates("position").sort_values("position")
    head = "<th scope='col'>time</th>" if seconds else ""
    head += "".join(f"<th scope='col'><bdi>{html.escape(str(text))}</bdi></th>" for text in words["text"])
    body = []
    for method, row in table.groupby("method", sort=False):
        digits = _digits(float(row["score"].abs().max()))
        cells = "".join(
            f"<td style='{_paint(item.share, bool(item.signed), colours)}'>"
            f"{_number(item.score, bool(item.signed), digits)}</td>"
            for item in row.sort_values("position").itertuples()
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
            f"<td style='{_paint(0 if math.isnan(v) else v, True, colours)}'>{'–' if math.isnan(v) else _number(v, True)}</td>"
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
    for label in _likeliest(before, after, most):
        p, q = before.get(label, 0.0), (after or before).get(label, 0.0)
        old, new = _or_less(before, label), _or_less(after or before, label)
        grey, full = _css(colours.muted), _css(colours.amount)
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
    return Figure(f"{_style(colours)}<div class='al' role='list'>{''.join(rows)}</div>{legend}")


def verdict(
    before: Mapping[str, float], after: Mapping[str, float] | None = None, *, dark: bool = False
) -> Figure:
    """The likeliest answer in large letters, and with an edited run what it was before."""
    colours, now = palette(dark), before if after is None else after
    best, was = max(now, key=lambda n: now[n]), max(before, key=lambda n: before[n])
    line = "as the model is, without any edit"
    if after is not None:
        points = 100 * (after[best] - before.get(best, 0.0))
        old = f"it was {before[best]:.1%}" if best in before else "it was not among the likeliest"
        line = (
            f"{points:+.1f} points: {old}"
            if best == was
            else f"was “{was}” ({before[was]:.1%}); {points:+.1f} points"
        )
    return Figure(
        f"{_style(colours)}<div class='al-verdict' role='status'><div><bdi>{html.escape(best) or '(empty)'}</bdi> "
        f"<span>{percent(now[best])}</span></div><p>{html.escape(line.replace('-', '−'))}</p></div>"
    )


def legend(target: str, *, signed: bool = True, unsigned: bool = True, dark: bool = False) -> Figure:
    """The meaning of the colours in words."""
    c, name, parts = palette(dark), html.escape(target), []
    if signed:
        ramp = ", ".join(_css(_mix(v, True, c)) for v in (-1, -0.5, 0, 0.5, 1))
        parts.append(f"− against “{name}” {_ramp(ramp)} + for “{name}”")
    if unsigned:
        ramp = ", ".join(_css(_mix(v, False, c)) for v in (0, 0.5, 1))
        parts.append(f"little {_ramp(ramp)} much attention, which takes no side")
    spans = "".join(f"<span>{part}</span>" for part in parts)
    return Figure(f"{_style(c)}<p class='al-key al-legend'>{spans}</p>")


# --- Altair: for files and notebooks -------------------------------------------------------------------------------


def score_chart(frame: pd.DataFrame, *, dark: bool = False, title: str = "") -> alt.Chart:
    """Methods down, words across, each cell with its word and its share."""
    alt, c, table = _altair(), palette(dark), shares(frame)
    paints = [_mix(s, bool(g), c) for s, g in zip(table["share"], table["signed"], strict=True)]
    table = table.assign(
        paint=[_css(p) for p in paints], ink=[_css(_ink(p)) for p in paints],
        number=[_number(s, bool(g)) for s, g in zip(table["share"], table["signed"], strict=True)],
    )  # fmt: skip
    width = 9 * max((len(str(t)) for t in table["text"]), default=4) + 14
    base = alt.Chart(table).encode(
        x=alt.X("position:O", axis=None),
        y=alt.Y(
            "label:N",
            sort=list(table["label"].unique()),
            title=None,
            axis=alt.Axis(domain=False, ticks=False),
        ),
        tooltip=["label", "text", "score"],
    )
    ink = alt.Color("ink:N", scale=None)
    cells = base.mark_rect(cornerRadius=4).encode(color=alt.Color("paint:N", scale=None))
    words = base.mark_text(fontSize=13, dy=-6).encode(text="text:N", color=ink)
    numbers = base.mark_text(fontSize=10, dy=9).encode(text="number:N", color=ink)
    size = {"width": alt.Step(min(max(width, 44), 110)), "height": alt.Step(40)}
    return _dress((cells + words + numbers).properties(**size), c, title)


def agreement_chart(matrix: pd.DataFrame, *, dark: bool = False, title: str = "") -> alt.Chart:
    """Rank correlations as a heat map with numbers."""
    alt, c = _altair(), palette(dark)
    names = [str(name) for name in matrix.columns]
    rows = [(a, b, float(matrix.loc[a, b])) for a in names for b in names]
    table = pd.DataFrame(rows, columns=["a", "b", "r"])
    paints = [_mix(0 if math.isnan(r) else r, True, c) for r in table["r"]]
    table = table.assign(paint=[_css(p) for p in paints], ink=[_css(_ink(p)) for p in paints])
    base = alt.Chart(table).encode(
        x=alt.X("a:N", sort=names, title=None, axis=alt.Axis(labelAngle=-40, domain=False, ticks=False)),
        y=alt.Y("b:N", sort=names, title=None, axis=alt.Axis(domain=False, ticks=False)),
    )
    cells = base.mark_rect(cornerRadius=4).encode(color=alt.Color("paint:N", scale=None))
    numbers = base.mark_text(fontSize=12).encode(
        text=alt.Text("r:Q", format="+.2f"), color=alt.Color("ink:N", scale=None)
    )
    return _dress((cells + numbers).properties(width=alt.Step(58), height=alt.Step(36)), c, title)


def probability_chart(
    before: Mapping[str, float], after: Mapping[str, float] | None = None, *, most: int = 6, dark: bool = False,
    title: str = "",
) -> alt.Chart:  # fmt: skip
    """The probability of every label, before and after an edit."""
    alt, c = _altair(), palette(dark)
    names = _likeliest(before, after, most)
    states = {"as it is": before} if after is None else {"as it is": before, "edited": after}
    table = pd.DataFrame(
        [(n, s, p.get(n, 0.0)) for n in names for s, p in states.items()], columns=["label", "state", "p"]
    )
    colour = alt.Scale(domain=["as it is", "edited"], range=[_css(c.muted), _css(c.amount)])
    chart = alt.Chart(table).mark_bar(cornerRadius=3).encode(
        x=alt.X("p:Q", title="probability", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        y=alt.Y("label:N", sort=names, title=None),
        yOffset=alt.YOffset("state:N", sort=list(states)),
        color=alt.Color("state:N", title=None, scale=colour, legend=None if after is None else alt.Legend(orient="top")),
        tooltip=["label", "state", alt.Tooltip("p:Q", format=".1%")],
    )  # fmt: skip
    return _dress(chart.properties(width=360, height=alt.Step(18)), c, title)


def attention_chart(
    frame: pd.DataFrame,
    texts: list[str],
    *,
    signed: bool = False,
    top: float = 1.0,
    dark: bool = False,
    title: str = "",
) -> alt.Chart:
    """A heat map of one layer and head: rows attend, columns are attended to.

    Args:
        frame: Columns `query`, `key` (positions) and `weight`.
        texts: The text of every position.
        signed: The weights are changes and may be negative.
        top: The weight that gets the full colour; the same for charts to be compared.
        dark: Draw for a dark page.
        title: A line above the chart.
    """
    alt, c = _altair(), palette(dark)
    names = {"q": dict(enumerate(texts)), "k": dict(enumerate(texts))}
    table = pd.DataFrame(
        {"q": frame["query"], "k": frame["key"], "w": frame["weight"].astype("float64").round(4)}
    )
    table = table.assign(row=table["q"].map(names["q"]), column=table["k"].map(names["k"]))
    steps = (-1, -0.6, -0.25, 0, 0.25, 0.6, 1) if signed else (0, 0.25, 0.6, 1)
    scale = alt.Scale(
        domain=[v * top for v in steps], range=[_css(_mix(v, signed, c)) for v in steps], clamp=True
    )
    labels = f"{_json(texts)}[datum.value]"
    axis = {
        "labelExpr": labels,
        "labelOverlap": len(texts) > 40,
        "domain": False,
        "ticks": False,
        "labelFontSize": 12,
    }
    chart = alt.Chart(table).mark_rect(stroke=_css(c.page), strokeWidth=1).encode(
        x=alt.X("k:O", title="attended to", axis=alt.Axis(orient="top", labelAngle=-55, **axis)),
        y=alt.Y("q:O", title="attends", axis=alt.Axis(**axis)),
        color=alt.Color("w:Q", scale=scale, legend=alt.Legend(title=None, orient="bottom", gradientLength=140, format=".2g")),
        tooltip=[alt.Tooltip("row:N", title="from"), alt.Tooltip("column:N", title="to"), alt.Tooltip("w:Q", format=".3f")],
    )  # fmt: skip
    return _dress(chart.properties(width=alt.Step(26), height=alt.Step(26)), c, title)


def svg(chart: alt.TopLevelMixin) -> str:
    """The chart as SVG text, made on this machine without a network."""
    return importlib.import_module("vl_convert").vegalite_to_svg(chart.to_dict())


def png(chart: alt.TopLevelMixin, scale: float = 2) -> bytes:
    """The chart as a PNG picture, made on this machine without a network."""
    return importlib.import_module("vl_convert").vegalite_to_png(chart.to_dict(), scale=scale)


def percent(p: float) -> str:
    """A probability for people: one decimal, and never 100 % or 0 % unless it is."""
    shown = f"{100 * p:.1f} %"
    if shown == "100.0 %" and p < 1:
        return "> 99.9 %"
    return "< 0.1 %" if shown == "0.0 %" and p > 0 else shown


def duration(seconds: float) -> str:
    """A time for people."""
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


# --- helpers -------------------------------------------------------------------------------------------------------


def _altair() -> Any:
    return importlib.import_module("altair")  # half a second that HTML figures need not wait for


def _json(texts: list[str]) -> str:
    import json

    return json.dumps(texts)


def _mix(value: float, signed: bool, c: Palette) -> RGB:
    end = c.amount if not signed else c.plus if value >= 0 else c.minus
    depth = min(1.0, abs(value)) ** (0.8 if signed else 1.25)
    return (
        round(c.page[0] + (end[0] - c.page[0]) * depth),
        round(c.page[1] + (end[1] - c.page[1]) * depth),
        round(c.page[2] + (end[2] - c.page[2]) * depth),
    )


def _light(colour: RGB) -> float:
    parts = [x / 255 / 12.92 if x <= 10 else ((x / 255 + 0.055) / 1.055) ** 2.4 for x in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def _ink(paper: RGB) -> RGB:
    """Black or white, whichever is read better on the paper: 4.5 : 1 or more, always."""
    return (0, 0, 0) if _light(paper) > 0.179 else (255, 255, 255)


def _css(colour: RGB) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _paint(share: float, signed: bool, c: Palette) -> str:
    paper = _mix(share, signed, c)
    return f"background:{_css(paper)};color:{_css(_ink(paper))}"


def _number(value: float, signed: bool, digits: int = 2) -> str:
    return (f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}").replace("-", "−")


def _digits(top: float) -> int:
    """So many decimals that the greatest number of a row shows two figures."""
    return 2 if top >= 0.5 or top <= 0 else min(9, 1 - math.floor(math.log10(top)))


def _word(item: Any, marked: Mapping[int, str], c: Palette) -> str:
    text, signed, mark = html.escape(str(item.text)), bool(item.signed), marked.get(item.position)
    share = _number(item.share, signed)
    kind = "al-w al-special" if item.special else "al-w"
    return (
        f"<span class='{kind}' role='listitem' style='{_paint(item.share, signed, c)}' title='{text}: {item.score:.4g}'"
        f" {_mark(mark)}>{_badge(mark)}<bdi>{text}</bdi><small>{share}</small></span>"
    )


def _mark(remark: str | None) -> str:
    return "" if remark is None else "data-mark='1'"


def _badge(remark: str | None) -> str:
    return "" if not remark else f"<sup>{html.escape(remark)}</sup>"


def _table(head: str, body: list[str], label: str, c: Palette) -> Figure:
    return Figure(
        f"{_style(c)}<div class='al-scroll' tabindex='0' role='region' aria-label='{html.escape(label)}'><table>"
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def _likeliest(before: Mapping[str, float], after: Mapping[str, float] | None, most: int) -> list[str]:
    names = dict.fromkeys([*before, *(after or {})])
    return sorted(names, key=lambda n: -max(before.get(n, 0.0), (after or {}).get(n, 0.0)))[:most]


def _or_less(known: Mapping[str, float], label: str) -> str:
    """The probability of a label, or that it is less than the least of the likeliest."""
    return percent(known[label]) if label in known else f"< {percent(min(known.values())).lstrip('<> ')}"


def _swatch(colour: RGB) -> str:
    return f"<i style='background:{_css(colour)}'></i>"


def _ramp(stops: str) -> str:
    return f"<i class='al-ramp' style='background:linear-gradient(90deg, {stops})'></i>"


def _dress(chart: Any, c: Palette, title: str) -> Any:
    text = {
        "labelColor": _css(c.text),
        "titleColor": _css(c.muted),
        "titleFontWeight": "normal",
        "labelLimit": 240,
    }
    heading = {
        "title": {"text": title, "anchor": "start", "fontSize": 14, "color": _css(c.text), "offset": 12}
    }
    chart = chart.properties(padding=12, background=_css(c.page), **(heading if title else {}))
    return (
        chart.configure(font=FONT)
        .configure_axis(**text, grid=False)
        .configure_view(stroke=None)
        .configure_legend(**text)
    )


def _style(c: Palette) -> str:
    return (
        "<style>"
        ".al-row{display:grid;grid-template-columns:minmax(8.5rem,11.5rem) 1fr;gap:.1rem 1rem;padding:.3rem 0;align-items:start}"
        ".al-label{font-weight:600;padding-top:.35rem;line-height:1.25}"
        f".al-body p{{margin:.1rem 0 .2rem;font-size:.82rem;line-height:1.4;color:{_css(c.muted)}}}"
        ".al-words{display:flex;flex-wrap:wrap;gap:.22rem .18rem;line-height:1.2}"
        ".al-w{position:relative;display:inline-flex;flex-direction:column;align-items:center;justify-content:center;"
        "min-width:2.9em;padding:.18em .42em;border-radius:.35em;white-space:pre-wrap;overflow-wrap:anywhere;max-width:100%;"
        f"box-shadow:inset 0 0 0 1px {_css(c.line)}55}}"
        ".al-w small{font-size:.7em;font-variant-numeric:tabular-nums}"
        ".al-special{font-style:italic;font-size:.86em}"
        f".al-w[data-mark]{{outline:2.5px solid {_css(c.mark)};outline-offset:1px}}"
        f".al-w sup{{position:absolute;top:-.85em;right:-.5em;background:{_css(c.mark)};color:{_css(_ink(c.mark))};"
        "border-radius:.6em;padding:.1em .45em;font-size:.66em;line-height:1.3;font-weight:600}"
        ".al-plain .al-words{padding-top:.5rem}.al-plain .al-w{min-width:0;font-size:1.05em}"
        ".al-scroll{overflow-x:auto;max-width:100%}.al-scroll table{border-collapse:separate;border-spacing:2px;font-size:.88rem}"
        ".al-scroll th{font-weight:500;padding:.25em .5em;text-align:center;white-space:nowrap}"
        ".al-scroll td{padding:.4em .5em;text-align:center;border-radius:.3em;font-variant-numeric:tabular-nums;white-space:nowrap}"
        f".al-scroll tbody th,.al-scroll thead td{{position:sticky;left:0;background:{_css(c.page)};text-align:left;z-index:1}}"
        ".al-p{display:grid;grid-template-columns:1fr auto;gap:.1rem .8rem;padding:.25rem 0;font-variant-numeric:tabular-nums}"
        ".al-p bdi{overflow-wrap:anywhere;font-weight:600}"
        f".al-n span{{color:{_css(c.muted)}}}"
        f".al-bars{{grid-column:1/-1;display:grid;gap:3px;background:linear-gradient({_css(c.line)}66,{_css(c.line)}66);border-radius:.3em}}"
        ".al-bars i{display:block;height:.62rem;border-radius:.3em;min-width:2px;transition:width .25s}"
        f".al-key{{font-size:.85rem;color:{_css(c.muted)};margin:.35rem 0}}"
        ".al-key i{display:inline-block;width:.8em;height:.8em;border-radius:.2em;vertical-align:-.05em;margin:0 .15em 0 .5em}"
        ".al-key i:first-child{margin-left:0}.al-key i.al-ramp{width:5.5em;margin:0 .4em}"
        ".al-verdict div{font-size:2rem;line-height:1.2;font-weight:600;overflow-wrap:anywhere}"
        ".al-verdict span{font-weight:400;font-variant-numeric:tabular-nums;white-space:nowrap}"
        f".al-verdict p{{margin:.1rem 0 .4rem;color:{_css(c.muted)};font-size:.95rem}}"
        f".al-wait{{color:{_css(c.muted)};padding-top:.35rem;font-style:italic}}"
        ".al-legend span{display:inline-block;margin-right:1.6em}"
        "@media(max-width:640px){.al-row{grid-template-columns:1fr}.al-label{padding-top:.5rem}}"
        "@media(prefers-reduced-motion:reduce){.al-bars i{transition:none}}"
        "</style>"
    )
