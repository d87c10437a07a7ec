"""The lab, runs, prompts and targets: what a notebook meets first."""

from __future__ import annotations

import math

import pytest
import torch

from attnlab_core import Prompt, Scale, Suppress, Target, Where, attribute
from attnlab_core.errors import BadInput, ModelRefused, TextTooLong, UnknownName
from attnlab_core.testing import tiny_lab

TEXT = "There is nothing to dislike here."


@pytest.fixture(scope="module")
def labs():
    return {
        "classification": tiny_lab(),
        "masked": tiny_lab("masked"),
        "causal": tiny_lab("causal", "gpt2"),
        "answering": tiny_lab("answering"),
    }


def prompt(task):
    second = "Paris is the capital of France."
    texts = {"masked": "There is [MASK] to dislike here.", "answering": "What is the capital?"}
    return Prompt(texts.get(task, TEXT), second if task == "answering" else None)


@pytest.mark.parametrize("task", ["classification", "masked", "causal", "answering"])
def test_probabilities_are_the_models_own(labs, task):
    lab, asked = labs[task], prompt(task)
    run = lab.run(asked)
    texts = [asked.text] if asked.second is None else [asked.text, asked.second]
    with torch.no_grad():
        out = lab.model(**lab.tokenizer(*texts, return_tensors="pt"))
    if task == "classification":
        want = dict(zip(lab.labels, out.logits[0].softmax(-1).tolist(), strict=True))
        assert run.probabilities == pytest.approx(want)
    elif task == "answering":
        start, end = out.start_logits[0].softmax(-1), out.end_logits[0].softmax(-1)
        inside = [k for k, token in enumerate(run.tokens) if token.segment == 1]
        best = max((start[a] * end[b]).item() for a in inside for b in inside if a <= b)
        none = (start[0] * end[0]).item()  # both ends at [CLS]
        assert run.probabilities["no answer"] == pytest.approx(none)
        assert max(p for text, p in run.probabilities.items() if text != "no answer") == pytest.approx(best)
        assert run.prediction == "no answer" if none > best else run.prediction in asked.second
    else:
        place = run.encoding.ids.index(lab.tokenizer.mask_token_id) if task == "masked" else -1
        assert next(iter(run.probabilities.values())) == pytest.approx(
            out.logits[0, place].softmax(-1).max().item()
        )
    assert list(run.probabilities.values()) == sorted(run.probabilities.values(), reverse=True)
    assert run.prediction == next(iter(run.probabilities))
    assert run.logits.isfinite().all()


def test_no_answer_is_a_target_like_any_other(labs):
    run = labs["answering"].run(prompt("answering"))
    goal = run.goal("no answer")
    assert {pick.index for pick in goal.picks} == {0}
    assert run.value("No answer") == pytest.approx(run.probabilities["no answer"])
    moved = run.again(Scale(factor=5.0, where=Where(keys=(3,))))
    assert moved.value("no answer") != run.value("no answer")


@pytest.mark.parametrize("task", ["classification", "masked", "causal", "answering"])
def test_value_of_the_default_target_is_the_top_probability(labs, task):
    run = labs[task].run(prompt(task))
    assert run.value() == pytest.approx(max(run.probabilities.values()), rel=1e-5)
    assert run.value(quantity="log_probability") == pytest.approx(math.log(run.value()), rel=1e-4)


def test_pattern_is_eager_attention(labs):
    for task in ("classification", "causal"):
        lab = labs[task]
        run = lab.run(TEXT)
        with torch.no_grad():
            out = lab.model(**lab.tokenizer(TEXT, return_tensors="pt"), output_attentions=True)
        assert torch.equal(run.pattern.weights, torch.cat(out.attentions))
        assert run.pattern.causal == (task == "causal")
        frame = run.pattern.to_frame()
        assert len(frame) == run.pattern.weights.numel()
        row = frame.sample(1, random_state=0).iloc[0]
        cell = run.pattern.weights[row.layer, row["head"], row["query"], row.key]
        assert row.weight == pytest.approx(cell.item())


