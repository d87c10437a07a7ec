"""Attention patching: the reversed attention against finite differences by the scores, and what a step along it does."""

from __future__ import annotations

import pytest
import torch

import attnlab_core as al
from attnlab_core._operate import operate
from attnlab_core.edits.patch import reversed_attention
from attnlab_core.errors import BadInput
from attnlab_core.generation import generate
from attnlab_core.gradient import attention_gradient
from attnlab_core.run import Run
from attnlab_core.testing import tiny_lab
from tests.examples import SENTENCE
from tests.reach import TEXT

PROMPTS = {
    "classification": (al.Prompt(SENTENCE), ""),
    "masked": (al.Prompt("There is [MASK] to dislike here."), "good"),
    "causal": (al.Prompt("There is nothing to dislike"), " good story"),
    "answering": (al.Prompt("What is it?", "There is nothing to dislike here."), "nothing to"),
}
every_task = pytest.mark.parametrize("task", PROMPTS)


def sharp(task, layers=1):
    """A run of a model whose weights are large enough for slopes that fp32 can measure."""
    lab = tiny_lab(
        task, "gpt2" if task == "causal" else "bert", initializer_range=0.5, num_hidden_layers=layers
    )
    return lab.run(PROMPTS[task][0])


def loss(run, target):
    return -run.value(target or None, "log_probability")


# --- the map


@every_task
@pytest.mark.parametrize("layers", [1, 2])
def test_it_is_the_gradient_of_the_loss_by_the_scores(task, layers):
    """A bias adds to a score, so the loss on both sides of it gives the slope; the five steepest cells, within 1 %."""
    run = sharp(task, layers)
    target = PROMPTS[task][1] or run.prediction
    found = reversed_attention(run, target)
    for place in found.abs().flatten().topk(5).indices:
        cell = tuple(int(k) for k in torch.unravel_index(place, found.shape))
        sides = [loss(run.again(al.Bias(cells=((*cell, h),))), target) for h in (0.05, -0.05)]
        assert (sides[0] - sides[1]) / 0.1 == pytest.approx(float(found[cell]), rel=0.01)


@every_task
def test_rows_sum_to_zero_and_hidden_cells_are_zero(task):
    run = sharp(task)
    found = reversed_attention(run, PROMPTS[task][1])
    assert found.shape == run.pattern.weights.shape
    assert found.abs().max() > 1e-4
    torch.testing.assert_close(found.sum(-1), torch.zeros_like(found[..., 0]), atol=1e-6, rtol=0)
    assert (found[~run.pattern.visible] == 0).all()


# --- the step


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (0.0, [0.5, 0.3, 0.2]),
        (2.0, [0.3, 0.42, 0.28]),
        (10.0, [0.0, 0.6, 0.4]),  # -0.5, 0.9 and 0.6 before what is below zero goes
    ],
)
def test_a_row_worked_by_hand(step, expected):
    row = torch.tensor([0.5, 0.3, 0.2]).expand(1, 1, 3, 3)
    slopes = torch.tensor([0.1, -0.06, -0.04]).expand(1, 1, 3, 3)
    edit = al.Patch(step=step, tensors={"encoder": slopes})
    found, _ = operate(row.log(), torch.ones_like(row, dtype=torch.bool), row, [edit], ("encoder", 0))
    torch.testing.assert_close(found[0, 0, 1], torch.tensor(expected))


@every_task
def test_a_small_step_raises_the_answer_by_what_the_gradient_promises(task):
    """To first order log P rises by the step times the variance of the slopes under each row's weights, summed."""
    run = sharp(task, 2)
    target = PROMPTS[task][1] or run.prediction
    given = attention_gradient(run, target)
    mean = (given.pattern.weights * given.raw).sum(-1, keepdim=True)
    variance = (given.pattern.weights * (given.raw - mean).square())[..., : len(run.tokens), :].sum()
    step = 0.01 / max(1.0, float(variance))
    risen = loss(run, target) - loss(run.again(al.Patch(target=target, step=step)), target)
    assert risen > 0
    assert risen == pytest.approx(step * float(variance), rel=0.1)


def test_the_shipped_model_is_moved_to_either_verdict():
    run = al.load("sst2").run("I expected to be bored and was thrilled.")
    for label in run.probabilities:
        known = [run.again(al.Patch(target=label, step=step)).value(label) for step in (0.0, 1.0, 10.0)]
        assert known == sorted(known)
        assert known[-1] > 0.95


