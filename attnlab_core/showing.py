"""How results look in a notebook: HTML with inline SVG, no script, nothing from outside, on white paper in any theme."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from functools import singledispatch
from html import escape
from typing import TYPE_CHECKING, Any

from attnlab_core import charts
from attnlab_core.charts import Figure
from attnlab_core.errors import BadInput
from attnlab_core.methods import Attribution
from attnlab_core.pattern import AttentionPattern
from attnlab_core.report import Report
from attnlab_core.run import Run
from attnlab_core.search import Search

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Figure", "html", "plain"]
MOST_TOKENS = 40
"""Of a pattern's side; of longer texts the most attended tokens are drawn."""
MOST_ROWS = 60


def html(result: Any, **how: Any) -> str:
    """A result as HTML. Raises `BadInput` for an option that it has not."""
    make = _parts.dispatch(type(result))
    known = list(inspect.signature(make).parameters)[1:]
    for name in how:
        if name not in known:
            raise BadInput(f"show has no option {name!r} here; it has {', '.join(known) or 'none'}.")
    paper = "background:#fff;color:#1a1d23;padding:.8rem 1rem;border:1px solid #d6dae1;border-radius:.5rem;max-width:60rem"
    return f"<div style='{paper}'>{''.join(make(result, **how))}</div>"


def plain(result: Any, **how: Any) -> str:
    """A result as a table of text, for where no HTML is shown."""
    html(result, **how)  # the same options are refused
    by = {"by": how["by"]} if "by" in how else {}
    return result.to_frame(**by).head(MOST_ROWS).to_string(index=False)


@singledispatch
def _parts(result: Any) -> Iterable[str]:
    raise BadInput(f"A {type(result).__name__} has no looks of its own.")


@_parts.register
def _run(run: Run) -> Iterable[str]:
    before = run.plain.probabilities if run.edits else run.probabilities
    after = run.probabilities if run.edits else None
    words = [(word.positions[0], word.text) for word in run.encoding.words]
    yield charts.text_strip(words, marked={})
    yield charts.verdict(before, after) + charts.probability_bars(before, after)
    if run.edits:
        yield _small(f"{run.edited_calls} of {len(run.lab.calls)} attention calls were edited.")
    yield _small(f"{run.lab.name}, {len(run.tokens)} tokens.")


@_parts.register
def _attribution(found: Attribution, by: str = "word") -> Iterable[str]:
    if by not in ("word", "token"):
        raise BadInput(f"by is 'word' or 'token', not {by!r}.")
    frame = charts.score_frame([found], by)
    notes = " ".join((found.aggregation, *(f"Mind: {note}" for note in found.notes)))
    yield charts.legend(found.target, signed=found.signed, unsigned=not found.signed)
    yield charts.word_strips(frame, notes={found.method: notes})
    yield _details("Scores", charts.score_table(frame))


@_parts.register
def _pattern(pattern: AttentionPattern, layer: int | None = None, head: int | None = None) -> Iterable[str]:
    import numpy as np

    weights = pattern.weights
    for name, value, size in (("layer", layer, weights.shape[0]), ("head", head, weights.shape[1])):
        if value is not None and not 0 <= value < size:
            raise BadInput(f"There is no {name} {value}: this pattern has {name}s 0 to {size - 1}.")
    weights = weights.mean(0) if layer is None else weights[layer]
    table = (weights.mean(0) if head is None else weights[head]).double().numpy()
    keys, queries = (
        _most(table.sum(0)),
        _most(table.sum(0) if table.shape[0] == table.shape[1] else table.sum(1)),
    )
    query, key = (axis.ravel() for axis in np.meshgrid(queries, keys, indexing="ij"))
    frame = _frame(query, key, table)
    chart = charts.attention_chart(frame, list(pattern.keys), top=float(table.max()))
    chart.encoding.y = charts.attention_chart(frame, list(pattern.queries)).encoding.y
    where = f"{'mean of all layers' if layer is None else f'layer {layer}'}, {'mean of all heads' if head is None else f'head {head}'}"
    yield f"<p style='margin:0 0 .4rem'><b>{escape(pattern.part.capitalize())}</b>: {where}</p>"
    yield f"<div role='img' aria-label='Attention, {where}; the table has the numbers' style='overflow-x:auto'>{charts.svg(chart)}</div>"
    if len(keys) < table.shape[1]:
        yield _small(f"The {len(keys)} tokens that get the most attention, of {table.shape[1]}.")
    rows = [[pattern.queries[q], *(f"{table[q, k]:.3f}" for k in keys)] for q in queries]
    yield _details(
        "Table: rows attend, columns are attended to", _table(["", *(pattern.keys[k] for k in keys)], rows)
    )


@_parts.register
def _search(search: Search) -> Iterable[str]:
    after = None if search.after is search.before else search.after.probabilities
    yield f"<p style='margin:0'>Searched for <b>{escape(search.target)}</b>; it ended because {escape(search.stopped)}.</p>"
    yield charts.verdict(search.before.probabilities, after) + charts.probability_bars(
        search.before.probabilities, after
    )
    rows = [
        [name.replace("_", " "), "" if value is None else f"{value:.4g}"]
        for name, value in search.figures().items()
    ]
    yield _details("Figures of the change", _table(["", "value"], rows))
    frame = search.to_frame()
    yield _details("Course, step by step", _table(list(frame.columns), _numbers(frame)))


@_parts.register
def _report(report: Report) -> Iterable[str]:
    from attnlab_core import analysis
    from attnlab_core.html_report import inline

    yield f"<p style='margin:0'><b>{escape(report.title)}</b></p>"
    yield "<ul>" + "".join(f"<li>{inline(line)}</li>" for line in analysis.headline(report)) + "</ul>"
    for caption, chart in charts.report_charts(report):
        yield f"<figure style='margin:.6rem 0'>{charts.svg(chart)}<figcaption>{escape(caption)}</figcaption></figure>"
    for name in report.tables:
        frame = report.to_frame(name)
        yield _details(f"Table: {name} ({len(frame)} rows)", _table(list(frame.columns), _numbers(frame)))
    yield _details("To mind", "<ul>" + "".join(f"<li>{escape(note)}</li>" for note in report.notes) + "</ul>")


def _most(totals: Any) -> list[int]:
    """The places with the largest totals, in their order."""
    return sorted(totals.argsort()[::-1][:MOST_TOKENS].tolist())


def _frame(query: Any, key: Any, table: Any) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"query": query, "key": key, "weight": table[query, key].round(6)})


def _numbers(frame: pd.DataFrame) -> list[list[str]]:
    rows = frame.head(MOST_ROWS).itertuples(index=False, name=None)
    return [[f"{one:.4g}" if isinstance(one, float) else str(one) for one in row] for row in rows]


def _table(head: list[str], rows: list[list[str]]) -> str:
    cell = "style='padding:.2rem .7rem .2rem 0;text-align:left;border-bottom:1px solid #d6dae1;white-space:nowrap'"
    top = "".join(f"<th scope='col' {cell}>{escape(str(name))}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td {cell}>{escape(one)}</td>" for one in row) + "</tr>" for row in rows
    )
    return f"<div style='overflow-x:auto'><table style='font-size:.85rem'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _details(title: str, body: str) -> str:
    return f"<details><summary style='cursor:pointer'>{escape(title)}</summary>{body}</details>"


def _small(text: str) -> str:
    return f"<p style='margin:.3rem 0 0;font-size:.88rem;color:#545b67'>{escape(text)}</p>"
