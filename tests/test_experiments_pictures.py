"""The page Experiments with models of pictures: data they can answer, the library's own numbers, links that reopen."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import attnlab_core as al
from attnlab_core.experiments import evidence, experiment_from_json, run
from attnlab_core.models import shipped
from attnlab_core.tasks import task_from_json, tasks
from pages.ui import data_sets
from tests import test_pages

pytestmark = pytest.mark.pages
labs, backend = test_pages.labs, test_pages.backend
DRAWN = "Drawn shapes (made up)"
SEERS = [card.name for card in shipped().values() if card.pictures]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    for kind in ("DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind))


def visit(backend, model="shapes-vit", **query):
    """The page with a model that is there."""
    backend().lab(model).result(60)
    return test_pages.visit("experiments", backend, model=model, **query)


def data(at) -> Any:
    """The box with the data sets; None where there is none."""
    return next((one for one in at.selectbox if one.label == "Data"), None)


def request(at) -> dict:
    """What Run asked for, and found."""
    at.button(key="go").click().run()
    until = time.monotonic() + 180
    while at.session_state["_task_experiment"].running and time.monotonic() < until:
        time.sleep(0.3)
        at.run()  # work that nobody looks at is stopped
    at.run()
    assert not at.exception, at.exception[0].stack_trace
    assert not at.error, at.error[0].value
    return json.loads(at.session_state["_experiment"][1])


def test_both_kinds_of_models_are_offered_and_the_default_comes_first(backend):
    options = test_pages.visit("experiments", backend).selectbox(key="model").options
    assert options[0] == "sst2"
    assert options[-len(SEERS) :] == SEERS
    assert sorted(options) == sorted(shipped())


@pytest.mark.parametrize("model", SEERS)
def test_a_model_of_pictures_is_offered_data_of_pictures_only(model, backend):
    at = visit(backend, model)
    lab = backend().lab(model).result(0)
    fitting = [kind for kind in tasks().values() if kind.pictures and lab.task in kind.asks]
    assert len(data(at).options) == len(fitting)
    assert (DRAWN in data(at).options) == (model == "shapes-vit")
    assert data_sets.MINE not in data(at).options
    assert not at.get("file_uploader")
    assert len(at.get("image")) == data_sets.SEEN


@pytest.mark.slow
@pytest.mark.parametrize("model", ["sst2", "tiny/masked", "agreement"])
def test_a_model_of_text_is_offered_none_of_them(model, backend):
    at = visit(backend, model)
    assert data_sets.MINE in data(at).options
    assert DRAWN not in data(at).options
    assert not at.get("image")


@pytest.mark.slow
def test_a_model_of_other_pictures_is_told_that_nothing_asks_it(backend, labs, monkeypatch):
    from attnlab_core.testing import tiny_lab
    from pages.ui import backend as module

    monkeypatch.setattr(module, "load", lambda name: tiny_lab("classification", "vit"))
    at = visit(backend, "tiny/vit")
    assert any("No data set here" in one.value for one in at.info)
    assert data(at) is None
    assert at.button(key="go").disabled


def test_the_pictures_that_are_shown_are_the_first_rows_of_any_number(backend):
    at = visit(backend, draw="3")
    rows = list(task_from_json("shapes").rows(lab=backend().lab("shapes-vit").result(0), limit=9, seed=3))
    assert [row.id for row in data_sets._first('{"task": "shapes"}', 3)] == [
        r.id for r in rows[: data_sets.SEEN]
    ]
    said = test_pages.shown(at)
    assert all(row.id in said and row.kind.replace("/", ", ") in said for row in rows[: data_sets.SEEN])


def test_as_many_pictures_are_drawn_as_rows_are_asked_for():
    assert data_sets.enough({"task": "shapes"}, 48) == {"task": "shapes"}
    more = data_sets.enough({"task": "shapes", "shapes": 1}, 260)
    assert len(list(task_from_json(more).rows(limit=260))) == 260
    assert data_sets.enough({"task": "shapes"}, 10**6)["count"] == 10_000
    assert data_sets.enough({"task": "custom"}, 10**6) == {"task": "custom"}


@pytest.mark.slow
@pytest.mark.parametrize(("model", "ways"), [("shapes-vit", None), ("shapes-clip", ["mask", "unk", "pad"])])
def test_no_patch_is_removed(model, ways, backend):
    at = visit(backend, "sst2", measure="Explanations", deletion="remove")
    assert at.selectbox(key="deletion").value == "remove"
    backend().lab(model).result(60)
    at.selectbox(key="model").set_value(model).run()
    assert not at.exception
    found = [box for box in at.selectbox if box.key == "deletion"]
    assert [box.options for box in found] == ([ways] if ways else [])
    assert all(box.value == "mask" for box in found)
    assert ("mean colour" in test_pages.shown(at)) == (ways is None)


@pytest.mark.slow
def test_an_evaluation_gives_the_librarys_own_numbers(backend, tmp_path):
    at = visit(backend, rows="6")
    at.multiselect(key="conditions").set_value(["invert", "its own attention put back"]).run()
    asked = request(at)
    found, number = at.session_state["_task_experiment"].result
    assert (asked["task"], found.rows, number) == ({"task": "shapes"}, 6, 1)
    own = run(experiment_from_json(asked), al.load("shapes-vit"), folder=tmp_path / "runs")
    assert found.to_json()["tables"] == own.to_json()["tables"]
    task, lab = task_from_json("shapes"), al.load("shapes-vit")
    right = [task.ask(row, lab)["correct"] for row in task.rows(lab=lab, limit=6)]
    assert found.tables["scores"][0]["before"] == pytest.approx(sum(right) / 6)
    assert any(head.value == "Edits\\: shapes\\-vit on shapes, 6 rows" for head in at.header)


@pytest.mark.slow
@pytest.mark.parametrize("model", SEERS)
@pytest.mark.parametrize("measure", ["Edits", "Explanations", "Layers", "Evidence"])
def test_every_measure_takes_pictures(measure, model, backend, monkeypatch):
    monkeypatch.setattr(evidence, "USUAL", ("atman", "raw_attention", "random"))
    at = visit(backend, model, measure=measure, rows="4")
    if measure == "Edits":
        at.multiselect(key="conditions").set_value(["uniform"]).run()
    if measure == "Explanations":
        at.multiselect(key="bench_methods").set_value(["raw_attention"]).run()
        at.multiselect(key="bench_metrics").set_value(["aopc_compr", "average_precision"]).run()
    request(at)
    report, _ = at.session_state["_task_experiment"].result
    assert all(report.tables.values())
    assert not any("are left out" in note for note in report.notes)
    assert not any("nan" in str(one.value) for one in at.markdown)


@pytest.mark.slow
def test_the_address_reopens_what_is_asked(backend):
    said = {"drawn.shapes.shapes": "2", "drawn.shapes.copies": "3", "rows": "5", "draw": "2"}
    at = visit(backend, measure="Evidence", **said)
    values = {one.key: str(one.value) for one in at.number_input}
    assert values == said
    link = parse_qs(urlsplit(test_pages.shared(at)).query)
    assert {key: link[key] for key in said} == {key: [value] for key, value in said.items()}
    again = visit(backend, link.pop("model")[0], **link)
    assert {one.key: str(one.value) for one in again.number_input} == values
    assert data(again).value == data(at).value
    assert again.segmented_control(key="measure").value == "evidence"
    assert "2 shapes" not in test_pages.shown(visit(backend, **{"drawn.shapes.shapes": "1"}))


@pytest.mark.slow
@pytest.mark.parametrize("said", ["99", "-1", "x", ""])
def test_an_address_that_makes_no_sense_draws_what_is_usual(said, backend):
    at = visit(backend, **{"drawn.shapes.shapes": said, "data.classification.pictures.evaluate": said})
    assert data(at).value == "shapes"
    assert not at.error
    assert at.number_input(key="drawn.shapes.shapes").value == 0


@pytest.mark.slow
def test_another_page_says_what_such_a_model_reads(backend):
    backend().lab("shapes-vit").result(60)
    at = test_pages.visit("compare", backend, model="shapes-vit")
    assert [one.value.replace("\\", "") for one in at.info] == ["shapes-vit reads pictures."]
    assert "\\\\" not in at.info[0].value
