"""Scores of explanations keep their promises on every kind of model; each agrees with an independent reference."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

import attnlab_core as al
from attnlab_core.edits import Where
from attnlab_core.edits.suppress import Suppress
from attnlab_core.errors import BadInput, Cancelled, UnknownName
from attnlab_core.knobs import caption, knobs, title
from attnlab_core.lab import Lab
from attnlab_core.methods import attribute, attribute_all, methods
from attnlab_core.methods._inputs import blank
from attnlab_core.methods.input_x_gradient import input_x_gradient
from attnlab_core.metrics import (
    Case,
    Deletions,
    cases,
    deletion_curve,
    facts,
    frame,
    judge,
    judged_tokens,
    marked_tokens,
    metrics,
    oracle,
)
from attnlab_core.metrics._case import how_many, shares
from attnlab_core.metrics._shifted import shifted
from attnlab_core.progress import watching
from attnlab_core.prompt import Prompt
from attnlab_core.run import Run
from attnlab_core.targets import Target
from attnlab_core.testing import tiny_lab, tiny_picture

SENTENCE = Prompt("There is nothing to dislike here.")
PARIS = Prompt("Paris is the capital of")
CASES = {
    "encoder classifier": ("classification", "bert", SENTENCE, None),
    "pairs": ("classification", "bert", Prompt("A great film.", "The movie was good."), None),
    "decoder classifier": ("classification", "gpt2", SENTENCE, "positive"),
    "next token": ("causal", "gpt2", PARIS, None),
    "continuation": ("causal", "llama", PARIS, "France. What"),
    "one continuation rather than another": ("causal", "gpt2", PARIS, Target("France. What", "the capital")),
    "word at a mask": ("masked", "bert", Prompt("Paris is the [MASK] of France."), "capital"),
    "answer in a context": (
        "answering",
        "bert",
        Prompt("What is the capital?", "Paris is the capital of France."),
        "the capital",
    ),
    "picture": ("classification", "vit", tiny_picture(), "positive"),
    "captions": ("matching", "clip", tiny_picture(text="A great film.\nThe city"), None),
    "question about a picture": ("visual_answering", "blip", tiny_picture(text="What is it?"), "the city"),
}
METRICS = sorted(metrics())
HOWS = ("mask", "unk", "pad", "remove")
RANKS = sorted(set(METRICS) - {"infidelity", "sensitivity", "relevance_precision", "relevance_recall"})
SLOW = {"question about a picture"}
every_case = pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * (case in SLOW)) for case in CASES]
)
every_metric = pytest.mark.parametrize("name", METRICS)
every_how = pytest.mark.parametrize("how", HOWS)
PICTURES = ("picture", "captions", "question about a picture")
WITHOUT = {(case, "remove") for case in PICTURES}  # a picture has all its patches
every_kind_of_deletion = pytest.mark.parametrize(
    ("case", "how"),
    [
        pytest.param(case, how, marks=[pytest.mark.slow] * (case in SLOW))
        for case in CASES
        for how in HOWS
        if (case, how) not in WITHOUT
    ],
)


@pytest.mark.parametrize("case", PICTURES)
def test_patches_of_a_picture_are_not_removed(case: str) -> None:
    with pytest.raises(BadInput, match="none can be removed"):
        case_of(case, "remove")


@cache
def run_of(case: str) -> Run:
    task, architecture, prompt, _ = CASES[case]
    return tiny_lab(task, architecture).run(prompt)


def case_of(case: str, how: str = "mask", method: str = "input_x_gradient", lab: Lab | None = None) -> Case:
    run, target = (lab.run(CASES[case][2]) if lab else run_of(case)), CASES[case][3]
    gold = judged_tokens(run).nonzero().flatten().tolist()[1:3]
    return cases(run, [attribute(run, method, target)], target=target, gold=gold, how=how)[0]


class Toy(Deletions):
    """Deletions whose probabilities are a function of what is deleted."""

    def __init__(self, run: Run, value: Callable[[frozenset[int]], float]) -> None:
        super().__init__(run, run.goal())
        self.value = value

    def prefetch(self, sets) -> None:
        for places in map(frozenset, sets):
            value = self.value(places)
            self.known[places] = (value, math.log(max(value, 1e-30)))


def toy(
    scores: list[float], value: Callable[[frozenset[int]], float], gold: list[int] | None = None, **more
) -> Case:
    """A case of seven tokens at positions 1 to 7 between two special ones; `value` takes positions from 0."""
    run = run_of("encoder classifier")
    padded = torch.zeros(9, dtype=torch.float64)
    padded[1 : 1 + len(scores)] = torch.tensor(scores, dtype=torch.float64)
    marked = None if gold is None else torch.tensor([k - 1 in gold for k in range(9)])
    judged = judged_tokens(run)
    judged[1 + len(scores) :] = False
    deletions = Toy(run, lambda places: value(frozenset(k - 1 for k in places)))
    return Case(run, run.goal(), padded, judged, deletions, marked, **more)


def nothing(_: frozenset[int]) -> float:
    return 0.5


# --- promises of every metric ---


@pytest.mark.parametrize(
    ("case", "how"),
    [(case, how) for case in CASES for how in ("mask", "remove") if (case, how) not in WITHOUT],
)
def test_a_number_or_a_reason_for_none_and_the_same_again(case: str, how: str) -> None:
    made, again = case_of(case, how), case_of(case, how, lab=tiny_lab(*CASES[case][:2]))
    for name, function in metrics().items():
        found = function(made)
        assert isinstance(found, float)
        assert math.isfinite(found) or found.why.endswith("."), name
        assert function(again) == pytest.approx(found, abs=1e-4, nan_ok=True), name


@every_case
def test_of_the_tiny_models_all_metrics_have_a_value(case: str) -> None:
    made = case_of(case, method="gradient_norm")  # never below zero, where relevance could not be shared out
    values = {name: metrics()[name](made) for name in METRICS}
    assert [name for name, value in values.items() if math.isnan(value)] == []


@every_kind_of_deletion
def test_batch_size_does_not_matter(case: str, how: str) -> None:
    one = tiny_lab(*CASES[case][:2])
    one.batch_size = 1
    scores = case_of(case).scores
    runs = run_of(case), one.run(CASES[case][2])
    made = [
        Case(run, goal, scores, judged_tokens(run), Deletions(run, goal, how))
        for run in runs
        for goal in [run.goal(CASES[case][3])]
    ]
    for name in ("abpc", "aopc_compr", "aopc_suff", "log_odds", "infidelity"):
        few, many = (metrics()[name](one) for one in made)
        assert few == pytest.approx(many, abs=1e-4)


@every_case
def test_all_is_left_as_found(case: str) -> None:
    run = run_of(case)
    before = {key: value.clone() for key, value in run.lab.model.state_dict().items()}
    logits, weights, grads = run.logits.clone(), run.pattern.weights.clone(), torch.is_grad_enabled()
    made = case_of(case)
    scores, judged = made.scores.clone(), made.judged.clone()
    for name, function in metrics().items():
        function(made)
        assert torch.is_grad_enabled() == grads, name
        assert all(torch.equal(before[key], value) for key, value in run.lab.model.state_dict().items()), name
        assert all(w.grad is None and w.requires_grad for w in run.lab.model.parameters()), name
        assert torch.equal(run.logits, logits), name
        assert torch.equal(run.pattern.weights, weights), name
        assert torch.equal(made.scores, scores), name
        assert torch.equal(made.judged, judged), name


@every_metric
def test_every_metric_can_be_put_in_a_table_and_a_menu(name: str) -> None:
    function = metrics()[name]
    assert 10 < len(caption(function)) < 80
    assert caption(function).endswith(".")
    assert title(function)[0].isupper()
    assert all(len(knob.help) > 10 for knob in knobs(function))
    assert facts(name).better in ("higher", "lower")
    assert "ndefined" in function.__doc__


@every_metric
def test_one_token_alone(name: str) -> None:
    run = tiny_lab("causal", "gpt2").run("Paris")
    for how in HOWS:
        made = cases(run, [attribute(run, "input_x_gradient")], gold=[0], how=how)[0]
        found = metrics()[name](made)
        assert math.isfinite(found) or found.why


@every_metric
def test_no_token_to_judge_at_all(name: str) -> None:
    run = tiny_lab("masked", "bert").run("[MASK]")
    found = metrics()[name](cases(run, [attribute(run, "raw_attention")], gold=[1])[0])
    assert math.isnan(found)
    assert found.why


@pytest.mark.parametrize("case", ["encoder classifier", "continuation", "answer in a context"])
def test_half_precision_works(case: str) -> None:
    lab = tiny_lab(*CASES[case][:2])
    run = Lab(lab.model.to(torch.bfloat16), lab.tokenizer).run(CASES[case][2])
    target = CASES[case][3] or run_of(case).goal().text
    found, gold = attribute(run, "input_x_gradient", target), judged_tokens(run)
    for how in HOWS:
        made = cases(run, [found], target=target, gold=gold & (gold.cumsum(0) == 2), how=how)[0]
        assert all(math.isfinite(function(made)) for function in metrics().values())


@pytest.mark.parametrize("name", RANKS)
def test_only_the_order_of_scores_matters(name: str) -> None:
    made = case_of("encoder classifier")
    plain = metrics()[name](made)
    for change in (torch.exp, lambda s: s**3, lambda s: 1000 * s - 7):
        other = Case(made.run, made.goal, change(made.scores * 100), made.judged, made.deletions, made.gold)
        assert metrics()[name](other) == plain


# --- what deleting does ---


def direct(run: Run, ids: list[int], types: list[int] | None = None) -> torch.Tensor:
    """The logits that the plain transformers model gives for other ids: of a pair's two heads both."""
    given = {"input_ids": torch.tensor([ids])}
    if types is not None:
        given["token_type_ids"] = torch.tensor([types])
    with torch.no_grad():
        out = run.lab.model(**given)
    return torch.stack((out.start_logits[0], out.end_logits[0])) if "start_logits" in out else out.logits[0]


