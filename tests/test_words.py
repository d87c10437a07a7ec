"""Tokens, words and sentences: the original text, each at its place, and the same sums everywhere."""

from __future__ import annotations

import json

import pytest

import attnlab_core as al
from attnlab_core import charts
from attnlab_core.errors import UnknownName
from attnlab_core.prompt import repeats, sentences, subscripted, words_of

TEXT = "As good as it gets. As ever!\nNo more"


@pytest.mark.parametrize("task", ["classification", "masked"])
def test_a_special_token_that_was_typed_is_one_word(task):
    from attnlab_core.testing import tiny_lab

    run = tiny_lab(task).run("The [MASK] is [ good ]; [MASK], too.")
    texts = [word.text for word in run.encoding.words]
    assert texts.count("[MASK]") == 2
    assert "[" in texts  # a bracket that is only a bracket stays one
    places = run.encoding.find("[MASK]")
    assert [word.positions for word in run.encoding.words if word.text == "[MASK]"] == [(k,) for k in places]
    assert all(run.encoding.ids[k] == run.lab.tokenizer.mask_token_id for k in places)


def test_a_stretch_that_is_a_word_by_itself_parts_from_its_neighbours():
    text = "a[MASK]b ,[MASK]."
    whole = [(1, 7), (10, 16)]
    assert [text[a:b] for a, b in words_of(text, whole)] == ["a", "[MASK]", "b", ",", "[MASK]", "."]


def test_pills_read_mask(lab):
    from pages.ui import widgets

    run = lab.run("The [MASK] and the [MASK].")
    assert widgets.unique([word.text for word in run.encoding.words])[1] == "[MASK] (1)"


def test_sentences_are_stretches_of_the_text_and_take_in_every_typed_token(lab):
    run = lab.run(al.Prompt(TEXT, "And another. One"))
    found = sentences(run.encoding)
    assert [one.text for one in found] == [
        "As good as it gets.",
        "As ever!",
        "No more",
        "And another.",
        "One",
    ]
    typed = [k for k, token in enumerate(run.tokens) if not token.special]
    assert [place for one in found for place in one.positions] == typed
    assert [one.text for one in sentences(run.encoding, delimiter=" it ")][:2] == [
        "As good as it",
        "gets. As ever!\nNo more",
    ]


def test_a_continuation_is_a_sentence_of_its_own(decoder_lab):
    run = decoder_lab.run("It is good. It")
    goes_on = run.encoding.extended(run.encoding.ids[:2], ["It", " is"])
    assert [one.text for one in sentences(goes_on)] == ["It is good.", "It", "It is"]


def test_scores_of_sentences_are_the_sums_of_their_tokens(lab):
    run = lab.run(TEXT)
    found = al.attribute(run, "input_x_gradient")
    by_hand = [sum(float(found.scores[k]) for k in one.positions) for one in sentences(run.encoding)]
    assert [score for _, score in found.by_sentence()] == pytest.approx(by_hand)
    frame = found.to_frame(by="sentence")
    assert list(frame["text"]) == ["As good as it gets.", "As ever!", "No more"]
    assert frame["score"].sum() == pytest.approx(found.to_frame(by="word")["score"].sum())


def test_an_unknown_unit_is_refused(lab):
    with pytest.raises(UnknownName, match="word"):
        al.attribute(lab.run("Good."), "raw_attention").to_frame(by="words")


def test_without_the_first_token_a_sentence_keeps_the_rest(decoder_lab):
    run = decoder_lab.run("It is good. It is")
    found = al.attribute(run, "raw_attention")
    frame = charts.score_frame([found], by="sentence", first=False)
    kept = sum(float(found.scores[k]) for k in sentences(run.encoding)[0].positions if k)
    assert frame["score"].iloc[0] == pytest.approx(kept)
    assert len(frame) == 2


def test_repeated_words_are_numbered_where_they_are_drawn(lab):
    assert repeats(["as", "good", "as", "As"]) == [1, 0, 2, 0]
    assert subscripted([*["as"] * 11, "good"])[-2:] == ["as₁₁", "good"]
    frame = charts.score_frame([al.attribute(lab.run("as good as gold"), "raw_attention")])
    for figure in (charts.word_strips(frame), charts.score_table(frame)):
        assert "<bdi>as<sub>1</sub></bdi>" in figure
        assert "<bdi>as<sub>2</sub></bdi>" in figure
        assert "<bdi>good</bdi>" in figure


@pytest.mark.parametrize("before", [0.5, 0.50001, 0.49999])
def test_the_verdict_never_says_minus_zero(before):
    said = charts.verdict({"a": before, "b": 1 - before}, {"a": 0.5, "b": 0.5})
    assert "−0.0" not in said
    assert "-0.0" not in said
    assert "+0.0" not in said
    assert "0.0 points" in said


def test_the_verdict_leaves_labels_as_they_are():
    assert "“non-toxic”" in charts.verdict({"non-toxic": 0.9, "toxic": 0.1}, {"non-toxic": 0.2, "toxic": 0.8})


@pytest.mark.parametrize(("by", "first"), [("word", "As"), ("sentence", "As good as it gets.")])
def test_the_command_line_adds_up(by, first, monkeypatch, capsys, lab):
    from attnlab_core import __main__, _loading

    monkeypatch.setattr(_loading, "lab", lambda args: lab, raising=False)
    monkeypatch.setattr(__main__, "_edited", lambda args: lab.run(args.text))
    command = ["attribute", "--model", "any", "--text", TEXT, "--method", "raw_attention", "--by", by]
    assert __main__.main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["attributions"][0]
    assert said[f"{by}s"][0]["text"] == first
    typed = [k for k, token in enumerate(lab.run(TEXT).tokens) if not token.special]
    assert sum(row["score"] for row in said[f"{by}s"]) == pytest.approx(sum(said["scores"][k] for k in typed))
    assert __main__.main(command) == 0
    assert "As (1)" in capsys.readouterr().out or by == "sentence"
