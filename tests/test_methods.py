"""Every method keeps the same promises on every kind of model; each agrees with an independent reference."""

from __future__ import annotations

import json
import math
from functools import cache

import networkx as nx
import numpy as np
import pytest
import torch
from captum.attr import InputXGradient, LayerIntegratedGradients
from torch import Tensor

import attnlab_core as al
from attnlab_core.edits import Where
from attnlab_core.edits.suppress import Suppress
from attnlab_core.errors import BadInput, Cancelled
from attnlab_core.knobs import caption, knobs, title
from attnlab_core.lab import Lab
from attnlab_core.methods import Attribution, attribute, methods
from attnlab_core.methods._inputs import gradient
from attnlab_core.methods.atman import atman
from attnlab_core.progress import watching
from attnlab_core.prompt import Prompt
from attnlab_core.run import Run
from attnlab_core.testing import tiny_lab, tiny_picture

CAPTIONS = "There is nothing to dislike.\nA great film.\nThe city"
SENTENCE = Prompt("There is nothing to dislike here.")
CASES = {
    "encoder classifier": ("classification", "bert", SENTENCE, None),
    "encoder classifier of pairs": (
        "classification",
        "bert",
        Prompt("A great film.", "The movie was good."),
        None,
    ),
    "decoder classifier": ("classification", "gpt2", SENTENCE, "positive"),
    "next token": ("causal", "gpt2", Prompt("Paris is the capital of"), None),
    "continuation": ("causal", "gpt2", Prompt("Paris is the capital of"), "France. What"),
    "continuation, grouped queries": ("causal", "llama", Prompt("Paris is the capital of"), "France. What"),
    "word at a mask": ("masked", "bert", Prompt("Paris is the [MASK] of France."), "capital"),
    "answer in a context": (
        "answering",
        "bert",
        Prompt("What is the capital?", "Paris is the capital of France."),
        "Paris",
    ),
    "picture": ("classification", "vit", tiny_picture(), None),
    "captions": ("matching", "clip", tiny_picture(text=CAPTIONS), "A great film."),
    "question about a picture": (
        "visual_answering",
        "blip",
        tiny_picture(text="What is the film?"),
        "the city",
    ),
}
SIGNED = {"atman", "integrated_gradients", "input_x_gradient", "gradient_shap", "occlusion"}
METHODS = sorted(methods())
SLOW = {"question about a picture"}
every_case = pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] * (case in SLOW)) for case in CASES]
)
every_method = pytest.mark.parametrize("method", METHODS)


@cache
def lab_of(case: str) -> Lab:
    task, architecture, _, _ = CASES[case]
    return tiny_lab(task, architecture)


@cache
def run_of(case: str) -> Run:
    return lab_of(case).run(CASES[case][2])


@cache
def explained(case: str, method: str) -> Attribution:
    return attribute(run_of(case), method, CASES[case][3])


def again(lab: Lab, case: str, method: str, **params: object) -> Tensor:
    return attribute(lab.run(CASES[case][2]), method, CASES[case][3], **params).scores


# --- promises of every method ---


@every_method
@every_case
def test_one_finite_score_a_token_with_its_meaning_in_words(case: str, method: str) -> None:
    found = explained(case, method)
    goal = run_of(case).goal(CASES[case][3])
    assert found.scores.shape == (len(run_of(case).tokens) + len(goal.extra),)
    assert found.scores.dtype == torch.float64
    assert found.scores.isfinite().all()
    assert found.signed == (method in SIGNED)
    assert found.signed or (found.scores >= 0).all()
    assert found.aggregation.endswith(".")
    assert found.aggregation[0].isupper()
    assert json.loads(json.dumps(found.to_json()))["scores"] == found.scores.tolist()


@every_method
@every_case
def test_the_same_again(case: str, method: str) -> None:
    scores = again(tiny_lab(*CASES[case][:2]), case, method)
    torch.testing.assert_close(scores, explained(case, method).scores, rtol=1e-5, atol=1e-6)


