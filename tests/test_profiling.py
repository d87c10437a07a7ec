"""Head profiling: the steering formula by hand, effects against runs of their own, and whether steering the heads pays."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch

import attnlab_core as al
from attnlab_core.errors import BadInput
from attnlab_core.profiling import Case, Profile, emphasise, profile, shared
from attnlab_core.progress import watching
from attnlab_core.testing import tiny_lab
from tests.examples import SENTENCE

KNOWN = torch.tensor([[[0.1, 0.5], [-0.2, 0.3]], [[0.3, 0.1], [0.0, 0.5]]])  # means 0.2, 0.3, -0.1, 0.4


# --- the formula


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.5])
@pytest.mark.parametrize("fixture", ["lab", "decoder_lab"])
def test_all_other_keys_are_multiplied_by_alpha_and_rows_sum_to_one(request, fixture, alpha):
    """The weights of steered heads as the paper's formula gives them, computed from the plain ones; others as they were."""
    run = request.getfixturevalue(fixture).run(SENTENCE)
    plain = run.pattern.weights[0]
    steered = run.again(*emphasise(("nothing", "dislike"), ((0, 3), (0, 1)), alpha=alpha)).pattern.weights[0]
    marked = torch.zeros(len(run.tokens), dtype=torch.bool)
    marked[[*run.encoding.find("nothing"), *run.encoding.find("dislike")]] = True
    scaled = torch.where(marked, plain, alpha * plain)
    expected = scaled / scaled.sum(-1, keepdim=True)
    torch.testing.assert_close(steered[[1, 3]], expected[[1, 3]])
    torch.testing.assert_close(steered[[0, 2]], plain[[0, 2]])
    assert not torch.allclose(steered[1], plain[1])


def test_one_edit_a_layer():
    edits = emphasise("not", ((3, 7), (1, 2), (3, 0)), part="encoder")
    assert [edit.to_json()["where"] for edit in edits] == [
        {"layers": [1], "heads": [2], "keys": ["not"], "part": "encoder"},
        {"layers": [3], "heads": [0, 7], "keys": ["not"], "part": "encoder"},
    ]
    assert {edit.factor for edit in edits} == {100.0}


# --- the effects


@pytest.mark.parametrize(
    ("task", "prompt", "words", "target"),
    [
        ("classification", al.Prompt(SENTENCE), "nothing", None),
        ("masked", al.Prompt("There is [MASK] to dislike here."), ("dislike",), "good"),
        ("causal", al.Prompt("There is nothing to dislike"), (1, 2), al.Target(" good story", " bad")),
        ("answering", al.Prompt("What is it?", "There is nothing to dislike."), "nothing", "nothing to"),
    ],
)
@pytest.mark.parametrize("quantity", ["log_probability", "probability"])
def test_an_effect_is_what_the_edit_does_when_it_is_run(task, prompt, words, target, quantity):
    run = tiny_lab(task, "gpt2" if task == "causal" else "bert", initializer_range=0.5).run(prompt)
    run = run.again(al.Sharpen(where=al.Where(layers=(0,))))
    found = profile([Case(run, words, target)], quantity=quantity)
    assert found.effects.shape == (1, 2, 4)
    assert found.effects.abs().max() > 1e-4
    target = run.prediction if target is None else target
    for layer, head in ((0, 0), (0, 3), (1, 2)):
        edited = run.again(*emphasise(words, ((layer, head),)))
        wanted = edited.value(target, quantity) - run.value(target, quantity)
        assert float(found.effects[0, layer, head]) == pytest.approx(wanted, abs=1e-5)


def test_an_encoder_s_heads_are_not_the_decoder_s():
    run = tiny_lab("classification", "bart").run(SENTENCE)
    found = profile([Case(run, "nothing")])
    assert found.part == "encoder"
    assert run.again(*found.edits("nothing", 8)).edited_calls == 2


def test_progress_is_told_case_by_case(lab):
    seen = []
    with watching(lambda done, total: seen.append((done, total))):
        profile([Case(lab.run(SENTENCE), word) for word in ("nothing", "dislike")])
    assert seen == [(1, 2), (2, 2)]


# --- the ranking


def test_heads_are_ranked_by_their_mean_effect():
    found = Profile(KNOWN, 0.01, "log_probability", "encoder")
    torch.testing.assert_close(found.mean, torch.tensor([[0.2, 0.3], [-0.1, 0.4]]))
    assert found.heads(3) == ((1, 1), (0, 1), (0, 0))
    assert found.edits("not", 2) == emphasise("not", ((1, 1), (0, 1)), part="encoder")
    frame = found.to_frame()
    assert list(zip(frame.layer, frame["head"], strict=True)) == [(1, 1), (0, 1), (0, 0), (1, 0)]
    assert frame.effect.tolist() == pytest.approx([0.4, 0.3, 0.2, -0.1])
    assert frame.risen.tolist() == [1.0, 1.0, 1.0, 0.0]


def test_shared_heads_are_among_the_best_of_every_profile():
    one = Profile(KNOWN, 0.01, "log_probability")
    other = dataclasses.replace(one, effects=torch.tensor([[[0.9, 0.25], [0.1, 0.2]]]))
    assert shared((one,), 2) == one.heads(2)
    assert shared((one, other), 2) == ((0, 1),)
    assert shared((one, other), 3) == ((0, 0), (1, 1), (0, 1))  # their means over both: 0.55, 0.3, 0.275
    assert shared((one, dataclasses.replace(one, effects=-one.effects)), 1) == ()


