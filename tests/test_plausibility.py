"""Plausibility: its figures by hand, its gradient, its calibration, and what it says of broken patterns."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import attnlab_core as al
from attnlab_core import models, plausibility
from attnlab_core._contexts import divergence_between, observe, other_context, other_picture
from attnlab_core._rowstats import EDGE, FLAT, STATISTICS, divergence, row_divergence, row_statistics, summary
from attnlab_core.errors import BadInput, Cancelled
from attnlab_core.pictures import Picture
from attnlab_core.progress import watching
from attnlab_core.shapes import KINDS, scene
from attnlab_core.testing import SENTENCES, tiny_lab, tiny_picture
from benchmarks import plausibility as benchmark
from training import plausibility as recipe
from training import shapes_vit

WORDS = sorted({word.strip(".,?") for text in SENTENCES for word in text.split()})
OWN = (
    "The movie was not as bad as I expected.",
    "There is nothing to dislike here.",
    "A slow start, a fine middle and an ending that nobody in the room saw coming.",
    "I laughed twice, and both times at the wrong moment.",
    "The songs are dull, the cast looks tired and the script is a list of old jokes.",
    "It is a small film with a big heart and two very good actors.",
    "Whoever wrote this has never met a child.",
    "The camera loves the sea, and so will you.",
)  # fmt: skip
SCENES = tuple(
    al.Prompt(image=Picture.of(scene(k, [kind]).pixels)) for k, kind in enumerate(KINDS, 3_900_000)
)
PROMPTS = {"sst2": OWN, "shapes-vit": SCENES}


def sentences(count: int, seed: int) -> list[str]:
    """Words of the tiny tokenizer in random order, of several lengths."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(4, 14))) + "." for _ in range(count)]


def noise(count: int, seed: int) -> list[al.Prompt]:
    """Pictures of noise, of several sizes."""
    return [tiny_picture(seed * 10_000 + k, size=12 + k % 9) for k in range(count)]


def reading_pictures() -> al.Lab:
    """A tiny model with 4 × 4 patches."""
    return tiny_lab(architecture="vit", image_size=16, patch_size=4)


def ks(percentiles: Tensor) -> float:
    ranked = percentiles.sort().values / 100
    steps = torch.arange(len(ranked) + 1) / len(ranked)
    return float(torch.maximum(steps[1:] - ranked, ranked - steps[:-1]).max())


@pytest.fixture(scope="module")
def tiny() -> tuple[al.Lab, plausibility.Reference]:
    lab = tiny_lab()
    return lab, plausibility.fit(lab, sentences(200, 1), corpus="words in random order", held_back=0.5)


@pytest.fixture(scope="module")
def pictured() -> tuple[al.Lab, plausibility.Reference]:
    lab = reading_pictures()
    return lab, plausibility.fit(lab, noise(200, 1), corpus="noise", held_back=0.5)


@pytest.fixture(scope="module", params=list(PROMPTS))
def shipped(request: pytest.FixtureRequest) -> tuple[al.Lab, plausibility.Reference]:
    lab = al.load(request.param)
    found = plausibility.reference(lab)
    assert found is not None, (
        f"the shipped reference is not of the shipped weights: python -m training.plausibility --model {lab.name}"
    )
    return lab, found


def logit(mass: float) -> float:
    return math.log((mass + EDGE) / (1 - mass + EDGE))


def statistics(
    weights: list[list[float]], visible: Tensor, special: list[bool]
) -> dict[str, list[float | None]]:
    values, told = row_statistics(torch.tensor(weights), visible, torch.tensor(special))
    cells = [
        [v if t else None for v, t in zip(*rows, strict=True)]
        for rows in zip(values.T.tolist(), told.T.tolist(), strict=True)
    ]
    return dict(zip(STATISTICS, cells, strict=True))


