"""Agreement items are what they say, and the recipe takes a verb only where its subject stands before it."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from attnlab_core.tasks._agreement_items import KINDS, make, nouns
from training.agreement import Nouns, Row, balanced, beginnings, rows

ITEMS = make(4000, seed=5, attractors=(0, 1, 2, 3))
PLAIN = make(2000, seed=6)
LEARNT = Nouns(
    ["in so behind " * 5]
    + [
        f"A {one}, a {one}, a {one}; the {many}, some {many}, no {many}."
        for one, many in (nouns("train") | nouns("test")).items()
    ]
)


def numbers(text, split="test"):
    """The number of every noun in a text, in order."""
    known = {
        form: number
        for pair in nouns(split).items()
        for number, form in zip(("singular", "plural"), pair, strict=True)
    }
    return [known[word] for word in re.findall(r"\w+", text) if word in known]


def test_the_same_call_makes_the_same_items():
    assert make(300, seed=5) == make(300, seed=5)
    assert make(300, seed=5) != make(300, seed=6)
    assert make(300, seed=5, split="train") != make(300, seed=5)


@pytest.mark.parametrize("items", [ITEMS, PLAIN], ids=["up to three", "zero or one"])
def test_numbers_kinds_and_attractors_are_balanced(items):
    assert Counter(item.number for item in items) == {"singular": len(items) // 2, "plural": len(items) // 2}
    for field in ("kind", "attractors"):
        counts = Counter((getattr(item, field), item.number) for item in items)
        for value in {getattr(item, field) for item in items}:
            assert abs(counts[value, "singular"] - counts[value, "plural"]) <= 4
    assert {item.kind for item in items} == set(KINDS)
    amounts = Counter(item.attractors for item in items).values()
    assert max(amounts) - min(amounts) <= 2


def test_attractors_are_counted():
    for item in ITEMS:
        found = numbers(item.prefix)
        if item.kind == "coordination" and item.number == "plural":
            assert item.attractors == 0, (
                item
            )  # both nouns are the subject: nothing stands between it and the verb
            assert len(found) == 2, item
            continue
        if item.kind == "opening clause":
            found = numbers(item.prefix.rsplit(",", 1)[1])
        assert found[0] == item.number, item
        assert sum(number != found[0] for number in found[1:]) == item.attractors, item


def test_forms_differ_and_prefixes_end_cleanly():
    for item in ITEMS:
        assert item.right != item.wrong
        assert item.prefix == item.prefix.strip()
        assert item.prefix[0].isupper()
        assert "  " not in item.prefix
    by_form = {(item.number, item.right) for item in ITEMS}
    assert {("singular", "was"), ("plural", "were"), ("singular", "has"), ("plural", "have")} <= by_form
    assert not {form for number, form in by_form if number == "singular"} & {
        form for number, form in by_form if number == "plural"
    }


def test_the_splits_share_no_noun():
    train, test = nouns("train"), nouns("test")
    assert not (train.keys() | set(train.values())) & (test.keys() | set(test.values()))
    for item in make(1000, seed=1, attractors=(0, 1, 2, 3), split="train"):
        assert not numbers(item.prefix, "test")
        assert numbers(item.prefix, "train")


@pytest.mark.parametrize("wrong", [(), (4,), (-1, 0)])
def test_impossible_attractors_are_refused(wrong):
    with pytest.raises(ValueError, match="0 to 3"):
        make(2, seed=1, attractors=wrong)


@pytest.mark.parametrize(
    ("sentence", "taken"),
    [
        ("The dogs in the garden were asleep.", [("The dogs in the garden", True)]),
        ("My brother never was ill.", [("My brother never", False)]),
        ("He knew the letters that were missing.", [("He knew the letters that", True)]),
        ("The woman, like her sons, has grey eyes.", [("The woman, like her sons,", False)]),
        ("They have a boat, and it is new.", [("They", True), ("They have a boat, and it", False)]),
        ("The captain shut the door and was gone.", [("The captain shut the door and", False)]),
        ("In the morning the streets are wet.", [("In the morning the streets", True)]),
        ("The soldiers know it.", [("The soldiers", True)]),
        ("Mr. Harker goes home.", [("Mr. Harker", False)]),
    ],
)
def test_a_verb_after_its_subject_is_taken(sentence, taken):
    assert [(row.prefix, row.plural) for row in rows(sentence, LEARNT)] == taken


@pytest.mark.parametrize(
    "sentence",
    [
        "You were late, and I was not.",
        "I have a dog.",
        "There was a letter on the table.",
        "In the garden were two dogs.",
        "So great was his anger.",
        "Behind the door was a man.",
        "If the king were wise.",
        "He spoke as though the house were his.",
        "She were a good girl.",
        "We was at home.",
        "The boys was at home.",
        "What are the boys like?",
        "Where, in the town, is the inn?",
        "How could the doctor have known.",
        "Let the men have their way.",
        "Some of the bread was gone.",
        "A number of men were there.",
        "The king or the soldiers were wrong.",
        "She is one of the women who were here.",
        "What he wanted was sleep.",
        "The family were out.",
        "He saw the men go home.",
        "Was it late?",
        "You saw the men and were afraid.",
    ],
)
def test_a_verb_of_doubtful_number_is_dropped(sentence):
    assert [row for row in rows(sentence, LEARNT) if row.prefix != "She"] == []


def test_speech_is_cut_out_and_titles_end_no_sentence():
    text = "“The boys were _here_,” said Mr. Brown; “but the girl was not.” Then Dr. Grey rose. He was old."
    assert list(beginnings(text)) == ["The boys were here,", "Then Dr. Grey rose.", "He was old."]


def test_the_nearest_noun_tells_the_attractor():
    (row,) = rows("The key to the doors was lost.", LEARNT)
    assert row.attractor
    (row,) = rows("The key to the door was lost.", LEARNT)
    assert not row.attractor
    assert row.kind == "noun"


def test_nouns_are_seen_after_a_with_their_plural():
    learnt = Nouns(["A fox, a fox, a fox. The foxes ran; foxes, foxes.", "A big, a big, a big thing."])
    assert (learnt.look("fox"), learnt.look("foxes"), learnt.look("big")) == (False, True, None)


def test_balanced_rows_have_both_numbers_alike_in_every_kind():
    many = [Row(f"A {k}", k % 3 == 0, "noun" if k % 2 else "pronoun", None) for k in range(60)]
    counts = Counter((row.kind, row.plural) for row in balanced(many, 1))
    assert counts == dict.fromkeys(
        [(kind, plural) for kind in ("noun", "pronoun") for plural in (True, False)], 10
    )