def test_edits_stand_on_those_before_and_can_be_taken_back(labs):
    run = labs["classification"].run(TEXT)
    one, two = (
        Scale(factor=3, where=Where(keys=("nothing",))),
        Suppress(where=Where(keys=("to",), layers=(1,))),
    )
    both = run.again(one).again(two)
    assert both.edits == (one, two)
    assert torch.equal(both.logits, run.again(one, two).logits)
    assert torch.equal(both.plain.logits, run.logits)
    assert torch.equal(run.again(*both.edits[:-1]).logits, run.again(one).logits)
    assert not torch.equal(both.logits, run.logits)
    assert both.edited_calls == 2


def test_scaling_a_word_twice_is_scaling_it_by_the_product(labs):
    run = labs["classification"].run(TEXT)
    where = Where(keys=("nothing",))
    twice = run.again(Scale(factor=2, where=where), Scale(factor=2, where=where))
    assert torch.allclose(twice.logits, run.again(Scale(factor=4, where=where)).logits, atol=1e-6)


def test_words_name_every_place_where_they_stand(labs):
    run = labs["classification"].run("As bad as it is, Nothing beats nothing.")
    assert [run.tokens[k].text for k in run.encoding.find("AS")] == ["As", "as"]
    assert len({run.tokens[k].word for k in run.encoding.find("nothing")}) == 2
    assert run.encoding.find("[CLS]") == (0,)
    with pytest.raises(
        BadInput, match=r"'nothin' does not occur in the text\. Its words are: As, bad, as, it"
    ):
        run.encoding.find("nothin")


@pytest.mark.parametrize(
    "text", ["😀😀 <b>not</b> *bad* _at all_", "ليس سيئا على الإطلاق", "नमस्ते isn’t it?", "a\tb\nc"]
)
def test_any_text_keeps_its_words(labs, text):
    for task in ("classification", "causal"):
        encoding = labs[task].encode(text)
        for word in encoding.words:
            assert word.text == text[word.start : word.end].strip() or not word.text.strip(" ␣⏎⇥")
        places = [p for word in encoding.words for p in word.positions]
        assert sorted(places) == [k for k, token in enumerate(encoding.tokens) if not token.special]


def test_empty_and_long_texts_are_refused_in_one_line(labs):
    lab = labs["classification"]
    for text in ("", "  \n"):
        with pytest.raises(BadInput, match="The text is empty"):
            lab.run(text)
    long = " ".join(["nothing"] * 200)
    with pytest.raises(TextTooLong, match="202 tokens and the model reads at most 64"):
        lab.run(long)
    fitted, dropped = lab.fit(long)
    assert dropped == 138
    assert len(lab.run(fitted).tokens) == 64
    assert lab.fit(TEXT) == (Prompt(TEXT), 0)
    pair, dropped = lab.fit(Prompt(TEXT, long))
    assert pair.text == TEXT
    assert dropped > 0


def test_masked_models_need_a_mask(labs):
    with pytest.raises(BadInput, match=r"no mask. Write \[MASK\]"):
        labs["masked"].run(TEXT)
    run = labs["masked"].run("There is [MASK] to dislike [MASK].")
    assert run.goal(Target(mask=1)).picks[0].place > run.goal(Target(mask=0)).picks[0].place
    with pytest.raises(BadInput, match="no mask 2"):
        run.goal(Target(mask=2))


def test_targets(labs):
    run = labs["classification"].run(TEXT)
    assert run.goal("POSITIVE").text == run.goal(1).text == "positive"
    with pytest.raises(UnknownName, match=r"no label called 'positve'\. Did you mean 'positive'"):
        run.goal("positve")
    with pytest.raises(BadInput, match="no label 7"):
        run.goal(7)
    contrast = run.goal(Target("positive", rather_than="negative"))
    logits = run.logits[None]
    assert contrast.value(logits).item() == pytest.approx(
        (run.logits[0, 1] - run.logits[0, 0]).item(), abs=1e-6
    )
    p = run.probabilities
    assert contrast.value(logits, "probability").item() == pytest.approx(
        p["positive"] - p["negative"], abs=1e-6
    )
    assert hash(Target("a", rather_than="b")) == hash(Target("a", rather_than="b"))
    with pytest.raises(BadInput, match="needs the answer that is preferred"):
        run.goal(Target(rather_than="negative"))


