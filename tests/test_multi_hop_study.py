"""The multi-hop study: its figures against plain loops, and its story against its record."""

from __future__ import annotations

import copy
import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from case_studies._multi_hop_reading import Reading

SMALL = {"passages": 10, "pairs": 5, "by_layer": 3, "explained": 2}
FIXED = {"1", "2", "95", "0.001", "0.01", "4"}
"""Even spread and its double, intervals, the least p and effect that are told, the helper's layer."""


def words_lab() -> Lab:
    """A tiny random model with a token a word, so that passages are about as long as for a real one."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from attnlab_core.lab import Lab
    from attnlab_core.testing import tiny_model
    from case_studies.multi_hop import make

    splitter = pre_tokenizers.BertPreTokenizer()
    texts = [f"{item.question} {item.context}".lower() for item in make(40, seed=0, hops=(1, 2))]
    pieces = {piece for text in texts for piece, _ in splitter.pre_tokenize_str(text)}
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {piece: k for k, piece in enumerate([*marks, *sorted(pieces)])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.BertNormalizer(lowercase=True), splitter
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = {f"{mark.strip('[]').lower()}_token": mark for mark in marks}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=256, model_input_names=inputs, **names
    )
    sizes = {"vocab_size": len(vocabulary), "max_position_embeddings": 256}
    return Lab(tiny_model("bert", "answering", **sizes), tokenizer, name="tiny words")


@pytest.fixture(scope="module")
def asked() -> Lab:
    return words_lab()


@pytest.fixture(scope="module")
def readings(asked: Lab) -> list[Reading]:
    from case_studies._multi_hop_reading import fitting
    from case_studies.multi_hop import make

    return [reading for reading in fitting(asked, make(12, seed=3)) if len(reading.others) > 1]


@pytest.fixture(scope="module")
def told(asked: Lab) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    import attnlab_core as al
    from case_studies._multi_hop_study import study

    heard: list[tuple[int, int]] = []
    with al.watching(lambda done, total: heard.append((done, total))):
        return study(asked, **SMALL), heard


@pytest.fixture(scope="module", params=["made", "recorded"])
def record(request: pytest.FixtureRequest, told: tuple[dict[str, Any], Any]) -> Mapping[str, Any]:
    from case_studies import _story

    if request.param == "made":
        return {"figures": told[0], "model": {"name": "tiny words"}}
    return _story.recorded("multi_hop") or pytest.skip("there is no record")


def test_tokens_are_placed(readings: list[Reading]) -> None:
    for reading in readings:
        tokens, item = reading.encoding.tokens, reading.item
        placed = sorted(place for places in reading.groups.values() for place in places)
        assert placed == list(range(len(tokens)))
        for text, places in zip(item.sentences, reading.sentences, strict=True):
            assert item.context[tokens[places[0]].start : tokens[places[-1]].end] == text
        first, last = tokens[reading.span[0]], tokens[reading.span[-1]]
        assert item.context[first.start : last.end] == item.answer
        assert set(reading.span) <= set(reading.answering)


def test_controls_are_not_needed_and_match_best(readings: list[Reading]) -> None:
    from case_studies._multi_hop_study import matched

    for reading in readings:
        (one, two), alone = matched(reading, random.Random(0))
        sizes = [len(places) for places in reading.sentences]
        bridge, answer = (sizes[k] for k in reading.item.supporting)
        assert {one, two, alone}.isdisjoint(reading.item.supporting)
        off = [
            abs(sizes[a] - bridge) + abs(sizes[b] - answer)
            for a, b in itertools.permutations(reading.others, 2)
        ]
        assert abs(sizes[one] - bridge) + abs(sizes[two] - answer) == min(off)
        assert abs(sizes[alone] - bridge) == min(abs(sizes[k] - bridge) for k in reading.others)


def test_cuts_in_batches_are_cuts_one_by_one(asked: Lab, readings: list[Reading]) -> None:
    from case_studies._multi_hop_reading import between, right
    from case_studies._multi_hop_study import Base, cut, knockouts, matched

    runs = [asked.run(reading.encoding.prompt) for reading in readings]
    base = Base(readings, [run.logits for run in runs], only_right=False)
    picks = [matched(reading, random.Random(0)) for reading in readings]
    cuts = [knockouts(reading, False, *pick) for reading, pick in zip(readings, picks, strict=True)]
    for name in ("support", "both", "hidden"):
        edits = [one[name] for one in cuts]
        changes, kept, silent = cut(asked, base, edits, lambda more: None)
        for k, (run, reading) in enumerate(zip(runs, readings, strict=True)):
            after, target = run.again(*edits[k]), (reading.span[0], reading.span[-1])
            change = after.value(target, "log_probability") - run.value(target, "log_probability")
            assert changes[k] == pytest.approx(change, abs=1e-4)
            assert kept[k] == right(reading, after.prediction)
            assert silent[k] == (after.prediction == "no answer")
    one = between(readings[0].bridge, readings[0].answering, layers=(1,))
    weights = runs[0].again(*one).pattern.weights
    rows = weights[1][:, list(readings[0].bridge)]
    assert float(rows[..., list(readings[0].answering)].abs().sum()) == 0
    assert float(weights[0][:, list(readings[0].bridge)][..., list(readings[0].answering)].sum()) > 0
    assert len(between((0, 1), (4, 5), causal=True)) == 1


def test_attention_is_summed_as_in_a_loop(asked: Lab, readings: list[Reading]) -> None:
    from case_studies._multi_hop_reading import GROUPS, answers
    from case_studies._multi_hop_study import masses

    seen: dict[int, np.ndarray] = {}
    answers(asked, readings, lambda more: None, look=lambda k, w: seen.__setitem__(k, masses(readings[k], w)))
    for k, reading in enumerate(readings[:3]):
        weights = asked.run(reading.encoding.prompt).pattern.weights
        for s, source in enumerate((reading.span, reading.question)):
            for layer, g in itertools.product(range(asked.layers), range(len(GROUPS))):
                keys = list(reading.groups[GROUPS[g]])
                mass = np.mean(
                    [
                        float(weights[layer, head, q, keys].sum())
                        for head in range(asked.heads)
                        for q in source
                    ]
                )
                assert seen[k][s, layer, g] == pytest.approx(mass, abs=1e-5)
        assert seen[k].sum(-1) == pytest.approx(1, abs=1e-5)


def test_ranks_with_ties_are_means_over_all_orders() -> None:
    from case_studies._multi_hop_methods import ranked

    assert ranked([5, 4, 1, 0], (0, 1)) == {"ap": 1.0, "recall_1": 0.5, "recall_2": 1.0, "bridge": 1.0}
    assert ranked([1, 4, 5, 0], (0, 1))["ap"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    scores, relevant = [2.0, 1.0, 2.0, 1.0, 1.0], (1, 2)
    found = []
    for order in itertools.permutations(range(5)):
        if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
            ranks = sorted(order.index(k) + 1 for k in relevant)
            rest = [k for k in order if k != relevant[1]]
            found.append(((1 / ranks[0] + 2 / ranks[1]) / 2, (ranks[0] == 1) / 2, rest[0] == relevant[0]))
    got = ranked(scores, relevant)
    assert [got["ap"], got["recall_1"], got["bridge"]] == pytest.approx(np.mean(found, axis=0).tolist())


def test_the_graph_carries_rollout_and_a_largest_flow(asked: Lab, readings: list[Reading]) -> None:
    from attnlab_core.methods._graph import flow, rollout, to_shares
    from case_studies._multi_hop_methods import edges, flowing, graph, parts, rolled

    reading = readings[0]
    run = asked.run(reading.encoding.prompt)
    shares = to_shares(run.pattern.weights.double().mean(1).numpy())
    carried = rolled(shares, reading.span)
    assert carried.sum((1, 2)) == pytest.approx(1)
    assert carried[0].sum(0) == pytest.approx(rollout(shares)[-1, list(reading.span)].mean(0))
    source, sink = reading.span[0], reading.bridge[0]
    sent = flowing(shares, (source,), (sink,))
    assert sent[-1].sum() == pytest.approx(flow(shares, source, len(shares) - 1).values[sink], abs=1e-6)
    wide = flowing(shares, reading.span, reading.bridge)
    assert wide[0][:, list(reading.bridge)].sum() == pytest.approx(wide[-1].sum(), abs=1e-6)
    assert wide[0].sum(1) == pytest.approx(wide[1].sum(0), abs=1e-6)  # what comes in goes out
    assert (wide <= shares + 1e-6).all()
    nodes = parts(reading)
    assert sorted(k for places in nodes.values() for k in places) == list(range(len(run.tokens)))
    rows = edges(carried, nodes)
    assert sum(row["weight"] for row in rows) == pytest.approx(len(shares), abs=0.1)
    assert {row["layer"] for row in rows} == set(range(1, asked.layers + 1))
    assert sum(graph(run, reading)["arrived"].values()) == pytest.approx(1)


def test_paired_test() -> None:
    from case_studies._multi_hop_reading import flipped

    assert flipped([1.0] * 20) < 0.001
    assert flipped([1.0, -1.0] * 10) == 1.0
    exact = np.mean([abs(sum(signs)) >= 6 for signs in itertools.product((-1, 1), repeat=6)])
    assert flipped([1.0] * 6) == pytest.approx(exact, abs=0.01)


def test_study_is_plain_whole_and_the_same_twice(asked: Lab, told: tuple[dict[str, Any], list[Any]]) -> None:
    from case_studies._multi_hop_study import study
    from case_studies.multi_hop import make

    figures, heard = told
    assert json.loads(json.dumps(figures)) == figures
    assert study(asked, **SMALL) == figures
    assert figures["accuracy"]["exact"]["whole"]["n"] == len(make(SMALL["passages"], seed=0))
    assert figures["knockout"]["n"] == SMALL["pairs"]
    assert len(figures["knockout"]["by_layer"]) == asked.layers
    assert set(figures["methods"]["mean"]) == {
        "atman", "occlusion", "integrated_gradients", "input_x_gradient", "gradient_norm", "raw_attention",
        "attention_rollout", "attention_flow", "random",
    }  # fmt: skip
    assert heard[-1][0] == heard[-1][1]
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert len({total for _, total in heard}) == 1


def test_other_tasks_are_refused(lab: Lab) -> None:
    from attnlab_core.errors import BadInput
    from case_studies import multi_hop

    with pytest.raises(BadInput, match="answering"):
        multi_hop.study(lab)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict | list):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(one, (*path, key))
    else:
        yield path, value


def numbers_of(figures: Mapping[str, Any]) -> set[str]:
    """Every figure in every form in which a text may give it."""
    found = {str(k) for k in range(1, 1 + len(figures["knockout"]["by_layer"]))}
    found |= {str(k) for k in range(1, 1 + len(figures["example"]["sentences"]))}
    for _, value in leaves(dict(figures)):
        if isinstance(value, int):
            found.add(str(value))
        elif isinstance(value, float):
            forms = (
                f"{value:.0f} {value:.1f} {value:.2f} {value:.3f} {100 * value:.0f} {100 * value:.1f}".split()
            )
            found |= {*forms, f"{round(value, 2) + 0.0:+.2f}"}
    return found


def texts(record: Mapping[str, Any]) -> list[str]:
    from case_studies import multi_hop

    steps, closing = multi_hop.story(record)
    said = [step.text for step in steps] + [*closing.found, *closing.not_found, *closing.sure]
    said = [text.replace("−", "-") for text in said]
    one = record["figures"]["example"]
    quoted = [one["question"], one["bridge"], *(form["prediction"] for form in one["forms"].values())]
    for words in sorted(quoted, key=len, reverse=True):
        said = [text.replace(words, "…") for text in said]
    return said


def shaken(record: Mapping[str, Any]) -> dict[str, Any]:
    """The record with every number another one, in bounds that a share has."""
    found = copy.deepcopy(dict(record))
    for path, value in leaves(found["figures"]):
        if isinstance(value, float) or (isinstance(value, int) and path[-1] == "n"):
            place = found["figures"]
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value * 0.83 + 0.0137 if isinstance(value, float) else value + 1000
    return found


def test_every_number_of_the_story_is_in_the_record(record: Mapping[str, Any]) -> None:
    for one in (record, shaken(record)):
        known = numbers_of(one["figures"]) | FIXED
        for text in texts(one):
            for number in re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?", text):
                assert number in known, (number, text)


def test_the_story_follows_its_record(record: Mapping[str, Any]) -> None:
    from case_studies import multi_hop

    steps, closing = multi_hop.story(record)
    assert 5 <= len(steps) <= 8
    assert all(step.text and step.tries for step in steps)
    assert all(step.figure is None or len(step.figure.frame) for step in steps)
    assert closing.found
    assert closing.not_found
    assert closing.sure
    other = copy.deepcopy(dict(record))
    tests = other["figures"]["knockout"]["tests"]
    for way, sure in ((-1.0, True), (1.0, False)):
        for one in tests.values():
            one |= {"mean": way, "p_holm": 0.001}
        _, end = multi_hop.story(other)
        assert any(text.startswith("Attention does pass between") for text in end.found) == sure
        assert any(text.startswith("That attention passes between") for text in end.not_found) != sure
        assert any("not reliably more than" in text for text in texts(other)) != sure
    for path in ("whole", "removed", "replaced", "one_hop"):
        other = copy.deepcopy(dict(record))
        other["figures"]["accuracy"]["exact"][path]["mean"] = 0.4321
        assert any("43\u00a0%" in text for text in texts(other))


def test_every_try_can_be_run(asked: Lab, record: Mapping[str, Any]) -> None:
    import attnlab_core as al
    from attnlab_core.edits import edit_from_json
    from attnlab_core.prompt import Prompt
    from case_studies import multi_hop

    steps, _ = multi_hop.story(record)
    if record["model"]["name"] == "qa":
        asked = al.load("qa")
    for one in (one for step in steps for one in step.tries):
        assert (one.page == "manipulate") == bool(one.edits)
        run = asked.run(Prompt(one.text, one.second), [edit_from_json(edit) for edit in one.edits])
        assert run.edited_calls == (
            0 if not one.edits else asked.layers if len(one.edits[0]["where"]) < 3 else 1
        )


def test_sentences_named_in_full_are_the_positions(asked: Lab, readings: list[Reading]) -> None:
    for reading in readings:
        for text, places in zip(reading.item.sentences, reading.sentences, strict=True):
            assert reading.encoding.find(text) == places
        assert reading.encoding.find(reading.item.question) == reading.question


def test_the_record_holds_for_the_shipped_model() -> None:
    import attnlab_core as al
    from attnlab_core.prompt import Prompt
    from case_studies import _story, multi_hop
    from case_studies._multi_hop_reading import log_p, read
    from case_studies._multi_hop_study import knockouts

    record = _story.recorded("multi_hop")
    if record is None:
        pytest.skip("there is no record")
    assert (_story.RECORDED / "multi_hop.json").stat().st_size < 300_000
    assert (record["study"], record["question"]) == (multi_hop.NAME, multi_hop.QUESTION)
    lab, one = al.load(multi_hop.MODEL), record["figures"]["example"]
    kept = lab.summary()
    assert {name: record["model"][name] for name in ("name", "revision", "parameters")} == {
        name: kept[name] for name in ("name", "revision", "parameters")
    }
    made = multi_hop.make(record["figures"]["passages"], seed=multi_hop.FRESH + record["seed"])
    item = next(item for item in made if item.question == one["question"])
    assert list(item.sentences) == one["sentences"]
    reading, run = read(lab, item), lab.run(Prompt(item.question, item.context))
    assert run.prediction == one["forms"]["whole"]["prediction"]
    edits = knockouts(reading, False, (one["pair"][0], one["pair"][1]), one["alone"])
    for name in ("support", "question_bridge", "answer_other"):
        change = log_p(reading, run.again(*edits[name]).logits) - log_p(reading, run.logits)
        assert change == pytest.approx(one["cuts"][name]["effect"], abs=0.02)
