"""The study of gendered pronouns: its sentences, its figures against loops of single runs, and its story against the record."""

from __future__ import annotations

import copy
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.errors import BadInput
from case_studies import _gender_asks as asks
from case_studies import _gender_data as data
from case_studies import _gender_edit as edit
from case_studies import _gender_story, _story, gender_bias

MASK = "[MASK]"
VOCABULARY = (
    "his her him he she this is who",
    " ".join(re.sub(r"\{\w+\}", "", text) for pair in data.SCHEMAS for text, _, _ in pair),
    " ".join(re.sub(r"\{\w+\}", "", text) for text, _ in data.FRAMES),
    " ".join(data.SHARES),
)


@pytest.fixture(scope="module")
def masked():
    from attnlab_core import testing

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(testing, "SENTENCES", (*testing.SENTENCES, *VOCABULARY))
        return testing.tiny_lab("masked")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch):
    """The study with few sentences, over in seconds on a tiny model."""
    monkeypatch.setattr(data, "PAIRS", 2)
    monkeypatch.setattr(data, "SCHEMAS", data.SCHEMAS[:2])
    monkeypatch.setattr(data, "FRAMES", data.FRAMES[:2])
    monkeypatch.setattr(data, "ELSEWHERE", data.ELSEWHERE[:1])
    monkeypatch.setattr(gender_bias, "LOOKED_AT", 2)
    monkeypatch.setattr(gender_bias, "DRAWS", 40)
    monkeypatch.setattr(edit, "STEPS", 3)


def test_forty_occupations_half_of_them_mostly_women() -> None:
    assert len(data.SHARES) == 40
    assert len(data.WOMEN) == len(data.MEN) == 20
    assert (data.SHARES["carpenter"], data.SHARES["secretary"]) == (2, 95)


def test_schemas_are_balanced_and_without_duplicates() -> None:
    items = data.make(MASK)
    count = len(data.SCHEMAS) * 2 * data.PAIRS
    assert len(items) == len({item.text for item in items}) == 4 * count
    assert set(Counter(item.schema for item in items).values()) == {4}
    assert Counter(item.female for item in items) == {True: 2 * count, False: 2 * count}
    assert {item.slot for item in items} == {"subject", "object", "possessive"}
    for item in items:
        assert item.text.count(MASK) == 1
        assert "{" not in item.text
        assert item.referent in item.text
        assert item.other in item.text
        assert (data.SHARES[item.referent] > 50) != (data.SHARES[item.other] > 50)


def test_data_follow_the_seed() -> None:
    assert data.make(MASK, 3) == data.make(MASK, 3) != data.make(MASK, 4)
    assert data.alone(MASK, 3) == data.alone(MASK, 3)
    assert data.elsewhere(MASK, 3) == data.elsewhere(MASK, 3)


@pytest.mark.parametrize("kind", [data.make, data.alone])
def test_the_halves_share_neither_occupations_nor_words(kind: Any) -> None:
    items = kind(MASK)
    first, second = ([item for item in items if item.half == half] for half in (0, 1))
    assert first
    assert second
    names = [
        {name for item in some for name in (item.referent, item.other) if name} for some in (first, second)
    ]
    assert not names[0] & names[1]
    bare = [
        {item.text.replace(item.referent, "").replace(item.other or "", "") for item in some}
        for some in (first, second)
    ]
    assert not bare[0] & bare[1]


def test_the_stereotyped_pronoun_is_filled_in() -> None:
    item = data.Item(f"The nurse forgot {MASK} keys.", "possessive", "nurse")
    assert item.filled(MASK, pro=True) == "The nurse forgot her keys."
    assert item.filled(MASK, pro=False) == "The nurse forgot his keys."


def test_one_word_is_masked_elsewhere() -> None:
    for text, word, name in data.elsewhere(MASK):
        assert text.count(MASK) == 1
        assert name in text
        assert word not in ("{a}", "")