@every_method
@every_case
def test_batch_size_does_not_matter(case: str, method: str) -> None:
    lab = tiny_lab(*CASES[case][:2])
    lab.batch_size = 1
    torch.testing.assert_close(again(lab, case, method), explained(case, method).scores, rtol=1e-4, atol=1e-5)


@every_method
@pytest.mark.parametrize("case", ["encoder classifier", "word at a mask", "answer in a context"])
def test_a_tokenizer_that_pads_does_not_matter(case: str, method: str) -> None:
    lab = tiny_lab(*CASES[case][:2])
    lab.tokenizer.backend_tokenizer.enable_padding(length=32, pad_token="[PAD]")
    torch.testing.assert_close(again(lab, case, method), explained(case, method).scores, rtol=1e-5, atol=1e-6)


@every_method
@every_case
def test_all_is_left_as_found(case: str, method: str) -> None:
    lab, run = lab_of(case), run_of(case)
    before = {name: value.clone() for name, value in lab.model.state_dict().items()}
    logits, weights = run.logits.clone(), run.pattern.weights.clone()
    grads = torch.is_grad_enabled()
    attribute(run, method, CASES[case][3])
    assert torch.is_grad_enabled() == grads
    assert all(torch.equal(before[name], value) for name, value in lab.model.state_dict().items())
    assert all(weight.grad is None and weight.requires_grad for weight in lab.model.parameters())
    assert not lab.model.training
    assert torch.equal(run.logits, logits)
    assert torch.equal(run.pattern.weights, weights)


@every_method
@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        *((case, torch.bfloat16) for case in CASES),
        ("encoder classifier", torch.float16),
        ("next token", torch.float16),
    ],
)
def test_half_precision_works(case: str, method: str, dtype: torch.dtype) -> None:
    lab = tiny_lab(*CASES[case][:2])
    half = Lab(lab.model.to(dtype), lab.reader.processor)
    target = CASES[case][3] or run_of(case).goal().text
    found = attribute(half.run(CASES[case][2]), method, target).scores
    full = attribute(run_of(case), method, target).scores
    assert found.isfinite().all()
    assert (found - full).norm() <= 0.25 * full.norm() + 0.01
    if method == "raw_attention":
        assert float(found.sum()) == pytest.approx(1, abs=1e-9)


@every_method
def test_an_edited_run_is_explained_as_edited(method: str) -> None:
    run = run_of("encoder classifier").again(
        Suppress(factor=0.0, on="weights", where=Where(keys=("nothing",)))
    )
    found = attribute(run, method, "positive").scores
    same = torch.equal(found, attribute(run_of("encoder classifier"), method, "positive").scores)
    assert same == (method == "random")


@every_method
def test_every_method_can_be_put_in_a_menu(method: str) -> None:
    function = methods()[method]
    assert 10 < len(caption(function)) < 80
    assert caption(function).endswith(".")
    assert title(function)[0].isupper()
    assert all(len(knob.help) > 10 for knob in knobs(function))


@every_method
def test_one_token_alone(method: str) -> None:
    run = tiny_lab("causal", "gpt2").run("Paris")
    assert len(run.tokens) == 1
    assert attribute(run, method).scores.isfinite().all()


@pytest.mark.parametrize("method", ["atman", "occlusion", "integrated_gradients", "attention_flow"])
def test_long_work_tells_how_far_it_is_and_can_be_stopped(method: str) -> None:
    run, seen = run_of("encoder classifier"), []
    with watching(lambda done, total: seen.append((done, total))):
        attribute(run, method)
    assert seen
    assert seen[-1][0] == seen[-1][1]
    assert seen == sorted(seen, key=lambda pair: pair[0])

    def stop(done: int, total: int) -> None:
        raise Cancelled("Stopped.")

    with watching(stop), pytest.raises(Cancelled):
        attribute(run, method)


# --- attention: raw, rollout, flow ---