def kept(values, gone) -> list[int]:
    return [value for k, value in enumerate(values) if k not in gone]


@pytest.mark.parametrize("how", ["mask", "unk", "pad"])
def test_replacing_is_the_model_on_other_ids(how: str) -> None:
    run = run_of("encoder classifier")
    number = getattr(run.lab.tokenizer, f"{how}_token_id")
    deletions = Deletions(run, run.goal("positive"), how)
    for gone in ({3}, {1, 2, 5}, set(range(1, 8))):
        ids = [number if k in gone else one for k, one in enumerate(run.encoding.ids)]
        expected = direct(run, ids).softmax(-1)[1]
        assert float(deletions.values([gone])[0]) == pytest.approx(float(expected), abs=1e-6)
        logs = deletions.values([gone], "log_probability")
        assert float(logs[0]) == pytest.approx(math.log(float(expected)), abs=1e-5)
    assert deletions.words == f"replaced by [{how.upper()}]"


def test_removing_is_the_model_on_fewer_ids() -> None:
    run = run_of("pairs")
    deletions = Deletions(run, run.goal("negative"), "remove")
    sets = [set(), {2}, {1, 6, 7}, {1, 2, 3, 4}]
    for gone, found in zip(sets, deletions.values(sets), strict=True):
        expected = direct(run, kept(run.encoding.ids, gone), kept(run.encoding.types, gone)).softmax(-1)[0]
        assert float(found) == pytest.approx(float(expected), abs=1e-6)
    assert deletions.words == "removed"


