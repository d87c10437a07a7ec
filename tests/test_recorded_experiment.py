"""The report that Experiments shows before anything was computed is what the model gives."""

import json
import math
from pathlib import Path

import pytest

from attnlab_core.report import report_from_json

FILE = Path(__file__).parents[1] / "pages/recorded/experiment.json"


@pytest.fixture(scope="module")
def recorded():
    return report_from_json(FILE.read_text(encoding="utf-8"))


def test_it_is_of_the_shipped_model_and_its_plain_figures_are_the_models(recorded, tmp_path):
    import attnlab_core as al
    from attnlab_core.plausibility import digest
    from attnlab_core.tasks.custom import Custom
    from case_studies._suites import to_file

    lab = al.load(recorded.model["name"])
    assert digest(lab) == recorded.model["digest"]
    assert to_file("negation", tmp_path / "negation.csv") == recorded.rows
    task, right = Custom(), 0.0
    rows = list(task.rows(tmp_path / "negation.csv", lab=lab))[::8]
    for row in rows:
        right += task.ask(row, lab)["correct"]
    plain = recorded.tables["scores"][0]
    assert plain["before_low"] - 0.1 < right / len(rows) < plain["before_high"] + 0.1


@pytest.mark.pages
def test_the_page_names_it_as_its_controls_do_and_sets_it_for_people(recorded):
    from pages.ui import experimenting

    assert experimenting._title(recorded).startswith("Edits: sst2 on negation, ")
    assert experimenting.listed(["**a-b**: 95 % of -3"]) == "- **a\\-b**\\: 95\u00a0% of −3"


def test_its_charts_fit_a_narrow_page(recorded):
    from attnlab_core.charts import report_charts

    charts = [chart.to_dict() for _, chart in report_charts(recorded, width="container")]
    assert charts
    for chart in charts:
        dots = chart["layer"][-1]
        assert (
            dots["encoding"]["color"]["legend"]["columns"] == 1
        )  # its names together are longer than a phone is wide
        radius = (dots["mark"]["size"] / math.pi) ** 0.5
        assert dots["encoding"]["y"]["axis"]["labelPadding"] > radius


def test_it_names_no_place_on_a_machine(recorded):
    assert not Path(recorded.request["data"]).is_absolute()
    assert "/" not in json.dumps(recorded.request)