def test_the_statistics_of_three_rows_are_those_worked_out_by_hand() -> None:
    weights = [[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.0, 1.0, 0.0]]
    found = statistics(weights, torch.ones(3, 3, dtype=torch.bool), [True, False, True])
    entropy = (1.5 * math.log(2), -(0.1 * math.log(0.1) + 0.2 * math.log(0.2) + 0.7 * math.log(0.7)), 0.0)
    expected: dict[str, list[float | None]] = {
        "entropy": [logit(h / math.log(3)) for h in entropy],
        "self": [logit(0.5), logit(0.2), logit(0.0)],
        "previous": [None, logit(0.1), logit(1.0)],
        "next": [logit(0.25), logit(0.7), None],
        "first": [logit(0.5), logit(0.1), logit(0.0)],
        "separators": [logit(0.25), logit(0.7), logit(0.0)],  # position 0 is not one of them
        "largest": [logit(0.5), logit(0.7), logit(1.0)],
        "distance": [logit(0.75 / 2), logit(0.8), logit(0.5)],  # the farthest visible key is 2, 1, 2 away
    }
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, abs=1e-5), name


def test_in_a_causal_row_only_what_is_visible_counts() -> None:
    visible = torch.ones(3, 3, dtype=torch.bool).tril()
    found = statistics([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5]], visible, [False] * 3)
    half = -sum(p * math.log(p) for p in (0.2, 0.3, 0.5)) / math.log(3)
    assert found["entropy"] == pytest.approx([None, logit(1.0), logit(half)], abs=1e-5)
    assert found["self"] == pytest.approx([None, logit(0.5), logit(0.5)], abs=1e-5)
    assert found["previous"] == pytest.approx([None, logit(0.5), logit(0.3)], abs=1e-5)
    assert found["next"] == [None] * 3
    assert found["separators"] == [None] * 3
    assert found["distance"] == pytest.approx([None, logit(0.5), logit(0.35)], abs=1e-5)


def test_a_heads_figures_are_mean_and_spread_over_the_rows_that_have_them() -> None:
    weights = torch.tensor([[0.5, 0.5], [0.1, 0.9]])
    figures = summary(weights, torch.ones(2, 2, dtype=torch.bool), torch.tensor([True, False]))
    own = (logit(0.5), logit(0.9))
    spread = math.sqrt(((own[0] - own[1]) / 2) ** 2 + FLAT)
    place = STATISTICS.index("self")
    assert figures[place].item() == pytest.approx(sum(own) / 2, abs=1e-5)
    assert figures[place + len(STATISTICS)].item() == pytest.approx(spread, abs=1e-5)
    place = STATISTICS.index("next")  # one row has it
    assert figures[place].item() == pytest.approx(logit(0.5), abs=1e-5)
    assert figures[place + len(STATISTICS)].item() == pytest.approx(math.sqrt(FLAT), abs=1e-5)
    place = STATISTICS.index("separators")  # none has it
    assert figures[place].item() == 0


def test_the_divergence_is_kullback_and_leiblers_and_an_emptied_row_is_not_free() -> None:
    edited, plain = torch.tensor([[0.9, 0.1], [0.0, 0.0]]), torch.tensor([[0.6, 0.4], [0.5, 0.5]])
    seen = torch.ones(2, 2, dtype=torch.bool)
    by_hand = 0.9 * math.log(1.5) + 0.1 * math.log(0.25)
    assert row_divergence(edited, plain, seen).tolist() == pytest.approx([by_hand, 1.0], abs=1e-6)
    assert divergence(edited, plain, seen).item() == pytest.approx((by_hand + 1) / 2, abs=1e-6)
    assert divergence(plain, plain, seen).item() == 0