def test_winobias_is_read_in_its_format(tmp_path) -> None:
    (tmp_path / "pro_stereotyped_type1.dev.txt").write_text(
        "1 [The mechanic] greeted the clerk because [he] was polite.\n2 The mechanic met [the clerk] and saw [her].\n"
    )
    (tmp_path / "anti_stereotyped_type1.dev.txt").write_text(
        "1 [The mechanic] greeted the clerk because [she] was polite.\n2 The mechanic met [the clerk] and saw [him].\n"
    )
    found = data.winobias(tmp_path, MASK)
    assert [(item.text, item.slot, item.referent, item.other) for item in found] == [
        (f"The mechanic greeted the clerk because {MASK} was polite.", "subject", "mechanic", "clerk"),
        (f"The mechanic met the clerk and saw {MASK}.", "object", "clerk", "mechanic"),
    ]
    with pytest.raises(BadInput, match="pro_stereotyped"):
        data.winobias(tmp_path / "none", MASK)


def test_shares_are_those_of_single_runs(masked) -> None:
    some = asks.read(masked, [*data.make(MASK)[:6], *data.alone(MASK)[::37]])
    found = asks.shares(masked, some)
    for one, share in zip(some, found, strict=True):
        run = masked.run(one.item.text)
        he, she = (run.value(word) for word in data.PRONOUNS[one.item.slot])
        assert share == pytest.approx(she / (he + she), abs=1e-5)


def test_scaled_shares_are_those_of_edited_runs(masked) -> None:
    some = asks.read(masked, data.make(MASK)[2:60:9])
    found = asks.shares(masked, some, asks.scaled({(0, 1): 0.0, (1, 2): 4.0}, asks.Asked.woman))
    for one, share in zip(some, found, strict=True):
        woman = one.item.referent if one.item.female else one.item.other
        run = masked.run(one.item.text).again(
            Scale(factor=0.0, where=Where((0,), (1,), (MASK,), (woman,))),
            Scale(factor=4.0, where=Where((1,), (2,), (MASK,), (woman,))),
        )
        he, she = (run.value(word) for word in data.PRONOUNS[one.item.slot])
        assert share == pytest.approx(she / (he + she), abs=1e-5)


def test_the_gap_of_a_schema_is_the_difference_of_its_means() -> None:
    items = data.make(MASK)[:8]
    values = np.linspace(0, 1, 8) ** 2

    class One:
        def __init__(self, item: data.Item) -> None:
            self.item = item

    found = asks.gaps(values.tolist(), [One(item) for item in items])  # type: ignore[arg-type, list-item]
    for number, got in enumerate(found):
        mine = [(v, i.female) for v, i in zip(values, items, strict=True) if i.schema == number]
        women, men = ([v for v, f in mine if f is wanted] for wanted in (True, False))
        assert got == pytest.approx(np.mean(women) - np.mean(men))


def test_spearman_is_scipys() -> None:
    from scipy.stats import spearmanr

    x, y = [1.0, 2, 2, 4, 5, 9], [2.0, 1, 3, 3, 8, 7]
    found = gender_bias.spearman(x, y, 0)
    assert found["rho"] == pytest.approx(spearmanr(x, y)[0])
    assert found["low"] <= found["rho"] <= found["high"]


def test_a_heads_effect_is_that_of_a_loop(masked) -> None:
    some = asks.read(masked, [i for i in data.alone(MASK) if i.schema == 0 and i.half == 0][::3])
    found = {(row["layer"], row["head"]): row for row in edit.carry(masked, some, total=9, done=0)}
    assert len(found) == masked.layers * masked.heads
    change: dict[bool, list[float]] = {True: [], False: []}
    for one in some:
        run = masked.run(one.item.text)
        cut = run.again(Scale(factor=0.0, where=Where((1,), (3,), (MASK,), (one.item.referent,))))
        odds = [np.log(r.value("she") / r.value("he")) for r in (run, cut)]
        change[one.item.female].append(odds[1] - odds[0])
    assert found[1, 3]["effect"] == pytest.approx(np.mean(change[True]) - np.mean(change[False]), abs=1e-4)
    assert [row["effect"] for row in found.values()] == sorted(row["effect"] for row in found.values())
    assert all(row["holm"] >= row["p"] for row in found.values())


