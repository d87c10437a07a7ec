"""Every data set keeps the same promises, and is read from files of several kinds and from the Hub."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest

from attnlab_core.edits.zero import Zero
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.knobs import caption, knobs, title
from attnlab_core.lab import Lab
from attnlab_core.tasks import MASK, Score, task_from_json, tasks
from attnlab_core.tasks.custom import Custom
from attnlab_core.tasks.hotpotqa import Hotpotqa
from attnlab_core.tasks.squad import Squad
from attnlab_core.tasks.sst2 import Sst2
from attnlab_core.tasks.wikitext2 import Wikitext2
from attnlab_core.tasks.winobias import Winobias
from attnlab_core.testing import tiny_lab
from tests.task_data import ARTICLES, CASES, HOTPOT, REVIEWS, lab_of, put, sst2


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """What `datasets` writes beside the files goes away with the test."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))


every_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str], tuple[Any, Path | None, Lab]]:
    """A task, its parent folder or file with small data of our own, and a fitting lab."""

    def give(case: str) -> tuple[Any, Path | None, Lab]:
        task, writer, _ = CASES[case]
        made = writer(tmp_path)
        return task, made if case == "custom" else made and tmp_path, lab_of(case)

    return give


# --- what every data set promises


def test_every_task_of_the_catalogue_has_a_case():
    assert {case.partition(",")[0] for case in CASES} == set(tasks())


@every_case
def test_rows_are_the_same_twice_and_fewer_are_among_more(case, given):
    task, data, lab = given(case)
    rows = list(task.rows(data, lab=lab, seed=3))
    assert rows == list(task.rows(data, lab=lab, seed=3))
    assert len({row.id for row in rows}) == len(rows) > 0
    some = [list(task.rows(data, lab=lab, limit=n, seed=3)) for n in (1, 2)]
    assert len(some[0]) == 1
    assert some[1][:1] == some[0]
    assert all(row in rows for row in some[1])


@every_case
def test_right_answers_settle_and_rationales_lie_inside(case, given):
    task, data, lab = given(case)
    for row in task.rows(data, lab=lab):
        for target in (task.target(row), task.target_wrong(row)):
            if target is not None:
                assert lab.run(row.prompt).goal(target).picks
        for stretch in row.stretches:
            text = (row.prompt.text, row.prompt.second)[stretch.segment]
            assert text[stretch.start : stretch.end].strip() == text[stretch.start : stretch.end] != ""
        assert row.rationale != ()


@every_case
def test_one_row_gives_the_numbers_that_the_scores_pool(case, given):
    task, data, lab = given(case)
    rows = list(task.rows(data, lab=lab))
    said = [task.ask(row, lab) for row in rows]
    assert said == [task.ask(row, lab) for row in rows]
    for name, score in task.scores.items():
        assert score.name == name
        assert score.label
        assert score.caption.endswith(".")
        assert math.isfinite(score.pool(said))
    assert task.main is next(iter(task.scores.values()))
    changed = [task.ask(row, lab, [Zero()]) for row in rows]
    assert any(one != other for one, other in zip(said, changed, strict=True)) or task.scores == Squad.scores


@every_case
def test_what_it_is_can_be_said_and_sent(case, given):
    task, data, lab = given(case)
    assert task_from_json(task.to_json()) == task == task_from_json(json.dumps(task.to_json()))
    assert task_from_json(task.name) == type(task)()
    assert title(type(task))
    assert caption(type(task)).endswith((".", "?"))
    assert all(knob.help for knob in knobs(type(task)))
    with pytest.raises(BadInput, match="limit"):
        task.rows(data, lab=lab, limit=0)
    if wrong := {"causal", "answering"} - set(task.asks):
        with pytest.raises(BadInput, match="Choose another model"):
            task.rows(data, lab=tiny_lab("causal", "gpt2") if "causal" in wrong else tiny_lab("answering"))


def test_unknown_names_are_refused():
    with pytest.raises(UnknownName, match="squad"):
        task_from_json("squat")
    with pytest.raises(UnknownName, match="split"):
        task_from_json({"task": "sst2", "spilt": "train"})
    with pytest.raises(BadInput, match="split is one of"):
        Sst2(split="test")  # pyright: ignore[reportArgumentType]
    for bad in ("{", "[]", {"op": "sst2"}):
        with pytest.raises(BadInput):
            task_from_json(bad)  # pyright: ignore[reportArgumentType]


def test_a_score_is_a_ratio_of_sums():
    said = [{"a": 1.0, "n": 2.0}, {"a": math.nan, "n": 9.0}, {"a": 5.0, "n": 1.0}]
    score = Score(name="s", label="", caption="", better="lower", of="a", over="n")
    assert score.pool(said) == 2.0
    assert Score(name="s", label="", caption="", better="lower", of="a").pool(said) == 3.0
    assert math.isnan(score.pool(said[1:2]))


# --- files and the Hub


