"""The query-key scores before the softmax: they make the weights, in every architecture, and are what was multiplied."""

from __future__ import annotations

import pytest
import torch

from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.testing import SENTENCES, tiny_lab
from tests.reach import DOUBLE, EVERY, TEXT, built, surgery

HALF = Scale(factor=0.5, where=Where(keys=("nothing",), layers=(0,)))


@pytest.mark.parametrize("name", EVERY)
def test_the_softmax_of_the_scores_is_the_weights(name):
    """With a learned sink the scores have its column, too, and then the weights do."""
    model, inputs = built(name)
    with torch.no_grad(), surgery(name, keep=True, scores=True) as tape:
        model(**inputs)
    assert len(tape.scores) == len(tape.weights) == len(tape.calls)
    for scores, visible, weights in zip(tape.scores, tape.visible, tape.weights, strict=True):
        made = scores.masked_fill(~visible, -torch.inf).softmax(-1)
        seen = visible.any(-1)  # a padded query may see nothing
        torch.testing.assert_close(made[seen.expand(made.shape[:-1])], weights[seen.expand(made.shape[:-1])])


@pytest.mark.parametrize("name", TEXT)
def test_a_lab_gives_them_by_part_without_what_is_masked(name):
    lab = tiny_lab("classification", name)
    run = lab.run(SENTENCES[0])
    scores = run.scores()
    assert set(scores) == set(run.patterns)
    for part, pattern in run.patterns.items():
        assert scores[part].shape == pattern.weights.shape
        assert torch.equal(scores[part] > -torch.inf, pattern.visible)
        made = scores[part].softmax(-1)
        share = pattern.weights.sum(-1, keepdim=True)  # one, but where a learned sink has the rest
        assert bool((share < 1).all()) if lab.sink else bool(share.allclose(torch.ones_like(share)))
        torch.testing.assert_close(made * share, pattern.weights, atol=1e-6, rtol=1e-4)


def test_they_are_query_times_key_over_the_root_of_the_width(lab):
    """By hand, from the states and the projections of the first layer of a BERT."""
    run = lab.run(SENTENCES[0])
    attention = lab.model.bert.encoder.layer[0].attention.self
    with torch.no_grad():
        states = lab.model.bert.embeddings(torch.tensor([run.encoding.ids]))
        query, key = (
            make(states).view(len(run.tokens), lab.heads, -1).transpose(0, 1)
            for make in (attention.query, attention.key)
        )
    by_hand = query @ key.transpose(1, 2) / key.shape[-1] ** 0.5
    torch.testing.assert_close(run.scores()["encoder"][0], by_hand)


def test_under_an_edit_they_are_those_before_it_acts(lab):
    run = lab.run(SENTENCES[0])
    plain, edited = run.scores()["encoder"], run.again(HALF).scores()["encoder"]
    assert torch.equal(plain[0], edited[0])
    assert not torch.allclose(plain[1], edited[1])


def test_nothing_is_kept_unasked():
    model, inputs = built("bert")
    with torch.no_grad(), surgery("bert", DOUBLE, keep=True) as tape:
        model(**inputs)
    assert tape.scores == []
    assert len(tape.weights) == len(tape.calls)


@pytest.mark.parametrize(("name", "start"), [("bart", "[CLS]"), ("t5", "[PAD]")])
def test_a_decoder_behind_an_encoder_reads_the_text_one_token_later(name, start, monkeypatch):
    """Told by the ids that the model itself looks up."""
    lab = tiny_lab("classification", name)
    looked, look_up = [], torch.nn.functional.embedding

    def spy(ids, table, *args, **kwargs):
        if table is lab.model.get_input_embeddings().weight:
            looked.append(ids[0].tolist())
        return look_up(ids, table, *args, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "embedding", spy)
    run = lab.run(SENTENCES[0])
    own, late = run.encoding.ids, looked[-1]
    assert late[1:] == list(own[:-1])
    assert lab.tokenizer.convert_ids_to_tokens(late[0]) == start
    texts = tuple(token.text for token in run.tokens)
    assert run.patterns["encoder"].queries == run.patterns["cross"].keys == texts
    for part in ("decoder", "cross"):
        assert run.patterns[part].queries == (start, *texts[:-1])
    assert run.patterns["decoder"].keys == (start, *texts[:-1])
