"""What every edit promises, over the catalogue; and what an edit, a place or a piece of JSON is refused for."""

from __future__ import annotations

import dataclasses
import itertools
import json

import pytest
import torch

import attnlab_core as al
from attnlab_core._operate import operate
from attnlab_core.edits._rows import Sharing
from attnlab_core.errors import BadInput, EditTouchedNothing, UnknownName
from attnlab_core.knobs import caption, knobs, title
from tests.examples import BY_CELL, CELLS, EDITS, IN_LAB, SENTENCE, VARIANTS, WORDS, place, variants
from tests.reach import apply, random_scores, softmax, visible_cells

every_edit = pytest.mark.parametrize("name", EDITS)
every_variant = pytest.mark.parametrize("edit", VARIANTS, ids=str)
every_mask = pytest.mark.parametrize("mask", ["full", "causal", "padded"])


# --- every edit


def test_there_are_edits():
    named = (
        "draw focus invert mean_pattern noise scale sharpen smooth soften suppress transplant uniform zero"
    )
    assert set(named.split()) <= set(EDITS)


@every_variant
@every_mask
def test_rows_sum_to_one_and_masked_cells_stay_at_zero(edit, mask):
    visible = visible_cells(mask)
    weights, _ = apply(edit, random_scores(), visible)
    if edit.rescales:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 3, 5))
    assert (weights >= 0).all()
    assert (weights[~visible] == 0).all()


@every_variant
@every_mask
def test_only_chosen_rows_change(edit, mask):
    visible = visible_cells(mask)
    before = softmax(random_scores(), visible)
    after, _ = apply(edit, random_scores(), visible)
    rows = edit.chosen((3, 5, 5), after.device).any(-1)
    assert torch.equal(after[:, ~rows], before[:, ~rows])
    assert not torch.allclose(after[:, rows], before[:, rows])


@every_variant
@every_mask
def test_other_cells_of_a_row_keep_their_proportions(edit, mask):
    """And their very weights, where an edit only shares out what the chosen cells hold."""
    visible = visible_cells(mask)
    chosen = edit.chosen((3, 5, 5), visible.device)
    after, before = apply(edit, random_scores(), visible)[0], softmax(random_scores(), visible)
    after, before = (weights[:, 1, 2:4].masked_fill(chosen[1, 2:4], 0) for weights in (after, before))
    if isinstance(edit, Sharing):
        torch.testing.assert_close(after, before)
    torch.testing.assert_close(after * before.sum(-1, keepdim=True), before * after.sum(-1, keepdim=True))


@every_variant
@every_mask
def test_cells_it_meets_are_counted(edit, mask):
    visible = visible_cells(mask)
    expected = sum(bool(visible[b, 1, q, k]) for b in range(2) for q in (2, 3) for k in (0, 2))
    assert apply(edit, random_scores(), visible)[1] == expected


@every_edit
@every_mask
def test_its_identity_changes_nothing(name, mask):
    kind = EDITS[name]
    assert kind.identity, "an edit names the values that change nothing"
    for edit in variants(name, **kind.identity):
        weights, count = apply(edit, random_scores(), visible_cells(mask))
        torch.testing.assert_close(weights, softmax(random_scores(), visible_cells(mask)))
        assert count > 0


@every_variant
def test_scores_are_left_as_they_were(edit):
    scores, visible = random_scores(), visible_cells("full")
    apply(edit, scores, visible)
    assert torch.equal(scores, random_scores())


@every_variant
@every_mask
def test_gradient_flows_through_it(edit, mask):
    visible = visible_cells(mask)
    scores = random_scores(dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda s: apply(edit, s, visible)[0][visible].sin(), scores, fast_mode=True
    )


@every_edit
def test_the_result_is_smooth_in_its_strength(name):
    """Left and right of any strength the slope is the same, so that a slider and an optimiser may move it."""
    for knob in knobs(EDITS[name]):
        if knob.kind != "float" or knob.optional:
            continue
        inside = [x for x in (0.1, 0.5, 1.0, 2.0) if x - 0.01 >= knob.low and x + 0.01 <= (knob.high or 9)]
        for edit, strength in itertools.product(variants(name), inside):
            at = [
                apply(
                    dataclasses.replace(edit, **{knob.name: strength + h}),
                    random_scores(),
                    visible_cells("causal"),
                )[0]
                for h in (-1e-2, 0.0, 1e-2)
            ]
            torch.testing.assert_close((at[2] - at[1]) / 1e-2, (at[1] - at[0]) / 1e-2, rtol=0.3, atol=0.02)


@every_variant
@every_mask
def test_it_is_differentiable_in_its_strength(edit, mask):
    """The gradient through `live` is the slope that finite differences in double precision show."""
    (strength,) = edit.identity
    scores, visible = random_scores(dtype=torch.float64), visible_cells(mask)
    value = torch.tensor(0.7 * getattr(edit, strength), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda live: apply(edit.live(**{strength: live}), scores, visible)[0][visible], value
    )
    apply(edit.live(**{strength: value}), scores, visible)[0].square().sum().backward()
    assert value.grad.isfinite()
    assert value.grad != 0


@every_variant
def test_it_survives_json(edit):
    again = al.edit_from_json(json.dumps(edit.to_json()))
    assert again == edit
    assert hash(again) == hash(edit)
    assert again.to_json() == edit.to_json()
    assert al.edit_from_json(str(edit)) == edit


@every_variant
def test_it_is_a_frozen_value(edit):
    assert len({edit, dataclasses.replace(edit)}) == 1
    for field in dataclasses.fields(edit):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(edit, field.name, getattr(edit, field.name))


@every_edit
def test_it_describes_itself(name):
    kind = EDITS[name]
    assert caption(kind).endswith(".")
    assert title(kind)
    assert all(knob.help for knob in knobs(kind)), "every knob has a line in the docstring"
    assert kind().op == name


