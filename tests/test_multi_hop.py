"""The made passages keep what they promise: one answer, found where it is said to be, and only by way of the bridge."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from case_studies.multi_hop import KINDS, RELATIONS, Item, make, with_other_bridge, without_bridge
from case_studies.words import SHARED

SPLITS = ("train", "test")


@pytest.fixture(scope="module", params=SPLITS)
def items(request: pytest.FixtureRequest) -> list[Item]:
    return make(1500, seed=11, split=request.param)


def says(sentence: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sentence, re.IGNORECASE) is not None


def check_answer(item: Item) -> None:
    assert item.context == " ".join(item.sentences), item
    assert item.start is not None
    end = item.start + len(item.answer)
    assert item.context[item.start : end] == item.answer
    assert not item.context[end].isalnum()
    assert not item.context[item.start - 1].isalnum() or not item.start
    assert says(item.sentences[item.supporting[-1]], item.answer)
    assert item.answer.lower() not in item.question.lower(), item
    assert item.question.endswith("?")
    assert not re.search(r"[{}|]|  ", item.question + item.context), item


def check_two_hops(item: Item) -> None:
    check_answer(item)
    bridging, answering = (item.sentences[number] for number in item.supporting)
    assert item.context.lower().count(item.answer.lower()) == 1, item
    assert item.hops == 2
    assert says(item.question, item.entity)
    assert says(bridging, item.entity)
    assert says(bridging, item.bridge)
    assert not says(bridging, item.answer)
    assert not says(item.question, item.bridge)
    assert not says(answering, item.entity), item
    if not says(
        answering, item.bridge
    ):  # a pronoun: the sentence before it names the bridge, and is not the bridging one
        assert says(item.sentences[item.supporting[1] - 1], item.bridge), item
        assert item.supporting[1] - 1 != item.supporting[0]
    assert 3 <= len(item.sentences) <= 9
    assert len(set(item.sentences)) == len(item.sentences)


def test_every_two_hop_item_has_one_answer_where_it_says(items: list[Item]) -> None:
    for item in items:
        check_two_hops(item)


def test_without_the_bridging_sentence_nothing_joins_entity_and_bridge(items: list[Item]) -> None:
    for item in items:
        less = without_bridge(item)
        assert (less.answer, less.start, less.variant, less.question) == ("", None, "removed", item.question)
        assert less.context == " ".join(less.sentences)
        assert len(less.sentences) == len(item.sentences) - 1
        assert says(less.sentences[less.supporting[0]], item.answer)
        assert not any(says(text, item.entity) and says(text, item.bridge) for text in less.sentences), item


def test_with_the_other_bridge_the_other_answer_is_right(items: list[Item]) -> None:
    for item in items:
        other = with_other_bridge(item)
        check_two_hops(other)
        assert (other.question, other.variant) == (item.question, "replaced")
        assert other.answer.lower() != item.answer.lower()
        assert other.bridge != item.bridge
        changed = [one != two for one, two in zip(item.sentences, other.sentences, strict=True)]
        assert [number for number, new in enumerate(changed) if new] == [item.supporting[0]]
        assert not says(other.sentences[other.supporting[0]], item.bridge)


def test_one_hop_items_and_shares_of_variants() -> None:
    mixed = make(2000, seed=5, hops=(1, 2), variants={"whole": 0.5, "removed": 0.3, "replaced": 0.2})
    drawn = Counter((item.hops, item.variant) for item in mixed)
    assert 0.27 < (drawn[1, "removed"] + drawn[2, "removed"]) / 2000 < 0.33
    assert drawn[2, "replaced"] > 150
    assert not drawn[1, "replaced"]
    for item in mixed:
        assert (item.answer == "") == (item.start is None) == (item.variant == "removed")
        if item.hops == 1:
            assert item.bridge == ""
            assert len(item.supporting) == (item.variant == "whole")
            assert item.kind in RELATIONS
        if item.answer:
            check_answer(item)
    whole_one = next(item for item in mixed if item.hops == 1)
    with pytest.raises(ValueError, match="two-hop"):
        with_other_bridge(whole_one)


def test_no_word_of_a_name_is_in_both_splits() -> None:
    seen = [
        {
            word.lower()
            for item in make(1500, seed=2, split=split)
            for name in item.names
            for word in name.split()
        }
        for split in SPLITS
    ]
    assert min(map(len, seen)) > 500
    assert seen[0] & seen[1] <= SHARED


def test_the_same_arguments_make_the_same_items() -> None:
    assert make(50, seed=3) == make(50, seed=3)
    assert make(20, seed=3) == make(50, seed=3)[:20]
    assert make(50, seed=3) != make(50, seed=4)
    assert [replace(item, names=()) for item in make(50, seed=3, split="train")] != make(50, seed=3)


def test_every_chain_makes_a_passage_and_every_relation_is_used() -> None:
    names = [f"{one.name}/{two.name}" for one, two in KINDS]
    assert len(set(names)) == len(names) > 40
    assert {relation.name for chain in KINDS for relation in chain} == set(RELATIONS)
    for name in names:
        (item,) = make(1, seed=1, kinds=[name])
        assert item.kind == name
        check_two_hops(item)


def test_drawn_chains_are_many_and_of_all_sorts() -> None:
    drawn = Counter(item.kind for item in make(5000, seed=8, split="train"))
    assert len(drawn) > 1000
    assert drawn.most_common(1)[0][1] < 200
    for place in (0, 1):
        used = {kind.split("/")[place] for kind in drawn}
        assert used == {chain[place].name for chain in KINDS}


def test_every_relation_is_said_and_asked_in_several_ways() -> None:
    assert len(RELATIONS) >= 25
    for relation in RELATIONS.values():
        assert len(relation.says) >= 3, relation.name
        assert len(relation.asks) >= 2, relation.name
        assert all("{s}" in text and "{o}" in text for text in relation.says), relation.name
        assert all(text.count("{s}") == 1 for text in (*relation.asks, *relation.nouns)), relation.name
