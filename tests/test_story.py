"""The page of a case study: told from the record, computed again live, stopped; over tiny models."""

from __future__ import annotations

import re
import time
from concurrent.futures import Future
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from case_studies import _story, negation
from case_studies._story import Closing, Figure, Step, Try

pytestmark = pytest.mark.pages

ROOT = Path(__file__).resolve().parents[1]
NASTY = "<b>bold</b> :red[y] <script>alert(1)</script>"


@pytest.fixture
def served(monkeypatch):
    """The pages over a model that is there at once, and a study that takes as long as `work` says."""
    import streamlit as st

    from attnlab_core.testing import tiny_lab
    from pages.ui import backend as module

    ready: Future = Future()
    ready.set_result(tiny_lab())
    monkeypatch.setattr(module.Backend, "lab", lambda self, name="": ready)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


def visit() -> AppTest:
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.switch_page("pages/negation.py").run()
    assert not at.exception, at.exception[0].stack_trace
    return at


def badges(at: AppTest) -> str:
    return "\n".join(one.value for one in at.markdown)


def links_of(at: AppTest) -> list:
    return [link.proto for link in at.main.get("page_link")]


def test_the_story_is_told_from_the_record(served):
    at = visit()
    record = _story.recorded("negation")
    assert record is not None
    steps, _ = negation.story(record)
    assert [head.value for head in at.header][:-3] == [
        f"{n}\\. {one.title}" for n, one in enumerate(steps, 1)
    ]
    assert "Recorded on" in badges(at)
    assert len(links_of(at)) == sum(len(step.tries) for step in steps)
    assert not at.error


def test_computed_again_live(served, monkeypatch):
    record = _story.recorded("negation")
    assert record is not None
    monkeypatch.setattr(negation, "study", lambda lab, seed=0: record["figures"])
    at = visit()
    at.button(key="live").click().run()
    until = time.monotonic() + 60
    while "Live" not in badges(at) and time.monotonic() < until:
        time.sleep(0.2)
        at.run()
    assert not at.exception
    assert not at.error
    assert "Live" in badges(at)


def test_stopped_the_recorded_story_stays(served, monkeypatch):
    from attnlab_core.progress import step

    def forever(lab, seed=0):
        while True:
            step(1, 2)
            time.sleep(0.02)

    monkeypatch.setattr(negation, "study", forever)
    at = visit()
    at.button(key="live").click().run()
    at.button(key="stop.study").click().run()
    time.sleep(0.3)
    at.run()
    assert any("Stopped" in button.label for button in at.button)
    assert "Recorded on" in badges(at)


def test_what_comes_from_data_is_shown_as_text(served, monkeypatch):
    figure = Figure("table", pd.DataFrame({NASTY: [NASTY]}), NASTY)
    told = [Step(NASTY, "text", figure, (Try("compare", NASTY, label=NASTY),))], Closing(("found",), ())
    monkeypatch.setattr(negation, "story", lambda record: told)
    at = visit()
    html = "\n".join(str(element.proto.body) for element in at.get("html"))
    assert "<script>" not in html
    assert all(":red[" not in head.value for head in at.header)
    assert ":red[" not in links_of(at)[0].label


@pytest.mark.parametrize("kind", ["bars", "lines", "dots", "heads"])
@pytest.mark.parametrize("dark", [False, True])
def test_every_kind_of_figure_is_drawn(kind, dark):
    from pages.ui.story_figures import chart

    rows = pd.DataFrame(
        {"label": ["a", "b"], "x": [1.0, 2.0], "value": [-0.5, 0.5], "low": [-0.6, 0.4], "high": [-0.4, 0.6]}
        | {"series": ["s", "t"], "layer": [0, 1], "head": [1, 0]}
    )
    assert chart(Figure(kind, rows, "caption", ("x", "y"), 0.0), dark).to_dict()


def test_a_bar_of_nothing_leaves_a_mark():
    from pages.ui.story_figures import chart

    rows = pd.DataFrame({"label": ["a", "b"], "value": [0.0, 0.5]})
    drawn = chart(Figure("bars", rows, "caption"), dark=False).to_dict()
    (tick,) = [layer for layer in drawn["layer"] if layer["mark"]["type"] == "tick"]
    assert [row["label"] for row in drawn["datasets"][tick["data"]["name"]]] == ["a"]


def test_rows_of_heads_keep_their_order():
    from pages.ui.story_figures import chart

    named = pd.DataFrame({"layer": ["one 0", "another 0"], "head": [0, 0], "value": [0.1, 0.2]})
    drawn = chart(Figure("heads", named, "caption"), dark=False).to_dict()
    assert drawn["encoding"]["y"]["sort"] == ["one 0", "another 0"]


def test_what_is_read_has_true_minus_signs_and_no_line_begins_with_percent(served):
    step = Step(
        "1 % of -1",
        "-0.5 (-1 to 2-3), 5 % of `seed -1 %`",
        Figure("table", pd.DataFrame({"x": [-0.5]}), "95 %"),
    )
    assert (step.title, step.text) == ("1\u00a0% of −1", "−0.5 (−1 to 2-3), 5\u00a0% of `seed -1 %`")
    assert step.figure is not None
    assert step.figure.caption == "95\u00a0%"
    assert Closing(("-1",), ("-2",), ("3 %",)) == Closing(("−1",), ("−2",), ("3\u00a0%",))
    html = "\n".join(str(element.proto.body) for element in visit().get("html"))
    assert "stMarkdownBadge" in html


def test_no_story_says_otherwise():
    for name, study in _story.studies().items():
        steps, closing = study.story(_story.recorded(name))
        lines = [
            line
            for step in steps
            for line in (step.title, step.text, (step.figure and step.figure.caption) or "")
        ]
        for line in [*lines, *closing.found, *closing.not_found, *closing.sure]:
            prose = re.sub(r"`[^`]*`", "", line)
            assert not re.search(r"\d %|(?<![\w.)\]])-\d", prose), prose


@pytest.mark.parametrize("dark", [False, True])
def test_a_graph_is_drawn_series_by_series_with_every_part(dark):
    from pages.ui.story_figures import apart, chart

    rows = pd.DataFrame(
        {"layer": [1, 2, 1], "source": ["b", "c", "a"], "target": ["a", "b", "a"], "weight": [0.5, 1.0, 0.2]}
        | {"series": ["one", "one", "two"]}
    )
    figures = apart(Figure("graph", rows, "caption", ("layer", "part")))
    assert [list(one.frame["series"].unique()) for one in figures] == [["one"], ["two"]]
    for one, layers in zip(figures, (3, 2), strict=True):
        drawn = chart(one, dark).to_dict()
        edges, dots = (list(drawn["datasets"].values())[k] for k in (0, 1))
        assert len(edges) == len(one.frame)
        assert len(dots) == layers * 3
        assert "['a', 'b', 'c']" in str(drawn)
