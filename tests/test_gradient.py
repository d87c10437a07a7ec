"""The gradient by attention weights against finite differences; its suggestions against what they do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

import attnlab_core as al
from attnlab_core.edits import Edit
from attnlab_core.errors import BadInput
from attnlab_core.gradient import attention_gradient, predicted, suggest
from attnlab_core.testing import tiny_lab

TEXTS = {
    "classification": al.Prompt("There is nothing to dislike here."),
    "masked": al.Prompt("There is [MASK] to dislike here."),
    "causal": al.Prompt("There is nothing to dislike"),
    "answering": al.Prompt("What is it?", second="There is nothing to dislike here."),
}
every_task = pytest.mark.parametrize("task", TEXTS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Nudge(Edit):
    """Add to one weight and leave the row's sum as it comes out."""

    by: float = 0.0

    @property
    def rescales(self) -> bool:
        return False

    def change(self, values: Any, visible: Any, call: Any) -> Any:
        return values + self.by


def nudged(run: al.Run, target: al.Target | str | None, cell: tuple[int, ...], by: float) -> float:
    layer, head, query, key = cell
    where = al.Where(layers=(layer,), heads=(head,), queries=(query,), keys=(key,))
    goal = run.goal(target)
    longer = run.with_continuation(goal)
    logits = longer.evaluate(rows=[(Nudge(by=by, where=where),)])
    return float(goal.value(logits))


def sharp(task: str) -> al.Run:
    """A run of a model whose weights are large enough for slopes that fp32 can measure."""
    lab = tiny_lab(task, "gpt2" if task == "causal" else "bert", initializer_range=0.5)
    return lab.run(TEXTS[task])


@every_task
@pytest.mark.parametrize("edited", [False, True])
def test_it_is_what_finite_differences_say(task, edited):
    run = sharp(task)
    if edited:
        run = run.again(al.Scale(factor=3.0, where=al.Where(keys=(2,))))
    target = run.prediction
    found = attention_gradient(run, target)
    top = found.raw.abs().flatten().topk(6).indices
    for place in top.tolist():
        cell = tuple(int(k) for k in torch.unravel_index(torch.tensor(place), found.raw.shape))
        h = 4e-3
        slope = (nudged(run, target, cell, h) - nudged(run, target, cell, -h)) / (2 * h)
        assert slope == pytest.approx(float(found.raw[cell]), rel=0.01, abs=1e-3)


@every_task
def test_on_the_tangent_rows_sum_to_zero_and_hidden_cells_are_zero(task):
    found = attention_gradient(sharp(task))
    torch.testing.assert_close(
        found.tangent.sum(-1), torch.zeros_like(found.tangent[..., 0]), atol=1e-5, rtol=0
    )
    assert (found.tangent[~found.pattern.visible] == 0).all()
    assert (found.raw[~found.pattern.visible] == 0).all()
    assert found.heads().shape == found.raw.shape[:2]


def test_the_gain_is_the_slope_by_the_factor_of_scale():
    run = sharp("classification")
    found = attention_gradient(run, "positive")
    for key in (1, 3):
        near = [
            run.again(al.Scale(factor=f, where=al.Where(keys=(key,)))).value("positive", "log_probability")
            for f in (0.99, 1.01)
        ]
        slope = (near[1] - near[0]) / (torch.tensor(1.01).log() - torch.tensor(0.99).log())
        assert float(found.keys()[key]) == pytest.approx(float(slope), rel=0.02, abs=2e-4)


def test_two_continuations_of_several_tokens_have_a_gradient_over_the_prompt():
    run = sharp("causal")
    found = attention_gradient(run, al.Target(" a film", rather_than=" the end of it"))
    n = len(run.tokens)
    assert found.raw.shape[-2:] == (n, n)
    one, other = (attention_gradient(run, text).raw[..., :n, :n] for text in (" a film", " the end of it"))
    torch.testing.assert_close(found.raw, one - other)


def test_its_table_has_the_steepest_cells_first():
    found = attention_gradient(sharp("causal"))
    frame = found.to_frame(most=20)
    assert len(frame) == 20
    assert frame.tangent.abs().is_monotonic_decreasing
    assert (frame.key <= frame["query"]).all()  # nothing hidden is in it


@every_task
@pytest.mark.parametrize("of", ["cells", "heads"])
def test_suggestions_are_run_and_told_beside_their_prediction(task, of):
    run = sharp(task)
    target = run.prediction if task != "classification" else list(run.probabilities)[1]
    made = suggest(run, target, of=of, most=4)
    assert len(made) == 4
    gains = [one.predicted for one in made]
    assert gains == sorted(gains, reverse=True)
    for one in made:
        real = run.again(one.edit).value(target, "log_probability") - run.value(target, "log_probability")
        assert one.real == pytest.approx(real, abs=1e-5)
        assert al.edit_from_json(one.to_json()["edit"]) == one.edit


def test_a_small_change_is_predicted_well():
    run = sharp("classification")
    found = attention_gradient(run, "positive")
    before = run.value("positive", "log_probability")
    for head in range(run.lab.heads):
        edit = al.Scale(factor=1.05, where=al.Where(layers=(0,), heads=(head,), keys=(2, 3)))
        real = run.again(edit).value("positive", "log_probability") - before
        assert predicted(run, found, edit) == pytest.approx(real, rel=0.1, abs=2e-5)


def test_asking_for_none_is_refused():
    with pytest.raises(BadInput, match="at least"):
        suggest(sharp("classification"), most=0)
