"""A page of results as one HTML file that needs nothing else: read from a disk, without a network, light or dark, or printed.

Everything that came from a person is escaped. Figures stand on white paper in both themes, as their colours are made for it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MOST_ROWS = 400
"""Of a table behind a figure."""


@dataclass(frozen=True, eq=False)
class Part:
    """A piece of a report.

    Attributes:
        title: Its heading.
        text: Paragraphs, in which **bold**, *italic* and `code` count and nothing else.
        body: Makes HTML that is safe already, as `charts` gives it.
        charts: Make Altair charts.
        frame: The numbers behind them.
        caption: A line below.
    """

    title: str = ""
    text: str = ""
    body: Callable[[], str] | None = None
    charts: tuple[Callable[[], Any], ...] = ()
    frame: pd.DataFrame | None = None
    caption: str = ""


@dataclass(frozen=True)
class Head:
    """What stands around the parts.

    Attributes:
        title: Of the page.
        lead: What the page is about.
        facts: What was asked: name → value.
        link: The address that reopens it; empty where there is none.
        notes: How to read it, and when that misleads: name → paragraphs.
        versions: Of the software.
        made: When.
        cite: What to cite, a line each.
        bibtex: The entry of this software.
    """

    title: str
    lead: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    made: str = ""
    cite: Sequence[str] = ()
    bibtex: str = ""


def page(head: Head, parts: Sequence[Part]) -> str:
    """The report as HTML. Figures are drawn here, which takes a tenth of a second each."""
    return template(Path(__file__).with_suffix(".html")).render(
        head=head, parts=[_drawn(part, k) for k, part in enumerate(parts)]
    )


def inline(text: str) -> str:
    """A text with **bold**, *italic* and `code`, everything else escaped.

    >>> inline("**a** <b> `c*d*`")
    '<b>a</b> &lt;b&gt; <code>c*d*</code>'
    """
    told = []
    for k, piece in enumerate(escape(text).split("`")):
        strong = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", piece)
        told.append(f"<code>{piece}</code>" if k % 2 else re.sub(r"\*([^*]+)\*", r"<i>\1</i>", strong))
    return "".join(told)


def _drawn(part: Part, number: int) -> dict[str, Any]:
    from attnlab_core import charts

    frame = part.frame
    return {
        "title": part.title,
        "caption": part.caption,
        "paragraphs": [inline(line) for line in part.text.split("\n\n") if line.strip()],
        "body": part.body() if part.body is not None else "",
        "figures": [_own(charts.svg(make()), f"f{number}-{k}") for k, make in enumerate(part.charts)],
        "columns": [] if frame is None else [str(name).replace("_", " ") for name in frame.columns],
        "rows": [] if frame is None else [[_cell(one) for one in row] for row in _rows(frame)],
        "of": 0 if frame is None else len(frame),
    }


def _rows(frame: pd.DataFrame) -> Any:
    return frame.head(MOST_ROWS).itertuples(index=False, name=None)


def _cell(value: Any) -> str:
    """A number with four digits, nothing for what is not known, and any other value as it stands."""
    from pandas import isna
    from pandas.api.types import is_scalar

    if is_scalar(value) and isna(value):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}".replace("-", "−") if isinstance(value, float) else str(value)


def _own(svg: str, prefix: str) -> str:
    """A picture whose inner names do not meet those of the next one on the same page."""
    svg = re.sub(r'(\sid=")([^"]+)"', rf"\g<1>{prefix}-\2" + '"', svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", svg)


@cache
def template(file: Path) -> Any:
    """A template of a page like this one; `html_page.html`, which has what they share, is found for it."""
    jinja = importlib.import_module("jinja2")
    loader = jinja.FileSystemLoader([file.parent, Path(__file__).parent])
    made = jinja.Environment(loader=loader, autoescape=True, undefined=jinja.StrictUndefined)
    return made.get_template(file.name)