def test_removing_moves_the_mask() -> None:
    run = run_of("word at a mask")
    place = run.encoding.ids.index(run.lab.tokenizer.mask_token_id)
    goal = run.goal("capital")
    deletions = Deletions(run, goal, "remove")
    for gone in ({1}, {1, 2, 3}, {2, 6}):
        logits = direct(run, kept(run.encoding.ids, gone))
        moved = place - sum(k < place for k in gone)
        expected = logits[moved].softmax(-1)[goal.picks[0].index]
        assert float(deletions.values([gone])[0]) == pytest.approx(float(expected), abs=1e-6)


def test_removing_reads_a_continuation_off_what_is_left() -> None:
    run = run_of("next token")
    goal = run.goal("France. What")
    wanted = [pick.index for pick in goal.picks]
    deletions, n = Deletions(run, goal, "remove"), len(run.tokens)
    for gone in ({0}, {1, 2}, {n - 1}, {n - 2, n - 1}):
        ids = kept(run.encoding.ids, gone)
        logs = direct(run, ids + wanted[:-1]).log_softmax(-1)
        expected = sum(float(logs[len(ids) - 1 + k, index]) for k, index in enumerate(wanted))
        found = deletions.values([gone], "log_probability")
        assert float(found[0]) == pytest.approx(expected, abs=1e-4)


def test_removing_moves_an_answer_and_may_make_it_impossible() -> None:
    run = run_of("answer in a context")
    start, end = (pick.index for pick in run.goal("the capital").picks)
    deletions = Deletions(run, run.goal("the capital"), "remove")
    before, after = start - 2, end + 1
    sets = [{before}, {before, after}, {after}, {start}, {end, after}]
    found = deletions.values(sets)
    for gone, value in zip(sets[:3], found[:3], strict=True):
        logits = direct(run, kept(run.encoding.ids, gone), kept(run.encoding.types, gone)).softmax(-1)
        moved = len([k for k in gone if k < start])
        expected = logits[0, start - moved] * logits[1, end - moved]
        assert float(value) == pytest.approx(float(expected), abs=1e-6)
    assert (found[3:] < 1e-8).all()
    assert deletions.values(sets, "log_probability").isfinite().all()


def test_where_removal_leaves_nothing_one_blank_token_stays() -> None:
    run = run_of("next token")
    goal = run.goal()
    found = Deletions(run, goal, "remove").values([range(len(run.tokens))])
    expected = direct(run, [run.lab.tokenizer.eos_token_id])[0].softmax(-1)[goal.picks[0].index]
    assert float(found[0]) == pytest.approx(float(expected), abs=1e-6)