# --- whether it pays

# A text praises one thing and blames another; who marks a word wants it to decide.
LEARN = (
    ("The plot is thin, but the acting is wonderful.", "wonderful", "thin"),
    ("A dull story with a brilliant ending.", "brilliant", "dull"),
    ("The first hour is tedious, the second is thrilling.", "thrilling", "tedious"),
    ("Ugly pictures, but a moving voice.", "moving", "ugly"),
)
HELD_OUT = (
    ("The camera work is superb, but the story is boring.", "superb", "boring"),
    ("A weak opening is followed by a funny middle.", "funny", "weak"),
    ("I liked the music and hated the rest.", "liked", "hated"),
    ("Bad effects, great heart.", "great", "bad"),
    ("It is predictable, yet it is also warm.", "warm", "predictable"),
    ("The hero is annoying and the villain is fascinating.", "fascinating", "annoying"),
    ("An excellent book became an awful film.", "excellent", "awful"),
    ("The trailer is exciting and the film is flat.", "exciting", "flat"),
)
NEGATED = (
    ("There is nothing to dislike here.", "nothing", "positive"),
    ("The film is not bad.", "not", "positive"),
    ("It is not a good film.", "not", "negative"),
    ("There is nothing to like here.", "nothing", "negative"),
    ("It is never boring.", "never", "positive"),
    ("It is never funny.", "never", "negative"),
    ("Hardly a dull moment.", "hardly", "positive"),
    ("The jokes are not funny.", "not", "negative"),
    ("No scene feels wasted.", "no", "positive"),
    ("Nobody will regret seeing it.", "nobody", "positive"),
    ("The ending is not disappointing.", "not", "positive"),
    ("This is not an ugly picture.", "not", "positive"),
    ("I was not bored for a minute.", "not", "positive"),
    ("It is not as bad as I feared.", "not", "positive"),
    ("There is no charm in it.", "no", "negative"),
    ("The songs are not terrible.", "not", "positive"),
)


def cases(lab, rows):
    return [
        Case(lab.run(text), word, label)
        for text, good, bad in rows
        for word, label in ((good, "positive"), (bad, "negative"))
    ]


def gains(some, choices):
    """The mean change of the targets' log-probabilities when these heads are steered together, for each choice."""
    found = []
    for case in some:
        rows = [(), *[emphasise(case.words, heads) for heads in choices]]
        values = case.run.goal(case.target).value(case.run.evaluate(rows=rows))
        found.append(values[1:] - values[0])
    return torch.stack(found).mean(0).tolist()


def drawn(every, k):
    """As many random heads, three times."""
    return [random.Random(seed).sample(every, k) for seed in range(3)]


@pytest.mark.slow
def test_on_held_out_texts_profiled_heads_do_more_than_random_ones_and_than_all():
    lab = al.load("sst2")
    found = profile(cases(lab, LEARN))
    every = found.heads(72)
    best, worst, whole, *others = gains(
        cases(lab, HELD_OUT), [every[:8], every[-8:], every, *drawn(every, 8)]
    )
    assert best > 0.5
    assert best > max(others)
    assert best > whole
    assert worst < 0


@pytest.mark.slow
def test_emphasised_negations_get_their_way_in_the_heads_profiled_for_them():
    """Learnt on every second one and steered in the others."""
    lab = al.load("sst2")
    given = [Case(lab.run(text), word, label) for text, word, label in NEGATED]
    found = profile(given[::2])
    best, *others = gains(given[1::2], [found.heads(4), *drawn(found.heads(72), 4)])
    assert best > 0.1
    assert best > max(others)


# --- what is refused


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda run: profile([]), "no case to profile on"),
        (lambda run: profile([Case(run, "absent")]), "absent"),
        (lambda run: profile([Case(run, "nothing", "funny")]), "no label called 'funny'"),
        (lambda run: profile([Case(run, ())]), "keys is empty"),
        (lambda run: profile([Case(run, "nothing")], alpha=0), "alpha is from 0.001 to 1"),
        (lambda run: profile([Case(run, "nothing")], quantity="loss"), "quantity is one of"),
        (
            lambda run: profile([Case(run, "nothing"), Case(tiny_lab().run(SENTENCE), "nothing")]),
            "of several models",
        ),
        (lambda run: emphasise("nothing", ()), "no head to steer"),
        (lambda run: emphasise("nothing", ((0, 0),), alpha=2), "alpha is from 0.001 to 1"),
        (lambda run: run.again(*emphasise("nothing", ((9, 0),))), "no layer 9"),
        (lambda run: Profile(KNOWN, 0.01, "logit").heads(0), "ask for 1 to 4 heads"),
        (lambda run: Profile(KNOWN, 0.01, "logit").heads(5), "ask for 1 to 4 heads"),
        (lambda run: shared((), 1), "at least one"),
    ],
)
def test_what_does_not_fit_is_refused_with_one_clear_line(lab, make, said):
    with pytest.raises(BadInput, match=said) as caught:
        make(lab.run(SENTENCE))
    assert "\n" not in str(caught.value)
