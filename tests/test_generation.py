"""Going on with a text: the edits hold for every new token, with a cache as without."""

from __future__ import annotations

import dataclasses

import pytest

import attnlab_core as al
from attnlab_core.errors import BadInput, TextTooLong
from attnlab_core.generation import generate
from attnlab_core.prompt import Prompt
from attnlab_core.testing import tiny_lab

TEXT = "There is nothing to dislike here."
EDITS = {
    "none": (),
    "key": (al.Scale(factor=20.0, where=al.Where(keys=(2,))),),
    "cells": (al.Scale(factor=30.0, where=al.Where(layers=(1,), heads=(0,), queries=(1, 3), keys=(0, 1))),),
    "scores": (al.Suppress(factor=0.0, where=al.Where(keys=(1,))), al.Scale(factor=3.0, where=al.Where(keys=(0,)))),
}  # fmt: skip


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gpt_neox"])
@pytest.mark.parametrize("name", EDITS)
def test_with_a_cache_it_writes_what_reading_all_anew_would(architecture, name):
    lab = tiny_lab("causal", architecture=architecture)
    run = lab.run(TEXT).again(*EDITS[name])
    made = generate(run, tokens=6)
    ids = list(run.encoding.ids)
    settled = lab.settle(run.encoding, run.edits)
    for number, odds in zip(made.ids, made.probabilities, strict=True):
        logits, _ = lab.forward([ids], rows=[settled])
        p = logits[0, -1].softmax(-1)
        assert int(p.argmax()) == number
        assert float(p[number]) == pytest.approx(odds, abs=1e-5)
        ids.append(number)
    assert made.text == lab.tokenizer.decode(made.ids)


def test_an_edit_changes_what_is_written_and_a_seed_fixes_it():
    lab = tiny_lab("causal", architecture="gpt2")
    run = lab.run(TEXT)
    drawn = [generate(run, tokens=12, temperature=1.5, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    edited = run.again(al.Suppress(factor=0.0, where=al.Where(keys=(0, 1, 2))))
    assert generate(edited, tokens=12).probabilities != generate(run, tokens=12).probabilities


def test_it_refuses_what_cannot_go_on(lab):
    with pytest.raises(BadInput, match="does not go on"):
        generate(lab.run(TEXT))
    causal = tiny_lab("causal", architecture="gpt2")
    short = dataclasses.replace(causal.run(Prompt(TEXT)))
    wrong = {"temperature": float("nan"), "tokens": -5, "seed": 2**70}
    for name, value in [*wrong.items(), ("temperature", -1.0)]:
        with pytest.raises(BadInput, match=f"{name} is from"):
            generate(short, **{name: value})
    with pytest.raises(TextTooLong):
        generate(short, tokens=(causal.max_tokens or 0) + 1)