def graph_of(run: Run, upto: int | None = None) -> np.ndarray:
    mean = run.pattern.weights.double().mean(dim=1).numpy()[:upto]
    shares = mean + np.eye(mean.shape[-1])
    return shares / shares.sum(axis=-1, keepdims=True)


@every_case
def test_rollout_is_the_product_of_the_layers(case: str) -> None:
    goal = run_of(case).goal(CASES[case][3])
    run = run_of(case).with_continuation(goal)
    product = np.eye(len(run.tokens))
    for share in graph_of(run):
        product = share @ product
    expected = product[list(goal.reads)].mean(axis=0)
    np.testing.assert_allclose(explained(case, "attention_rollout").scores, expected, atol=1e-6)


@every_case
def test_flow_is_the_maximum_flow_of_networkx(case: str) -> None:
    goal = run_of(case).goal(CASES[case][3])
    run = run_of(case).with_continuation(goal)
    n, shares = len(run.tokens), graph_of(run)
    graph = nx.DiGraph()
    for level, share in enumerate(shares):
        for query, key in zip(*np.nonzero(share), strict=True):
            graph.add_edge((level + 1, int(query)), (level, int(key)), capacity=float(share[query, key]))
    flows = [
        [nx.maximum_flow_value(graph, (len(shares), read), (0, sink)) for sink in range(n)]
        for read in goal.reads
    ]
    np.testing.assert_allclose(explained(case, "attention_flow").scores, np.mean(flows, axis=0), atol=1e-6)


