"""The softmax is reached, and all promises hold, in every architecture the design names and some more."""

from __future__ import annotations

import pytest
import torch

from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.edits.suppress import Suppress
from attnlab_core.testing import ARCHITECTURES, SENTENCES, attention_calls, tiny_inputs, tiny_lab, tiny_model
from tests.reach import DOUBLE, EVERY, TEXT, assert_hidden, built, logits_of, plain, surgery

every_architecture = pytest.mark.parametrize("name", EVERY)


def test_the_list_is_the_one_of_the_design():
    named = """bert gpt2 llama gpt_neox distilbert roberta electra albert opt qwen2 gemma2 gemma3 modernbert deberta-v2
        gptj gpt_neo bloom mpt xlnet t5 bart vit gpt_oss"""
    assert list(ARCHITECTURES) == named.split()
    assert len(ARCHITECTURES) == 23


@every_architecture
def test_logits_are_the_same_bit_by_bit_without_edits(name):
    assert torch.equal(logits_of(name)[0], plain(name))


@every_architecture
def test_logits_change_with_one_edit(name):
    changed, tape = logits_of(name, DOUBLE)
    assert not torch.allclose(changed, plain(name), atol=1e-4)
    assert tape.edited_calls == sum(part != "decoder" or attention_calls(name) == 2 for part, _ in tape.calls)
    assert torch.equal(logits_of(name)[0], plain(name))  # and nothing is left behind


@every_architecture
def test_attention_is_called_as_often_as_the_configuration_says(name):
    tape = logits_of(name)[1]
    assert tape.seen == len(tape.calls) == attention_calls(name)
    assert sorted(set(tape.calls)) == sorted(tape.calls)


@every_architecture
@pytest.mark.parametrize("edit", [None, DOUBLE, Suppress(factor=0.1, where=Where(keys=(1,)))], ids=str)
def test_rows_sum_to_one_and_masked_cells_stay_at_zero(name, edit):
    tape = logits_of(name, *[edit] if edit else [])[1]
    for weights, visible in zip(tape.weights, tape.visible, strict=True):
        assert weights.shape == visible.shape
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
        assert (weights >= 0).all()
        assert_hidden(weights, visible)


@pytest.mark.parametrize("name", TEXT)
def test_padding_is_recognised(name):
    tape = logits_of(name, DOUBLE)[1]
    for (part, _), visible in zip(tape.calls, tape.visible, strict=True):
        if part != "decoder" or attention_calls(name) == 2:
            assert not visible[1, :, :5, 5:7].any()
            assert visible[:, :, 0, 0].all()


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "gpt_neo", "modernbert", "gpt_oss", "mistral"])
def test_a_sliding_window_is_recognised(name):
    tape = logits_of(name)[1]
    assert any(not visible[0, :, 6, 0].any() for visible in tape.visible)


@pytest.mark.parametrize(
    "name", ["gpt2", "llama", "gptj", "gpt_neo", "bloom", "mpt", "opt", "gpt_oss", "falcon"]
)
def test_the_future_is_recognised(name):
    for visible in logits_of(name)[1].visible:
        assert not visible[..., :7].triu(1).any()


@every_architecture
def test_gradient_flows_from_the_output_to_every_attention_weight(name):
    model, inputs = built(name)
    with surgery(name, DOUBLE, keep=True) as tape:
        output = model(**inputs).logits.square().sum()
    for gradient in torch.autograd.grad(output, tape.weights):
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


@every_architecture
@pytest.mark.parametrize("edit", [DOUBLE, Suppress(factor=0.5, where=Where(keys=(1,)))], ids=str)
def test_gradient_flows_through_an_edit_to_every_parameter_it_reaches_without(name, edit):
    model, inputs = built(name)
    parameters = [p for p in model.parameters() if p.requires_grad]
    reached = []
    for edits in ((), (edit,)):
        with surgery(name, *edits):
            output = model(**inputs).logits.square().sum()
        gradients = torch.autograd.grad(output, parameters, allow_unused=True)
        assert all(g is None or g.isfinite().all() for g in gradients)
        reached.append([g is not None for g in gradients])
    assert reached[0] == reached[1]


@pytest.mark.parametrize("name", TEXT)
def test_a_lab_takes_it(name):
    """With a classifier's head: the self-check passes, and an edit by word moves the answer."""
    run = tiny_lab("classification", name).run(SENTENCES[0])
    edited = run.again(Scale(factor=3.0, where=Where(keys=("nothing",))))
    assert (
        edited.edited_calls == sum(part != "decoder" for part, _ in run.lab.calls) or edited.edited_calls == 2
    )
    assert edited.probabilities != run.probabilities
    assert edited.plain.probabilities == run.probabilities
    assert (edited.pattern.weights[~edited.pattern.visible] == 0).all()
    sums = edited.pattern.weights.sum(-1)
    assert (sums < 1).all() if name == "gpt_oss" else torch.allclose(sums, torch.ones_like(sums))


def test_the_same_seed_gives_the_same_model():
    one, two, other = (tiny_model("gpt2", seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["transformer.wte.weight"], other["transformer.wte.weight"])
    assert torch.equal(tiny_inputs()["input_ids"], tiny_inputs()["input_ids"])
