"""What the recipe holds back is held back."""

from __future__ import annotations

import pytest

from training.common import batches, pad
from training.sst2 import whole_sentences, without_phrases_of

SENTENCE = "a film that never once forgets its own heart ."
TRAIN = [("never once forgets", 1), ("its own heart .", 1), ("a film", 1), ("a dull thing , all told", 0)]
DEV = [(SENTENCE, 1), ("never once forgets its own heart", 1), ("too short to be one .", 0)]


def test_sentences_are_what_no_other_row_holds():
    assert whole_sentences(DEV, TRAIN) == [(SENTENCE, 1)]
    longer = (f"they call it {SENTENCE}", 1)
    assert whole_sentences(DEV, [*TRAIN, longer]) == []


def test_phrases_of_held_out_sentences_are_not_trained_on():
    left = without_phrases_of(TRAIN, [(SENTENCE, 1)])
    assert left == [("a film", 1), ("a dull thing , all told", 0)]  # two words may stand anywhere


@pytest.mark.parametrize("size", [4, 7])
def test_every_row_is_in_one_batch_and_the_order_follows_the_seed(size):
    lengths = [1 + k % 9 for k in range(50)]
    groups = batches(lengths, size, seed=3)
    assert sorted(k for group in groups for k in group) == list(range(50))
    assert batches(lengths, size, seed=3) == groups
    assert batches(lengths, size, seed=4) != groups


def test_padding_is_masked():
    made = pad([[5, 6, 7], [8]])
    assert made["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert made["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