def test_parquet_csv_and_json_give_the_same_rows(tmp_path):
    frame = pd.DataFrame(REVIEWS, columns=["sentence", "label"])
    (tmp_path / "data").mkdir()
    frame.to_parquet(tmp_path / "data/validation-00000-of-00001.parquet")
    frame[:0].to_parquet(tmp_path / "data/train-00000-of-00001.parquet")
    frame.to_csv(tmp_path / "dev.csv", index=False)
    frame.to_json(tmp_path / "dev.json", orient="records")
    frame.to_json(tmp_path / "dev.jsonl", orient="records", lines=True)
    frame.to_json(tmp_path / "lines.json", orient="records", lines=True)
    places = [
        sst2(tmp_path),
        tmp_path,
        *(tmp_path / n for n in ("dev.csv", "dev.json", "dev.jsonl", "lines.json")),
    ]
    places.append(tmp_path / "data")
    found = [[(row.prompt.text, row.gold) for row in Sst2().rows(place)] for place in places]
    assert all(rows == found[0] for rows in found)
    assert found[0][:2] == [("a quiet joy", ("positive",)), ('the "plot" is a bore', ("negative",))]


def test_bad_files_are_told_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "h.parquet").write_bytes(b"no parquet")
    cases = {
        "is no file or folder": tmp_path / "none",
        "holds no file of the task": tmp_path / "empty",
        "no column 'label'": put(tmp_path / "a.csv", "sentence,lable\nfine,1\n"),
        "has the label '2'": put(tmp_path / "b.csv", "sentence,label\nfine,2\n"),
        "no rows": put(tmp_path / "c.csv", "sentence,label\n"),
        "cannot be read: Expecting": put(tmp_path / "d.json", "{"),
        "is no JSON": put(tmp_path / "e.jsonl", '{"sentence": 1\n'),
        "for the split 'validation'": put(tmp_path / "f/train.csv", "sentence,label\nfine,1\n").parent,
        "are not known": put(tmp_path / "g.xlsx", ""),
        "cannot be read: Parquet": tmp_path / "h.parquet",
    }
    for words, place in cases.items():
        with pytest.raises(BadInput, match=words) as caught:
            list(Sst2().rows(place))
        assert "\n" not in str(caught.value)


def test_the_files_of_another_set_are_told_by_their_columns(tmp_path):
    file = put(tmp_path / "dev.json", json.dumps([HOTPOT]))
    with pytest.raises(BadInput, match="no column 'id'; the task squad needs id, question, context, answers"):
        Squad().rows(file)
    with pytest.raises(BadInput, match="no column 'question'; the task hotpotqa needs"):
        Hotpotqa().rows(put(tmp_path / "squad.json", json.dumps(ARTICLES)))


def test_the_hub_is_asked_for_the_usual_sets(monkeypatch):
    asked = []

    def loader(repo, config, split):
        asked.append((repo, config, split))
        return datasets.Dataset.from_list([{"sentence": "fine ", "label": 1, "idx": 0, "text": "It is .\n"}])

    monkeypatch.setattr(datasets, "load_dataset", loader)
    assert [row.prompt.text for row in Sst2(split="train").rows()] == ["fine"]
    assert len(list(Wikitext2(raw=False).rows(lab=lab_of("wikitext2")))) == 1
    assert asked == [
        ("nyu-mll/glue", "sst2", "train"),
        ("Salesforce/wikitext", "wikitext-2-v1", "validation"),
    ]
    with pytest.raises(BadInput, match="no data of its own"):
        Custom().rows()


def test_all_four_parts_of_winobias_come_from_the_hub(monkeypatch):
    words = ["The", "clerk", "saw", "the", "cook", "because", "he", "was", "near", "."]

    def loader(repo, config, split):
        assert (repo, split) == ("uclanlp/wino_bias", "test")
        return datasets.Dataset.from_list([{"tokens": words, "coreference_clusters": ["0", "1", "6", "6"]}])

    monkeypatch.setattr(datasets, "load_dataset", loader)
    rows = list(Winobias(split="test").rows())
    assert [row.kind for row in rows] == ["type1/pro", "type1/anti", "type2/pro", "type2/anti"]
    assert rows[0].prompt.text == f"The clerk saw the cook because {MASK} was near."
    assert [rows[0].prompt.text[s.start : s.end] for s in rows[0].rationale or ()] == ["clerk"]
    assert [row.id for row in Winobias(split="test", kind="type2").rows()] == ["type2-pro-1", "type2-anti-1"]


def test_a_set_out_of_reach_is_told_in_one_line(monkeypatch):
    def loader(*args: Any, **kwargs: Any):
        raise ConnectionError("Couldn't reach it.\nTwice.")

    monkeypatch.setattr(datasets, "load_dataset", loader)
    with pytest.raises(
        BadInput, match=r"rajpurkar/squad could not be had from the Hub: Couldn't reach it\. Go online"
    ):
        Squad().rows()
