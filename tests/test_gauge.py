"""The plausibility gauge: its words follow the judgement, and a model without a reference can be given one."""

from __future__ import annotations

import re

import pytest
import torch

import attnlab_core as al
from attnlab_core import charts, plausibility
from attnlab_core.errors import BadInput
from attnlab_core.plausibility import Judgement
from attnlab_core.testing import tiny_lab
from tests import test_pages as world
from tests.test_manipulate import packed

labs, backend = world.labs, world.backend
LINES = [f"The {a} {b} was {c}." for a in ("old", "new", "red") for b in ("cat", "boat", "song", "town", "lamp", "road") for c in ("lost", "good", "far away", "never seen again", "small", "not bad", "gone", "here", "there", "a gift")]  # fmt: skip


def judgement(percentile: float, beyond: int = 0) -> Judgement:
    heads = torch.full((2, 4), 50.0)
    heads.view(-1)[:beyond] = 100.0
    return Judgement(percentile, heads, percentile, percentile, 1.0)


@pytest.mark.parametrize(
    ("percentile", "beyond", "says"),
    [
        (0.05, 0, "Typical. Hardly odder than any of 1,800 natural patterns."),
        (62.4, 0, "Typical. Odder than 62 % of 1,800 natural patterns."),
        (
            62.4,
            1,
            "Typical. Odder than 62 % of 1,800 natural patterns. 1 of 8 heads is beyond anything seen.",
        ),
        (
            97.0,
            3,
            "Unusual. Odder than 97 % of 1,800 natural patterns. 3 of 8 heads are beyond anything seen.",
        ),
        (100.0, 0, "Outside anything seen. Odder than all 1,800 natural patterns."),
    ],
)
def test_the_gauge_says_what_the_judgement_is(percentile, beyond, says):
    for dark in (False, True):
        drawn = str(charts.plausibility_gauge(judgement(percentile, beyond), texts=1800, dark=dark))
        assert re.sub(r"<[^>]+>", "", drawn).strip() == says
        assert f"aria-valuenow='{percentile:.0f}'" in drawn
        assert f"left:{percentile:.1f}%" in drawn


def test_a_reference_is_kept_and_found_by_the_weights(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    lab, other = tiny_lab(), tiny_lab(seed=1)
    assert plausibility.reference(lab) is None
    fitted = plausibility.fit(lab, LINES, corpus="lines")
    file = plausibility.keep(fitted)
    assert file.is_relative_to(tmp_path)
    found = plausibility.reference(lab)
    assert found is not None
    assert found.corpus == "lines"
    assert plausibility.reference(tiny_lab()) is not None  # the same weights, loaded anew
    assert plausibility.reference(other) is None
    run = lab.run("The old cat was good.")
    assert found.judge(run.again(al.Invert()), run).percentile > found.judge(run, run).percentile


def test_where_nothing_can_be_kept_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BadInput, match="XDG_CACHE_HOME"):
        plausibility.keep(plausibility.fit(tiny_lab(), LINES))


@pytest.mark.pages
def test_a_model_learns_what_is_usual_from_a_file_and_the_gauge_comes(backend, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    at = world.visit("manipulate", backend, e=packed({"op": "invert"}))
    assert "role='meter'" not in world.shown(at)
    corpus = at.file_uploader(key="corpus")
    corpus.upload("few.txt", "\n".join(LINES[:20]).encode(), "text/plain").run()
    assert re.findall(r"20 lines|150", at.error[0].value) == ["20 lines", "150"]
    at.file_uploader(key="corpus").upload("texts.txt", "\n".join(LINES).encode(), "text/plain").run()
    assert not at.error
    at.button(key="learn").click().run()
    assert at.session_state["_task_learn"].done.wait(60)
    assert not at.session_state["_task_learn"].failed
    at.run()
    at.run()
    assert "role='meter'" in world.shown(at)
    assert not any(box.key == "corpus" for box in at.file_uploader)


@pytest.mark.pages
def test_without_an_edit_there_is_nothing_to_judge(backend, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plausibility.keep(plausibility.fit(tiny_lab(), LINES))
    assert "role='meter'" not in world.shown(world.visit("manipulate", backend))
    assert "role='meter'" in world.shown(world.visit("manipulate", backend, e=packed({"op": "invert"})))


@pytest.mark.slow
@pytest.mark.pages
def test_what_was_found_is_tried_on_other_sentences(backend):
    at = world.visit("manipulate", backend, view="Optimise", text="There is nothing to dislike here.")
    at.button(key="search").click().run()
    assert at.session_state["_task_search"].done.wait(60)
    at.run()
    at.text_area(key="others").set_value("Nobody laughed.\nThere is much to like.").run()
    at.button(key="carry").click().run()
    assert at.session_state["_task_carry"].done.wait(60)
    at.run()
    assert not at.error
    for way in ("The same words", "The same kinds of places", "A new search in the same heads"):
        assert way in world.shown(at)
    assert any(str(block.value).startswith("2 sentences") for block in at.markdown)