def test_one_continuation_rather_than_another_is_the_difference_of_both() -> None:
    run, target = run_of("next token"), Target("France. What", "the capital")
    found = Deletions(run, run.goal(target)).values([()])
    assert float(found[0]) == pytest.approx(run.value(target), abs=1e-6)
    masked = run_of("word at a mask")
    one = Deletions(masked, masked.goal(Target("capital", "city"))).values([()])
    assert float(one[0]) == pytest.approx(masked.value("capital") - masked.value("city"), abs=1e-6)


def test_an_edited_run_is_judged_as_edited() -> None:
    run = run_of("encoder classifier")
    edited = run.again(Suppress(factor=0.0, on="weights", where=Where(keys=("nothing",))))
    plain, other = (Deletions(one, run.goal("positive")).values([(), (5,)]) for one in (run, edited))
    assert float(other[0]) == pytest.approx(edited.probabilities["positive"], abs=1e-6)
    assert float((plain - other).abs().min()) > 1e-6


def test_each_set_is_run_once_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    run, rows = run_of("encoder classifier"), []
    found = attribute_all(run)
    original = Run.evaluate

    def counting(self, **given):
        rows.append(len(given["embeddings"]))
        return original(self, **given)

    monkeypatch.setattr(Run, "evaluate", counting)
    judge(run, found)
    single = 7 + 1  # each token alone and the whole text, for the oracle
    assert sum(rows) <= 2**7
    assert rows[0] == single
    assert set(rows[1:-1]) == {run.lab.batch_size}
    assert len(rows) <= 2 + 2**7 // run.lab.batch_size
    deletions = Deletions(run, run.goal())
    rows.clear()
    with deletions.planning():
        assert not deletions.values([(1,), (2,), (1,)]).any()
        assert not rows
    assert rows == [2]
    deletions.values([(2,), (1,)])
    assert rows == [2]
    assert deletions.passes == 2


@every_how
def test_long_work_tells_how_far_it_is_and_can_be_stopped(how: str) -> None:
    run, seen = run_of("encoder classifier"), []
    sets = [(k, j) for k in range(1, 8) for j in range(1, 8)]
    with watching(lambda done, total: seen.append((done, total))):
        Deletions(run, run.goal(), how).prefetch(sets)
    assert seen == [(16, 28), (28, 28)]  # 21 pairs and 7 single tokens

    def stop(done: int, total: int) -> None:
        raise Cancelled("Stopped.")

    with watching(stop), pytest.raises(Cancelled):
        Deletions(run, run.goal(), how).prefetch(sets)


@every_case
def test_special_tokens_masks_and_questions_are_not_judged(case: str) -> None:
    run = run_of(case)
    judged = judged_tokens(run)
    for token, wanted in zip(run.tokens, judged.tolist(), strict=True):
        assert wanted == (
            not token.special
            and token.text != "[MASK]"
            and (case != "answer in a context" or token.segment == 1)
        )


# --- faithfulness, by hand ---

ERASER_TOY = {frozenset(): 0.9, frozenset({0}): 0.6, frozenset({0, 1}): 0.3}
ERASER_TOY |= {frozenset(range(1, 7)): 0.5, frozenset(range(2, 7)): 0.85}
TOPS = "0.15, 0.3"  # of seven tokens one and two


def test_erasers_toy() -> None:
    made = toy([7, 6, 5, 4, 3, 2, 1], ERASER_TOY.__getitem__)
    assert metrics()["aopc_compr"](made, thresholds=TOPS) == pytest.approx(0.45)
    assert metrics()["aopc_suff"](made, thresholds=TOPS) == pytest.approx(0.225)


def test_everything_is_sufficient_and_nothing_is_comprehensive() -> None:
    def value(gone: frozenset[int]) -> float:
        return 0.9 - 0.1 * len(gone)

    made = toy([-3, -2, -1, -7, -6, -5, -4], value)
    assert metrics()["aopc_suff"](made, thresholds="1") == pytest.approx(0)
    assert metrics()["aopc_compr"](made, thresholds="1") == pytest.approx(0.7)
    assert metrics()["aopc_compr"](made, positive_only=True) == 0
    assert metrics()["aopc_suff"](made, positive_only=True) == pytest.approx(0.7)
    some = toy([-3, 2, -1, -7, -6, -5, -4], value)
    assert metrics()["aopc_compr"](some, thresholds="1", positive_only=True) == pytest.approx(0.1)


def test_shares_round_halves_up_and_take_at_least_one() -> None:
    assert [how_many(share, 10) for share in (0.01, 0.05, 0.1, 0.14, 0.15, 0.25, 0.5, 1)] == [
        1, 1, 1, 1, 2, 3, 5, 10,
    ]  # fmt: skip
    assert [how_many(share, 7) for share in shares("0.01;0.05, 0.1,0.2 ,0.5")] == [1, 1, 1, 1, 4]
    for wrong in ("", "0", "1.5", "a", "0.1,-1"):
        with pytest.raises(BadInput, match="Shares are numbers"):
            shares(wrong)