def test_words_are_computed_at_the_mask_alone(masked) -> None:
    some = asks.read(masked, data.make(MASK)[:1] + data.alone(MASK)[:3])
    for one in some:
        ids = [list(one.encoding.ids)]
        whole, _ = masked.forward(ids)
        with asks.AtMask(masked, [one.mask]):
            narrow, _ = masked.forward(ids)
        assert narrow.shape == (1, 1, whole.shape[-1])
        assert narrow[0, 0].tolist() == pytest.approx(whole[0, one.mask].tolist(), abs=1e-5)


def searched(masked) -> tuple[list[asks.Asked], list[edit.Part]]:
    """Two frames of one half, and the parts that go through together."""
    some = [i for i in data.alone(MASK) if i.half == 0 and i.schema in (0, 4)]
    asked = asks.read(masked, some)
    groups = asks.together(asked, edited=True)
    return asked, [edit._part(masked, [asked[k] for k in numbers], numbers) for numbers in groups]


def test_the_slope_by_a_factor_is_that_of_edited_runs(masked) -> None:
    _, parts = searched(masked)
    theta = torch.zeros(masked.layers, masked.heads)
    theta[0, 2], theta[1, 1] = -1.0, 0.5
    theta.requires_grad_()
    with torch.enable_grad():
        found, _ = edit._under(masked, parts[0], theta)
    (slopes,) = torch.autograd.grad(found[0], theta)
    one = parts[0].asked[0]

    def odds(off: float) -> float:
        edits = [
            Scale(factor=float(np.exp(by)), where=Where((layer,), (head,), (MASK,), (one.item.referent,)))
            for layer, head, by in ((0, 2, -1.0 + off), (1, 1, 0.5))
        ]
        run = masked.run(one.item.text).again(*edits)
        he, she = (run.value(word, "log_probability") for word in data.PRONOUNS[one.item.slot])
        return she - he

    assert found[0].item() == pytest.approx(odds(0.0), abs=1e-4)
    assert float(slopes[0, 2]) == pytest.approx((odds(0.05) - odds(-0.05)) / 0.1, abs=2e-4)
    assert all(p.grad is None for p in masked.model.parameters())


def test_what_was_moved_counts_where_there_is_no_reference(masked) -> None:
    _, parts = searched(masked)
    part, one = parts[0], parts[0].asked[0]
    run = masked.run(one.item.text)
    cut = run.again(Scale(factor=0.0, where=Where((1,), (2,), (MASK,), (one.item.referent,))))
    row = run.pattern.weights[1, 2, one.mask]
    moved = float(row[list(one.referent)].sum())
    rows = masked.layers * masked.heads * len(row)
    assert float(edit.oddness(masked, part, run.pattern.weights)) == 0.0
    first = cut.pattern.weights.clone()
    first[0] = run.pattern.weights[0]
    first[1, :2], first[1, 3:] = run.pattern.weights[1, :2], run.pattern.weights[1, 3:]
    assert float(edit.oddness(masked, part, first)) == pytest.approx(moved / rows, rel=1e-3)


