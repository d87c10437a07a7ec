"""Searching attention for an answer: what comes out is attention, can be replayed, made small, and is no magic."""

from __future__ import annotations

import json

import pytest
import torch

import attnlab_core as al
from attnlab_core import carrying, plausibility, session
from attnlab_core.errors import BadInput, Cancelled
from attnlab_core.pictures import Picture
from attnlab_core.progress import watching
from attnlab_core.search import optimise
from attnlab_core.shapes import scene
from attnlab_core.testing import tiny_lab, tiny_picture

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


@pytest.mark.parametrize("by", ["cell", "head"])
def test_the_fewest_still_turn_the_verdict(found, by):
    few = found.fewest(by)
    assert few.flipped
    assert few.before.again(few.edit).prediction == few.target
    assert few.figures()[f"{by}s"] < found.figures()[f"{by}s"]
    assert {cell[:4] for cell in few.edit.cells} <= {cell[:4] for cell in found.edit.cells}


def test_the_fewest_need_a_turned_verdict(run):
    with pytest.raises(BadInput, match="did not turn"):
        optimise(run, steps=1, rate=0.001).fewest()


def test_only_the_heads_asked_for_change(run):
    found = optimise(run, heads=[(0, 1), (1, 2)], steps=3, enough=1.0)
    assert {cell[:2] for cell in found.edit.cells} == {(0, 1), (1, 2)}
    with pytest.raises(BadInput, match="no head 99"):
        optimise(run, heads=[(0, 99)])
    with pytest.raises(BadInput, match="No visible cell"):
        optimise(run, where=al.Where(layers=(0,)), heads=[(1, 2)])


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
        ("masked", "There is [MASK].", {"target": "film", "rate": -1.0}, "rate is from 0.001 to 10"),
        ("masked", "There is [MASK].", {"target": "film", "rate": float("nan")}, "rate is from"),
        ("masked", "There is [MASK].", {"target": "film", "steps": -1}, "steps is from 1"),
        ("masked", "There is [MASK].", {"target": "film", "steps": float("inf")}, "steps is a whole number"),
        ("masked", "There is [MASK].", {"target": "film", "enough": 2.0}, "enough is from"),
        ("causal", "There is no", {"target": " here", "where": al.Where(queries=(0,), keys=(2,))}, "No visible cell"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(task, text, options, words):
    run = tiny_lab(task, "gpt2" if task == "causal" else "bert").run(text)
    with pytest.raises(BadInput, match=words):
        optimise(run, **options)


def test_a_picture_is_searched_and_what_was_found_is_read_back():
    lab = tiny_lab(architecture="vit", image_size=16, patch_size=4, initializer_range=0.5)
    run = lab.run(tiny_picture(size=16))
    found = optimise(run, steps=60, rate=0.3)
    assert found.flipped
    few = found.fewest()
    assert few.flipped
    assert len(few.edit.cells) < len(found.edit.cells)
    assert max(found.control(draws=8)) < found.effect
    for search in (found, few):
        said = json.loads(json.dumps(search.to_json()))
        again = run.again(al.edit_from_json(said["edit"]))
        assert dict(again.probabilities) == said["after"]
        assert torch.equal(again.pattern.weights, search.after.pattern.weights)
        state = session.State("images", model=lab.name, edits=(said["edit"],))
        kept = session.read(session.Session("images", (state,)).to_text())
        assert al.edit_from_json(kept.pages[0].edits[0]) == search.edit


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("sst2", al.Prompt("The movie was not as bad as I expected.")),
        pytest.param(
            "shapes-vit",
            al.Prompt(image=Picture.of(scene(3_900_000, ["star"]).pixels)),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_with_a_reference_the_search_stays_plausible(model, prompt):
    run = al.load(model).run(prompt)
    loose, near = (optimise(run, plausibility=weight) for weight in (0.0, 1.0))
    assert loose.flipped
    assert near.flipped
    assert near.trace[0].implausibility == pytest.approx(0, abs=1e-5)
    assert near.judgement.percentile < loose.judgement.percentile
    assert near.judgement.kind == "typical"
    assert near.judgement.distance is not None
    again = run.again(al.edit_from_json(json.dumps(near.edit.to_json())))
    assert again.probabilities == near.after.probabilities
    assert plausibility.reference(run.lab).judge(again, run).to_json() == near.judgement.to_json()
    assert near.to_json()["plausibility"] == near.judgement.to_json()
    assert near.to_json()["steps"] == len(near.trace) - 1


def test_without_a_reference_it_stays_near(run, found):
    assert plausibility.reference(run.lab) is None
    assert found.judgement is None
    assert found.to_json()["plausibility"] is None
    assert [step.implausibility for step in found.trace] == [step.distance for step in found.trace]


def test_a_change_carried_to_its_own_sentence_is_itself(run, found):
    assert set(carrying.carried(found, run, "word").cells) == set(found.edit.cells)
    word = al.carry(found, [run], "word")
    assert word.effects[0] == pytest.approx(found.effect, abs=1e-5)
    assert word.turned == (1, 1)


def test_by_role_each_kind_of_place_gets_its_mean(run):
    cells = ((0, 1, 2, 1, 0.5), (0, 1, 3, 2, 1.5), (1, 0, 0, 0, 3.0))
    found = optimise(run, steps=1)
    made = carrying.carried(al.Search(**{**vars(found), "edit": al.Bias(cells=cells)}), run, "role")
    roles = carrying.roles(run)
    previous = [
        (q, k) for q, row in enumerate(roles) for k, role in enumerate(row) if role == "word to previous"
    ]
    assert (2, 1) in previous
    assert {cell[2:4] for cell in made.cells if cell[:2] == (0, 1)} == set(previous)
    assert {cell[4] for cell in made.cells if cell[:2] == (0, 1)} == {round(2.0 / len(previous), 4)}
    assert [cell for cell in made.cells if cell[:2] == (1, 0)] == [(1, 0, 0, 0, 3.0)]  # [CLS] to itself


def test_roles_are_told_apart(run):
    roles, last = carrying.roles(run), len(run.tokens) - 1
    assert roles[0][0] == "first special to itself"
    assert roles[2][3] == "word to next"
    assert roles[2][last] == "word to other special"
    assert roles[last - 1][last] == "word to other special"  # the separator, next or not
    assert roles[2][5] == "word to word"
    assert roles[last][0] == "other special to first special"


@pytest.mark.parametrize("by", ["word", "role", "head"])
def test_a_change_is_carried_and_measured(found, by):
    runs = [found.before.lab.run(text) for text in ("There is much to dislike.", "Nobody laughed.")]
    one = al.carry(found, runs, by)
    assert one.to_json() == al.carry(found, runs, by).to_json()
    assert len(one.effects) == len(one.control) == len(one.to_frame()) == 2
    for run, after, effect in zip(runs, one.after, one.effects, strict=True):
        if after is None:
            assert effect == 0
        else:
            value = [r.value(found.target, "log_probability") for r in (run, after)]
            assert effect == pytest.approx(value[1] - value[0], abs=1e-5)
    json.dumps(one.to_json())


def test_the_control_takes_other_heads(run):
    few = optimise(run, heads=[(0, 1), (1, 0), (1, 3)], steps=2, enough=1.0)
    other = carrying._other_heads(few, torch.Generator().manual_seed(0))
    assert set(other) == {(0, 1), (1, 0), (1, 3)}
    assert all(old[0] == new[0] for old, new in other.items())
    assert not set(other) & set(other.values())
    assert len(set(other.values())) == 3


def test_what_cannot_be_carried_is_told(run, found):
    stranger = tiny_lab().run(TEXT)
    for runs, by, words in (
        ([run], "rhyme", "by is 'rhyme'"),
        ([], "word", "nothing to carry"),
        ([stranger], "word", "another model"),
    ):
        with pytest.raises(BadInput, match=words):
            al.carry(found, runs, by)


def test_a_sentence_without_a_common_word_gets_nothing(found):
    other = found.before.lab.run("Nobody laughed")
    word = al.carry(found, [other], "word")
    assert word.after == (None,)
    assert word.effects == (0.0,)
    assert word.turned[0] == 0
