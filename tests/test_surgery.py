"""The surgery beyond what is asked of every architecture: precision, threads, rows, parts, and what it refuses."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModel

from attnlab_core._texts import Texts
from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.edits.suppress import Suppress
from attnlab_core.errors import BadInput, EditTouchedNothing, ModelRefused
from attnlab_core.lab import Lab
from attnlab_core.surgery import Surgery, calls_of
from attnlab_core.testing import tiny_lab, tiny_model, tiny_picture, tiny_tokenizer
from tests.reach import DOUBLE, TEXT, assert_hidden, built, logits_of, plain, surgery


@pytest.mark.parametrize("name", ["bert", "gpt2", "deberta-v2"])
def test_the_gradient_through_an_edit_is_the_slope(name):
    model, inputs = copy.deepcopy(built(name)[0]).double(), built(name)[1]
    table = model.get_input_embeddings().weight
    direction = torch.randn(table.shape, generator=torch.Generator().manual_seed(1), dtype=table.dtype)
    direction[0] = 0  # torch gives the padding's embedding no gradient

    def output(step):
        with Surgery(calls_of(model.config), [(DOUBLE, Suppress(factor=0.5, where=Where(keys=(2,))))]):
            return torch.func.functional_call(
                model,
                {name: weight + step * direction if weight is table else weight for name, weight in own},
                (),
                inputs,
            ).logits.sum()

    own = list(model.named_parameters())
    step = torch.zeros((), dtype=table.dtype, requires_grad=True)
    (gradient,) = torch.autograd.grad(output(step), step)
    with torch.no_grad():
        slope = (output(1e-6) - output(-1e-6)) / 2e-6
    torch.testing.assert_close(gradient, slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["bert", "gpt2", "llama", "t5", "gpt_oss", "deberta-v2"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(name, dtype):
    model, inputs = copy.deepcopy(built(name)[0]).to(dtype), built(name)[1]
    with torch.no_grad():
        untouched = model(**inputs).logits
        with surgery(name) as tape:
            assert torch.equal(model(**inputs).logits, untouched)
        with surgery(name, DOUBLE, keep=True) as tape:
            changed = model(**inputs).logits
    assert changed.dtype == untouched.dtype
    assert not torch.equal(changed, untouched)
    for weights, visible in zip(tape.weights, tape.visible, strict=True):
        torch.testing.assert_close(
            weights.float().sum(-1), torch.ones_like(weights[..., 0].float()), rtol=0, atol=0.02
        )
        assert_hidden(weights, visible)


def test_other_softmaxes_are_left_alone():
    with Surgery((("encoder", 0),)) as tape:
        for shape, dim in (((7,), 0), ((2, 4), -1), ((2, 4, 7), -1), ((2, 4, 7, 7), 1)):
            torch.randn(shape).softmax(dim)
    assert tape.seen == 0


@pytest.mark.parametrize("name", ["mixtral", "gpt_oss"])
def test_routers_are_left_alone(name):
    """A router's softmax runs in every layer beside the attention's; the same hidden states choose the same experts."""
    inside = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **kwargs or {})
            if "softmax" in func.__name__ and result.ndim == 2:
                inside.append(torch.equal(result, torch.softmax(args[0].float(), -1).to(result.dtype)))
            return result

    model, inputs = built(name)
    with torch.no_grad(), Watch(), surgery(name, DOUBLE) as tape:
        model(**inputs)
    assert inside == [True, True]
    assert tape.seen == 2


def test_threads_that_share_a_model_never_see_each_others_edits():
    """Eight threads, three architectures, 192 runs, each with its own edit or none."""
    jobs = []
    for name in ("bert", "gpt2", "llama"):
        edits = [
            (),
            *((Scale(factor=c, where=Where(keys=(k,))),) for c in (0.0, 0.5, 3.0) for k in (0, 2, 4)),
        ]
        edits += [(Suppress(factor=0.1, where=Where(keys=(k,), layers=(k % 2,))),) for k in range(5)]
        jobs += [(name, edit, logits_of(name, *edit)[0]) for edit in edits]
    many = (jobs * 6)[:192]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda job: logits_of(job[0], *job[1])[0], many))
    wrong = [job[:2] for job, logits in zip(many, found, strict=True) if not torch.equal(job[2], logits)]
    assert not wrong


def test_every_row_of_a_batch_may_have_its_own_edits():
    model, inputs = built("bert")
    with torch.no_grad(), Surgery(calls_of(model.config), [(DOUBLE,), ()]) as tape:
        logits = model(**inputs).logits
    assert torch.equal(logits[1], plain("bert")[1])
    torch.testing.assert_close(logits[0], logits_of("bert", DOUBLE)[0][0])
    assert tape.edited_calls == 2


@pytest.mark.parametrize("name", ["bert", "gpt2", "gpt_oss"])
def test_the_same_edit_may_be_made_twice(name):
    twice = logits_of(name, DOUBLE, DOUBLE)[0]
    torch.testing.assert_close(twice, logits_of(name, Scale(factor=4.0, where=DOUBLE.where))[0])


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("gpt2", Where(queries=(0,), keys=(3,))),  # hidden: the future
        ("gpt_oss", Where(queries=(0,), keys=(3,))),
        ("mistral", Where(layers=(0,), queries=(6,), keys=(0,))),  # hidden: out of the window
        ("bert", Where(part="cross")),
        ("t5", Where(part="decoder", queries=(0,), keys=(2,))),
    ],
)
@pytest.mark.parametrize("kind", [Scale, Suppress])
def test_an_edit_that_touches_nothing_is_an_error(name, where, kind):
    with pytest.raises(EditTouchedNothing, match=r"met no attention cell.*Choose other"):
        logits_of(name, kind(factor=0.5, where=where))
    assert torch.equal(logits_of(name)[0], plain(name))


def test_an_edit_that_touches_nothing_is_found_beside_one_that_does():
    with pytest.raises(EditTouchedNothing):
        logits_of("gpt2", DOUBLE, Scale(factor=2.0, where=Where(queries=(0,), keys=(3,))))


def test_an_error_in_the_block_comes_out_as_it_is_and_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError), surgery("bert", DOUBLE):
        _ = 1 / 0
    assert torch.equal(logits_of("bert")[0], plain("bert"))


@pytest.mark.parametrize("part", ["encoder", "decoder", "cross"])
@pytest.mark.parametrize("name", ["t5", "bart"])
def test_the_parts_of_an_encoder_decoder_are_told_apart(name, part):
    tape, before = (
        logits_of(name, Scale(factor=3.0, where=Where(keys=(1,), part=part)))[1],
        logits_of(name)[1],
    )
    changed = [
        call
        for call, a, b in zip(tape.calls, tape.weights, before.weights, strict=True)
        if not torch.equal(a, b)
    ]
    assert changed[0] == (part, 0)
    assert tape.edited_calls == 2


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("name", ["albert", "bert", "gpt_neo"])
def test_layers_are_numbered_by_the_order_of_their_calls(name, layer):
    """ALBERT has one module for all layers, and others no number on theirs."""
    tape = logits_of(name, Scale(factor=3.0, where=Where(layers=(layer,), keys=(1,))))[1]
    same = [torch.equal(a, b) for a, b in zip(tape.weights, logits_of(name)[1].weights, strict=True)]
    assert same == [True, False] if layer else not same[0]
    assert tape.edited_calls == 1


def test_only_the_chosen_head_changes():
    before, after = (
        logits_of("llama", *e)[1].weights[0] for e in ((), (Scale(where=Where(heads=(2,), keys=(0,))),))
    )
    assert torch.equal(before[:, [0, 1, 3]], after[:, [0, 1, 3]])
    assert not torch.equal(before[:, 2], after[:, 2])


def test_a_learned_sink_keeps_its_share_of_what_is_left():
    edit = Scale(factor=0.0, where=Where(keys=(0,), layers=(0,)))
    before, after = logits_of("gpt_oss")[1].weights[0], logits_of("gpt_oss", edit)[1].weights[0]
    assert (after[:, :, 1:, 0] == 0).all()
    expected = before[..., 7] / (1 - before[..., 0])
    torch.testing.assert_close(after[0, :, :4, 7], expected[0, :, :4])


@pytest.mark.parametrize("name", TEXT)
def test_embeddings_can_be_put_in_place_of_the_look_up(name):
    model, inputs = built(name)
    table, ids = model.get_input_embeddings().weight, inputs["input_ids"]
    given = table[ids].detach().requires_grad_()
    swap = Texts.swap(SimpleNamespace(model=model), inputs, given)  # type: ignore[arg-type]
    with surgery(name, DOUBLE, embeddings=swap):
        logits = model(**inputs).logits
    torch.testing.assert_close(logits, logits_of(name, DOUBLE)[0])
    (gradient,) = torch.autograd.grad(logits.sum(), given)
    assert gradient.abs().sum() > 0


def test_scores_behind_the_mask_are_not_read_by_accident():
    with pytest.raises(BadInput, match='minimum="visible"'):
        logits_of("gpt2", Suppress(minimum="all", where=Where(keys=(0,))))


# --- models for which it would not hold


def test_a_model_with_another_kind_of_attention_is_refused():
    lab = tiny_lab()
    lab.model.set_attn_implementation("sdpa")
    with pytest.raises(ModelRefused, match=r'0 attention calls where its configuration promises 2.*"eager"'):
        Lab(lab.model, lab.tokenizer)


def test_embeddings_of_patches_can_be_put_in_place_of_their_convolution():
    lab = tiny_lab(architecture="vit")
    encoding = lab.encode(tiny_picture())
    given = lab.embeddings(encoding.ids)[None].requires_grad_()
    logits, _ = lab.forward([encoding.ids], embeddings=given, grad=True)
    plain = lab.forward([encoding.ids])[0]
    torch.testing.assert_close(logits, plain)
    (gradient,) = torch.autograd.grad(logits[0, 0, 0], given)
    assert (gradient[0, 1:].abs().sum(-1) > 0).all()
    assert (gradient[0, 0] == 0).all(), "the class token is no patch"
    assert not torch.allclose(lab.forward([encoding.ids], embeddings=given * 0)[0], plain)


def test_a_model_that_makes_fewer_calls_than_promised_is_refused():
    lab = tiny_lab()
    lab.model.config.num_hidden_layers = 3
    with pytest.raises(ModelRefused, match="2 attention calls where its configuration promises 3"):
        Lab(lab.model, lab.tokenizer)


def test_a_model_of_another_task_is_refused():
    with pytest.raises(ModelRefused, match="none of the tasks"):
        Lab(AutoModel.from_config(tiny_model("vit").config), tiny_tokenizer())
