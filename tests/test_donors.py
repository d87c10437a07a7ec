"""Transplant and mean_pattern: whose attention it is, how tokens are matched, and what does not fit."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch

import attnlab_core as al
from attnlab_core.edits import _donor
from attnlab_core.edits._align import by_word
from attnlab_core.edits._corpus import TEXTS
from attnlab_core.errors import BadInput, EditTouchedNothing, TextTooLong
from attnlab_core.lab import Lab
from attnlab_core.testing import tiny_lab
from tests.examples import SENTENCE
from tests.reach import TEXT

OTHER = "A good story is nothing to dislike."


def patterns(run):
    return {part: pattern.weights for part, pattern in run.patterns.items()}


def with_loader(**others):
    made = tiny_lab()
    return Lab(made.model, made.tokenizer, name="tiny bert", loader=lambda name: others[name])


# --- transplant


@pytest.mark.parametrize("name", ["bert", "gpt2", "t5", "bart", "xlnet", "gpt_oss", "gemma2"])
def test_a_pattern_put_in_its_own_place_changes_nothing(name):
    run = tiny_lab("classification", name).run(SENTENCE)
    for edit in (al.Transplant(), al.Transplant(text=SENTENCE), al.Transplant(text=SENTENCE, align="word")):
        again = run.again(edit)
        assert again.edited_calls > 0
        torch.testing.assert_close(again.logits, run.logits, rtol=0, atol=2e-6)
        for part, weights in patterns(again).items():
            torch.testing.assert_close(weights, patterns(run)[part], rtol=0, atol=1e-6)


def test_it_takes_back_what_edits_before_it_did(lab):
    run = lab.run(SENTENCE)
    edited = run.again(al.Scale(factor=5.0, where=al.Where(keys=("nothing",))), al.Transplant())
    torch.testing.assert_close(edited.logits, run.logits)


def test_another_layer_and_another_head(lab):
    run = lab.run(SENTENCE)
    own = run.pattern.weights
    found = run.again(al.Transplant(layer=0, head=2, where=al.Where(layers=(1,), heads=(0, 1))))
    for head in (0, 1):
        torch.testing.assert_close(found.pattern.weights[1, head], own[0, 2])
    torch.testing.assert_close(found.pattern.weights[1, 2:], own[1, 2:])


def test_another_sentence_by_position(lab):
    text = "The movie was not that bad."
    run, other = lab.run(SENTENCE), lab.run(text)
    assert len(run.tokens) == len(other.tokens)
    found = run.again(al.Transplant(text=text))
    torch.testing.assert_close(found.pattern.weights, other.pattern.weights)
    half = run.again(al.Transplant(text=text, amount=0.5, where=al.Where(layers=(0,))))
    torch.testing.assert_close(
        half.pattern.weights[0], (run.pattern.weights[0] + other.pattern.weights[0]) / 2
    )


def test_another_sentence_by_word(lab):
    """`is nothing to dislike`, the full stop and the special tokens are shared; all other rows stay."""
    run, other = lab.run(SENTENCE), lab.run(OTHER)
    pairs = by_word(run.encoding, other.encoding)
    shared = {run.tokens[a].text.casefold() for own, _ in pairs for a in own}
    assert shared == {"[CLS]".casefold(), "is", "nothing", "to", "dislike", ".", "[sep]"}
    mine, theirs = (torch.tensor([p for pair in pairs for p in pair[side]]) for side in (0, 1))
    found = run.again(al.Transplant(text=OTHER, align="word", where=al.Where(layers=(0,)))).pattern.weights[0]
    taken = other.pattern.weights[0][:, theirs[:, None], theirs]
    torch.testing.assert_close(found[:, mine[:, None], mine], taken / taken.sum(-1, keepdim=True))
    rest = [k for k in range(len(run.tokens)) if k not in mine.tolist()]
    assert rest
    torch.testing.assert_close(found[:, rest], run.pattern.weights[0][:, rest])
    assert (found[:, mine[:, None], torch.tensor(rest)] == 0).all()


def test_special_tokens_are_matched_by_their_place_and_pairs_with_pairs():
    lab = tiny_lab("answering")
    run = lab.run(al.Prompt("What is the capital?", "Paris is the capital of France."))
    other = al.Prompt("Is that the capital?", "The capital of France is Paris.")
    pairs = by_word(run.encoding, lab.encode(other))
    named = [(run.tokens[a[0]].text, lab.encode(other).tokens[b[0]].text) for a, b in pairs]
    marks = [pair for pair in named if pair[0].startswith("[")]
    assert marks == [("[CLS]", "[CLS]"), ("[SEP]", "[SEP]"), ("[SEP]", "[SEP]")]
    edited = run.again(al.Transplant(text=other.text, second=other.second, align="word"))
    assert edited.edited_calls == 2


def test_words_of_different_numbers_of_tokens():
    """The other tokenizer takes words apart otherwise: rows are the mean, and what a word gets is shared."""
    lab, other = tiny_lab("causal", "gpt2"), tiny_lab("causal", "llama")
    lab = Lab(lab.model, lab.tokenizer, name="here", loader=lambda name: other)
    text = "An unknowable thing is nothing."
    run, theirs = lab.run(text), other.run(text)
    pairs = by_word(run.encoding, theirs.encoding)
    assert any(len(a) != len(b) for a, b in pairs)
    found = run.again(al.Transplant(model="there", align="word", where=al.Where(layers=(0,)))).pattern
    torch.testing.assert_close(found.weights[0].sum(-1), torch.ones_like(found.weights[0, ..., 0]))
    own, far = pairs[-1]
    weights = theirs.pattern.weights[0][:, list(far)].mean(1)
    expected = torch.zeros(lab.heads, len(run.tokens))
    for a, b in pairs:
        for k, place in enumerate(a):
            got = weights[:, list(b)]
            expected[:, place] = got[:, k] if len(a) == len(b) else got.sum(-1) / len(a)
    torch.testing.assert_close(found.weights[0, :, own[-1]], expected / expected.sum(-1, keepdim=True))


def test_another_model():
    other = tiny_lab(seed=1)
    lab = with_loader(other=other)
    run = lab.run(SENTENCE)
    found = run.again(al.Transplant(model="other"))
    torch.testing.assert_close(found.pattern.weights, other.run(SENTENCE).pattern.weights)
    assert not torch.allclose(found.logits, run.logits)
    torch.testing.assert_close(run.again(al.Transplant(model="tiny bert")).logits, run.logits)


def test_a_causal_donor_and_a_causal_receiver():
    """A decoder's rows stay causal whoever gives them, and an encoder takes a decoder's as they are."""
    decoder, encoder = tiny_lab("causal", "gpt2"), tiny_lab("causal", "llama")
    for one, other in ((decoder, encoder), (encoder, decoder)):
        lab = Lab(one.model, one.tokenizer, name="here", loader=lambda _, other=other: other)
        assert lab.run(SENTENCE).again(al.Transplant(model="x", align="word")).pattern.causal
    encoder = with_loader(gpt=decoder)
    found = encoder.run(SENTENCE).again(al.Transplant(model="gpt", align="word"))
    assert found.edited_calls == 2
    torch.testing.assert_close(found.pattern.weights.sum(-1), torch.ones_like(found.pattern.weights[..., 0]))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"text": "Too short."}, r"this one has 9, the other \d+. Use align=\"word\""),
        ({"text": "Where?", "align": "word"}, "No word of 'There is nothing.* stands in 'Where"),
        ({"text": " "}, "The text is empty"),
        ({"layer": 7}, "There is no layer 7: tiny bert has layers 0 to 1"),
        ({"head": 7}, "There is no head 7: tiny bert has heads 0 to 3"),
        ({"model": "deep"}, "tiny bert has 3 layers and tiny bert has 2.*as in layer=0"),
        ({"model": "narrow"}, "tiny bert has 2 heads and tiny bert has 4.*as in head=0"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_one_clear_line(edit, said):
    lab = with_loader(deep=tiny_lab(num_hidden_layers=3), narrow=tiny_lab(num_attention_heads=2))
    with pytest.raises(BadInput, match=said) as caught:
        lab.run(SENTENCE).again(al.Transplant(**edit))
    assert "\n" not in str(caught.value)


def test_with_a_layer_and_a_head_other_shapes_do_fit():
    lab = with_loader(other=tiny_lab(num_hidden_layers=3, num_attention_heads=2))
    found = lab.run(SENTENCE).again(al.Transplant(model="other", layer=2, head=1)).pattern.weights
    assert torch.allclose(found[0, 0], found[1, 3])


def test_without_a_loader_there_is_no_other_model(lab):
    with pytest.raises(BadInput, match=r"cannot load 'sst2'. Use al.load"):
        lab.run(SENTENCE).again(al.Transplant(model="sst2"))


def test_a_donor_that_is_too_long_is_refused(lab):
    with pytest.raises(TextTooLong):
        lab.run(SENTENCE).again(al.Transplant(text="x " * 100, align="word"))


def test_a_loaded_model_can_load_others(tmp_path):
    made = tiny_lab()
    made.model.save_pretrained(tmp_path)
    made.tokenizer.save_pretrained(tmp_path)
    lab = al.load(tmp_path)
    assert lab.other(str(tmp_path)).layers == lab.layers


# --- mean_pattern


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_the_mean_is_the_mean(architecture):
    """Texts of as many tokens as the text at hand are read as they are."""
    lab = tiny_lab("classification", architecture)
    run = lab.run("Was the film bad?")
    texts = ("The film was good.", "Here the movie was.") if architecture == "bert" else (SENTENCE, OTHER)
    found = run.again(al.MeanPattern(texts=texts)).pattern.weights
    if architecture == "bert":
        wanted = torch.stack([lab.run(text).pattern.weights for text in texts]).mean(0)
    else:  # no frame: both begin as the texts do, cut where the places end
        n = len(run.tokens)
        wanted = torch.stack([lab.run(text).pattern.weights[..., :n, :n] for text in texts]).mean(0)
        wanted = wanted / wanted.sum(-1, keepdim=True)
    torch.testing.assert_close(found, wanted)


def test_the_words_do_not_matter_and_the_length_does(lab):
    one, other = (lab.run(text).again(al.MeanPattern()) for text in (SENTENCE, "The movie was not that bad."))
    torch.testing.assert_close(one.pattern.weights, other.pattern.weights)
    assert 20 <= len(TEXTS) <= 30
    long = lab.run("as good as it gets, " * 5).again(al.MeanPattern())
    assert long.edited_calls == lab.layers


@pytest.mark.parametrize(
    ("task", "prompt"),
    [
        ("masked", al.Prompt("There is [MASK] to dislike.")),
        ("answering", al.Prompt("What is the capital?", "Paris is the capital of France.")),
        ("causal", al.Prompt(SENTENCE)),
    ],
)
def test_it_works_for_every_task(task, prompt):
    lab = tiny_lab(task, "gpt2" if task == "causal" else "bert")
    run = lab.run(prompt)
    edited = run.again(al.MeanPattern())
    assert edited.edited_calls == 2
    assert not torch.equal(edited.logits, run.logits)
    torch.testing.assert_close(
        edited.pattern.weights.sum(-1), torch.ones_like(edited.pattern.weights[..., 0])
    )
    if task == "causal":
        target = run.goal(" good story")
        assert run.with_continuation(target) is not None
        assert run.again(al.MeanPattern(), al.Transplant()).value(" good story") > 0


@pytest.mark.parametrize("name", TEXT)
def test_both_work_in_every_architecture(name):
    run = tiny_lab("classification", name).run(SENTENCE)
    for edit in (al.MeanPattern(texts=(OTHER,)), al.Transplant(text=SENTENCE, head=1)):
        edited = run.again(edit)
        assert not torch.equal(edited.logits, run.logits)
        assert edited.logits.isfinite().all()
        assert (edited.pattern.weights[~edited.pattern.visible] == 0).all()


# --- what is remembered


def test_a_donor_is_read_once_for_many_runs_and_anew_when_the_weights_change(monkeypatch):
    lab, read = tiny_lab(), []
    attention = Lab.attention
    monkeypatch.setattr(Lab, "attention", lambda self, e: read.append(1) or attention(self, e))
    run = lab.run(SENTENCE).again(al.Transplant(head=1))
    al.attribute(run, "atman")
    assert len(read) == 1
    with torch.no_grad():
        next(lab.model.parameters()).add_(0.1)
    again = lab.run(SENTENCE).again(al.Transplant(head=1))
    assert len(read) == 2
    assert not torch.equal(again.logits, run.logits)


def test_it_is_forgotten_with_the_lab_and_bounded():
    lab = tiny_lab()
    for text in ("Bad.", "Good.", "A film.", "A good story.", "There is a city.", "What?"):
        lab.run(text).again(al.MeanPattern(texts=("Good story.",)))
    assert len(_donor._memory[lab]) == _donor.KEPT
    gone = weakref.ref(lab)
    del lab
    gc.collect()
    assert gone() is None


def test_a_masked_donor_row_is_an_error_where_nothing_is_met(decoder_lab):
    with pytest.raises(EditTouchedNothing):
        decoder_lab.run(SENTENCE).again(al.Transplant(where=al.Where(queries=(0,), keys=(4,))))