@every_case
def test_raw_attention_is_the_mean_over_query_heads(case: str) -> None:
    goal = run_of(case).goal(CASES[case][3])
    weights = run_of(case).with_continuation(goal).pattern.weights
    expected = weights[-1].mean(dim=0)[list(goal.reads)].mean(dim=0).double()
    torch.testing.assert_close(explained(case, "raw_attention").scores, expected, atol=1e-6, rtol=0)
    assert float(explained(case, "raw_attention").scores.sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("method", ["raw_attention", "attention_rollout", "attention_flow"])
def test_layer_head_and_row_are_chosen_and_said(method: str) -> None:
    run = run_of("encoder classifier")
    found = attribute(run, method, layer=0, head=2, query=3)
    expected = run.pattern.weights[0, 2, 3].double()
    if method != "raw_attention":
        expected = (expected + torch.eye(len(run.tokens))[3]) / 2
    torch.testing.assert_close(found.scores, expected, atol=1e-6, rtol=0)
    for said in ("“nothing”", "layer 0 of 2", "head 2 of 4"):
        assert said in found.aggregation
    for wrong in ({"layer": 2}, {"head": 4}, {"query": 9}):
        with pytest.raises(BadInput, match="counted from 0"):
            attribute(run, method, **wrong)


def test_heads_average_to_the_rollout_and_at_most_to_the_flow() -> None:
    run = run_of("encoder classifier")
    for method in ("attention_rollout", "attention_flow"):
        heads = torch.stack([attribute(run, method, head=head).scores for head in range(4)]).mean(dim=0)
        whole = attribute(run, method).scores
        assert (heads <= whole + 1e-8).all()
        if method == "attention_rollout":
            torch.testing.assert_close(heads, whole)


def test_flow_normalised_and_without_the_residual_stream() -> None:
    run = run_of("encoder classifier")
    raw = attribute(run, "attention_flow").scores
    torch.testing.assert_close(attribute(run, "attention_flow", normalise=True).scores, raw / raw.sum())
    off = attribute(run, "attention_flow", residual=False, layer=0)
    torch.testing.assert_close(off.scores, attribute(run, "raw_attention", layer=0).scores, atol=1e-8, rtol=0)
    assert off.details["residual"] is False


def test_flow_says_where_it_is_cut_and_what_is_saturated() -> None:
    run = run_of("encoder classifier")
    details = attribute(run, "attention_flow").details
    assert sum(details["cuts"].values()) == len(run.tokens) == len(details["saturated"])
    assert details["spread"] > 0


def test_flow_says_when_the_answers_own_position_is_the_bottleneck() -> None:
    run, others = run_of("encoder classifier"), tuple(range(1, 9))
    closed = run.again(Suppress(factor=0.01, on="weights", where=Where(queries=(0,), keys=others)))
    found = attribute(closed, "attention_flow")
    assert found.details["cuts"]["source"] == len(run.tokens)
    assert any("bottleneck" in note for note in found.notes)
    assert any("less than 0.01" in note for note in found.notes)
    assert not attribute(run, "attention_flow").notes


def test_flow_refuses_what_would_take_minutes() -> None:
    with pytest.raises(BadInput, match="attention_rollout"):
        attribute(run_of("encoder classifier"), "attention_flow", max_tokens=5)


@pytest.mark.parametrize("method", ["attention_rollout", "attention_flow"])
def test_early_tokens_lose_their_advantage_with_the_receptive_field(method: str) -> None:
    run = run_of("next token")
    even = run.again(Suppress(factor=0.0, on="weights", where=Where(layers=(0,), keys=(0,))))
    found = attribute(even, method, receptive_field=True).scores
    plain = attribute(even, method).scores
    assert found[0] / plain[0] < found[-2] / plain[-2]


def test_the_end_of_a_decoder_does_not_reach_back() -> None:
    run = run_of("next token")
    for method in ("raw_attention", "attention_rollout", "attention_flow"):
        scores = attribute(run, method, query=2).scores
        assert (scores[:3] > 0).all()
        assert not scores[3:].any()


# --- AtMan ---


def test_atman_is_the_change_under_one_suppression_after_the_other() -> None:
    run = run_of("encoder classifier")
    goal = run.goal("positive")
    for variant, form in {"visible_min": {}, "log": {"on": "weights"}}.items():
        scores = attribute(run, "atman", "positive", variant=variant).scores
        for place in range(len(run.tokens)):
            other = run.again(Suppress(where=Where(keys=(place,)), **form))
            expected = goal.value(run.logits[None]) - goal.value(other.logits[None])
            assert float(scores[place]) == pytest.approx(float(expected), abs=1e-5)


def test_atman_in_logarithms_is_an_additive_attention_mask() -> None:
    lab, run = lab_of("next token"), run_of("next token")
    n, ids = len(run.tokens), torch.tensor([run.encoding.ids])
    mask = torch.full((n, n), torch.finfo(torch.float32).min).triu(1)
    goal = run.goal()
    scores = attribute(run, "atman", variant="log", factor=0.3).scores
    for place in range(n):
        column = mask.clone()
        column[place:, place] += math.log(0.3)
        with torch.no_grad():
            logits = lab.model(ids, attention_mask=column[None, None]).logits
        expected = goal.value(run.logits[None]) - goal.value(logits)
        assert float(scores[place]) == pytest.approx(float(expected), abs=1e-5)


@every_case
@pytest.mark.parametrize("variant", ["visible_min", "log", "official"])
def test_atman_with_factor_one_changes_nothing(case: str, variant: str) -> None:
    found = attribute(run_of(case), "atman", CASES[case][3], factor=1.0, variant=variant)
    assert found.scores.abs().max() < 1e-5


@pytest.mark.parametrize(("variant", "leaks"), [("visible_min", False), ("log", False), ("official", True)])
@pytest.mark.parametrize("case", ["next token", "continuation, grouped queries"])
def test_what_comes_later_changes_only_the_official_variant(case: str, variant: str, leaks: bool) -> None:
    lab = lab_of(case)
    short, long = (
        lab.run("Paris is the capital"),
        lab.run("Paris is the capital of France. What is the capital?"),
    )
    n, goal = len(short.tokens), short.goal()
    assert long.encoding.ids[:n] == short.encoding.ids
    before, after = (atman(run, goal, variant=variant).scores for run in (short, long))
    assert not after[n:].any()
    moved = float((before - after[:n]).abs().max())
    assert moved > 1e-4 if leaks else moved < 1e-5


def test_atman_of_a_continuation_adds_its_tokens_up() -> None:
    run = run_of("continuation")
    goal = run.goal("France. What")
    found = attribute(run, "atman", "France. What")
    deltas = torch.tensor(found.details["per_target_token"], dtype=torch.float64)  # [chunk, target token]
    assert deltas.shape == (len(run.tokens) + len(goal.extra), len(goal.extra) + 1)
    torch.testing.assert_close(deltas.sum(dim=-1), found.scores)
    # A token of the target bears on no earlier one.
    for k, place in enumerate(range(len(run.tokens), len(found.tokens))):
        assert deltas[place, : k + 1].abs().max() < 1e-5
    assert found.scores[len(run.tokens) :].abs().max() > 1e-4


def test_atman_suppresses_the_same_word_together_when_asked() -> None:
    run = lab_of("encoder classifier").run("A great great film")
    apart, together = (attribute(run, "atman", "positive", similarity=s).scores for s in (None, 0.99))
    assert float(together[2]) == pytest.approx(float(together[3]), abs=1e-6)
    assert float(apart[2]) != pytest.approx(float(apart[3]), abs=1e-6)
    assert float(together[1]) == pytest.approx(float(apart[1]), abs=1e-6)


def test_atman_by_word_and_by_sentence_shares_a_chunk_equally() -> None:
    run = lab_of("encoder classifier").run("The movie was unexpectedly good. A great film!\nParis")
    goal = run.goal("positive")
    by_word = attribute(run, "atman", "positive", unit="word")
    long = next(word for word in run.encoding.words if len(word.positions) > 1)
    other = run.again(Suppress(where=Where(keys=long.positions)))
    expected = float(goal.value(run.logits[None]) - goal.value(other.logits[None]))
    assert dict(by_word.by_word())[long] == pytest.approx(expected, abs=1e-5)
    assert len(set(by_word.scores[list(long.positions)].tolist())) == 1
    sentences = attribute(run, "atman", "positive", unit="sentence")
    assert len({round(score, 9) for score in sentences.scores.tolist()}) == 5  # three sentences, [CLS], [SEP]
    assert sentences.details["passes"] == 6
    assert "shared equally" in sentences.aggregation
    assert attribute(run, "atman", unit="sentence", delimiter="was").details["passes"] == 5


# --- gradients ---


def logits_at(run: Run, embeddings: Tensor) -> Tensor:
    return run.lab.model(inputs_embeds=embeddings, attention_mask=torch.ones(embeddings.shape[:2])).logits


@pytest.mark.parametrize("case", ["encoder classifier", "next token", "continuation, grouped queries"])
def test_input_x_gradient_is_captums(case: str) -> None:
    lab, run = lab_of(case), run_of(case)
    goal = run.goal()
    embeddings = lab.embeddings(run.encoding.ids)[None].requires_grad_()

    def value(x: Tensor) -> Tensor:
        out = logits_at(run, x)
        return goal.value(out[:, None] if out.ndim == 2 else out)

    expected = InputXGradient(value).attribute(embeddings).detach().sum(-1)[0].double()
    torch.testing.assert_close(attribute(run, "input_x_gradient").scores, expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("baseline", ["mask", "pad", "unk", "zero"])
def test_integrated_gradients_are_captums(baseline: str) -> None:
    lab, run = lab_of("encoder classifier"), run_of("encoder classifier")
    goal, ids = run.goal(), torch.tensor([run.encoding.ids])

    def value(numbers: Tensor) -> Tensor:
        return goal.value(lab.model(numbers).logits[:, None])

    blank = getattr(lab.tokenizer, f"{baseline}_token_id", None)
    table = lab.model.get_input_embeddings()
    special = torch.tensor([[token.special for token in run.tokens]])
    if blank is None:  # captum has no zero that keeps special tokens: a row of zeros in the table serves
        with torch.no_grad():
            kept, table.weight[7] = table.weight[7].clone(), 0.0
        blank = 7
    found = LayerIntegratedGradients(value, table).attribute(
        ids, torch.where(special, ids, blank), n_steps=50
    )
    if baseline == "zero":
        with torch.no_grad():
            table.weight[7] = kept
    ours = attribute(run, "integrated_gradients", baseline=baseline)
    torch.testing.assert_close(ours.scores, found.detach().sum(-1)[0].double(), atol=1e-6, rtol=1e-5)
    assert not ours.scores[special[0]].any()


@every_case
@pytest.mark.parametrize("quantity", ["log_probability", "probability", "logit"])
def test_integrated_gradients_are_complete(case: str, quantity: str) -> None:
    found = attribute(run_of(case), "integrated_gradients", CASES[case][3], quantity=quantity)
    change = found.details["change"]
    assert abs(float(found.scores.sum()) - change) <= max(0.01 * abs(change), 1e-5)
    assert found.details["convergence_gap"] == pytest.approx(abs(float(found.scores.sum()) - change))
    goal = run_of(case).goal(CASES[case][3])
    logits = run_of(case).with_continuation(goal).logits[None]
    assert goal.value(logits, quantity).isfinite().all()


def test_integrated_gradients_take_more_steps_until_they_are_complete() -> None:
    found = attribute(run_of("next token"), "integrated_gradients", steps=2)
    assert found.details["steps"] > 2
    assert "steps left a gap" in found.notes[-1]


@pytest.mark.parametrize(
    ("task", "architecture", "null"),
    [
        ("masked", "bert", True),
        ("masked", "distilbert", True),
        ("causal", "gpt2", True),
        ("causal", "llama", False),
    ],
)
def test_behind_a_layer_norm_the_plain_sum_of_a_gradient_is_nothing(task, architecture, null) -> None:
    run = tiny_lab(task, architecture).run(
        "Paris is the [MASK] of France." if null else "Paris is the capital"
    )
    _, slope = gradient(run, run.goal(), "log_probability")
    share = float(slope.sum(-1).abs().max() / slope.abs().sum(-1).max())
    assert share < 1e-5 if null else share > 1e-3
    assert (attribute(run, "gradient_norm").scores > 0).any()


# --- occlusion and chance ---


@pytest.mark.parametrize("replace", ["mask", "unk", "pad"])
def test_occlusion_is_the_loss_with_another_id(replace: str) -> None:
    lab, run = lab_of("encoder classifier"), run_of("encoder classifier")
    found = attribute(run, "occlusion", "positive", replace=replace)
    blank = getattr(lab.tokenizer, f"{replace}_token_id")
    for place, token in enumerate(run.tokens):
        ids = torch.tensor([run.encoding.ids])
        ids[0, place] = ids[0, place] if token.special else blank
        with torch.no_grad():
            p = float(lab.model(ids).logits.softmax(-1)[0, 1])
        assert float(found.scores[place]) == pytest.approx(run.probabilities["positive"] - p, abs=1e-6)
    assert found.details["passes"] == 1 + sum(not token.special for token in run.tokens)
    assert (attribute(run, "occlusion", "positive", replace=replace, absolute=True).scores >= 0).all()


@pytest.mark.parametrize("case", ["encoder classifier", "encoder classifier of pairs", "decoder classifier"])
def test_occlusion_by_deletion_reads_the_shorter_text(case: str) -> None:
    lab, run = lab_of(case), run_of(case)
    found = attribute(run, "occlusion", "positive", replace="delete", specials=True).scores
    for place in range(len(run.tokens)):
        kept = [k for k in range(len(run.tokens)) if k != place]
        extra = {"token_type_ids": torch.tensor([run.encoding.types])[:, kept]} if run.encoding.types else {}
        with torch.no_grad():
            logits = lab.model(torch.tensor([run.encoding.ids])[:, kept], **extra).logits
        p = float(logits.softmax(-1)[0, 1])
        assert float(found[place]) == pytest.approx(run.probabilities["positive"] - p, abs=1e-5)


def test_occlusion_of_what_is_already_blank_is_nothing() -> None:
    run = lab_of("word at a mask").run("Paris [UNK] the [MASK] of France.")
    unknown = next(k for k, token in enumerate(run.tokens) if token.text == "[UNK]")
    assert attribute(run, "occlusion", replace="unk").scores[unknown] == 0
    masked = next(k for k, token in enumerate(run.tokens) if token.text == "[MASK]")
    assert attribute(run, "occlusion", specials=True).scores[masked] == 0


def test_occlusion_says_what_stands_in_and_what_does_not_fit() -> None:
    assert "<|endoftext|> stands in" in attribute(run_of("next token"), "occlusion").notes[0]
    assert not attribute(run_of("encoder classifier"), "occlusion").notes
    with pytest.raises(BadInput, match="choose mask"):
        attribute(run_of("next token"), "occlusion", replace="delete")


def test_a_decoder_classifier_still_reads_its_end_when_the_last_token_is_blanked() -> None:
    run = run_of("decoder classifier")  # its padding is its end of text, by which it finds the last token
    found = attribute(run, "occlusion", "positive").scores
    assert float(found[-1].abs()) > 1e-4
    ids = [*run.encoding.ids[:-1], run.lab.tokenizer.eos_token_id]
    with torch.no_grad():
        hidden = run.lab.model.transformer(torch.tensor([ids]))[0][0, -1]
        p = float(run.lab.model.score(hidden).softmax(-1)[1])
    assert float(found[-1]) == pytest.approx(run.probabilities["positive"] - p, abs=1e-5)


def test_chance_depends_on_seed_and_length_alone() -> None:
    one, other = run_of("next token"), run_of("encoder classifier")
    assert torch.equal(attribute(one, "random", seed=3).scores, attribute(one, "random", seed=3).scores)
    assert not torch.equal(attribute(one, "random", seed=3).scores, attribute(one, "random", seed=4).scores)
    assert ((attribute(other, "random").scores >= 0) & (attribute(other, "random").scores < 1)).all()


@pytest.mark.parametrize("layer", [0, 1])
def test_attention_x_gradient_is_the_slope_of_taking_attention_away(layer: int) -> None:
    """By finite differences: what a word's attention in one layer, taken away by a little, costs."""
    lab = tiny_lab()
    run = lab.run("the film was not bad")
    found = attribute(run, "attention_x_gradient", layer=layer, positive=False)
    step = 1e-2
    for key in range(len(run.tokens)):
        where = al.Where(layers=(layer,), keys=(key,))
        edits = [[al.Zero(amount=amount, renormalise=False, where=where)] for amount in (step, 2 * step)]
        less, least = run.goal().value(run.evaluate(rows=edits)).tolist()
        now = run.value(quantity="log_probability")
        slope = (4 * less - least - 3 * now) / (2 * step)
        assert -slope / lab.heads == pytest.approx(float(found.scores[key]), abs=2e-3)
    both = attribute(run, "attention_x_gradient", layer=layer)
    assert (both.scores >= 0).all()
    assert (both.scores >= found.scores - 1e-12).all()


def test_gradient_shap_comes_to_integrated_gradients_where_the_baseline_is_one() -> None:
    run = tiny_lab().run("the film was not bad")
    wanted = attribute(run, "integrated_gradients").scores
    found = attribute(run, "gradient_shap", baseline="mask", draws=400)
    assert torch.allclose(found.scores, wanted, atol=2e-3 * float(wanted.abs().max()) + 1e-6)
    assert found.details["gap"] < 0.01 * abs(found.details["change"]) + 1e-6


def test_gradient_shap_says_how_far_its_draws_go() -> None:
    run = tiny_lab().run("the film was not bad")
    few, many = (attribute(run, "gradient_shap", draws=draws) for draws in (2, 1000))
    assert many.details["gap"] < few.details["gap"]
    for one in (few, many):
        far = one.details["gap"] > 0.1 * abs(one.details["change"])
        assert far == any("draws the scores miss" in note for note in one.notes)
    assert not torch.equal(few.scores, attribute(run, "gradient_shap", draws=2, seed=1).scores)
