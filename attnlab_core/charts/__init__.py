"""Charts: a frame in, an HTML figure or an Altair chart out. For a page and for a notebook; knows no web framework.

A *score frame* has one row for each method and word: `method`, `label`, `position`, `text`, `special`, `score`, `signed`.
Every method is drawn on one scale, as the share of its own strongest word: `signed` methods from -1 (purple) over
white to +1 (orange), the others from 0 (white) to 1 (blue). Numbers stand beside the colours, which are safe for
colour-blind readers. Words are kept apart by their position, never by their text, and are always escaped.
"""

from __future__ import annotations

from attnlab_core.charts._board import board_chart
from attnlab_core.charts._colours import duration, look, number, palette, percent
from attnlab_core.charts._figures import (
    Figure,
    agreement_table,
    legend,
    probability_bars,
    score_table,
    text_strip,
    verdict,
    word_strips,
)
from attnlab_core.charts._files import (
    agreement_chart,
    attention_chart,
    png,
    probability_chart,
    score_chart,
    svg,
)
from attnlab_core.charts._frames import rank_agreement, score_frame, shares, strongest
from attnlab_core.charts._gauge import plausibility_gauge
from attnlab_core.charts._graph import graph_chart
from attnlab_core.charts._pairs import (
    pair_bars,
    pair_chart,
    pair_legend,
    pair_probability_chart,
    pair_strips,
    points,
)
from attnlab_core.charts._pictures import MAP_SIDE, picture_chart, picture_map
from attnlab_core.charts._reports import interval_chart, report_charts
from attnlab_core.charts._tokens import expectation_table, source_chart, surprise_chart, surprise_strip

__all__ = [
    "MAP_SIDE",
    "Figure",
    "agreement_chart",
    "agreement_table",
    "attention_chart",
    "board_chart",
    "duration",
    "expectation_table",
    "graph_chart",
    "interval_chart",
    "legend",
    "look",
    "number",
    "pair_bars",
    "pair_chart",
    "pair_legend",
    "pair_probability_chart",
    "pair_strips",
    "palette",
    "percent",
    "picture_chart",
    "picture_map",
    "plausibility_gauge",
    "png",
    "points",
    "probability_bars",
    "probability_chart",
    "rank_agreement",
    "report_charts",
    "score_chart",
    "score_frame",
    "score_table",
    "shares",
    "source_chart",
    "strongest",
    "surprise_chart",
    "surprise_strip",
    "svg",
    "text_strip",
    "verdict",
    "word_strips",
]
