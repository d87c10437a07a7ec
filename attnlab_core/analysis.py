"""Reports for people: sentences that say what the numbers support and no more, and a page that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from attnlab_core.report import Report

SURE = 0.05
"""Corrected p-values from here on are called no difference that can be told from chance."""


def findings(report: Report) -> list[str]:
    """What a report's numbers support, in plain sentences. A difference is only called one where its test says so."""
    made = {"evaluate": _evaluated, "bench": _benched, "correlate": _correlated, "evidence": _found}
    say = made.get(report.experiment)
    return [] if say is None else say(report)


def headline(report: Report) -> list[str]:
    """The findings in a few lines, where there are many of one kind; else the findings themselves."""
    if report.experiment != "evaluate":
        return findings(report)
    rows = [row for row in report.tables["scores"] if not row["control"]]
    main = [row for row in rows[1:] if row["score"] == rows[0]["score"] and row["condition"]] if rows else []
    name = _words(rows[0]["score"]) if rows else ""
    groups: dict[str, list[str]] = {}
    for row in main:
        if row["p_holm"] >= SURE:
            kind = f"No change of {name} that can be told from chance"
        else:
            kind = f"{name.capitalize()} {'rises' if row['change'] > 0 else 'falls'}"
            unlike = row.get("p_control_holm")
            if unlike is not None:
                kind += (
                    ", unlike under as much attention moved at random"
                    if unlike < SURE
                    else ", but not to be told from as much attention moved at random"
                )
        groups.setdefault(kind, []).append(row["condition"])
    said = findings(report)[:1] + [f"**{kind}**: {'; '.join(names)}." for kind, names in groups.items()]
    return said if len(main) > 2 else findings(report)


def _evaluated(report: Report) -> list[str]:
    rows = [row for row in report.tables["scores"] if not row["control"]]
    if not rows:
        return []
    plain, main = rows[0], rows[0]["score"]
    name = _words(main)
    said = [
        f"Untouched, {report.model['name']} has {_article(name)} of {_number(plain['before'])} on {report.data} "
        f"({_range(plain, 'before')}, {plain['rows']} rows)."
    ]
    effects = {(row["condition"], row["control"]): row for row in report.tables["effects"]}
    wanted = (row for row in rows if row["score"] == main and row["condition"])
    return said + [_one_condition(row, name, effects) for row in wanted]


def _one_condition(row: Mapping[str, Any], name: str, effects: Mapping[Any, Mapping[str, Any]]) -> str:
    found = effects[row["condition"], False]
    effect: dict[str, Any] = {
        key: None if value != value else value for key, value in found.items()
    }  # what was not measured is NaN in a report that was made just now, and None in one that was read
    few = f" (where it applies: {row['rows']} rows)" if effect["left_out"] else ""
    what = f"**{row['condition']}**{few}: {name} "
    if effect["attention_moved"] is not None and effect["attention_moved"] < 1e-6:
        return what + "does not change, and no attention moves: it puts back what was there."
    if row["p_holm"] < SURE:
        what += (
            f"{'rises' if row['change'] > 0 else 'falls'} by {_number(abs(row['change']))} to {_number(row['after'])} "
            f"(change {_range(row, 'change')}; corrected p {_p(row['p_holm'])})"
        )
    else:
        what += f"is {_number(row['after'])}; no change can be told from chance (change {_range(row, 'change')}, corrected p {_p(row['p_holm'])})"
    what += f". {100 * effect['flip_rate']:.1f} % of the answers change, {100 * (effect['attention_moved'] or 0):.0f} % of the attention moved."
    if row.get("p_control_holm") is not None:
        other = effects.get((row["condition"], True))
        if row["p_control_holm"] < SURE:
            what += " That is unlike what as much attention moved at random does"
        else:
            what += " It cannot be told from as much attention moved at random"
        what += f" (which changes {100 * other['flip_rate']:.1f} % of the answers)." if other else "."
    if effect.get("share_unusual") is not None:
        share = effect["share_unusual"]
        what += f" The edited attention is unusual for the model in {100 * share:.0f} % of the rows."
    return what


def _benched(report: Report) -> list[str]:
    said = []
    table = report.tables["metrics"]
    for metric in dict.fromkeys(row["metric"] for row in table):
        rows = [
            row
            for row in table
            if row["metric"] == metric
            and row["mean"] is not None
            and row["method"] not in ("random", "oracle")
        ]
        if not rows:
            said.append(f"**{_words(metric)}** has no value on these rows.")
            continue
        sign = -1 if rows[0]["better"] == "lower" else 1
        best = max(rows, key=lambda row: sign * row["mean"])
        level = [
            _words(row["method"])
            for row in rows
            if row is not best and row["low"] <= best["high"] and best["low"] <= row["high"]
        ]
        chance = [
            _words(row["method"]) for row in rows if row.get("p_holm") is not None and row["p_holm"] >= SURE
        ]
        text = f"**{_words(metric)}**: best is {_words(best['method'])} ({_number(best['mean'])}, {_range(best, '')})"
        text += (
            f"; the intervals of {_list(level)} overlap with its."
            if level
            else "; no other interval reaches it."
        )
        if chance:
            text += f" Not to be told from a random order: {_list(chance)}."
        said.append(text)
    return said


