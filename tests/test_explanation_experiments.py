"""Experiments on explanations: their figures against scipy, definitions by hand, and the metrics they are made of."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr, trim_mean

import attnlab_core as al
from attnlab_core.edits import Where
from attnlab_core.edits.suppress import Suppress
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.experiments import Experiment, experiment_from_json, run
from attnlab_core.experiments._explain import figure, interquartile_mean
from attnlab_core.experiments._explain_evidence import average_precision, chance, recall, sentences
from attnlab_core.experiments.bench import Bench
from attnlab_core.experiments.correlate import Correlate, spearman
from attnlab_core.experiments.evidence import FORMS, Evidence
from attnlab_core.lab import Lab
from attnlab_core.methods import attribute, methods
from attnlab_core.metrics import cases, judge, judged_tokens, marked_tokens
from attnlab_core.metrics.average_precision import average_precision as token_precision
from attnlab_core.stats import pooled
from attnlab_core.tasks.agreement import Agreement
from attnlab_core.tasks.custom import Custom
from attnlab_core.testing import tiny_lab

REVIEWS = [
    {"id": "a", "text": "A truly great film.", "label": "positive", "rationale": "great"},
    {
        "id": "b",
        "text": "The movie was not as bad as I expected.",
        "label": "positive",
        "rationale": "not;bad",
    },
    {"id": "c", "text": "There is nothing to dislike here.", "label": "negative", "rationale": "dislike"},
]
ASKED = [
    {
        "id": "p",
        "text": "What is the capital?",
        "second": "The doctor came to the city. Paris is the capital of France! He said that.",
        "label": "Paris",
        "rationale": "second:29:34",
    },
    {
        "id": "q",
        "text": "Who came?",
        "second": "The doctor came. A story.",
        "label": "a nurse",
        "rationale": "doctor",
    },
    {"id": "r", "text": "Who came?", "second": "The doctor came. A story.", "label": "doctor"},
]
BEGUN = [{"id": "g", "text": "Paris is the capital of", "label": "France", "wrong": "story"}]
FEW = ("input_x_gradient", "raw_attention", "attention_rollout")


def rank_correlation(one: Any, two: Any) -> float:
    found: Any = spearmanr(one, two)
    return float(found.statistic)


@cache
def lab_of(task: Any = "classification", architecture: str = "bert") -> Lab:
    return tiny_lab(task, architecture)


@pytest.fixture
def data(tmp_path: Path):
    """A function that writes rows of our own to a file."""

    def write(rows: list[dict[str, str]]) -> str:
        file = tmp_path / f"{rows[0]['id']}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(file)

    return write


def measured(experiment: Experiment, lab: Lab) -> list[dict[str, Any]]:
    return experiment.measure(lab, experiment.rows(lab), 2**29)


# --- what all three promise

REQUESTS = {
    "bench": (lambda d: Bench(task=Custom(), data=d, methods=FEW, target="gold"), REVIEWS, "classification"),
    "bench, words": (
        lambda d: Bench(task=Custom(), data=d, methods=FEW, by="word", deletion="remove", params={"lerf": {"steps": 3}}),
        REVIEWS,
        "classification",
    ),
    "correlate": (lambda d: Correlate(task=Custom(), data=d), REVIEWS, "classification"),
    "correlate, words": (
        lambda d: Correlate(task=Custom(), data=d, specials=False, readout="max", target="prediction"),
        REVIEWS,
        "classification",
    ),
    "evidence": (
        lambda d: Evidence(task=Custom(), data=d, methods=("atman_sentences", *FEW, "random"), params={"atman": {"factor": 0.2}}),
        ASKED,
        "answering",
    ),
    "evidence, squared": (lambda d: Evidence(task=Custom(), data=d, methods=FEW, sign="square"), REVIEWS, "classification"),
}  # fmt: skip
every_request = pytest.mark.parametrize("name", REQUESTS)


@every_request
def test_what_is_measured_of_a_row_depends_on_it_alone(name, data):
    make, rows, task = REQUESTS[name]
    experiment, lab = make(data(rows)), lab_of(task)
    given = experiment.rows(lab)
    together = experiment.measure(lab, given, 2**29)
    alone = [experiment.measure(lab, [row], 2**29)[0] for row in reversed(given)]
    assert json.dumps(together) == json.dumps(alone[::-1])
    assert [row["id"] for row in together] == [row.id for row in given]


@every_request
def test_a_request_survives_json_and_can_be_a_key(name):
    experiment = REQUESTS[name][0]("rows.jsonl")
    again = experiment_from_json(json.loads(json.dumps(experiment.to_json())))
    assert again == experiment
    assert hash(again) == hash(experiment)
    assert again.to_json() == experiment.to_json()


@every_request
def test_a_run_gives_tables_of_finite_numbers_and_the_same_twice(name, data, tmp_path):
    make, rows, task = REQUESTS[name]
    experiment = make(data(rows))
    one, two = (run(experiment, lab_of(task), folder=tmp_path / "runs").to_json() for _ in range(2))
    assert one["tables"] == two["tables"]
    assert one["notes"] == two["notes"]
    assert one["rows"] == len(rows)
    for table in one["tables"].values():
        assert table
        for row in table:
            assert all(math.isfinite(value) for value in row.values() if isinstance(value, float))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (Bench, {"methods": ("attention_roll",)}),
        (Bench, {"metrics": ("aopc",)}),
        (Bench, {"deletion": "erase"}),
        (Bench, {"by": "sentence"}),
        (Bench, {"params": {"atman": {"facto": 1}}}),
        (Bench, {"params": {"atman": 1}}),
        (Correlate, {"target": "right"}),
        (Correlate, {"readout": "last"}),
        (Correlate, {"methods": ("atman",)}),
        (Correlate, {"params": {"attention_flow": {"layer": 1}}}),
        (Evidence, {"sign": "negative"}),
        (Evidence, {"methods": ("atman_words",)}),
        (Evidence, {"params": {"atman_correlated": {"similarity": 2}}}),
    ],
)
def test_settings_that_are_none_are_refused_in_one_line(kind, settings):
    with pytest.raises(BadInput) as refused:
        kind(task=Custom(), **settings)
    assert "\n" not in str(refused.value)
    assert str(refused.value).endswith(".")


def test_rows_that_cannot_be_explained_are_kept_with_the_reason(data):
    experiment = Evidence(task=Custom(), data=data(ASKED), methods=("random",))
    lab = lab_of("answering")
    rows = measured(experiment, lab)
    assert [row["id"] for row in rows if "why" in row] == ["q", "r"]
    assert "does not occur in the context" in rows[1]["why"]
    assert rows[2]["why"] == "Nothing is marked in the row."
    notes = experiment.notes(lab, rows)
    assert notes[0].startswith(
        "2 of 3 rows are left out, 1 of them because: The answer 'a nurse' does not occur"
    )
    table = experiment.tables(lab, rows)["evidence"]
    assert {row["n"] for row in table} == {1}


@pytest.mark.parametrize("groups", [["a", "b", "c", "d", "e"], ["a", "b", "a", "c", "b"]])
def test_intervals_are_those_of_the_common_bootstrap(groups):
    values = [0.3, -0.1, 0.8, 0.5, 0.4]
    wanted = pooled({"x": values}, lambda c: float(c["x"].mean()), groups=groups, seed=3)
    assert figure(list(zip(values, groups, strict=True)), 3) == pytest.approx(wanted)
    assert figure([], 0)["n"] == 0


# --- correlations


def test_correlations_are_scipys_of_the_methods_scores(data):
    lab = lab_of()
    experiment = Correlate(task=Custom(), data=data(REVIEWS))
    for row, found in zip(experiment.rows(lab), measured(experiment, lab), strict=True):
        read = lab.run(row.prompt)
        target = row.gold[0]
        change = []
        for place in range(len(read.tokens)):
            ids = list(read.encoding.ids)
            ids[place] = lab.tokenizer.unk_token_id
            p = read.evaluate(ids=[ids])[0, 0].softmax(-1)[lab.labels.index(target)]
            change.append(abs(read.value(target) - float(p)))
        norm = attribute(read, "gradient_norm", target, quantity="probability").scores
        for name, method in (
            ("raw attention", "raw_attention"),
            ("rollout", "attention_rollout"),
            ("flow", "attention_flow"),
        ):
            for layer in range(lab.layers):
                scores = attribute(read, method, target, layer=layer).scores
                wanted = rank_correlation(scores.numpy().round(9), np.array(change).round(6))
                assert found["values"]["blank-out"][name][layer] == pytest.approx(wanted, abs=1e-9)
                wanted = rank_correlation(scores.numpy().round(9), norm.numpy())
                assert found["values"]["gradient norm"][name][layer] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("task", "row"),
    [
        ("masked", {"id": "m", "text": "Paris is the [MASK] of France.", "label": "capital"}),
        ("answering", ASKED[0]),
        ("causal", BEGUN[0]),
    ],
)
def test_every_kind_of_model_that_has_a_target_is_correlated_and_benched(task, row, data):
    lab = tiny_lab(task, "gpt2" if task == "causal" else "bert")
    (found,) = measured(Correlate(task=Custom(), data=data([row])), lab)
    for by_method in found["values"].values():
        assert set(by_method) == {"raw attention", "rollout", "flow"}
        for layers in by_method.values():
            assert len(layers) == lab.layers
            assert all(value is None or -1 <= value <= 1 for value in layers)
    (found,) = measured(
        Bench(task=Custom(), data=data([row]), methods=FEW, metrics=("aopc_suff", "morf"), target="gold"), lab
    )
    assert list(found["values"]) == [*FEW, "random", "oracle"]
    assert all(0 <= values["morf"] <= 1 for values in found["values"].values())


def test_the_largest_of_all_rows_and_the_tokens_of_words(data):
    lab = lab_of()
    experiment = Correlate(task=Custom(), data=data(REVIEWS), readout="max", specials=False)
    row = experiment.rows(lab)[0]
    found = experiment.measure(lab, [row], 2**29)[0]
    read = lab.run(row.prompt)
    inside = [k for k, token in enumerate(read.tokens) if not token.special]
    norm = attribute(read, "gradient_norm", row.gold[0], quantity="probability").scores.numpy()[inside]
    assert found["tokens"] == len(inside) < len(read.tokens)
    every = range(len(read.tokens))
    for name, method in (
        ("raw attention", "raw_attention"),
        ("rollout", "attention_rollout"),
        ("flow", "attention_flow"),
    ):
        for layer in range(lab.layers):
            rows = [attribute(read, method, row.gold[0], layer=layer, query=k).scores for k in every]
            largest = torch.stack(rows).amax(0).numpy().round(9)[inside]
            assert found["values"]["gradient norm"][name][layer] == pytest.approx(
                rank_correlation(largest, norm)
            )


def test_ties_have_mean_ranks_and_nothing_to_rank_is_none():
    # Ranks 2.5 2.5 2.5 2.5 5 and 5 2.5 2.5 2.5 2.5: covariance -0.25 of the variance.
    assert spearman(np.array([0, 0, 0, 0, 1]), np.array([1, 0, 0, 0, 0])) == pytest.approx(-0.25)
    assert spearman(np.array([1.0, 1.0]), np.array([1.0, 2.0])) is None
    assert spearman(np.array([1.0]), np.array([2.0])) is None


def test_the_first_layers_flow_is_its_rollout_and_undefined_counts_as_zero(data):
    lab = lab_of()
    experiment = Correlate(task=Custom(), data=data(REVIEWS))
    rows = measured(experiment, lab)
    for row in rows:
        for by_method in row["values"].values():
            assert by_method["flow"][0] == by_method["rollout"][0]
    ones = [row["values"]["blank-out"]["rollout"][1] for row in rows]
    rows[0]["values"]["blank-out"]["rollout"][1] = None
    table = experiment.tables(lab, rows)["correlations"]
    (found,) = [r for r in table if (r["importance"], r["method"], r["layer"]) == ("blank-out", "rollout", 1)]
    values = [0.0, *ones[1:]]
    assert found["mean"] == pytest.approx(sum(values) / 3)
    assert found["std"] == pytest.approx(math.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 3))
    assert (found["undefined"], found["n"]) == (1, 3)
    assert found["low"] <= found["mean"] <= found["high"]
    assert found["published"] is None
    assert any("as in the paper's scripts: 1 do." in note for note in experiment.notes(lab, rows))


@pytest.mark.parametrize("architecture", ["bert", "distilbert"])
def test_the_summed_gradient_is_noise_under_a_layer_norm(architecture, data):
    lab = lab_of("classification", architecture)
    experiment = Correlate(task=Custom(), data=data(REVIEWS), methods=("raw_attention",))
    rows = measured(experiment, lab)
    assert all(row["ratio"] < 1e-5 for row in rows)
    assert any("rounding noise. A LayerNorm" in note for note in experiment.notes(lab, rows))


def test_the_summed_gradient_is_none_without_a_layer_norm(data):
    lab = lab_of("causal", "llama")
    experiment = Correlate(task=Custom(), data=data(BEGUN))
    rows = measured(experiment, lab)
    assert rows[0]["ratio"] > 1e-3
    # The target's tokens but the last are read, too.
    goal = lab.run(BEGUN[0]["text"]).goal("France")
    assert rows[0]["tokens"] == len(lab.encode(BEGUN[0]["text"]).ids) + len(goal.extra)
    assert any(
        "is not the rounding noise" in note or "not the rounding" in note
        for note in experiment.notes(lab, rows)
    )


def test_published_figures_stand_beside_the_shipped_agreement_model(tmp_path):
    lab = al.load("agreement")
    report = run(Correlate(task=Agreement(items=2), limit=2), lab, folder=tmp_path)
    table = report.tables["correlations"]
    beside = {
        (r["importance"], r["method"], r["layer"]): (r["published"], r["published_std"], r["published_in"])
        for r in table
    }
    assert beside["blank-out", "rollout", 5] == (0.71, 0.24, "table 1, L6")
    assert beside["blank-out", "raw attention", 0] == (0.69, 0.27, "table 1, L1")
    assert beside["gradient norm", "flow", 3] == (0.61, 0.28, "table 2, L4")
    assert beside["summed gradient", "raw attention", 4] == (0.24, 0.40, "table 2, L5")
    words = run(Correlate(task=Agreement(items=2), limit=2, specials=False), lab, folder=tmp_path)
    assert {row["published"] for row in words.tables["correlations"]} == {None}


# --- evidence


def exact(scores: list[float], marked: list[bool]) -> float:
    """Average precision by its definition, for scores without ties."""
    order = sorted(range(len(scores)), key=lambda k: -scores[k])
    hits = [rank for rank, k in enumerate(order, 1) if marked[k]]
    return sum((number + 1) / rank for number, rank in enumerate(hits)) / len(hits)


def test_average_precision_by_hand_by_its_definition_and_as_the_metric_has_it():
    assert average_precision(np.array([4.0, 3, 2, 1]), np.array([True, False, True, False])) == pytest.approx(
        5 / 6
    )
    # Two marked of four, all alike: every rank has half of them.
    assert average_precision(np.zeros(4), np.array([True, True, False, False])) == 0.5
    random = np.random.default_rng(0)
    for _ in range(20):
        scores, marked = random.permutation(9).astype(float), random.permutation([True] * 3 + [False] * 6)
        assert average_precision(scores, marked) == pytest.approx(exact(scores.tolist(), marked.tolist()))
    read = lab_of().run(REVIEWS[1]["text"])
    gold = [2, 5]
    (case,) = cases(read, [attribute(read, "raw_attention", layer=0)], gold=gold)
    marked = np.array([place in gold for (place,) in case.units])
    assert average_precision(case.values.numpy(), marked) == pytest.approx(token_precision(case))


def test_recall_is_the_mean_over_all_orders_of_equal_scores():
    scores, marked = np.array([2.0, 1, 1, 1, 0]), np.array([True, True, False, True, False])
    orders = [
        order
        for order in itertools.permutations(range(5))
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order))
    ]
    found = [sum(marked[k] for k in order[:3]) / 3 for order in orders]
    assert recall(scores, marked) == pytest.approx(np.mean(found))
    assert recall(scores, np.ones(5, dtype=bool)) == 1


def test_the_interquartile_mean_by_hand_and_scipys():
    assert interquartile_mean([0, 1, 2, 3, 4, 5, 6, 100]) == (2 + 3 + 4 + 5) / 4
    values = np.random.default_rng(1).random(11)
    assert interquartile_mean(values.tolist()) == pytest.approx(trim_mean(values, 0.25))
    assert math.isnan(interquartile_mean([]))


def test_a_sentences_score_is_the_effect_of_suppressing_all_of_it(data):
    lab = lab_of("answering")
    experiment = Evidence(
        task=Custom(), data=data(ASKED), methods=("atman_sentences", "atman"), sign="square"
    )
    row = experiment.rows(lab)[0]
    read = lab.run(row.prompt)
    parts = sentences(read, judged_tokens(read))
    assert read.prompt.second
    texts = [read.prompt.second[read.tokens[p[0]].start : read.tokens[p[-1]].end] for p in parts]
    assert texts == ["The doctor came to the city.", "Paris is the capital of France!", "He said that."]
    whole = read.value("Paris", "log_probability")
    losses = [
        whole
        - read.again(Suppress(factor=0.1, minimum="visible", where=Where(keys=part))).value(
            "Paris", "log_probability"
        )
        for part in parts
    ]
    marked = np.array([False, True, False])
    found = experiment.measure(lab, [row], 2**29)[0]
    wanted = [average_precision(np.square(losses), marked), recall(np.square(losses), marked)]
    assert found["values"]["sentence"]["atman_sentences"] == pytest.approx(wanted)
    said = attribute(read, "atman", "Paris", unit="sentence").scores
    assert [float(said[list(part)].sum()) for part in parts] == pytest.approx(losses, abs=1e-5)
    alone = attribute(read, "atman", "Paris").scores
    sums = np.array([float(alone[list(part)].sum()) for part in parts])
    assert found["values"]["sentence"]["atman"][0] == average_precision(sums**2, marked)
    gold = marked_tokens(read, row.rationale or ())
    inside = judged_tokens(read)
    tokens = average_precision(alone[inside].numpy() ** 2, gold[inside].numpy())
    assert found["values"]["token"]["atman"][0] == pytest.approx(tokens)
    assert "atman_sentences" not in found["values"]["token"]
    assert found["units"] == {"token": int(inside.sum()), "sentence": 3}


@pytest.mark.parametrize(("count", "marked"), [(1, 1), (4, 1), (5, 2), (6, 3), (4, 4)])
def test_chance_is_the_mean_over_all_orders(count, marked):
    marks = np.arange(count) < marked
    orders = [np.array(order, dtype=float) for order in itertools.permutations(range(count))]
    found = np.mean([(average_precision(one, marks), recall(one, marks)) for one in orders], axis=0)
    assert chance(count, marked) == pytest.approx(tuple(found))


def test_random_explanations_of_tokens_come_out_at_chance(data):
    experiment = Evidence(task=Custom(), data=data(ASKED), methods=("random",))
    given = experiment.rows(lab_of("answering"))[0]
    rows = [dataclasses.replace(given, id=str(k)) for k in range(30)]
    found = experiment.measure(lab_of("answering"), rows, 2**29)
    assert len({row["values"]["token"]["random"][0] for row in found}) == 30
    mean = np.mean([row["values"]["token"]["random"] for row in found], axis=0)
    assert mean == pytest.approx(found[0]["chance"]["token"], abs=0.03)


def test_the_usual_methods_are_those_of_the_catalogue():
    ways = Evidence(task=Custom()).ways
    assert {method for method, _ in ways.values()} <= set(methods())
    assert ways["atman_correlated"] == ("atman", {"similarity": 0.7})
    changed = Evidence(task=Custom(), params={"atman_correlated": {"factor": 0.0}}).ways
    assert changed["atman_correlated"] == ("atman", {"similarity": 0.7, "factor": 0.0})
    assert FORMS["atman_correlated"] == ("atman", {"similarity": 0.7})


def test_evidence_is_pooled_by_hand(data):
    experiment = Evidence(task=Custom(), data=data(ASKED))
    rows = [
        {
            "id": str(k), "group": "", "kinds": [], "units": {"token": 9, "sentence": 2}, "left": {},
            "marked": {"token": 1, "sentence": 2},
            "values": {"token": {"atman": [ap, ap / 2]}, "sentence": {}}, "chance": {"token": [0.1, 0.05], "sentence": [1, 1]},
        }
        for k, ap in enumerate([0.0, 0.2, 0.4, 1.0])
    ]  # fmt: skip
    (found,) = experiment.tables(lab_of("answering"), rows)["evidence"]
    assert found["map"] == pytest.approx(0.4)
    assert found["map_iq"] == pytest.approx(0.3)
    assert found["mar"] == pytest.approx(0.2)
    assert found["mar_iq"] == pytest.approx(0.15)
    assert (found["chance"], found["chance_mar"]) == pytest.approx((0.1, 0.05))
    assert found["gain"] == pytest.approx(0.3)
    # Gains -.1 .1 .3 .9 sum to 1.2: as far from 0 where .3 and .9 have one sign and the others do not both go against.
    assert found["p"] == found["p_holm"] == 6 / 16
    assert any(
        note.startswith("All sentences are marked in 4 of 4 rows")
        for note in experiment.notes(lab_of("answering"), rows)
    )


# --- bench


@pytest.mark.parametrize(("deletion", "by"), [("mask", "token"), ("remove", "word")])
def test_bench_is_judge_with_its_two_controls(deletion, by, data):
    lab = lab_of()
    experiment = Bench(
        task=Custom(), data=data(REVIEWS), methods=FEW, deletion=deletion, by=by, target="gold", draws=1
    )
    for row, found in zip(experiment.rows(lab), measured(experiment, lab), strict=True):
        read = lab.run(row.prompt)
        gold = marked_tokens(read, row.rationale or ())
        given = [attribute(read, name, row.gold[0]) for name in FEW]
        wanted = judge(
            read, given, target=row.gold[0], gold=gold, how=deletion, by=by, seed=experiment.draw(row)
        )
        assert [one.method for one in wanted] == list(found["values"])
        for one in wanted:
            assert found["values"][one.method] == pytest.approx(one.to_json()["values"], abs=1e-6)
            assert found["how"] == one.how
            area = np.mean(found["curves"][one.method]["most"])
            if len(found["curves"][one.method]["most"]) == found["count"] + 1:
                assert area == pytest.approx(one.values["morf"])
            assert found["curves"][one.method]["most"][0] == pytest.approx(read.value(row.gold[0]), abs=1e-6)
        ends = {round(one["least"][-1], 6) for one in found["curves"].values()}
        assert len(ends) == 1


def test_the_random_control_is_the_mean_of_its_draws(data):
    lab, given = lab_of(), {"task": Custom(), "data": data(REVIEWS), "methods": ("raw_attention",)}
    experiment = Bench(**given, metrics=("aopc_compr", "taucorr_loo"), draws=3)
    row = experiment.rows(lab)[1]
    read = lab.run(row.prompt)
    orders = [attribute(read, "random", seed=experiment.draw(row, k)) for k in range(3)]
    assert not torch.equal(orders[0].scores, orders[1].scores)
    judged = judge(read, orders, names=experiment.metrics, controls=())
    found = experiment.measure(lab, [row], 2**29)[0]["values"]
    assert list(found) == ["raw_attention", "random", "oracle"]
    for name in experiment.metrics:
        assert found["random"][name] == pytest.approx(np.mean([one.values[name] for one in judged]), abs=1e-6)


def test_without_marks_plausibility_is_not_asked(data):
    lab = lab_of()
    rows = [{key: value for key, value in row.items() if key != "rationale"} for row in REVIEWS]
    asked = Bench(task=Custom(), data=data(rows), methods=("raw_attention",))
    assert {"aopc_compr", "morf"} < set(measured(asked, lab)[0]["values"]["random"])
    assert "average_precision" not in measured(asked, lab)[0]["values"]["random"]
    forced = Bench(task=Custom(), data=data(rows), methods=("raw_attention",), metrics=("average_precision",))
    found = measured(forced, lab)
    assert found[0]["values"]["raw_attention"] == {"average_precision": None}
    (one, *_) = forced.tables(lab, found)["metrics"]
    assert (one["n"], one["undefined"]) == (0, 3)
    assert any("average_precision is undefined" in note for note in forced.notes(lab, found))


def test_bench_tables_by_hand(data):
    experiment, lab = Bench(task=Custom(), data=data(REVIEWS)), lab_of()
    better = {
        "one": [0.5, 0.7, None, 0.9],
        "two": [0.6, 0.8, 0.2, 1.0],
        "random": [0.1, 0.2, 0.3, 0.0],
        "oracle": [1.0] * 4,
    }
    rows = [
        {
            "id": str(k), "group": "", "kinds": [], "how": "removed", "notes": [], "undefined": {}, "left": {}, "count": 2,
            "values": {name: {"aopc_compr": values[k], "morf": -(values[k] or 0.0)} for name, values in better.items()},
            "curves": {name: {"most": [1.0, 0.5, 0.1 * k]} for name in better},
        }
        for k in range(4)
    ]  # fmt: skip
    tables = experiment.tables(lab, rows)
    found = {(row["metric"], row["method"]): row for row in tables["metrics"]}
    one, two = found["aopc_compr", "one"], found["aopc_compr", "two"]
    assert (one["mean"], one["n"], one["undefined"], one["rank"]) == (pytest.approx(0.7), 3, 1, 1)
    assert (two["mean"], two["n"], two["rank"]) == (pytest.approx(0.65), 4, 2)
    # Paired where both are defined: .4 .5 .9 for the one, .5 .6 -.1 1 for the other.
    assert one["difference"] == pytest.approx(0.6)
    assert one["p"] == 2 / 8
    assert two["difference"] == pytest.approx(0.5)
    assert two["p"] == 4 / 16
    tests = [row for row in tables["metrics"] if "p" in row]
    assert {row["method"] for row in tests} == {"one", "two"}
    assert all(row["p_holm"] == 1 for row in tests)
    assert found["aopc_compr", "oracle"]["rank"] is None
    assert "difference" not in found["aopc_compr", "random"]
    assert found["morf", "two"]["better"] == "lower"
    assert found["morf", "two"]["rank"] == 1
    curve = [row for row in tables["curves"] if row["method"] == "one"]
    assert [(row["first"], row["share"], round(row["mean"], 3)) for row in curve] == [
        ("most", 0.0, 1.0), ("most", 0.5, 0.5), ("most", 1.0, 0.15),
    ]  # fmt: skip


def test_scores_from_elsewhere_are_judged_like_our_own(data, tmp_path):
    lab, row = lab_of(), REVIEWS[1]
    read = lab.run(row["text"])
    one = attribute(read, "raw_attention", row["label"])
    file = tmp_path / "theirs.csv"
    pieces = [
        f'"{token.text}",{float(score)!r}'
        for token, score in zip(one.tokens, one.scores, strict=True)
        if not token.special
    ]
    file.write_text("token,score\n" + "\n".join(pieces), encoding="utf-8")
    experiment = Bench(
        task=Custom(), data=data(REVIEWS), methods=("raw_attention",), scores=(str(file),), target="gold",
        metrics=("aopc_compr", "taucorr_loo"),
    )  # fmt: skip
    found = {one["id"]: one for one in measured(experiment, lab)}
    (name,) = set(found["b"]["values"]) - {"raw_attention", "random", "oracle"}
    assert found["b"]["values"][name] == pytest.approx(found["b"]["values"]["raw_attention"])
    assert set(found["a"]["left"]) == {"theirs.csv"}
    assert any(
        note.startswith("theirs.csv is missing in 2 of 3 rows")
        for note in experiment.notes(lab, list(found.values()))
    )


def test_a_method_that_refuses_a_text_is_left_out_there(data):
    lab = lab_of()
    experiment = Bench(
        task=Custom(), data=data(REVIEWS), methods=("attention_flow", "raw_attention"), metrics=("morf",),
        params={"attention_flow": {"max_tokens": 8}},
    )  # fmt: skip
    rows = measured(experiment, lab)
    short = [len(lab.encode(row["text"]).ids) <= 8 for row in REVIEWS]
    assert ["attention_flow" in row["values"] for row in rows] == short
    assert any(short)
    assert not all(short)
    with pytest.raises(UnknownName):
        Bench(task=Custom(), params={"nothing": {"steps": 1}})