def test_between_sentences_only_shared_words_count_and_their_part_of_the_row() -> None:
    here = torch.tensor([[0.4, 0.2, 0.4], [0.3, 0.3, 0.4], [1.0, 0.0, 0.0]])[
        None, None
    ]  # its last word is not shared
    there = torch.tensor([[0.2, 0.2, 0.6], [0.1, 0.6, 0.3], [0.0, 0.5, 0.5]])[
        None, None
    ]  # its first one is new
    seen = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    found = divergence_between(here, there, seen, seen, ([0, 1], [1, 2]))
    first = 0.6 * (2 / 3 * math.log(2 / 3 / (2 / 3)) + 1 / 3 * math.log(1))
    second = 0.6 * (0.5 * math.log(0.5 / 0.5) + 0.5 * math.log(1))
    assert found.item() == pytest.approx((first + second) / 2, abs=1e-6)
    found = divergence_between(here, there, seen, seen, ([0, 1], [0, 1]))
    rows = (
        0.6 * (2 / 3 * math.log(4 / 3) + 1 / 3 * math.log(2 / 3)),
        0.6 * (0.5 * math.log(3.5) + 0.5 * math.log(7 / 12)),
    )
    assert found.item() == pytest.approx(sum(rows) / 2, abs=1e-6)


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
@pytest.mark.parametrize("second", [None, "The doctor came to the city when he was good."])
def test_kept_words_meet_themselves_in_the_other_context(architecture: str, second: str | None) -> None:
    lab = tiny_lab("classification", architecture)
    prompt = al.Prompt("There is nothing to dislike here.", second=second)
    here = lab.encode(prompt)
    changed = set()
    for seed in range(20):
        context = other_context(
            prompt, "A truly great film and a story", random.Random(seed), causal=architecture == "gpt2"
        )
        there = lab.encode(context.prompt)
        mine, its = context.shared(here, there)
        assert len(set(mine)) == len(mine) == len(set(its)) > 1
        begins = 0 if here.tokens[0].special else 1  # then the two first tokens are a pair, whatever they are
        assert (mine[0], its[0]) == (0, 0)
        pairs = list(zip(mine, its, strict=True))[begins:]
        assert [here.tokens[a].text for a, _ in pairs] == [there.tokens[b].text for _, b in pairs]
        assert (context.prompt.text != prompt.text) == (second is None)
        changed.add(len(there.words) - len(here.words))
    assert len(changed) > (
        1 if architecture == "gpt2" else 2
    )  # in a causal model words are only put in front


def test_a_mask_survives_the_other_context() -> None:
    prompt = al.Prompt("The doctor said that [MASK] would see him")
    for seed in range(30):
        assert (
            "[MASK]" in other_context(prompt, "A great film", random.Random(seed), mask="[MASK]").prompt.text
        )


