"""The sentences of the studies as data sets: written, read again, and answered."""

from __future__ import annotations

import pytest

import attnlab_core as al
from attnlab_core.errors import UnknownName
from attnlab_core.tasks.custom import Custom
from case_studies.__main__ import main
from case_studies._suites import SUITES, to_file


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_is_read_as_it_was_written(name, tmp_path):
    file = tmp_path / "rows.csv"
    assert to_file(name, file) == len(SUITES[name].rows(0))
    assert list(Custom().rows(file)) == SUITES[name].rows(0)


def test_what_is_marked_is_the_negation_and_the_supporting_sentences():
    for row in SUITES["negation"].rows(1):
        for stretch in row.rationale or ():
            assert " " not in row.prompt.text[stretch.start : stretch.end].strip()
    for row in SUITES["multi_hop"].rows(1):
        assert len(row.rationale) == 2
        marked = [row.prompt.second[s.start : s.end] for s in row.rationale]
        assert all(text.endswith((".", "!", "?")) for text in marked)
        assert any(row.gold[0] in text for text in marked)


@pytest.mark.parametrize(("name", "model", "least"), [("negation", "sst2", 0.8), ("multi_hop", "qa", 0.9)])
def test_the_studys_model_answers_it(name, model, least, tmp_path):
    to_file(name, tmp_path / "rows.csv")
    lab, task = al.load(model), Custom()
    rows = list(task.rows(tmp_path / "rows.csv", lab=lab, limit=60))
    found = [task.ask(row, lab)["correct"] for row in rows]
    assert sum(found) / len(found) > least


def test_from_the_command_line(tmp_path, capsys):
    file = tmp_path / "rows.jsonl"
    assert main(["negation", "--rows", str(file)]) == 0
    assert "480 rows" in capsys.readouterr().out
    assert len(file.read_text(encoding="utf-8").splitlines()) == 480
    assert main(["gender_bias", "--rows", str(file)]) == 2
    with pytest.raises(UnknownName):
        to_file("nothing", file)