@every_edit
def test_it_works_in_a_lab_and_is_counted_there(lab, name):
    run = lab.run(SENTENCE)
    for edit in variants(name, WORDS, IN_LAB):
        edited = run.again(edit)
        assert edited.edited_calls == lab.layers
        assert run.edited_calls == 0
        assert not torch.equal(edited.logits, run.logits)
        sums = edited.pattern.weights.sum(-1)
        assert torch.allclose(sums, torch.ones_like(sums)) if edit.rescales else (sums < 1.00001).all()
        assert torch.equal(edited.plain.logits, run.logits)
        once = dataclasses.replace(edit, where=place(name, al.Where(layers=(1,), keys=(3, 5))))
        assert run.again(once).edited_calls == 1


@every_edit
def test_it_works_in_a_causal_model(decoder_lab, name):
    run = decoder_lab.run(SENTENCE)
    assert run.pattern.causal
    hidden = {"cells": ((0, 3, 0.5),)} if name == "draw" else {"cells": ((0, 0, 0, 3, 0.5),)}
    for edit in variants(name, WORDS, IN_LAB):
        edited = run.again(edit)
        assert edited.pattern.causal
        first = run.encoding.find("nothing")[0]
        torch.testing.assert_close(edited.logits[:first], run.logits[:first])  # what comes before cannot know
        assert not torch.allclose(edited.logits[first + 1 :], run.logits[first + 1 :])
        if name in BY_CELL:
            unseen = dataclasses.replace(edit, **hidden)
        else:
            unseen = dataclasses.replace(edit, where=al.Where(queries=(0,), keys=(3, 4)))
        with pytest.raises(EditTouchedNothing):
            run.again(unseen)


# --- several edits, and where


def test_edits_on_weights_act_one_after_the_other():
    scores, visible = random_scores(), visible_cells("causal")
    edit = al.Scale(factor=3.0, where=CELLS)
    both, counts = operate(
        scores.masked_fill(~visible, -1e9), visible, softmax(scores, visible), [edit, edit], ("encoder", 0)
    )
    torch.testing.assert_close(both, apply(al.Scale(factor=9.0, where=CELLS), scores, visible)[0])
    assert counts[0] == counts[1] > 0


def test_an_edit_and_its_inverse_cancel(lab):
    run = lab.run(SENTENCE)
    there = al.Scale(factor=4.0, where=al.Where(keys=("nothing",)))
    back = dataclasses.replace(there, factor=0.25)
    torch.testing.assert_close(run.again(there).again(back).logits, run.logits)
    assert run.again(there).again(back).edits == (there, back)


def test_words_and_positions_mean_the_same(lab):
    run = lab.run(SENTENCE)
    by_word = run.again(al.Scale(where=al.Where(keys=("Nothing",), queries=("dislike",))))
    by_place = run.again(
        al.Scale(where=al.Where(keys=run.encoding.find("nothing"), queries=run.encoding.find("dislike")))
    )
    assert torch.equal(by_word.logits, by_place.logits)
    assert not torch.equal(by_word.logits, run.logits)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (al.Where(keys=("absent",)), "absent"),
        (al.Where(keys=(99,)), "no token 99"),
        (al.Where(keys=(-1,)), "no token -1"),
        (al.Where(layers=(2,)), "no layer 2"),
        (al.Where(heads=(4,)), "no head 4"),
    ],
    ids=str,
)
def test_a_place_that_is_not_there_is_refused(lab, where, said):
    with pytest.raises(BadInput, match=said):
        lab.run(SENTENCE).again(al.Scale(where=where))


@pytest.mark.parametrize(
    ("field", "value"),
    [("keys", ()), ("keys", (1.5,)), ("layers", ("one",)), ("heads", (True,)), ("part", "encodr")],
)
def test_where_takes_places_and_nothing_else(field, value):
    with pytest.raises(BadInput):
        al.Where(**{field: value})


def test_where_makes_tuples_of_what_json_gives():
    assert al.Where(keys=[3, 3, "not"], layers=0) == al.Where(keys=(3, "not"), layers=(0,))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ('{"op": "scael"}', "Did you mean 'scale'"),
        ('{"factor": 2}', 'needs an "op"'),
        ("not json", "An edit is JSON such as"),
        ("[1]", "An edit is JSON such as"),
        ('{"op": "scale", "faktor": 2}', "Did you mean 'factor'"),
        ('{"op": "scale", "where": {"key": [1]}}', "Did you mean 'keys'"),
        ('{"op": "scale", "where": [1]}', '"where" is an object'),
        ('{"op": "scale", "factor": "big"}', "factor is a number"),
        ('{"op": "scale", "factor": -1}', "factor is from 0 to 1000"),
        ('{"op": "scale", "factor": NaN}', "factor is"),
        ('{"op": "scale", "factor": null}', "factor is a number"),
        ('{"op": "scale", "on": "values"}', "on is one of 'scores', 'weights'"),
        ('{"op": "suppress", "minimum": ["all"]}', "minimum is one of"),
        ('{"op": "suppress", "others": [1]}', "others is a list of"),
        ('{"op": ["scale"]}', "There is no edit called"),
        ('"scale"', "An edit is JSON such as"),
        ("3", "An edit is JSON such as"),
    ],
)
def test_a_bad_edit_is_refused_with_one_clear_line(given, said):
    with pytest.raises(BadInput, match=said.replace("[", r"\[")) as caught:
        al.edit_from_json(given)
    assert "\n" not in str(caught.value)


def test_an_unknown_edit_lists_the_known():
    with pytest.raises(UnknownName, match=r"Known: .*scale, .*suppress"):
        al.edit_from_json({"op": "nonsense"})