def test_kept_patches_are_a_rectangle_in_another_picture() -> None:
    lab = reading_pictures()
    here, donor = (lab.encode(prompt) for prompt in noise(2, 3))
    sizes = set()
    for seed in range(40):
        same, there, (mine, its) = other_picture(here, donor, random.Random(seed))
        assert same is here
        assert mine == its
        assert mine[0] == 0  # the class token
        rows, columns = ({(place - 1) // 4 for place in mine[1:]}, {(place - 1) % 4 for place in mine[1:]})
        assert mine[1:] == [1 + 4 * row + column for row in sorted(rows) for column in sorted(columns)]
        for run in (rows, columns):
            assert max(run) - min(run) == len(run) - 1
        ids = zip(here.ids[1:], donor.ids[1:], strict=True)
        assert list(there.ids[1:]) == [a if k in mine else b for k, (a, b) in enumerate(ids, 1)]
        sizes.add((len(rows), len(columns)))
    assert sizes == {(2, 2), (2, 3), (3, 2), (3, 3)}


def test_pictures_have_a_reference_in_which_nothing_changes_with_length(
    pictured: tuple[al.Lab, plausibility.Reference],
) -> None:
    lab, found = pictured
    assert found.lengths == (17, 17)
    assert found.specials == ("[CLS]",)
    assert found.slope.abs().max() < 1e-4
    assert found.growth.abs().max() < 1e-4
    names = [(*STATISTICS, *STATISTICS)[k] for k in found.figures]
    assert "separators" not in names  # there is none but the first token
    assert {"previous", "next"} <= set(names)
    runs = [lab.run(prompt) for prompt in noise(40, 2)]
    natural = [found.judge(run).percentile for run in runs]
    assert 30 < sum(natural) / len(natural) < 70
    assert sum(percentile > 95 for percentile in natural) <= 8
    for run in runs[:5]:
        near = found.judge(run, plain=run)
        assert near.distance == pytest.approx(100 / 101)  # below all 100 that were held back
        far = found.judge(run.again(al.Invert()), plain=run)
        assert far.outside
        assert far.energy > near.energy


def test_a_picture_is_given_as_it_is_or_as_a_prompt() -> None:
    lab, prompts = reading_pictures(), noise(130, 4)
    as_prompts = plausibility.fit(lab, prompts, held_back=0.5)
    as_pictures = plausibility.fit(lab, [p.image for p in prompts if p.image is not None], held_back=0.5)
    torch.testing.assert_close(as_pictures.mean, as_prompts.mean)
    torch.testing.assert_close(as_pictures.scores, as_prompts.scores, rtol=1e-3, atol=1e-3)
    assert not any(
        "pixels" in vars(p.image) for p in prompts
    )  # of thousands of photos they would fill the memory


@pytest.mark.parametrize(
    ("reads", "change", "words"),
    [
        ("pictures", ["a film"], "reads pictures, not text"),
        ("pictures", [("a film", "and another")], "reads pictures, not text"),
        ("pictures", [al.Prompt("a film", image=tiny_picture().image)], "pictures alone"),
        ("text", [tiny_picture()], "reads text, not pictures"),
        ("text", [tiny_picture().image], "reads text, not pictures"),
        ("text", [""], "text is empty"),
    ],
)
def test_what_a_model_does_not_read_is_told_before_anything_is_read(
    reads: str, change: list[Any], words: str
) -> None:
    lab = reading_pictures() if reads == "pictures" else tiny_lab()
    rest: list[Any] = noise(20, 1) if reads == "pictures" else sentences(20, 1)
    for texts in ([*rest, *change], [*change, *rest], change):
        with pytest.raises(BadInput, match=words), watching(lambda *_: pytest.fail("it was read")):
            plausibility.fit(lab, texts)


def test_the_energys_gradient_is_that_of_finite_differences(
    tiny: tuple[al.Lab, plausibility.Reference],
) -> None:
    lab, found = tiny
    run = lab.run("The movie was bad.")
    special = torch.tensor([token.special for token in run.tokens])
    draw = torch.Generator().manual_seed(1)
    weights = (
        torch.randn(*run.pattern.weights.shape, generator=draw, dtype=torch.float64)
        .softmax(-1)
        .requires_grad_()
    )
    for plain in (None, run.pattern.weights.double()):

        def energy(w: Tensor, plain: Tensor | None = plain) -> Tensor:
            return found.energy(w, run.pattern.visible, special, plain)

        (slope,) = torch.autograd.grad(energy(weights), weights)
        for _ in range(40):
            place = tuple(int(torch.randint(0, size, (1,), generator=draw)) for size in weights.shape)
            off = torch.zeros_like(weights)
            off[place] = 1e-6
            with torch.no_grad():
                wanted = float(energy(weights + off) - energy(weights - off)) / 2e-6
            assert slope[place].item() == pytest.approx(wanted, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_are_finite_everywhere(tiny: tuple[al.Lab, plausibility.Reference], causal: bool) -> None:
    _, found = tiny
    seen = torch.ones(2, 4, 6, 6, dtype=torch.bool)
    seen = seen.tril() if causal else seen
    special = torch.tensor([True, False, False, False, False, True])
    uniform = seen / seen.sum(-1, keepdim=True)
    first = torch.zeros(2, 4, 6, 6)
    first[..., 0] = 1
    for weights in (torch.eye(6).expand(2, 4, 6, 6), uniform, first, torch.zeros(2, 4, 6, 6)):
        for plain in (None, uniform, first):
            live = weights.clone().requires_grad_()
            energy = found.energy(live, seen, special, plain)
            (slope,) = torch.autograd.grad(energy, live)
            assert energy.isfinite()
            assert slope.isfinite().all()


def test_descending_the_energy_finds_natural_patterns(tiny: tuple[al.Lab, plausibility.Reference]) -> None:
    lab, found = tiny
    run = lab.run(OWN[0])
    special = torch.tensor([token.special for token in run.tokens])
    scores = torch.randn(
        run.pattern.weights.shape, generator=torch.Generator().manual_seed(0)
    ).requires_grad_()
    optimiser = torch.optim.Adam([scores], lr=0.1)
    values = []
    for _ in range(150):
        energy = found.energy(scores.softmax(-1), run.pattern.visible, special)
        values.append(energy.item())
        optimiser.zero_grad()
        energy.backward()
        optimiser.step()
    assert values[0] > 10
    assert values[-1] < 1
    assert found.judge(replace(run.pattern, weights=scores.detach().softmax(-1))).percentile < 95


@pytest.mark.slow
@pytest.mark.parametrize(("made", "corpus"), [(tiny_lab, sentences), (reading_pictures, noise)])
def test_percentiles_of_patterns_no_fit_has_seen_are_uniform(
    made: Callable[[], al.Lab], corpus: Callable[[int, int], list[Any]]
) -> None:
    lab = made()
    lab.batch_size = 64
    found = plausibility.fit(lab, corpus(2000, 5), held_back=0.8)
    seen = observe(lab, corpus(1400, 6), random.Random(6))
    shape, far = found.shapes(seen.figures, seen.lengths), seen.divergences / found.natural
    for kind, scores in (("shape", shape), ("distance", far), ("total", shape + far)):
        ranks = torch.tensor([found.rank(kind, float(score)) for score in scores.mean((1, 2))])
        assert ks(ranks) <= 0.05, kind
    heads = torch.stack([found.rank_heads("shape", one) for one in shape])
    assert max(ks(heads[:, layer, head] + 0.5) for layer in range(2) for head in range(4)) <= 0.08


def test_a_judgement_is_the_rank_of_the_energy(tiny: tuple[al.Lab, plausibility.Reference]) -> None:
    lab, found = tiny
    run = lab.run(OWN[0])
    special = torch.tensor([token.special for token in run.tokens])
    alone, same = found.judge(run), found.judge(run, plain=run)
    assert alone.distance is None
    assert alone.percentile == alone.shape == same.shape
    energy = found.energy(run.pattern.weights, run.pattern.visible, special).item()
    assert alone.energy == pytest.approx(energy, rel=1e-6)
    assert same.energy == pytest.approx(energy, rel=1e-6)  # a pattern is at no distance from itself
    assert same.percentile <= alone.percentile
    assert found.judge(run.pattern).percentile == alone.percentile  # special tokens are known by their text
    edited = run.again(al.Scale(factor=50.0, where=al.Where(keys=("not",))))
    judged = found.judge(edited, plain=run)
    assert judged.outside
    assert judged.energy > same.energy
    assert judged.distance is not None
    assert judged.heads_outside
    assert judged.heads.shape == (2, 4)
    assert set(judged.to_json()) == {"percentile", "words", "shape", "distance", "energy", "heads"}


@pytest.mark.parametrize(
    ("percentile", "words"),
    [
        (62.4, "typical: 62nd percentile"),
        (97.9, "unusual: 97th percentile"),
        (13.0, "typical: 13th percentile"),
        (0.2, "typical: 1st percentile"),
        (99.95, "unusual: 99th percentile"),
        (100.0, "outside anything seen"),
    ],
)
def test_words(percentile: float, words: str) -> None:
    judged = plausibility.Judgement(percentile, torch.zeros(1, 1), percentile, None, 1.0)
    assert judged.words == words


@pytest.mark.parametrize(
    ("task", "architecture", "text"),
    [
        ("masked", "bert", "The doctor said that [MASK] came."),
        ("causal", "gpt2", "The doctor said that"),
        ("answering", "bert", al.Prompt("What is the capital?", second="Paris is the capital of France.")),
    ],
)
def test_every_task_has_a_reference(task: Any, architecture: str, text: al.Prompt | str) -> None:
    lab = tiny_lab(task, architecture)
    texts: list[Any] = [line[:60] for line in sentences(130, 2)]
    if task == "answering":
        texts = [("What is the capital?", line[:40]) for line in texts]
    steps: list[tuple[int, int]] = []
    with watching(lambda done, total: steps.append((done, total))):
        found = plausibility.fit(lab, texts, held_back=0.5)
    assert steps[-1][0] == steps[-1][1]
    assert found.judge(lab.run(text)).percentile <= 100
    figures = [(*STATISTICS, *STATISTICS)[k] for k in found.figures]
    assert ("next" in figures) == (architecture == "bert")  # a causal model sees no next token
    assert ("separators" in figures) == (architecture == "bert")


def test_broken_patterns_are_outside_and_whole_ones_are_not(
    shipped: tuple[al.Lab, plausibility.Reference],
) -> None:
    lab, found = shipped
    draw = torch.Generator().manual_seed(0)
    natural = []
    for text in PROMPTS[lab.name]:
        run = lab.run(text)
        weights = run.pattern.weights
        natural.append(found.judge(run).percentile)
        shuffled = weights.gather(-1, torch.rand(weights.shape, generator=draw).argsort(-1))
        inverted = (1 - weights) / (weights.shape[-1] - 1)
        for broken in (shuffled, inverted):
            judged = found.judge(replace(run.pattern, weights=broken))
            assert judged.percentile > 99
            assert judged.words == "outside anything seen"
        assert found.judge(replace(run.pattern, weights=shuffled), plain=run).percentile > 99
    assert sum(percentile > 95 for percentile in natural) <= 2
    assert min(natural) < 50


def test_the_shipped_reference_is_small_loads_quickly_and_names_what_it_was_made_from(
    shipped: tuple[al.Lab, plausibility.Reference],
) -> None:
    lab, found = shipped
    began = time.process_time()
    assert plausibility.reference(lab) is not None
    assert time.process_time() - began < 0.2
    file = models.CHECKPOINTS / lab.name / plausibility.FILE
    assert file.stat().st_size < 300_000
    assert found.held_back >= 400
    assert found.model == lab.name
    assert {"sst2": "SST-2", "shapes-vit": "scenes"}[lab.name] in found.corpus


def test_saved_and_loaded_it_is_the_same(tiny: tuple[al.Lab, plausibility.Reference], tmp_path: Path) -> None:
    lab, found = tiny
    path = tmp_path / plausibility.FILE
    found.save(path)
    again = plausibility.Reference.load(path)
    for name, value in vars(found).items():
        other = getattr(again, name)
        assert torch.equal(value, other) if isinstance(value, Tensor) else value == other, name
    run = lab.run(OWN[0])
    assert again.judge(run, run).to_json() == found.judge(run, run).to_json()


def test_a_reference_stays_with_its_weights(
    tiny: tuple[al.Lab, plausibility.Reference], tmp_path: Path
) -> None:
    _, found = tiny
    found.save(tmp_path / plausibility.FILE)
    same, other = tiny_lab(), tiny_lab(seed=1)
    assert plausibility.reference(same) is None  # none is shipped
    same.name = other.name = str(tmp_path)
    assert plausibility.reference(same) is not None
    assert plausibility.reference(other) is None
    with torch.no_grad():
        next(iter(same.model.parameters()))[3, 5] += 1e-3
    assert plausibility.reference(same) is None


def test_what_cannot_be_used_is_refused(tiny: tuple[al.Lab, plausibility.Reference], tmp_path: Path) -> None:
    lab, found = tiny
    run, longer = lab.run(OWN[0]), lab.run(OWN[1])
    with pytest.raises(BadInput, match="of another text"):
        found.judge(run, plain=longer)
    with pytest.raises(BadInput, match="2x4 heads"):
        found.judge(replace(run.pattern, weights=run.pattern.weights[:1], visible=run.pattern.visible[:1]))
    with pytest.raises(BadInput, match=r"Of 50 texts 20 are .* both need"):
        plausibility.fit(lab, sentences(50, 1))
    with pytest.raises(BadInput, match=r"Of 50 pictures 20 are .* both need"):
        plausibility.fit(reading_pictures(), noise(50, 1))
    for model, same in ((lab, ["a great film"] * 150), (reading_pictures(), noise(1, 1) * 150)):
        with pytest.raises(BadInput, match="alike to"):
            plausibility.fit(model, same)
    with pytest.raises(BadInput, match="nothing to read"):
        plausibility.fit(reading_pictures(), [])
    with pytest.raises(BadInput, match="too long"):
        plausibility.fit(lab, ["a great film " * 40] * 3)
    path = tmp_path / "none.npz"
    path.write_text("no reference", encoding="utf-8")
    with pytest.raises(BadInput, match="holds no reference"):
        plausibility.Reference.load(path)


def test_texts_of_one_length_are_enough() -> None:
    texts = [" ".join(random.Random(k).choices(["the", "film", "bad", "good"], k=6)) for k in range(130)]
    lab = tiny_lab()
    found = plausibility.fit(lab, texts, held_back=0.5)
    assert found.lengths == (8, 8)
    judged = found.judge(
        lab.run("the film the film the film the film the film the film")
    )  # as if it were as long
    assert math.isfinite(judged.energy)


def test_the_recipe_fits_on_sentences_and_not_on_their_phrases() -> None:
    whole = "a film that never once forgets its own heart ."
    others = ["never once forgets its own heart", "too short", "its own heart ."]
    assert recipe.whole([whole, *others]) == [whole]
    assert recipe.whole([whole, *others, f"they call it {whole}"]) == [f"they call it {whole}"]


def test_the_recipe_draws_pictures_that_are_used_nowhere_else() -> None:
    lab = reading_pictures()
    sets = [
        set(recipe.scenes(Path(), 20, seed, lab, held_out)[0])
        for seed in (1, 7)
        for held_out in (False, True)
    ]
    assert [len(one) for one in sets] == [20] * 4
    assert len(set[Any]().union(*sets)) == 80
    assert shapes_vit.FIRST + shapes_vit.PICTURES < recipe.DRAWN  # and tasks and studies draw before FIRST
    assert recipe.DRAWN + 100 * recipe.APART <= recipe.KEPT


def test_the_recipe_needs_data_for_texts_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["plausibility", "--count", "150", "--out", str(tmp_path), "--model"]
    monkeypatch.setattr("sys.argv", [*asked, "sst2", "shapes-vit"])
    with pytest.raises(SystemExit):
        recipe.main()
    assert "sst2 need texts: give --data DATA, or --model shapes-vit" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", [*asked, "shapes-vit"])
    recipe.main()
    made = plausibility.Reference.load(tmp_path / "shapes-vit.npz")
    assert made.digest == plausibility.digest(al.load("shapes-vit"))
    assert (made.texts, made.held_back) == (60, 90)


@pytest.mark.slow
def test_the_benchmark_measures_pictures() -> None:
    said = benchmark.measure(al.load("shapes-vit"), Path(), 200)
    assert said["measured_on"] == 200
    assert max(said["ks"].values()) < 0.15  # passed by one set of 200 in a thousand
    assert said["beyond_99"]["shuffled"] == said["beyond_99"]["inverted"] == 1
    assert len(said["mean_percentile_by_length"]) == 1


def test_a_watcher_may_stop_the_fit() -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled), watching(stop):
        plausibility.fit(tiny_lab(), sentences(200, 1))