def test_left_out_the_answer_is_the_model_s_own(lab):
    run = lab.run(SENTENCE)
    own = run.again(al.Patch(step=500))
    assert torch.equal(own.logits, run.again(al.Patch(step=500, target=run.prediction)).logits)
    assert own.value(run.prediction) > run.value(run.prediction)


def test_it_acts_after_other_edits_with_the_map_of_the_plain_model(lab):
    run = lab.run(SENTENCE)
    scale = al.Scale(where=al.Where(keys=("nothing",)))
    found = run.again(scale, al.Patch(step=50)).pattern.weights[0]
    step = run.again(scale).pattern.weights[0] - 50 * reversed_attention(run)[0]
    torch.testing.assert_close(found, step.clamp_min(0) / step.clamp_min(0).sum(-1, keepdim=True))


# --- other texts


def test_over_other_texts_it_is_the_mean(lab):
    texts = ("The movie was not that bad.", "Here is nothing to dislike there.")
    run = lab.run(SENTENCE)
    assert {len(lab.run(text).tokens) for text in texts} == {len(run.tokens)}
    settled = al.Patch(target=run.prediction, texts=texts).settle(run.encoding, lab)
    wanted = torch.stack([reversed_attention(lab.run(text), run.prediction) for text in texts]).mean(0)
    torch.testing.assert_close(settled.tensors["encoder"], wanted)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"texts": ("Too short.",)}, "this one has 9, 'Too short.' has"),
        ({"texts": "one text"}, "texts is a list"),
        ({"texts": (" ",)}, "texts is a list"),
        ({"target": "funny"}, "no label called 'funny'"),
        ({"step": -1}, "step is from 0 to 1000"),
        ({"where": al.Where(part="cross")}, "by the encoder attention of tiny bert only, not by its cross"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_one_clear_line(lab, edit, said):
    with pytest.raises(BadInput, match=said) as caught:
        lab.run(SENTENCE).again(al.Patch(**edit))
    assert "\n" not in str(caught.value)


# --- where it runs


@pytest.mark.parametrize("name", TEXT)
def test_it_works_in_every_architecture(name):
    lab = tiny_lab("classification", name)
    run = lab.run(SENTENCE)
    edited = run.again(al.Patch(step=1000))
    assert edited.edited_calls == sum(part == lab.calls[0][0] for part, _ in lab.calls)
    assert not torch.equal(edited.logits, run.logits)
    assert edited.logits.isfinite().all()
    assert (edited.pattern.weights[~edited.pattern.visible] == 0).all()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_is_found_where_gradients_are_off(mode):
    lab, edit = tiny_lab(), al.Patch(step=500)
    with mode():
        run = lab.run(SENTENCE)
        inside = run.again(edit)
    outside = tiny_lab().run(SENTENCE).again(edit)
    assert torch.equal(inside.logits, outside.logits)
    assert not torch.equal(inside.logits, run.logits)


def test_it_is_found_once_for_many_runs(monkeypatch):
    found, slopes = [], Run.slopes
    monkeypatch.setattr(Run, "slopes", lambda self, *given: found.append(1) or slopes(self, *given))
    lab = tiny_lab("causal", "gpt2")
    run = lab.run("There is nothing to dislike")
    edits = [al.Patch(target=" good story", step=step) for step in (1.0, 50.0)]
    for edit in edits:
        run.again(edit).value(" good story")
        run.again(edit).value(" bad story")  # other continuations, the same prompt
    run.evaluate(rows=[(edit,) for edit in edits])
    assert len(found) == 1


def test_while_a_model_goes_on_new_tokens_keep_their_own_attention():
    lab = tiny_lab("causal", "gpt2", initializer_range=0.5)
    run = lab.run("There is nothing to dislike")
    plain, edited = generate(run, tokens=6), generate(run.again(al.Patch(target=" bad", step=1000)), tokens=6)
    assert edited.probabilities[0] != plain.probabilities[0]
    for k in range(1, 6):  # with a cache or without, the same
        whole = lab.encode("There is nothing to dislike").extended(edited.ids[:k], edited.tokens[:k])
        again = lab.read(run.prompt, whole, (al.Patch(target=" bad", step=1000),))
        assert float(again.logits[-1].softmax(-1)[edited.ids[k]]) == pytest.approx(
            edited.probabilities[k], rel=1e-3
        )
        own = again.plain.pattern.weights[0, :, len(run.tokens) :]
        torch.testing.assert_close(again.pattern.weights[0, :, len(run.tokens) :], own)