@pytest.mark.parametrize(
    "case",
    ["encoder classifier", "pairs", "next token", "continuation", "word at a mask", "answer in a context"],
)
def test_comprehensiveness_and_sufficiency_by_brute_force(case: str) -> None:
    made = case_of(case)
    places = made.judged.nonzero().flatten().tolist()
    ranked = sorted(places, key=lambda k: (-round(float(made.scores[k]), 9), k))
    number, run, goal = blank(made.run.lab, "mask")[0], made.run, made.goal

    def value(gone: list[int]) -> float:
        asked = run.with_continuation(goal)
        ids = [number if k in gone else one for k, one in enumerate(asked.encoding.ids)]
        return float(goal.value(asked.evaluate(ids=[ids]), "probability"))

    lost, missing = [], []
    for share in (0.01, 0.05, 0.1, 0.2, 0.5):
        top = ranked[: max(1, int(share * len(places) + 0.5))]
        lost.append(value([]) - value(top))
        missing.append(value([]) - value([k for k in places if k not in top]))
    assert metrics()["aopc_compr"](made) == pytest.approx(float(np.mean(lost)), abs=1e-5)
    assert metrics()["aopc_suff"](made) == pytest.approx(float(np.mean(missing)), abs=1e-5)


@pytest.mark.parametrize("case", ["encoder classifier", "next token", "word at a mask"])
def test_agreement_with_leave_one_out_is_scipys(case: str) -> None:
    made = case_of(case)
    places = made.judged.nonzero().flatten().tolist()
    drops = [float(made.deletions.values([()]) - made.deletions.values([(k,)])) for k in places]
    expected = kendalltau(made.scores[places].numpy(), np.round(drops, 6)).statistic
    assert metrics()["taucorr_loo"](made) == pytest.approx(expected, abs=1e-12)
    occlusion = case_of(case, method="occlusion")
    assert metrics()["taucorr_loo"](occlusion) > 0.95


def test_agreement_with_ties_and_where_there_is_none_to_be_had() -> None:
    def value(gone: frozenset[int]) -> float:
        return 0.9 - 0.1 * sum(min(k, 3) for k in gone)  # drops 0, .1, .2, .3, .3, .3, .3

    found = metrics()["taucorr_loo"](toy([1, 2, 2, 4, 3, 3, 3], value))
    expected = kendalltau([1, 2, 2, 4, 3, 3, 3], [0, 1, 2, 3, 3, 3, 3], variant="b").statistic
    assert found == pytest.approx(expected, abs=1e-12)
    assert "All scores" in metrics()["taucorr_loo"](toy([1] * 7, value)).why
    assert "loses the same" in metrics()["taucorr_loo"](toy([1, 2, 3, 4, 5, 6, 7], nothing)).why


def test_noise_breaks_no_tie() -> None:
    made = toy([1, 1 + 1e-12, 1 - 1e-12, 2, 1, 0, 0], nothing)
    assert made.order == (3, 0, 1, 2, 4, 5, 6)


def test_areas_under_the_deletion_curves_by_hand() -> None:
    weights = [0.4, 0.2, 0.1, 0.1]

    def value(gone: frozenset[int]) -> float:
        return 0.9 - sum(weights[k] for k in gone)

    made = toy([4, 3, 2, 1], value)
    most, least = [0.9, 0.5, 0.3, 0.2, 0.1], [0.9, 0.8, 0.7, 0.5, 0.1]
    assert metrics()["morf"](made) == pytest.approx(np.mean(most))
    assert metrics()["lerf"](made) == pytest.approx(np.mean(least))
    assert metrics()["abpc"](made) == pytest.approx(np.mean(least) - np.mean(most))
    assert metrics()["morf"](made, steps=2) == pytest.approx(np.mean([0.9, 0.3, 0.1]))
    samek = sum(0.9 - left for left in most) / 5
    assert metrics()["morf"](made) == pytest.approx(0.9 - samek)
    turned = toy([1, 2, 3, 4], value)
    assert metrics()["abpc"](turned) == pytest.approx(-metrics()["abpc"](made))
    curve = deletion_curve(made, "least").to_frame()
    assert curve.share.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert curve.probability.tolist() == pytest.approx(least)


@every_case
def test_deletion_curves_start_and_end_together(case: str) -> None:
    made = case_of(case)
    most, least = (deletion_curve(made, first, 3) for first in ("most", "least"))
    assert len(most.shares) == 4
    assert (float(most.shares[0]), float(most.shares[-1])) == (0, 1)
    whole = made.run.value(CASES[case][3])
    for curve in (most, least):
        assert float(curve.probabilities[0]) == pytest.approx(whole, abs=1e-6)
    assert float(most.probabilities[-1]) == float(least.probabilities[-1])