def _correlated(report: Report) -> list[str]:
    said, table = [], report.tables["correlations"]
    for importance in dict.fromkeys(row["importance"] for row in table):
        parts = []
        for method in dict.fromkeys(row["method"] for row in table):
            rows = [row for row in table if (row["importance"], row["method"]) == (importance, method)]
            best = max(rows, key=lambda row: row["mean"])
            parts.append(f"{method} {_number(best['mean'])} (layer {best['layer']}, {_range(best, '')})")
        said.append(f"Agreement with **{importance}** is highest for each method at: {'; '.join(parts)}.")
    return said


def _found(report: Report) -> list[str]:
    said, table = [], report.tables["evidence"]
    for unit in dict.fromkeys(row["unit"] for row in table):
        rows = sorted(
            (row for row in table if row["unit"] == unit and row["map"] is not None),
            key=lambda row: -row["map"],
        )
        if not rows:
            continue
        best, chance = rows[0], rows[0]["chance"]
        low = [
            _words(row["method"])
            for row in rows
            if chance is not None and row["method"] != "random" and row["map_low"] <= chance
        ]
        text = f"By {unit}, {_words(best['method'])} finds the marked tokens best: mean average precision {_number(best['map'])} ({_range(best, 'map')})"
        text += f"; a random order gives {_number(chance)}." if chance is not None else "."
        said.append(
            text + (f" No better than that, as far as these rows can tell: {_list(low)}." if low else "")
        )
    return said


def html(reports: Sequence[Report]) -> str:
    """A page with everything in it: tables, figures as SVG, what was found, and how it was made. Needs no network."""
    parts = "".join(_section(report) for report in reports)
    names = ", ".join(dict.fromkeys(report.title for report in reports))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{escape(names)}</title><style>{_STYLE}</style></head><body><main><h1>What changes of attention do, measured</h1>"
        f"{parts}<footer>Made with AttentionLab. Attention is not an explanation by itself: that an edit changes an answer "
        "shows that attention there matters to this model on these rows, not why.</footer></main></body></html>\n"
    )


def _section(report: Report) -> str:
    from attnlab_core import charts

    short, long = headline(report), findings(report)
    found = "".join(f"<li>{_bold(line)}</li>" for line in short)
    detail = "".join(f"<li>{_bold(line)}</li>" for line in long if line not in short)
    figures = "".join(
        f"<figure>{charts.svg(chart)}<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, chart in charts.report_charts(report)
    )
    tables = "".join(
        f"<details{' open' if k == 0 else ''}><summary>{escape(name)}</summary><div class='wide'>{_table(rows)}</div></details>"
        for k, (name, rows) in enumerate(report.tables.items())
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    model = report.model
    which = [
        str(model["name"]),
        *(f"{part} {str(model[part])[:12]}" for part in ("revision", "digest") if model.get(part)),
    ]
    asked = escape(str({k: v for k, v in report.request.items() if k != "conditions"}))
    made = f"{report.made}, {', '.join(f'{k} {v}' for k, v in report.versions.items())}, {report.seconds:.1f} s, engine {report.engine}"
    return (
        f"<section><h2>{escape(report.title)}</h2><p class='made'>{escape(', '.join(which))}. {escape(made)}.<br><code>{asked}</code></p>"
        f"<h3>Found</h3><ul>{found}</ul>{figures}{f'<h3>One by one</h3><ul>{detail}</ul>' if detail else ''}<h3>Tables</h3>{tables}<h3>To mind</h3><ul>{notes}</ul></section>"
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    head = "".join(f"<th scope='col'>{escape(_words(name))}</th>" for name in names)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(_cell(row.get(name)))}</td>" for name in names) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return _number(value) if isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    """Three digits, with a real minus sign."""
    if value is None:
        return "–"
    text = f"{value:.3f}" if 0.001 <= abs(value) < 10 or value == 0 else f"{value:.3g}"
    return text.replace("-", "−")


def _range(row: Mapping[str, Any], name: str) -> str:
    low, high = (row[f"{name}_{end}" if name else end] for end in ("low", "high"))
    return f"95 % interval {_number(low)} to {_number(high)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _article(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _bold(line: str) -> str:
    """Escaped, with **…** as bold."""
    parts = escape(line).split("**")
    return "".join(f"<b>{part}</b>" if k % 2 else part for k, part in enumerate(parts))


_STYLE = (
    "body{margin:0;background:#fff;color:#1a1d23;font:16px/1.5 'Source Sans 3','Source Sans Pro',Helvetica,Arial,sans-serif}"
    "main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}h1{font-size:1.7rem}h2{margin-top:2.5rem}"
    "figure{margin:1.2rem 0}figure svg{max-width:100%;height:auto}figcaption,.made,footer{color:#545b67;font-size:.9rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem}th,td{padding:.25rem .6rem;border-bottom:1px solid #d6dae1;"
    "text-align:left;white-space:nowrap;font-variant-numeric:tabular-nums}summary{cursor:pointer;padding:.3rem 0}code{overflow-wrap:anywhere}"
    "footer{margin-top:3rem;border-top:1px solid #d6dae1;padding-top:1rem}"
)