def test_continuation_adds_up_over_its_tokens(labs):
    lab = labs["causal"]
    run = lab.run("Paris is the")
    goal = run.goal("capital of France")
    ids = [*run.encoding.ids, *goal.extra]
    last = goal.picks[-1].index
    with torch.no_grad():
        log_p = lab.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    n = len(run.encoding.ids)
    chain = [*goal.extra, last]
    want = sum(log_p[n - 1 + k, number].item() for k, number in enumerate(chain))
    assert run.value("capital of France", "log_probability") == pytest.approx(want, rel=1e-5)
    assert goal.reads == tuple(range(n - 1, n - 1 + len(chain)))
    assert lab.tokenizer.decode(chain) == " capital of France"
    assert len(attribute(run, "occlusion", "capital of France").scores) == n + len(goal.extra)


def test_a_contrast_of_continuations_is_the_difference_of_its_sides(labs):
    run = labs["causal"].run("Paris is the")
    one, two = "capital of France", "story"
    found = attribute(run, "occlusion", Target(one, rather_than=two), quantity="log_probability")
    sides = [attribute(run, "occlusion", side, quantity="log_probability").scores for side in (one, two)]
    n = len(run.tokens)
    assert torch.allclose(found.scores, sides[0][:n] - sides[1][:n])
    assert run.value(Target(one, rather_than=two)) == pytest.approx(run.value(one) - run.value(two))


def test_answers_are_found_by_their_text(labs):
    run = labs["answering"].run(prompt("answering"))
    goal = run.goal("France")
    assert goal.text == "France"
    assert {pick.place for pick in goal.picks} == {0, 1}
    assert all(run.tokens[k].segment == 1 for k in goal.reads)
    assert run.goal(goal.reads if len(goal.reads) == 2 else (goal.reads[0],) * 2).text == "France"
    with pytest.raises(BadInput, match="'Berlin' does not occur in the context"):
        run.goal("Berlin")


def test_where_a_classifier_reads_is_found_by_itself():
    assert tiny_lab().run(TEXT).goal().reads == (0,)
    gpt = tiny_lab("classification", "gpt2")
    run = gpt.run(TEXT)
    assert run.goal().reads == (len(run.tokens) - 1,)


def test_a_classifier_without_padding_takes_one_text_at_a_time():
    lab = tiny_lab("classification", "gpt2", pad_token_id=None)
    assert lab.batch_size == 1
    assert attribute(lab.run(TEXT), "atman").scores.isfinite().all()


def test_models_are_refused_for_a_reason():
    from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification

    from attnlab_core.lab import Lab
    from attnlab_core.testing import tiny_tokenizer

    config = {
        "vocab_size": 200,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 8,
    }
    tokenizer = tiny_tokenizer()
    with pytest.raises(ModelRefused, match=r'0 attention calls .* promises 2.*attn_implementation="eager"'):
        Lab(BertForSequenceClassification(BertConfig(**config, attn_implementation="sdpa")), tokenizer)
    with pytest.raises(ModelRefused, match="BertForTokenClassification has none of the tasks"):
        Lab(BertForTokenClassification(BertConfig(**config)), tokenizer)
    with pytest.raises(ModelRefused, match="gives one number"):
        Lab(
            BertForSequenceClassification(BertConfig(**config, num_labels=1, attn_implementation="eager")),
            tokenizer,
        )


def test_nothing_is_left_on_the_model(labs):
    lab = labs["classification"]
    before = {name: value.clone() for name, value in lab.model.state_dict().items()}
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in lab.model.modules()]
    run = lab.run(TEXT)
    attribute(run, "integrated_gradients")
    run.again(Scale(factor=0.0, where=Where(keys=(2,))))
    assert [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in lab.model.modules()] == hooks
    assert all(torch.equal(value, before[name]) for name, value in lab.model.state_dict().items())
    assert all(p.grad is None for p in lab.model.parameters())
    with pytest.raises(BadInput):
        run.again(Scale(where=Where(layers=(5,))))
    assert torch.equal(lab.run(TEXT).logits, run.logits)


def test_where_takes_lists_and_refuses_what_it_cannot_be():
    assert Where(keys=["not", 3]) == Where(keys=("not", 3))
    assert Where(layers=1).layers == (1,)
    for bad in ({"layers": ("a",)}, {"heads": (True,)}, {"keys": ()}, {"keys": (1.5,)}, {"part": "middle"}):
        with pytest.raises(BadInput):
            Where(**bad)
