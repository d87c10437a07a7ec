"""Searching attention for an answer: what comes out is attention, can be replayed, made small, and is no magic."""

from __future__ import annotations

import json

import pytest
import torch

import attnlab_core as al
from attnlab_core.errors import BadInput, Cancelled
from attnlab_core.optimise import optimise
from attnlab_core.progress import watching
from attnlab_core.testing import tiny_lab

TEXT = "There is nothing to dislike here."


@pytest.fixture(scope="module")
def run() -> al.Run:
    return tiny_lab(initializer_range=0.5).run(TEXT)


@pytest.fixture(scope="module")
def found(run: al.Run):
    return optimise(run, steps=60, rate=0.3)


def test_it_turns_the_verdict(run, found):
    assert found.target == list(run.probabilities)[1]
    assert found.flipped
    assert found.after.prediction == found.target
    assert found.effect > 0
    assert found.trace[0].distance == pytest.approx(0, abs=1e-6)
    assert len(found.to_frame()) == len(found.trace)


def test_what_it_finds_is_attention(found):
    weights = found.after.pattern.weights
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert (weights >= 0).all()


def test_masked_cells_stay_at_zero():
    causal = tiny_lab("causal", architecture="gpt2", initializer_range=0.5).run("There is nothing")
    found = optimise(causal, " here", steps=10, enough=1.0)
    assert (found.after.pattern.weights.triu(1) == 0).all()
    assert all(query >= key for _, _, query, key, _ in found.edit.cells)
    assert found.effect > 0


def test_the_edit_is_a_value_that_replays_it(run, found):
    again = al.edit_from_json(json.dumps(found.edit.to_json()))
    assert again == found.edit
    assert run.again(again).probabilities == found.after.probabilities


def test_the_same_question_gives_the_same_edit(run, found):
    assert optimise(run, steps=60, rate=0.3).edit == found.edit


def test_a_larger_lambda_stays_nearer(run):
    near = [optimise(run, plausibility=weight, steps=80, rate=0.1) for weight in (0.0, 30.0)]
    assert near[1].figures()["minimality"] < near[0].figures()["minimality"]


def test_only_the_place_asked_for_changes(run):
    where = al.Where(layers=(1,), heads=(0, 2), queries=(0,))
    found = optimise(run, where=where, steps=5, enough=1.0)
    assert {(layer, query) for layer, _, query, _, _ in found.edit.cells} == {(1, 0)}
    assert {head for _, head, _, _, _ in found.edit.cells} <= {0, 2}


@pytest.mark.parametrize("by", ["cell", "head"])
def test_the_smallest_change_carries_its_share(found, by):
    small = found.smallest(0.9, by)
    assert len(small.edit.cells) <= len(found.edit.cells)
    assert small.effect >= 0.9 * found.effect - 1e-6
    assert set(small.edit.cells) <= set(found.edit.cells)
    curve = found.sizes([0, 1, 10**6], by)
    assert curve[0] == pytest.approx(0, abs=1e-6)
    assert curve[2] == pytest.approx(found.effect, abs=1e-5)


def test_the_control_is_as_large_and_elsewhere(found):
    effects = found.control(draws=8, seed=1)
    assert len(effects) == 8
    assert found.control(draws=8, seed=1) == effects
    assert max(effects) < found.effect


def test_figures_say_what_moved(found):
    figures = found.figures()
    assert figures["effectiveness"] > 0
    assert figures["faithfulness"] is None  # of two labels nothing is left to compare
    assert 0 < figures["minimality"] < 1
    json.dumps(found.to_json())
    words = tiny_lab("masked", initializer_range=0.5).run("There is [MASK] here.")
    other = optimise(words, list(words.probabilities)[3], steps=20)
    assert other.figures()["faithfulness"] >= 0


def test_it_can_be_cancelled(run):
    def stop(done: int, total: int) -> None:
        if done > 2:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled), watching(stop):
        optimise(run, steps=50, enough=1.0)


@pytest.mark.parametrize(
    ("task", "text", "options", "words"),
    [
        ("masked", "There is [MASK] here.", {}, "Say what the model is to answer"),
        ("causal", "There is", {"target": al.Target(" a b", rather_than=" c d e")}, "cannot be optimised for"),
        ("causal", "There is no", {"target": " here", "where": al.Where(queries=(0,), keys=(2,))}, "No visible cell"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(task, text, options, words):
    run = tiny_lab(task, "gpt2" if task == "causal" else "bert").run(text)
    with pytest.raises(BadInput, match=words):
        optimise(run, **options)