def test_log_odds_by_hand() -> None:
    made = toy([1, 5, 2, 4, 0, 0, 0], lambda gone: 0.8 * 0.5 ** len(gone & {1}) * 0.1 ** len(gone & {3}))
    assert metrics()["log_odds"](made) == pytest.approx(math.log(0.5))
    assert metrics()["log_odds"](made, share=0.3) == pytest.approx(math.log(0.05))


def test_scores_that_add_up_have_no_infidelity() -> None:
    weights = [0.3, -0.1, 0.2, 0.05, 0.0, 0.15, 0.1]

    def value(gone: frozenset[int]) -> float:
        return 0.9 - sum(weights[k] for k in gone)

    measure = metrics()["infidelity"]
    assert measure(toy(weights, value)) == pytest.approx(0, abs=1e-12)
    assert measure(toy(weights, value), scaled=False) == pytest.approx(0, abs=1e-12)
    tripled = toy([3 * w for w in weights], value)
    assert measure(tripled) == pytest.approx(0, abs=1e-12)
    assert measure(tripled, scaled=False) > 0.01
    assert measure(toy(weights[::-1], value)) > 1e-3


def test_infidelity_of_one_token_is_the_squared_error() -> None:
    made = toy([0.3], lambda gone: 0.9 - 0.5 * len(gone))
    assert metrics()["infidelity"](made, scaled=False) == pytest.approx((0.3 - 0.5) ** 2)
    assert metrics()["infidelity"](made, samples=1, seed=9, scaled=False) == pytest.approx(0.04)


# --- robustness ---


def test_a_shifted_run_is_the_model_on_moved_embeddings() -> None:
    run = run_of("encoder classifier")
    by = torch.randn(9, 32, generator=torch.Generator().manual_seed(3)) / 10
    moved = shifted(run, by)
    with torch.no_grad():
        inputs = run.lab.embeddings(run.encoding.ids)[None] + by
        expected = run.lab.model(inputs_embeds=inputs).logits
    torch.testing.assert_close(moved.logits, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(run.logits, moved.logits, atol=1e-4)
    still = shifted(run, torch.zeros(9, 32))
    for method in methods():
        plain, same, other = (attribute(one, method, "positive").scores for one in (run, still, moved))
        torch.testing.assert_close(plain, same, rtol=1e-5, atol=1e-6)
        assert torch.allclose(plain, other, atol=1e-6) == (method == "random"), method


@pytest.mark.parametrize(
    ("case", "method"),
    [("encoder classifier", method) for method in sorted(methods())]
    + [(case, method) for case in list(CASES)[2:] for method in ("input_x_gradient", "attention_rollout")],
)
def test_sensitivity_grows_with_the_radius(case: str, method: str) -> None:
    made = case_of(case, method=method)
    none, much = (metrics()["sensitivity"](made, radius=radius, samples=1) for radius in (0, 0.5))
    assert none < 1e-4
    assert much == 0 if method == "random" else much > 1e-3


def test_sensitivity_is_the_largest_relative_change() -> None:
    made = case_of("encoder classifier", method="gradient_norm")
    found = metrics()["sensitivity"](made, samples=3, seed=5, radius=0.2)
    plain = made.run.lab.embeddings(made.run.encoding.ids)
    draw, scores = torch.Generator().manual_seed(5), made.scores[made.judged]
    noise = (2 * torch.rand(3, *plain.shape, generator=draw) - 1) * 0.2 * plain.pow(2).mean().sqrt()
    expected = []
    for one in plain + noise:
        inputs = one[None].requires_grad_()
        logits = made.run.lab.model(inputs_embeds=inputs).logits[:, None]
        (slope,) = torch.autograd.grad(made.goal.value(logits).sum(), inputs)
        norms = slope[0].double().norm(dim=-1)[made.judged]
        expected.append(float((norms - scores).norm() / scores.norm()))
    assert found == pytest.approx(max(expected), rel=1e-3)


@every_case
def test_a_runs_own_answer_stays_what_is_explained(case: str) -> None:
    run = run_of(case)
    made = cases(run, [attribute(run, "input_x_gradient")])[0]
    torch.testing.assert_close(made.again(run), made.scores, rtol=1e-6, atol=1e-9)
    draw = torch.Generator().manual_seed(1)
    size = run.lab.embeddings(run.encoding.ids).shape
    moved = (shifted(run, 3 * torch.randn(size, generator=draw)) for _ in range(200))
    other = next(one for one in moved if one.prediction != run.prediction)
    goal = run.goal()
    torch.testing.assert_close(
        made.again(other), input_x_gradient(other.with_continuation(goal), goal).scores, rtol=1e-6, atol=1e-9
    )


def test_what_stands_in_for_a_missing_mask_is_said() -> None:
    run = run_of("next token")
    one = judge(run, [], names=["log_odds"])[0]
    assert one.how == "replaced by <|endoftext|>"
    assert one.notes == ("This model has no mask token; <|endoftext|> stands in for it.",)


def test_sensitivity_needs_to_know_how_scores_were_made() -> None:
    run = run_of("encoder classifier")
    control = oracle(run, Deletions(run, run.goal()))
    assert "cannot be made again" in metrics()["sensitivity"](control).why
    removing = cases(run, [attribute(run, "occlusion", replace="delete")])[0]
    assert "other tokens" in metrics()["sensitivity"](removing).why


# --- agreement with people ---


def average_precision(scores, gold) -> float:
    """The mean over marked tokens of the precision among all that score at least as high."""
    found = []
    for k in gold:
        above = [j for j, score in enumerate(scores) if score >= scores[k]]
        found.append(len(set(above) & set(gold)) / len(above))
    return float(np.mean(found))


def test_average_precision_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        scores = rng.integers(0, 5, size=7).tolist()
        gold = rng.choice(7, size=rng.integers(1, 8), replace=False).tolist()
        found = metrics()["average_precision"](toy(scores, nothing, gold))
        assert found == pytest.approx(average_precision(scores, gold), abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "gold", "average", "area"),
    [
        ([0.1, 0.4, 0.35, 0.8], [2, 3], 5 / 6, 19 / 24),  # a well-known example, worked by hand
        ([0, 2, 1, 1], [1, 2], 5 / 6, 1 / 2 + (1 + 2 / 3) / 4),
        ([4, 3, 2, 1], [0, 1], 1, 1),
        ([1, 1, 1, 1], [0], 1 / 4, (1 + 1 / 4) / 2),
    ],
)
def test_areas_under_precision_and_recall(scores, gold, average: float, area: float) -> None:
    made = toy(scores, nothing, gold)
    assert metrics()["average_precision"](made) == pytest.approx(average, abs=1e-12)
    assert metrics()["auprc_plau"](made) == pytest.approx(area, abs=1e-12)