def test_the_search_narrows_the_gap_and_a_high_price_leaves_all_as_it_is(masked, monkeypatch) -> None:
    asked, _ = searched(masked)
    monkeypatch.setattr(edit, "STEPS", 5)
    monkeypatch.setattr(edit, "RATE", 0.5)
    monkeypatch.setattr(edit, "PRICE", 0.0)
    monkeypatch.setattr(edit, "WEIGHT", 0.0)
    found = edit.search(masked, asked)
    assert 0 < len(found["factors"]) <= found["first"] <= masked.layers * masked.heads
    how = asks.scaled(found["factors"], asks.Asked.people)
    gaps = [
        edit.gaps_of_frames(asks.odds(asks.logits(masked, asked, one), asked), asked) for one in (None, how)
    ]
    assert float(gaps[1].square().mean()) < 0.8 * float(gaps[0].square().mean())
    assert found["left"] == pytest.approx(float(gaps[1].mean()), abs=1e-6)
    values = [1.0 if one.item.female else 0.25 for one in asked]
    assert edit.gaps_of_frames(torch.tensor(values), asked).tolist() == [0.75, 0.75]
    monkeypatch.setattr(edit, "PRICE", 1e4)
    dear = edit.search(masked, asked)
    assert dear["factors"] == {}
    assert dear["left"] == pytest.approx(dear["plain"], abs=1e-6)


def test_the_other_heads_are_others(masked) -> None:
    factors = {(0, 1): 0.0, (1, 2): 0.25}
    for seed in range(5):
        found = edit.other_heads(factors, masked, np.random.default_rng(seed))
        assert len(found) == len(factors)
        assert not set(found) & set(factors)


@pytest.fixture
def tiny_record(masked, small) -> dict[str, Any]:
    del small
    return _story.run("gender_bias", masked)


def test_the_study_says_the_same_twice_and_tells_a_story(masked, small, tiny_record) -> None:
    del small
    assert gender_bias.study(masked) == tiny_record["figures"]
    steps, closing = gender_bias.story(tiny_record)
    check_story(tiny_record)
    assert 5 <= len(steps) <= 8
    assert all(step.tries for step in steps)
    assert closing.sure
    assert closing.found
    for step in steps:
        for one in step.tries:
            run = masked.run(one.text)
            if one.second:
                masked.run(one.second)
            from attnlab_core.edits import edit_from_json

            if one.edits:
                run.again(*(edit_from_json(each) for each in one.edits))
    changed = copy.deepcopy(tiny_record)
    changed["figures"]["prior"]["alone"]["mean"] = 0.98765
    assert "98.8\u00a0%" in gender_bias.story(changed)[0][0].text


def test_another_task_is_refused(lab) -> None:
    with pytest.raises(BadInput, match="masked"):
        gender_bias.study(lab)


def numbers(value: Any) -> set[str]:
    """All ways in which the story writes the figures of a record."""
    if isinstance(value, dict):
        return {said for one in value.values() for said in numbers(one)}
    if isinstance(value, list):
        return {said for one in value for said in numbers(one)} | {str(len(value))}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return set()
    ways = ("", ".0f", ".1f", ".2f", ".3f", "g")
    return {format(scale * value, way).lstrip("+-") for scale in (1, 100) for way in ways}


def check_story(record: dict[str, Any]) -> None:
    figures = record["figures"]
    known = numbers(figures) | {"95", "5", "0", "2018", "1", "4", "2020"}  # of the design and the sources
    known |= {str(sum(row["holm"] < 0.05 for row in figures["heads"]["tried"]))}
    steps, closing = gender_bias.story(record)
    for text in [*(step.text for step in steps), *closing.found, *closing.not_found, *closing.sure]:
        for said in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text.replace(record["model"]["name"], "")):
            assert said in known, (said, text)


def test_the_recorded_story_holds() -> None:
    record = _story.recorded("gender_bias")
    if record is None:
        pytest.skip("no record has been made")
    check_story(record)
    assert record["model"]["name"] == gender_bias.MODEL
    assert record["figures"]["design"]["sentences"] == len(data.make(MASK))
    assert [row["name"] for row in record["figures"]["occupations"]] == list(data.SHARES)
    assert (_story.RECORDED / "gender_bias.json").stat().st_size < 300_000
    assert record["model"]["digest"] == _story.digest(gender_bias.MODEL)


def test_phrases_follow_the_numbers() -> None:
    sides = [{"low": 0.1, "high": 0.2}, {"low": -0.2, "high": -0.1}, {"low": -0.1, "high": 0.1}]
    assert [_gender_story.clear(side) for side in sides] == [1, -1, 0]
