"""The figures of an experiment's report."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from attnlab_core.charts._colours import look, palette
from attnlab_core.charts._files import _altair, _dress

if TYPE_CHECKING:
    from attnlab_core.report import Report

Row = Mapping[str, Any]
Drawn = tuple[str, Any]
"""What is seen, in a sentence, and the chart."""
WIDE = 430
ACROSS = 24
"""Letters of all names of a legend up to which they stand in one line, on a narrow page, too."""
Width = int | Literal["container"]
PENS = ("amount", "plus", "minus", "muted", "mark", "text")


def report_charts(report: Report, *, dark: bool = False, width: Width = WIDE) -> list[Drawn]:
    """The charts of a report, each with a sentence that says what is seen; none where its tables are not known.

    Args:
        report: The report.
        dark: Draw for a dark page.
        width: In pixels, or "container" for as wide as the place they stand in.
    """
    made = {"evaluate": _evaluate, "bench": _bench, "correlate": _correlate, "evidence": _evidence}
    draw = made.get(report.experiment)
    return [] if draw is None else draw(report, {"dark": dark, "width": width})


def interval_chart(
    rows: Sequence[Row],
    *,
    title: str,
    level: float | None = None,
    percent: bool = False,
    dark: bool = False,
    width: Width = WIDE,
) -> Any:
    """Values with intervals, a line a label, one colour a series.

    Args:
        rows: label, value, low, high, and series where there are several.
        title: Of the axis.
        level: A value that a dashed line marks.
        percent: Whether values are shares.
        dark: Draw for a dark page.
        width: In pixels, or "container".
    """
    alt, colours = _altair(), look(dark)
    labels = list(dict.fromkeys(row["label"] for row in rows))
    names = list(dict.fromkeys(row.get("series", "") for row in rows))
    shape = ".1%" if percent else ".3f"
    more: dict[str, Any] = {}
    tips = ["label", *(alt.Tooltip(f"{name}:Q", format=shape) for name in ("value", "low", "high"))]
    if len(names) > 1:
        more["color"] = _coloured(names, "series", colours)
        more["yOffset"] = alt.YOffset("series:N", sort=names)
        tips.insert(1, "series")
    base = alt.Chart(pd.DataFrame(list(rows))).encode(
        y=alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=330, labelPadding=9, minExtent=6.2 * max(map(len, labels)) + 9, ticks=False, domain=False)),
        tooltip=tips, **more,
    )  # fmt: skip
    pen = {} if len(names) > 1 else {"color": colours["amount"]}
    axis = alt.Axis(format="%" if percent else "", tickCount=6, **_grid(colours))
    rules = base.mark_rule(aria=False, strokeWidth=2, **pen).encode(
        x=alt.X("low:Q", title=title, axis=axis), x2="high:Q"
    )
    layers = [rules, base.mark_circle(size=70, opacity=1, **pen).encode(x=alt.X("value:Q", title=title))]
    if level is not None:
        mark = alt.Chart(pd.DataFrame({"at": [level]})).mark_rule(
            aria=False, color=colours["muted"], strokeDash=[4, 4]
        )
        layers.insert(0, mark.encode(x="at:Q"))
    return _dress(
        alt.layer(*layers).properties(width=width, height=alt.Step(14 if len(names) > 1 else 24)),
        palette(dark),
        "",
    )


def _coloured(names: Sequence[str], field: str, colours: Mapping[str, str]) -> Any:
    alt = _altair()
    scale = alt.Scale(domain=list(names), range=[colours[pen] for pen in PENS[: len(names)]])
    across = sum(map(len, names)) <= ACROSS
    legend = alt.Legend(orient="top", labelLimit=400, columns=len(names) if across else 1)
    return alt.Color(f"{field}:N", sort=list(names), scale=scale, title=None, legend=legend)


def _grid(colours: Mapping[str, str]) -> dict[str, Any]:
    return {"grid": True, "gridColor": colours["line"], "gridOpacity": 0.6}


def _known(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _evaluate(report: Report, how: Mapping[str, Any]) -> list[Drawn]:
    scores, found = report.tables["scores"], []
    for name in list(dict.fromkeys(row["score"] for row in scores))[:2]:
        mine = _interval(scores, "change", lambda row, name=name: row["score"] == name)
        if mine:
            words = name.replace("_", " ")
            caption = f"Change of {words} under each condition, with 95\u00a0% intervals over rows."
            found.append((caption, interval_chart(mine, title=f"change of {words}", level=0, **how)))
    mine = _interval(report.tables["effects"], "flip_rate", lambda _: True)
    if mine:
        chart = interval_chart(mine, title="answers that change", percent=True, **how)
        found.append(("Share of rows whose answer is another one, with 95\u00a0% intervals.", chart))
    return found


def _interval(table: Sequence[Row], value: str, wanted: Callable[[Row], bool]) -> list[Row]:
    """The rows of a chart of one figure, of conditions and their controls."""
    return [
        {
            "label": row["condition"],
            "series": "a random change of its size" if row["control"] else "the edit",
            "value": row[value], "low": row[f"{value}_low"], "high": row[f"{value}_high"],
        }
        for row in table
        if row["condition"] and _known(row.get(value)) and wanted(row)
    ]  # fmt: skip


def _bench(report: Report, how: Mapping[str, Any]) -> list[Drawn]:
    table, found = [row for row in report.tables["metrics"] if _known(row["mean"])], []
    for name in dict.fromkeys(row["metric"] for row in table):
        mine = [row for row in table if row["metric"] == name]
        better = mine[0]["better"]
        mine.sort(key=lambda row: row["mean"], reverse=better == "higher")
        rows = [
            {"label": r["method"].replace("_", " "), "value": r["mean"], "low": r["low"], "high": r["high"]}
            for r in mine
        ]
        caption = f"{name}: {_meaning(name)} {better.capitalize()} is better; mean over rows with 95\u00a0% intervals."
        found.append((caption, interval_chart(rows, title=name, **how)))
    return found


def _meaning(metric: str) -> str:
    """What a metric of the catalogue asks, in its own words."""
    from attnlab_core.knobs import caption
    from attnlab_core.metrics import metrics

    known = metrics()
    return caption(known[metric]) if metric in known else ""


def _correlate(report: Report, how: Mapping[str, Any]) -> list[Drawn]:
    alt, colours = _altair(), look(how["dark"])
    table, found = report.tables["correlations"], []
    for name in dict.fromkeys(row["importance"] for row in table):
        mine = [row for row in table if row["importance"] == name]
        kept = pd.DataFrame(
            [{key: row[key] for key in ("method", "layer", "mean", "low", "high")} for row in mine]
        )
        base = alt.Chart(kept).encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
            color=_coloured(list(dict.fromkeys(row["method"] for row in mine)), "method", colours),
            tooltip=["method", "layer", *(alt.Tooltip(f"{n}:Q", format=".3f") for n in ("mean", "low", "high"))],
        )  # fmt: skip
        y = alt.Y("mean:Q", title="Spearman's correlation", axis=alt.Axis(**_grid(colours)))
        bars = base.mark_rule(aria=False, strokeWidth=1.5, opacity=0.6).encode(
            y=alt.Y("low:Q", title=""), y2="high:Q"
        )
        chart = base.mark_line(strokeWidth=2.5, point=True).encode(y=y) + bars
        caption = f"Rank correlation with {name}, layer by layer; mean over rows with 95\u00a0% intervals."
        found.append(
            (caption, _dress(chart.properties(width=how["width"], height=230), palette(how["dark"]), ""))
        )
    return found


def _evidence(report: Report, how: Mapping[str, Any]) -> list[Drawn]:
    table, found = [row for row in report.tables["evidence"] if _known(row["map"])], []
    for unit in dict.fromkeys(row["unit"] for row in table):
        mine = sorted((row for row in table if row["unit"] == unit), key=lambda row: -row["map"])
        rows = [
            {"label": r["method"], "value": r["map"], "low": r["map_low"], "high": r["map_high"]}
            for r in mine
        ]
        level = next((row["chance"] for row in mine if _known(row.get("chance"))), None)
        caption = f"Mean average precision by {unit}, with 95\u00a0% intervals; the dashed line is what a random order gives."
        found.append((caption, interval_chart(rows, title="mean average precision", level=level, **how)))
    return found