def test_the_best_tokens_against_those_marked() -> None:
    made = toy([7, 6, 5, 4, 3, 2, 1], nothing, gold=[1, 2, 5])
    values = {name: metrics()[name] for name in METRICS}
    assert values["token_f1_plau"](made) == pytest.approx(2 / 3)  # 0, 1, 2 are taken
    assert values["token_iou_plau"](made) == pytest.approx(2 / 4)
    assert values["recall_at_k"](made) == pytest.approx(2 / 3)
    assert values["token_f1_plau"](made, k=1) == 0
    assert values["token_f1_plau"](made, k=6) == pytest.approx(6 / 9)
    assert values["token_iou_plau"](made, k=6) == pytest.approx(3 / 6)
    assert values["recall_at_k"](made, k=6) == 1
    assert values["recall_at_k"](made, k=100) == 1
    assert values["reciprocal_rank"](made) == 1 / 2


@pytest.mark.parametrize("name", [name for name in METRICS if facts(name).kind == "plausibility"])
def test_without_marks_there_is_nothing_to_agree_with(name: str) -> None:
    assert "No token is marked" in metrics()[name](toy([1, 2, 3, 4, 5, 6, 7], nothing)).why
    assert "that is ranked" in metrics()[name](toy([1, 2, 3], nothing, gold=[-1, 5])).why


def test_chance_has_about_the_share_of_marked_tokens() -> None:
    every = [
        metrics()["average_precision"](toy(list(order), nothing, [0, 1]))
        for order in itertools.permutations(range(5))
    ]
    assert np.mean(every) == pytest.approx(0.4, abs=0.2)
    assert min(every) == pytest.approx((1 / 4 + 2 / 5) / 2)


def test_marked_characters_become_tokens() -> None:
    run = run_of("answer in a context")
    found = marked_tokens(
        run, [SimpleNamespace(segment=1, start=7, end=12), SimpleNamespace(segment=0, start=0, end=2)]
    )
    assert [t.text for t, marked in zip(run.tokens, found.tolist(), strict=True) if marked] == [
        "What",
        "is",
        "the",
    ]


# --- words ---


