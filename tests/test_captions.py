"""Questions of captions about drawn pictures: what is right is what was drawn, and whole sets of them are measured."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import attnlab_core as al
from attnlab_core import attribute
from attnlab_core.captions import ABOUT, COUNT, language, question
from attnlab_core.experiments import run
from attnlab_core.experiments._explain_evidence import average_precision
from attnlab_core.experiments._readings import read
from attnlab_core.experiments.bench import Bench
from attnlab_core.experiments.evaluate import Condition, Evaluate
from attnlab_core.experiments.evidence import Evidence
from attnlab_core.metrics._case import judged_tokens, marked_tokens
from attnlab_core.shapes import COLOURS, KINDS, LOOKS, scene, shapes
from attnlab_core.tasks.captions import Captions
from attnlab_core.tasks.shapes import Shapes
from attnlab_core.testing import tiny_lab
from tests.task_data import DRAWN
from tests.test_experiments import of

LOOK = {look.strip(): texture for texture, look in LOOKS.items() if look}


@pytest.fixture(scope="module")
def clip():
    return tiny_lab("matching")


def described(caption: str) -> list[dict[str, str]]:
    """What a caption says of each shape, read off its words."""
    found = []
    for part in caption.split(" and "):
        words = part.split()
        named = [("kind", word) for word in words if word in KINDS]
        named += [("colour", word) for word in words if word in COLOURS]
        said = dict(named + [("texture", LOOK[word]) for word in words if word in LOOK])
        found.append(said)
    return found


@pytest.mark.parametrize("about", ABOUT)
def test_right_captions_are_those_of_shapes_that_are_there(about):
    asked = 0
    for seed in range(300):
        drawn = shapes(seed)
        if about == "pair" and len({one.kind for one in drawn}) < 2:
            continue
        asked += 1
        made = question(np.random.default_rng(seed), drawn, about)
        assert len(made.captions) == COUNT
        assert any(made.right)
        assert {word for caption in made.captions for word in caption.split()} <= set(language())
        for caption, fits in zip(made.captions, made.fits, strict=True):
            parts = described(caption)
            plain = about in ("texture", "whole")  # here what is called by no texture is plain
            parts = [({"texture": "plain"} if plain else {}) | part for part in parts]
            there = [
                [
                    k
                    for k, one in enumerate(drawn)
                    if all(getattr(one, key) == said for key, said in part.items())
                ]
                for part in parts
            ]
            right = all(there)
            assert bool(fits) == right
            assert not fits or sorted(fits) == sorted({k for some in there for k in some})
    assert asked > 80


def test_a_row_asks_one_question_with_one_right_caption():
    rows = list(Captions(count=25).rows())
    assert [row.kind for row in rows] == list(ABOUT) * 5
    places = set()
    for row in rows:
        lines = row.prompt.text.split("\n")
        assert 4 < len(lines) == len(set(lines)) <= COUNT
        assert row.gold[0] in lines
        places.add(lines.index(row.gold[0]))
        words = [row.prompt.text[s.start : s.end] for s in row.stretches]
        assert words == [w for w in row.gold[0].split() if w in (*KINDS, *COLOURS, *LOOK)]
        line = row.prompt.text[: row.stretches[0].start].count("\n")
        assert lines[line] == row.gold[0]
    assert len(places) > 4  # the right one stands anywhere


def test_what_is_marked_are_the_words_and_the_shape(clip):
    row = next(row for row in Captions(count=5).rows(lab=clip) if row.kind == "whole")
    seen = clip.run(row.prompt)
    assert row.rationale is not None
    marked = marked_tokens(seen, row.rationale)
    words = {word.text for word in seen.encoding.words if marked[list(word.positions)].any()}
    seed = int(row.id.split("-")[0])
    kind = next(k for k in KINDS if re.search(rf"\b{k}\b", row.gold[0]))
    mask = scene(seed, [kind]).mask(kind)
    high, wide = mask.shape
    for patch in seen.encoding.patches:
        left, top, right, bottom = seen.tokens[patch.positions[0]].box
        share = mask[
            round(top * high) : round(bottom * high), round(left * wide) : round(right * wide)
        ].mean()
        assert bool(marked[patch.positions[0]]) == (share >= 0.5)
    assert {kind} <= words


def test_prompts_that_lie_differently_are_read_apart_and_come_back_in_order(clip):
    encodings = [clip.encode(row.prompt) for row in Captions(count=10).rows(lab=clip)]
    assert len({clip.reader.layout(one.ids) for one in encodings}) > 2
    together = read(clip, encodings, budget=2**29, keep=True)
    for encoding, reading in zip(encodings, together, strict=True):
        alone = clip.run(encoding.prompt)
        assert reading.asked.encoding is encoding
        torch.testing.assert_close(reading.asked.logits, alone.asked.logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(reading.pattern.weights, alone.pattern.weights, rtol=1e-4, atol=1e-5)
        assert torch.equal(reading.pattern.visible, alone.pattern.visible)
    one, two = (list(e.ids) for e in encodings[:2])
    with pytest.raises(ValueError, match="same lengths"):
        clip.forward([one, two])


def test_a_set_is_measured_as_one_run_after_another(clip, tmp_path):
    """Without an edit, under one of all attention, and under one of a word that only some captions have."""
    task = Captions(count=10)
    conditions = (
        Condition("inverted", (al.Invert(),)),
        Condition("the", (al.Scale(factor=0, where=al.Where(keys=("the",))),)),
    )
    report = run(Evaluate(task=task, conditions=conditions, controls=False), clip, folder=tmp_path)
    rows = list(task.rows(lab=clip))
    have = [row for row in rows if "the" in row.prompt.text.split()]
    assert 0 < len(have) < len(rows)
    for condition, edits, mine in (
        ("inverted", conditions[0].edits, rows),
        ("the", conditions[1].edits, have),
    ):
        found = of(report, "scores", condition, "surprisal")
        assert found["rows"] == len(mine)
        plain, edited = ([task.ask(row, clip, some)["surprisal"] for row in mine] for some in ((), edits))
        assert found["before"] == pytest.approx(np.mean(plain), rel=1e-4)
        assert found["after"] == pytest.approx(np.mean(edited), rel=1e-4)
        assert found["after"] != pytest.approx(found["before"], rel=1e-6)
    moved = [
        (one.again(al.Invert()).pattern.weights - one.pattern.weights).abs().sum(-1).mean() / 2
        for one in (clip.run(row.prompt) for row in rows)
    ]
    assert of(report, "effects", "inverted")["attention_moved"] == pytest.approx(np.mean(moved), abs=1e-5)


@pytest.mark.parametrize("task", ["captions", "shapes"])
def test_explanations_are_held_against_what_is_marked(task, clip, tmp_path):
    lab = clip if task == "captions" else tiny_lab(**DRAWN | {"image_size": 80, "patch_size": 8})
    asked = Captions(count=1) if task == "captions" else Shapes(count=1, shapes=1)
    some = {"methods": ("raw_attention", "input_x_gradient"), "task": asked}
    report = run(Evidence(**some), lab, folder=tmp_path)
    units = {row["unit"] for row in report.tables["evidence"]}
    assert units == {"token"}  # of a picture, nothing is a sentence
    assert not any("entence" in note for note in report.notes)
    row = next(iter(asked.rows(lab=lab)))
    assert row.rationale is not None
    seen = lab.run(row.prompt)
    judged = judged_tokens(seen)
    positive = attribute(seen, "raw_attention", asked.target(row)).scores.clamp_min(0)[judged]
    marks = marked_tokens(seen, row.rationale)[judged].numpy()
    assert 0 < marks.sum() < len(marks)
    found = [row for row in report.tables["evidence"] if row["method"] == "raw_attention"]
    assert found[0]["map"] == pytest.approx(average_precision(positive.numpy(), marks), abs=1e-6)
    bench = run(Bench(**some, metrics=("auprc_plau", "log_odds")), lab, folder=tmp_path)
    assert {r["n"] for r in bench.tables["metrics"] if r["metric"] == "auprc_plau"} == {1}
    assert any("patches and words" in note for note in bench.notes)
