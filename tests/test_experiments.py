"""Experiments over data sets: the same numbers as one by one, whatever the batch, the engine, or what stopped on the way."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import attnlab_core as al
from attnlab_core import _experimenting, stats
from attnlab_core.analysis import findings, headline, html
from attnlab_core.errors import AttentionLabError, BadInput, Cancelled, EditTouchedNothing
from attnlab_core.experiments import experiment_from_json, experiments, run
from attnlab_core.experiments._batches import BUDGET, fitting, out_of_memory, through
from attnlab_core.experiments._conditions import Condition, in_layers, layers_from_text, like, usual
from attnlab_core.experiments._control import control, rows
from attnlab_core.experiments._engine import SHARD, Notebook, cache, key, shards
from attnlab_core.experiments.evaluate import Evaluate
from attnlab_core.report import report_from_json
from attnlab_core.tasks.custom import Custom
from attnlab_core.testing import tiny_lab

ROOT = Path(__file__).parents[1]
WORDS = "the film was not as bad as many people said and nothing in it is dull or long".split()
INVERT = Condition("invert", (al.Invert(),))
KINDS = {"classification": "bert", "masked": "bert", "causal": "gpt2", "answering": "bert"}


def table(folder: Path, kind: str, count: int) -> str:
    """A data set for a tiny model of each kind, of texts of many lengths."""
    file, lines = folder / f"{kind}.csv", ["id,text,second,label,wrong"]
    for k in range(count):
        text = " ".join(WORDS[(k + j) % len(WORDS)] for j in range(3 + (7 * k) % 11))
        row = {
            "classification": f"{k},{text},,{('negative', 'positive')[k % 2]},",
            "masked": f"{k},{text} [MASK],,film,movie",
            "causal": f"{k},{text},,bad,dull",
            "answering": f"{k},what is {WORDS[k % 5]},{text} and the film was dull,film,",
        }
        lines.append(row[kind])
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(file)


@pytest.fixture(scope="module", params=KINDS)
def asked(request, tmp_path_factory):
    """A tiny lab of each kind, and an evaluation of it with several conditions."""
    lab = tiny_lab(request.param, KINDS[request.param])
    data = table(tmp_path_factory.mktemp("data"), request.param, 40)
    conditions = (
        INVERT,
        Condition("own", (al.Transplant(),)),
        Condition("film", (al.Scale(factor=4, where=al.Where(keys=("film",))),)),
        Condition("late", (al.Uniform(),), layers=(1,)),
    )
    return lab, Evaluate(task=Custom(), data=data, conditions=conditions)


@pytest.fixture(scope="module")
def report(asked, tmp_path_factory):
    lab, experiment = asked
    return run(experiment, lab, folder=tmp_path_factory.mktemp("runs"))


def of(report, table, condition, score=None, control=False):
    return next(
        row
        for row in report.tables[table]
        if row["condition"] == condition and row["control"] == control and score in (None, row.get("score"))
    )


def test_figures_are_those_of_one_run_after_another(asked, report):
    lab, experiment = asked
    task, found = experiment.task, {"before": [], "after": [], "log_p": [], "moved": [], "flip": []}
    for row in experiment.rows(lab):
        plain, edited = task.ask(row, lab), task.ask(row, lab, (al.Invert(),))
        found["before"].append(plain["correct"])
        found["after"].append(edited["correct"])
        found["log_p"].append(plain["surprisal"] - edited["surprisal"])
        one = lab.run(row.prompt)
        two = one.again(al.Invert())
        found["moved"].append(float((two.pattern.weights - one.pattern.weights).abs().sum(-1).mean() / 2))
        pair = row.wrong is not None and lab.task in ("masked", "causal")
        found["flip"].append(
            plain["correct"] != edited["correct"] if pair else one.prediction != two.prediction
        )
    scores, effects = of(report, "scores", "invert", "accuracy"), of(report, "effects", "invert")
    assert scores["before"] == pytest.approx(np.mean(found["before"]))
    assert scores["after"] == pytest.approx(np.mean(found["after"]))
    assert effects["attention_moved"] == pytest.approx(np.mean(found["moved"]), abs=1e-5)
    assert effects["flip_rate"] == pytest.approx(np.mean(found["flip"]))
    if lab.task != "answering":  # there the likeliest of several places counts, which edits may change
        assert effects["log_p_change"] == pytest.approx(np.mean(found["log_p"]), abs=1e-4)


def test_attention_that_is_put_back_changes_nothing(report):
    for control_too in (False, True):
        effects = of(report, "effects", "own", control=control_too)
        assert effects["flip_rate"] == 0
        assert effects["attention_moved"] == pytest.approx(0, abs=1e-6)
        assert effects["log_p_change"] == pytest.approx(0, abs=1e-5)
    assert of(report, "scores", "own", "accuracy")["change"] == 0
    assert of(report, "scores", "own", "accuracy")["p"] == 1


def test_rows_without_the_edits_word_are_left_out_and_counted(asked, report):
    lab, experiment = asked
    with_word = sum(
        "film" in f"{row.prompt.text} {row.prompt.second or ''}".split() for row in experiment.rows(lab)
    )
    effects = of(report, "effects", "film")
    assert (effects["rows"], effects["left_out"]) == (with_word, 40 - with_word)
    if with_word < 40:
        assert any("'film' does not apply" in note for note in report.notes)


def test_the_control_moves_as_much_attention_as_the_edit_or_as_much_as_can_be_had(report):
    for name in ("film", "late"):
        one, two = (of(report, "effects", name, control=c)["attention_moved"] for c in (False, True))
        assert 0 < two <= one * 1.25  # what it moves in one layer moves more in the next


def test_rows_measured_together_or_alone_give_the_same(asked):
    lab, experiment = asked
    rows_ = experiment.rows(lab)[:6]
    together = experiment.measure(lab, rows_, BUDGET)
    alone = [one for row in rows_ for one in experiment.measure(lab, [row], 1)]
    for one, two in zip(together, alone, strict=True):
        for kind in ("conditions", "controls"):
            assert one[kind].keys() == two[kind].keys()
            for name in one[kind]:
                assert one[kind][name] == pytest.approx(two[kind][name], abs=2e-5)


def test_a_request_survives_json(asked):
    _, experiment = asked
    said = json.loads(json.dumps(experiment.to_json()))
    assert experiment_from_json(said) == experiment
    with pytest.raises(AttentionLabError, match="evaluat"):
        experiment_from_json(said | {"experiment": "evaluat"})


def test_a_report_survives_json_and_says_what_its_numbers_support(report):
    said = json.loads(json.dumps(report.to_json(), allow_nan=False))
    again = report_from_json(said)
    assert again.to_json() == said
    assert len(again.to_frame()) == len(report.tables["scores"])
    page = html([again])
    for line in (*headline(again), *findings(again)):
        assert all(
            part in page.replace("<b>", "").replace("</b>", "")
            for part in line.split("**")
            if "'" not in part and "&" not in part
        )
    assert "src=" not in page
    assert "href=" not in page
    with pytest.raises(BadInput, match="no table"):
        report.to_frame("nothing")


@pytest.fixture
def small(tmp_path):
    lab = tiny_lab()
    return lab, Evaluate(task=Custom(), data=table(tmp_path, "classification", 60), conditions=(INVERT,))


def test_a_run_that_was_stopped_goes_on_where_it_was(small, tmp_path, monkeypatch):
    lab, experiment = small
    whole = run(experiment, lab, folder=tmp_path / "whole")

    def stop(done, total):
        if done >= 2 * SHARD:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled), al.watching(stop):
        run(experiment, lab, folder=tmp_path / "runs")
    (left,) = (tmp_path / "runs").iterdir()
    with left.open("a", encoding="utf-8") as file:
        file.write('{"id": "torn')  # as a process leaves it that is killed while it writes
    counted = []
    monkeypatch.setattr(
        Evaluate,
        "measure",
        lambda self, lab, rows, budget, real=Evaluate.measure: (
            counted.extend(rows) or real(self, lab, rows, budget)
        ),
    )
    again = run(experiment, lab, folder=tmp_path / "runs")
    assert len(counted) == 60 - 2 * SHARD
    assert again.to_json()["tables"] == whole.to_json()["tables"]
    assert not list((tmp_path / "runs").iterdir())


def test_another_request_or_model_does_not_go_on_from_it(small):
    _, experiment = small
    one = key({"request": experiment.to_json(), "model": "a"})
    assert one != key({"request": experiment.to_json(), "model": "b"})
    assert one != key({"request": experiment.to_json() | {"seed": 1}, "model": "a"})


def test_shards_hold_every_row_once_and_like_lengths_together():
    sizes = [(17 * k) % 50 for k in range(600)]
    found = shards([None] * 600, sizes)  # type: ignore[list-item]
    assert sorted(k for shard in found for k in shard) == list(range(600))
    assert max(map(len, found)) == SHARD
    assert np.mean([np.ptp([sizes[k] for k in shard]) for shard in found]) < 6


def test_a_notebook_keeps_nothing_without_a_file():
    book = Notebook(None)
    book.add([{"id": "1"}])
    assert book.done == {"1": {"id": "1"}}
    book.close()


def test_a_batch_that_runs_out_of_memory_is_done_in_halves():
    sizes = []

    def work(part):
        sizes.append(len(part))
        if len(part) > 3:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return [2 * one for one in part]

    assert through(list(range(10)), work, 8) == [2 * k for k in range(10)]
    assert sizes[:3] == [8, 4, 2]
    with pytest.raises(MemoryError):
        through([1], lambda _: (_ for _ in ()).throw(MemoryError()), 4)
    assert not out_of_memory(RuntimeError("shape mismatch"))


def test_the_budget_sets_the_batch(lab):
    assert fitting(lab, 10, budget=1) == 1
    assert fitting(lab, 10, budget=BUDGET) == 64
    few, many = (fitting(lab, n, budget=2**21) for n in (400, 40))
    assert 1 <= few < many


def test_the_control_by_hand(lab):
    plain = torch.tensor([[[[0.7, 0.2, 0.1], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]]]).expand(
        lab.layers, lab.heads, 3, 3
    )
    edited = torch.tensor([[[[0.4, 0.3, 0.3], [0.9, 0.1, 0.0], [1.0, 0.0, 0.0]]]]).expand_as(plain)
    visible = torch.tensor([[True, True, True], [True, True, False], [True, False, False]]).expand_as(plain)
    edit = al.Invert(where=al.Where(layers=(0,), queries=(0, 1)))
    found = control(lab, plain, edited, visible, [edit], "x").tensors["encoder"]
    again = control(lab, plain, edited, visible, [edit], "x").tensors["encoder"]
    assert torch.equal(found, again)
    assert not found[1:].any()  # other layers stay the model's own
    assert not found[0, :, 2].any()
    assert torch.allclose(found[0, :, :2].sum(-1), torch.ones(lab.heads, 2))
    assert not found[~visible].any()
    far = (found - plain).abs().sum(-1)[0, :, :2] / 2
    wanted = (edited - plain).abs().sum(-1)[0, :, :2] / 2
    assert (far <= wanted + 1e-6).all()
    assert torch.isclose(far, wanted).float().mean() > 0.5
    assert rows(lab, [edit], plain.shape).sum() == 2 * lab.heads


def test_layer_sets_as_typed():
    assert layers_from_text("all") is None
    assert layers_from_text("0-2, 5") == (0, 1, 2, 5)
    for text in ("", "1-", "a", "3-1"):
        with pytest.raises(BadInput):
            layers_from_text(text)
    found = in_layers([INVERT], [None, (0, 1), (1,)])
    assert [one.name for one in found] == ["invert", "invert, layers 0-1", "invert, layer 1"]
    assert found[1].placed[0].where.layers == (0, 1)
    fixed = Condition("x", (al.Invert(where=al.Where(layers=(0,))),), layers=(1,))
    with pytest.raises(BadInput, match="names its layers"):
        _ = fixed.placed


@pytest.mark.parametrize("given", [{}, {"edits": (al.Invert(),), "search": "away"}, {"search": "up"}])
def test_conditions_that_make_no_sense_are_refused(given):
    with pytest.raises(BadInput):
        Condition("x", **given)


def test_a_layer_that_is_not_there_and_names_that_occur_twice_are_refused(small, tmp_path):
    lab, experiment = small
    for conditions in ((Condition("x", (al.Invert(),), layers=(9,)),), (INVERT, INVERT)):
        with pytest.raises(BadInput):
            run(
                Evaluate(task=Custom(), data=experiment.data, conditions=conditions),
                lab,
                folder=tmp_path / "r",
            )


@pytest.mark.slow
def test_searches_go_towards_the_right_answer_and_away_from_it(small, tmp_path):
    lab, experiment = small
    ways = tuple(Condition(way, search=way, plausibility=0.0) for way in ("towards", "away"))
    made = Evaluate(task=Custom(), data=experiment.data, limit=6, conditions=ways, controls=False)
    effects = {row["condition"]: row for row in run(made, lab, folder=tmp_path / "r").tables["effects"]}
    assert effects["towards"]["log_p_change"] > 0 > effects["away"]["log_p_change"]


def test_the_usual_conditions_fit_the_shipped_models():
    lab = al.load("sst2")
    assert {one.name for one in usual(lab)} >= {
        "invert",
        "its own attention put back",
        "optimised away",
        "attention of qa",
    }
    assert set(like(lab)) == {"pronouns", "qa"}
    assert like(al.load("gpt2-mini")) == []


def test_the_parser_names_every_experiment():
    assert set(_experimenting.NAMES) == set(experiments()) == set(_experimenting.HELP)


def test_intervals_against_the_normal_one():
    values = np.random.default_rng(0).normal(2, 3, 400)
    found = stats.interval(values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert found["low"] == pytest.approx(values.mean() - half, abs=0.06)
    assert found["high"] == pytest.approx(values.mean() + half, abs=0.06)
    assert math.isnan(stats.interval([])["mean"])


def test_groups_are_drawn_whole():
    values, groups = [0.0] * 50 + [1.0] * 50, ["a"] * 50 + ["b"] * 50

    def mean(columns):
        return float(columns["of"].mean())

    alone = stats.pooled({"of": values}, mean)
    whole = stats.pooled({"of": values}, mean, groups=groups)
    assert (whole["low"], whole["high"]) == (0, 1)  # two groups: a quarter of the draws has the one alone
    assert 0.35 < alone["low"] < alone["high"] < 0.65


@pytest.mark.parametrize("n", [5, 12, 60])
def test_the_sign_flip_test_against_scipy(n):
    from scipy.stats import permutation_test

    values = np.random.default_rng(n).normal(0.4, 1, n)
    wanted = permutation_test(
        (values,),
        lambda x, axis: x.mean(axis),
        permutation_type="samples",
        n_resamples=10_000,
        rng=np.random.default_rng(1),
    )
    assert stats.sign_flip(values) == pytest.approx(wanted.pvalue, abs=0.012)
    assert stats.sign_flip([0.0, 0.0]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True])
def test_two_ray_workers_one_killed_give_what_this_process_gives(tmp_path, kill, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    lab = al.load("agreement")
    asked = experiment_from_json(
        {"experiment": "evaluate", "task": "agreement", "limit": 64, "conditions": [INVERT.to_json()]}
    )
    here = run(asked, lab, folder=tmp_path / "local")
    killed = []

    def watch(done, total):
        workers = list(_processes("ray::Worker"))
        if kill and not killed and done >= SHARD and workers:
            os.kill(workers[0], signal.SIGKILL)
            killed.append(workers[0])

    with al.watching(watch):
        there = run(asked, lab, engine="ray", workers=2, folder=tmp_path / "ray")
    assert there.to_json()["tables"] == here.to_json()["tables"]
    assert bool(killed) == kill


def _processes(name):
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            said = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if said.startswith(name):
            yield int(folder.name)


@pytest.mark.slow
def test_a_run_killed_by_the_system_goes_on(tmp_path):
    data = table(tmp_path, "classification", 400)
    command = [
        *(
            sys.executable,
            "-m",
            "attnlab_core",
            "evaluate",
            "custom",
            "--model",
            "sst2",
            "--data",
            data,
            "--no-store",
            "--json",
        ),
        *("--edit", '{"op": "invert"}'),
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    whole = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"XDG_CACHE_HOME": str(tmp_path / "a")},
        capture_output=True,
        check=True,
        text=True,
    )
    broken = environment | {"XDG_CACHE_HOME": str(tmp_path / "b")}
    process = subprocess.Popen(
        command, cwd=ROOT, env=broken, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None and not _lines(tmp_path / "b"):
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert 0 < _lines(tmp_path / "b") < 400
    again = subprocess.run(command, cwd=ROOT, env=broken, capture_output=True, check=True, text=True)
    one, two = (json.loads(made.stdout) for made in (whole, again))
    assert one["tables"] == two["tables"]


def _lines(folder):
    return sum(file.read_text().count("\n") for file in folder.rglob("*.jsonl"))


def test_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache().is_relative_to(tmp_path)


def test_an_edit_that_meets_nothing_leaves_the_row_out(tmp_path):
    lab = tiny_lab("causal", "gpt2")
    edit = al.Scale(factor=2, where=al.Where(queries=(0,), keys=(2,)))  # the first token sees no later one
    with pytest.raises(EditTouchedNothing):
        lab.run("the film was dull").again(edit)
    asked = Evaluate(
        task=Custom(), data=table(tmp_path, "causal", 4), conditions=(Condition("x", (edit,)), INVERT)
    )
    found = run(asked, lab, folder=tmp_path / "r")
    assert {row["condition"] for row in found.tables["effects"]} == {"invert"}
    assert any("'x' does not apply to 4 of 4 rows" in note for note in found.notes)
