"""The redundancy study: its pictures, its losses by hand, its record computed again in part, its story, its page."""

from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import attnlab_core as al
from attnlab_core.edits.suppress import Suppress
from attnlab_core.errors import BadInput
from attnlab_core.shapes import KINDS
from attnlab_core.testing import tiny_lab
from case_studies import _redundancy_measure as measure
from case_studies import _story, redundancy
from case_studies._redundancy_measure import FACTOR, FACTORS, FIRST, TOUCHED

LABELS: dict[str, Any] = {
    "id2label": dict(enumerate(KINDS)),
    "label2id": {kind: k for k, kind in enumerate(KINDS)},
}


@pytest.fixture(scope="module")
def lab() -> al.Lab:
    """Random weights; 10 × 10 patches, as the shipped model has, in a picture four times smaller than what is drawn."""
    return tiny_lab(architecture="vit", image_size=20, patch_size=2, **LABELS)


@pytest.fixture(scope="module")
def shipped() -> al.Lab:
    return al.load(redundancy.MODEL)


@pytest.fixture(scope="module")
def pair() -> measure.Pair:
    return next(found for seed in range(FIRST, FIRST + 20) if (found := measure.pair(seed)))


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found = _story.recorded(redundancy.NAME)
    assert found is not None
    return found


# The pictures


def test_a_pair_has_one_shape_at_one_place_and_a_second_one_alike():
    found = [pair for seed in range(FIRST, FIRST + 24) if (pair := measure.pair(seed))]
    assert len(found) > 12
    assert {pair.kind for pair in found} == set(KINDS)
    for pair in found:
        first, second = pair.two.shapes
        assert pair.one.shapes == (first,)
        assert np.array_equal(pair.one.masks[0], pair.two.masks[0])
        for name in ("kind", "colour", "texture", "radius", "angle"):
            assert getattr(first, name) == getattr(second, name)
        assert not (pair.two.masks[0] & pair.two.masks[1]).any()


def test_no_seed_of_training_is_used():
    assert all(FIRST <= FIRST + 10_000 * (seed % 40) < 999_000 - 10 * redundancy.COUNT for seed in range(200))


def test_the_patches_of_a_copy_are_those_with_a_pixel_in_its_mask(lab, pair):
    run = measure.read(lab, pair.two)
    blocks = pair.two.masks.reshape(2, 10, 8, 10, 8).mean((2, 4)).reshape(2, -1)
    wanted = [(np.flatnonzero(some >= TOUCHED) + 1).tolist() for some in blocks]  # behind [CLS]
    assert measure.patches(run, pair.two) == wanted


# What is measured


def by_hand(run: al.Run, kind: str, places: list[int], factor: float) -> tuple[float, float]:
    """The loss of log-probability and of log-odds, from the probabilities of two runs."""
    was = torch.tensor(run.probabilities[kind], dtype=torch.float64)
    edited = run.again(Suppress(factor=factor, where=al.Where(keys=tuple(places))))
    now = torch.tensor(edited.probabilities[kind], dtype=torch.float64)
    return float(was.log() - now.log()), float(torch.logit(was) - torch.logit(now))


@pytest.mark.parametrize("factor", FACTORS)
def test_costs_are_those_of_runs_with_a_suppress_by_hand(lab, pair, factor):
    run = measure.read(lab, pair.two)
    first, second = measure.patches(run, pair.two)
    found = measure.costs(run, pair.kind, pair.two, factor, pair.seed)
    singles = np.array([by_hand(run, pair.kind, [place], factor) for place in first])
    assert found["copy"] == pytest.approx(by_hand(run, pair.kind, first, factor), abs=1e-5)
    assert found["other"] == pytest.approx(by_hand(run, pair.kind, second, factor), abs=1e-5)
    assert found["both"] == pytest.approx(
        by_hand(run, pair.kind, sorted({*first, *second}), factor), abs=1e-5
    )
    assert found["mean"] == pytest.approx(singles.mean(0).tolist(), abs=1e-5)
    assert found["most"] == pytest.approx(singles.max(0).tolist(), abs=1e-5)
    assert found["sum"] == pytest.approx(singles.sum(0).tolist(), abs=1e-4)
    assert abs(found["copy"][0]) > 1e-5


def test_places_elsewhere_are_as_many_and_none_of_a_shape():
    free = [3, 5, 8, 9, 20]
    drawn = [measure._some(np.random.default_rng(seed), free, 3) for seed in range(30)]
    assert all(len(set(some)) == 3 and set(some) <= set(free) for some in drawn)
    assert len({tuple(some) for some in drawn}) > 5
    assert measure._some(np.random.default_rng(0), free, 9) == free


def test_single_losses_are_atmans_scores(lab, pair):
    run = measure.read(lab, pair.two)
    edits = [measure.together([k], FACTOR) for k in range(len(run.tokens))]
    scores = measure.explained(run, pair.kind).scores
    assert measure.lost(run, pair.kind, edits)[:, 0] == pytest.approx(scores.numpy(), abs=1e-5)