def test_by_word_whole_words_go() -> None:
    run = tiny_lab().run("The movie was unexpectedly good.")
    found = attribute(run, "input_x_gradient")
    long = next(word for word in run.encoding.words if word.text == "unexpectedly")
    made = cases(run, [found], by="word", gold=[long.positions[3]])[0]
    assert [run.tokens[unit[0]].word for unit in made.units] == list(range(len(run.encoding.words)))
    assert made.units[3] == long.positions
    expected = [score for _, score in found.by_word()]
    np.testing.assert_allclose(made.values.numpy(), expected, atol=1e-8)
    assert made.marked.tolist() == [word is long for word in run.encoding.words]
    made.without([(3,)])
    assert frozenset(long.positions) in made.deletions.known
    control = oracle(run, made.deletions, by="word")
    assert metrics()["taucorr_loo"](control) == pytest.approx(1)
    one = judge(run, [found], by="word")[0]
    assert (one.by, one.count) == ("word", 6)


# --- judging several ---


def test_a_row_an_explanation_and_both_controls() -> None:
    run = run_of("encoder classifier")
    found = judge(run, attribute_all(run, ["atman", "raw_attention"]), gold=[3, 5])
    assert [one.method for one in found] == ["atman", "raw_attention", "random", "oracle"]
    table = frame(found)
    assert list(table.columns) == ["method", "label", "metric", "value", "better", "kind", "why"]
    assert set(table.metric) == set(METRICS) - {"sensitivity"}
    assert len(table) == 4 * (len(METRICS) - 1)
    assert found[-1].values["taucorr_loo"] == pytest.approx(1)
    assert found[0].how == "replaced by [MASK]"
    assert (
        json.loads(json.dumps(found[0].to_json(), allow_nan=False))["values"]["abpc"]
        == found[0].values["abpc"]
    )
    assert frame([]).empty


def test_what_is_asked_for_is_judged() -> None:
    run = run_of("encoder classifier")
    found = attribute_all(run, ["random", "atman"])
    names = [one.method for one in judge(run, found)]
    assert names == ["random", "atman", "oracle"]
    only = judge(run, found, names=["sensitivity", "token_f1_plau"], controls=())
    assert [list(one.values) for one in only] == [["sensitivity", "token_f1_plau"]] * 2
    assert only[0].to_json()["values"]["token_f1_plau"] is None
    assert only[0].why == {"token_f1_plau": "No token is marked as right."}
    turned = judge(run, found, params={"log_odds": {"share": 1}}, names=["log_odds"])[1]
    plain = judge(run, found, names=["log_odds"])[1]
    assert turned.values != plain.values
    assert "sensitivity" in judge(run, found[:1], params={"sensitivity": {"samples": 1}})[0].values


def test_what_cannot_be_judged_is_refused_in_one_line() -> None:
    run = run_of("encoder classifier")
    found = attribute(run, "atman")
    other = next(label for label in run.lab.labels if label != run.prediction)
    with pytest.raises(BadInput, match="Give the target that was explained"):
        judge(run, [found], target=other)
    with pytest.raises(BadInput, match="not of this text"):
        judge(run, [attribute(run_of("pairs"), "atman")])
    with pytest.raises(BadInput, match="position 9"):
        judge(run, [found], gold=[9])
    with pytest.raises(BadInput, match="truth values"):
        judge(run, [found], gold=torch.ones(3, dtype=torch.bool))
    with pytest.raises(BadInput, match="one of mask"):
        judge(run, [found], how="zero")
    with pytest.raises(UnknownName, match="aopc_compr"):
        judge(run, [found], names=["aopc_comp"])
    with pytest.raises(UnknownName, match="thresholds"):
        judge(run, [found], names=["aopc_compr"], params={"aopc_compr": {"treshold": "1"}})
    with pytest.raises(UnknownName, match="metric asked for"):
        judge(run, [found], names=["aopc_compr"], params={"abpc": {"steps": 2}})


def test_the_scores_of_a_continuation_are_judged_on_the_prompt() -> None:
    run = run_of("continuation")
    found = attribute(run, "atman", "France. What")
    made = cases(run, [found], target="France. What")[0]
    assert len(found.scores) > len(made.scores) == len(run.tokens)
    torch.testing.assert_close(made.scores, found.scores[: len(run.tokens)])


SENTENCES = (
    "There is nothing to dislike here.",
    "The plot falls apart long before the end.",
    "A warm and funny story, told with great care.",
    "It is a dull film with one good joke.",
    "I was bored from the first minute to the last.",
    "The actors are wonderful and the music is better still.",
)


def test_on_a_shipped_model_the_oracle_beats_chance() -> None:
    lab, rows = al.load("sst2"), []
    for number, text in enumerate(SENTENCES):
        rows += judge(lab.run(text), [], names=["aopc_compr", "abpc", "morf", "lerf"], seed=number)
    means = frame(rows).groupby(["method", "metric"]).value.mean()
    for name in ("aopc_compr", "abpc", "morf", "lerf"):
        sign = 1 if facts(name).better == "higher" else -1
        assert sign * (means["oracle", name] - means["random", name]) > 0.02