def test_random_groups_are_atmans_where_nothing_is_alike_and_where_all_is(lab, pair):
    run = measure.read(lab, pair.two)
    alone = measure.explained(run, pair.kind)
    scores = measure.at_random(run, pair.kind, alone, 1.1, 0).scores
    assert scores[1:].numpy() == pytest.approx(alone.scores[1:].numpy(), abs=1e-5)
    assert scores[0] == 0
    drawn = [measure.at_random(run, pair.kind, alone, 0.0, seed).scores for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_scores_of_a_map_by_hand(lab, pair):
    from dataclasses import replace

    run = measure.read(lab, pair.two)
    blocks = pair.two.masks.reshape(2, 10, 8, 10, 8).mean((2, 4)).reshape(2, -1)
    first, second = (np.flatnonzero(some >= 0.5) + 1 for some in blocks)
    assert len(first)
    assert len(second)
    scores = torch.full((101,), -1.0, dtype=torch.float64)
    off = next(k for k in range(1, 101) if k not in {*first, *second})
    scores[int(first[0])], scores[int(second[0])], scores[off] = 4.0, 1.0, 5.0
    none = torch.full((101,), -1.0, dtype=torch.float64)
    like = measure.explained(run, pair.kind)
    row, nothing = measure.scored(
        run, pair.kind, pair.two, [replace(like, scores=some) for some in (scores, none)]
    )
    assert row["precision"] == pytest.approx(5 / 10)
    assert row["recall"] == pytest.approx((4 + 1) / 5 / len({*first, *second}))
    assert row["smaller"] == pytest.approx(1 / 5)
    assert nothing == {"precision": 0, "recall": 0, "smaller": 0}


def test_a_cosine_of_minus_one_takes_all_together_and_one_above_none(lab, pair):
    run = measure.read(lab, pair.two)
    every, none = (measure.alike(run, pair.two, cosine) for cosine in (-1.0, 1.1))
    assert every == {"others": 99, "same": 1, "other": 1, "elsewhere": 1}
    assert none == {"others": -1, "same": 0, "other": 0, "elsewhere": 0}


def test_another_model_is_refused():
    with pytest.raises(BadInput, match="knows circle"):
        redundancy.study(tiny_lab(), count=2)
    with pytest.raises(BadInput, match="knows circle"):
        redundancy.study(tiny_lab(architecture="vit"), count=2)


def test_a_model_that_is_always_wrong_is_refused(lab, monkeypatch):
    monkeypatch.setattr(measure, "pair", lambda seed: None)
    with pytest.raises(BadInput, match="0 pairs of 0; 2 are needed"):
        redundancy.study(lab, count=2)


@pytest.mark.parametrize("copies", [1, 2])
def test_the_example_is_what_the_study_measures(lab, pair, copies):
    drawn = pair.two if copies == 2 else pair.one
    run = measure.read(lab, drawn)
    found = measure.example(run, pair.kind, drawn, 0.8)
    single, alike = found["maps"]
    assert torch.equal(single.scores, measure.explained(run, pair.kind).scores)
    assert torch.equal(alike.scores, measure.explained(run, pair.kind, 0.8).scores)
    rows = dict(found["rows"])
    names = ["copy 1", "copy 2", "all copies"][: 2 * copies - 1]
    assert list(rows)[2:] == names
    was, costs = rows["nothing"], measure.costs(run, pair.kind, drawn, FACTOR, 0)
    lost = [float(np.log(was) - np.log(rows[name])) for name in names]
    wanted = [costs[name][0] for name in ("copy", "other", "both")[: len(names)]]
    assert lost == pytest.approx(wanted, abs=1e-5)
    best = list(rows.values())[1]
    assert float(np.log(was) - np.log(best)) == pytest.approx(float(single.scores[1:].max()), abs=1e-5)


# The record and the story


def test_the_record_is_up_to_date(record):
    figures = record["figures"]
    assert record["question"] == redundancy.QUESTION
    assert record["model"]["digest"] == _story.digest(redundancy.MODEL)
    assert len(figures["rows"]) == figures["design"]["count"] == redundancy.COUNT
    assert figures["chosen"] == max(figures["sweep"], key=lambda one: one["f"])["like"]
    pilot = {row["seed"] for row in figures["rows"][::2]}
    assert not pilot & {row["seed"] for row in figures["scores"]}
    assert (_story.RECORDED / f"{redundancy.NAME}.json").stat().st_size < 150_000


@pytest.mark.slow
def test_a_small_run_gives_the_rows_of_the_record(record, shipped):
    figures = record["figures"]
    small = redundancy.study(shipped, seed=record["seed"], count=2, likes=(figures["chosen"],))
    assert small["parts"] == figures["parts"]
    for one, kept in zip(small["rows"], figures["rows"], strict=False):
        assert (one["seed"], one["look"], one["patches"]) == (kept["seed"], kept["look"], kept["patches"])
        for factor, sides in kept["lost"].items():
            for side, values in sides.items():
                assert one["lost"][factor][side] == pytest.approx(values, abs=2e-3)
    (first,), kept = small["scores"], figures["scores"][0]
    assert first["seed"] == kept["seed"]
    for name in redundancy.FOUND:
        assert first[name] == pytest.approx(kept[name], abs=5e-3)


def test_the_means_of_the_record_are_those_of_its_rows(record):
    figures = record["figures"]
    for factor, sides in figures["suppressed"].items():
        for side, names in figures["parts"].items():
            table = np.array([row["lost"][factor][side] for row in figures["rows"]])
            wanted = [sides[side][name]["mean"] for name in names]
            assert table.mean(0) == pytest.approx(np.array(wanted), abs=2e-5)
    for name in redundancy.FOUND:
        table = np.array([row[name] for row in figures["scores"]])
        wanted = [figures["found"][name][score]["mean"] for score in measure.SCORES]
        assert table.mean(0) == pytest.approx(np.array(wanted), abs=2e-5)


def said_in(record: dict[str, Any]) -> str:
    steps, closing = redundancy.story(record)
    lines = [*(step.text for step in steps), *closing.found, *closing.not_found, *closing.sure]
    return "\n".join(lines).replace("−", "-")


def numbers(value: Any) -> set[str]:
    """All ways in which a story writes the figures of a record."""
    if isinstance(value, dict):
        return {said for one in value.values() for said in numbers(one)}
    if isinstance(value, list):
        return {said for one in value for said in numbers(one)}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return set()
    said = {f"{round(value, 2) + 0.0:.2f}", f"{100 * value:.1f}", f"{100 * value:+.1f}", f"{value:.1f}"}
    return said | {f"{value:.4f}", f"{value:g}"}


def test_every_number_of_the_story_is_in_the_record(record):
    figures = record["figures"]
    known = numbers(figures) | {"95", "50.0", "100.0"}
    known |= {str(len(figures[name])) for name in ("tests", "found_tests")}
    found = re.findall(r"(?<![\w.-])[+-]?\d+(?:\.\d+)?", said_in(record))
    assert len(found) > 100
    for number in found:
        assert number in known, number


def test_the_story_follows_its_record(record):
    one, other = copy.deepcopy(record), copy.deepcopy(record)
    for test in one["figures"]["tests"] + one["figures"]["found_tests"]:
        test["p_holm"], test["mean"] = 0.001, abs(test["mean"]) + 0.01
    for test in other["figures"]["tests"] + other["figures"]["found_tests"]:
        test["p_holm"] = 0.5
    clear, unclear = said_in(one), said_in(other)
    assert "each copy stands in for the other" in clear
    assert "less with two copies than with one" in clear
    assert not redundancy.story(one)[1].not_found
    assert "not clearly other than the two losses added" in unclear
    assert "does not clearly change the recall" in unclear
    assert not redundancy.story(other)[1].found
    for test in one["figures"]["tests"] + one["figures"]["found_tests"]:
        test["mean"] = -test["mean"]
    assert "patches alike lowers the precision" in said_in(one)
    assert "costs more where the shape stands there twice" in said_in(one)


@pytest.mark.slow
def test_the_same_twice_in_plain_json(shipped):
    found, again = (redundancy.study(shipped, count=2, likes=(0.9,)) for _ in range(2))
    assert json.dumps(found, allow_nan=False) == json.dumps(again, allow_nan=False)


# The page


@pytest.mark.pages
@pytest.mark.slow
def test_the_page_tells_the_story_and_shows_another_picture(record):
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    st.cache_resource.clear()
    at = AppTest.from_file(str(Path(__file__).resolve().parents[1] / "app.py"), default_timeout=60)
    at.switch_page("pages/redundancy.py").run()
    assert at.title[0].value == redundancy.TITLE
    steps, _ = redundancy.story(record)

    def waited(count: int, said: str) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            at.run()
            assert not at.exception, at.exception[0].stack_trace
            tables = "\n".join(str(one.proto.body) for one in at.get("html"))
            if len(at.get("vega_lite_chart")) == len(steps) + count and said in tables:
                return
            time.sleep(0.2)
        pytest.fail(f"no {count} maps with {said!r}")

    waited(3, "copy 2")
    assert "Recorded on" in "\n".join(one.value for one in at.markdown)
    at.number_input(key="drawn").set_value(FIRST + 3)
    at.segmented_control(key="copies").set_value(1)
    waited(3, f"Probability of “{KINDS[(FIRST + 3) % len(KINDS)]}”")
    assert "copy 2" not in "\n".join(str(one.proto.body) for one in at.get("html"))
    links = [link.proto.page for link in at.main.get("page_link")]
    assert any("images" in link for link in links)
    st.cache_resource.clear()
