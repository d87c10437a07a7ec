"""The two studies of patterns: their sentences, their figures against closed forms and scipy, their stories against their records."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import attnlab_core as al
from attnlab_core.pattern import AttentionPattern
from attnlab_core.prompt import Encoding, Prompt, Token, Word
from attnlab_core.testing import tiny_lab, tiny_tokenizer
from case_studies import __main__ as command
from case_studies import _patterns as patterns
from case_studies import _story, encoder_and_decoder, fine_tuning
from case_studies._patterns import PLACES, Words
from case_studies._patterns_base import encoder
from case_studies._patterns_data import EACH, KINDS, LENGTHS, TEMPLATES, pairs, sentences

LONG: dict[str, Any] = {"max_position_embeddings": 256}
"""The tiny tokenizers cut words into letters, so their models must read long texts."""
STUDIES = (encoder_and_decoder, fine_tuning)


def one_hot(keys: list[int], n: int, sink: tuple[int, ...] = (0,)) -> Words:
    """One head that gives row k all to `keys[k]`, and sees everything."""
    weights = np.eye(n)[keys][None, None]
    return Words(weights, np.ones_like(weights, bool), np.isin(np.arange(n), sink), tuple(range(2, n - 1)))


def drawn(n: int = 7, *, causal: bool = False, seed: int = 0) -> Words:
    """Two layers of three heads with random rows."""
    visible = np.broadcast_to(np.tri(n, dtype=bool) if causal else np.ones((n, n), bool), (2, 3, n, n))
    weights = np.random.default_rng(seed).gamma(0.5, size=(2, 3, n, n)) * visible
    sink = np.isin(np.arange(n), [0] if causal else [0, n - 1])
    return Words(weights / weights.sum(-1, keepdims=True), visible, sink, tuple(range(2, n - 1)))


# The sentences


def test_the_sentences_are_many_different_and_as_long_as_they_say():
    made = sentences()
    assert len(made) == EACH * sum(map(len, TEMPLATES.values()))
    assert len({one.text for one in made}) == len(made)
    assert made == sentences()
    assert made != sentences(seed=1)
    for one in made:
        assert one.length == len(re.findall(r"\w+|\.", one.text)) == len(Prompt(one.text).text.split()) + 1
        assert not re.search(r"[{}]|  ", one.text)
    for kind in KINDS:
        lengths = [one.length for one in made if one.kind == kind]
        assert [lengths.count(n) for n in LENGTHS] == [len(lengths) / 2] * 2


def test_no_sentence_is_in_two_pairs_of_one_sort():
    made = sentences()
    same, other = pairs(made)
    for some in (same, other):
        used = [k for pair in some for k in pair]
        assert len(used) == len(set(used)) == len(made)
        assert all(made[a].length == made[b].length for a, b in some)
    assert all(made[a].template == made[b].template for a, b in same)
    assert all(made[a].template != made[b].template for a, b in other)


# The figures of a pattern


def test_tokens_are_joined_to_words():
    """[CLS] a bc [SEP], where "bc" is two tokens: keys added, queries averaged."""
    tokens = [Token("[CLS]", special=True), Token("a"), Token("b"), Token("c"), Token("[SEP]", special=True)]
    words = (Word("a", 0, 1, 0, (1,)), Word("bc", 2, 4, 0, (2, 3)))
    rows = torch.tensor(
        [[0.2] * 5, [0.1, 0.2, 0.3, 0.4, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0], [0.5, 0, 0, 0, 0.5]]
    )
    seen = torch.ones(1, 1, 5, 5, dtype=torch.bool)
    names = tuple(t.text for t in tokens)
    encoding = Encoding(Prompt("a bc"), (0,) * 5, None, tuple(tokens), words)
    found = patterns.by_word(AttentionPattern(rows[None, None], seen, names, names), encoding)
    wanted = [[0.2, 0.2, 0.4, 0.2], [0.1, 0.2, 0.7, 0], [0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5]]
    assert found.weights[0, 0] == pytest.approx(np.array(wanted), abs=1e-6)
    assert found.sink.tolist() == [True, False, False, True]


@pytest.mark.parametrize("architecture", ["bert", "gpt2"])
def test_words_of_a_model_sum_to_one_and_keep_what_its_mask_hides(architecture):
    lab = tiny_lab("masked" if architecture == "bert" else "causal", architecture, **LONG)
    (one,) = patterns.read(lab, sentences(1)[:1])
    assert one.weights.sum(-1) == pytest.approx(np.ones(one.weights.shape[:-1]), abs=1e-5)
    assert (one.weights[~one.visible] == 0).all()
    assert one.visible.all() == (architecture == "bert")
    assert one.sink.sum() == (2 if architecture == "bert" else 1)
    words = len(lab.encode(sentences(1)[0].text).words)
    assert len(one.rows) == words - 3


def test_evenness_is_the_entropy_of_scipy_over_its_largest():
    from scipy.stats import entropy

    one = drawn(causal=True)
    wanted = np.mean([entropy(one.weights[:, :, k, : k + 1], axis=-1) / np.log(k + 1) for k in one.rows], 0)
    assert patterns.evenness(one) == pytest.approx(wanted)
    assert patterns.evenness(patterns.even(one)) == pytest.approx(np.ones((2, 3)))
    assert patterns.evenness(one_hot([1, 0, 3, 1, 0], 5)).item() == 0
    lonely = replace(one, rows=(0, 3))
    assert patterns.evenness(lonely) == pytest.approx(patterns.evenness(replace(one, rows=(3,))))


def test_places_share_a_row_out():
    for one in (drawn(), drawn(causal=True)):
        assert patterns.division(one).sum(0) == pytest.approx(np.ones((2, 3)))
    n = 8
    for place, step in (("own", 0), ("previous", -1), ("next", 1), ("earlier", -2), ("later", 2)):
        keys = [min(max(k + step, 0), n - 1) for k in range(n)]
        head = replace(one_hot(keys, n, sink=()), rows=(3, 4, 5))
        assert patterns.division(head)[PLACES.index(place)].item() == 1
    assert patterns.division(one_hot([0] * n, n))[0].item() == 1
    flat = patterns.division(patterns.even(drawn(n)))[:, 0, 0]
    assert flat[:4] == pytest.approx([2 / n, 1 / n, 1 / n, np.mean([1, 1, 1, 1, 0]) / n])


def test_distance_is_how_many_words_away():
    back = patterns.distance(one_hot([0, 0, 0, 1, 2, 3, 4], 7))
    assert back[0].item() / back[1].item() == pytest.approx(2)  # rows 3 to 5; row 2 looks at the sink
    assert back[1].item() == 3
    flat = patterns.ratio(patterns.distance(patterns.even(drawn(6)))[None])
    wanted = np.mean([[abs(k - j) for j in range(1, 5)] for k in (2, 3, 4)])
    assert flat == pytest.approx(np.full((1, 2), wanted))


def test_what_moved_is_half_the_city_block_distance():
    from scipy.spatial.distance import braycurtis, cityblock

    one, other = drawn(seed=1), drawn(seed=2)
    wanted = np.mean([cityblock(one.weights[1, 2, k], other.weights[1, 2, k]) / 2 for k in one.rows])
    assert patterns.moved(one.weights, other.weights, one.rows)[1, 2] == pytest.approx(wanted)
    assert (patterns.moved(one.weights, one.weights, one.rows) == 0).all()
    apart = patterns.moved(one_hot([1] * 6, 6).weights, one_hot([2] * 6, 6).weights, (2, 3, 4))
    assert apart.item() == 1
    parts = patterns.apart_on_words([one, other], [(0, 1)])[0]
    flat = [s.weights[0, 1][list(s.rows)][:, ~s.sink].ravel() for s in (one, other)]
    assert parts[0, 0, 1] / parts[1, 0, 1] == pytest.approx(braycurtis(*flat))


def test_a_head_of_positions_has_no_content_and_a_head_of_one_word_has_all():
    by_position = [one_hot([0, 0, 1, 2, 3, 4], 6) for _ in range(2)]
    assert patterns.apart(by_position, [(0, 1)]).item() == 0
    at_a_word = [one_hot([place] * 6, 6) for place in (2, 4)]
    assert patterns.apart(at_a_word, [(0, 1)]).item() == 1
    resting = [
        replace(head, weights=0.75 * one_hot([0] * 6, 6).weights + 0.25 * head.weights) for head in at_a_word
    ]
    assert patterns.apart(resting, [(0, 1)]).item() == 0.25
    assert patterns.ratio(patterns.apart_on_words(resting, [(0, 1)])).item() == 1


def test_looking_back_leaves_a_decoder_as_it_is_and_hides_what_comes_from_an_encoder():
    causal, both = drawn(causal=True), drawn()
    assert patterns.looking_back(causal).weights == pytest.approx(causal.weights)
    assert (patterns.ahead(causal) == 0).all()
    back = patterns.looking_back(both)
    assert not np.triu(back.weights, 1).any()
    row = both.weights[1, 1, 3, :4]
    assert back.weights[1, 1, 3, :4] == pytest.approx(row / row.sum())
    kept = np.mean([both.weights[0, 0, k, : k + 1].sum() for k in both.rows])
    assert patterns.ahead(both)[0, 0] == pytest.approx(1 - kept)


# The encoder and the decoder


def two() -> al.Lab:
    """A tiny encoder that can load a tiny decoder."""
    lab = tiny_lab("masked", **LONG)
    lab.loader = lambda name: tiny_lab("causal", "gpt2", **LONG)
    return lab


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    return encoder_and_decoder.study(two(), each=2)


def test_the_comparison_says_the_same_twice_in_plain_json(small):
    again = encoder_and_decoder.study(two(), each=2)
    assert json.dumps(again, allow_nan=False) == json.dumps(small, allow_nan=False)


def test_the_sink_of_the_comparison_is_that_of_a_direct_loop(small):
    lab, found = two(), []
    for one in sentences(2):
        encoding = lab.encode(one.text)
        weights = lab.attention(encoding)["encoder"].weights
        rows = [list(word.positions) for word in encoding.words[2:-1]]
        found.append(np.mean([(weights[:, :, k, 0] + weights[:, :, k, -1]).mean().item() for k in rows]))
    assert small["readings"]["encoder"]["overall"]["sink"]["mean"] == pytest.approx(np.mean(found), abs=1e-5)


def test_the_mask_looks_from_where_it_stands(small):
    lab, found = two(), []
    for one in sentences(2):
        words = one.text[:-1].split()
        words[encoder_and_decoder.MASKED] = lab.tokenizer.mask_token
        encoding = lab.encode(f"{' '.join(words)}.")
        (place,) = encoding.find(lab.tokenizer.mask_token)
        found.append(lab.attention(encoding)["encoder"].weights[:, :, place, [0, -1]].sum(-1).mean().item())
    assert small["masked"]["from the mask"]["mean"] == pytest.approx(np.mean(found), abs=1e-5)


def test_progress_reaches_the_end():
    seen: list[tuple[int, int]] = []
    with al.watching(lambda done, total: seen.append((done, total))):
        encoder_and_decoder.study(two(), each=2)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_models_that_look_the_wrong_way_are_refused():
    wrong = tiny_lab("causal", "gpt2", **LONG)
    wrong.loader = lambda name: tiny_lab("causal", "gpt2", **LONG)
    with pytest.raises(al.AttentionLabError, match="an encoder"):
        encoder_and_decoder.study(wrong, each=2)
    lab = two()
    lab.loader = lambda name: tiny_lab("masked", **LONG)
    with pytest.raises(al.AttentionLabError, match="a decoder as the other"):
        encoder_and_decoder.study(lab, each=2)


# Before and after


@pytest.fixture
def folder(tmp_path):
    """A tiny BERT without any head, as a folder; its blocks are those of every `tiny_lab` with seed 0."""
    lab = tiny_lab(**LONG)
    lab.model.bert.save_pretrained(tmp_path)
    lab.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def after(seed: int = 0) -> al.Lab:
    """The tiny BERT with a head, which can load two others."""
    lab = tiny_lab(seed=seed, **LONG)
    lab.name = "sst2"

    def load(name: str) -> al.Lab:
        other = tiny_lab("masked" if name == "pronouns" else "answering", seed=len(name), **LONG)
        other.name = name
        return other

    lab.loader = load
    return lab


def test_an_encoder_without_a_head_is_read_as_it_is(folder):
    before, digest = encoder(folder)
    whole = tiny_lab(**LONG)
    encoding = whole.encode("There is nothing to dislike here.")
    assert before.encode("There is nothing to dislike here.").ids == encoding.ids
    assert torch.equal(
        before.attention(encoding)["encoder"].weights, whole.attention(encoding)["encoder"].weights
    )
    assert re.fullmatch("[0-9a-f]{12}", digest)
    with pytest.raises(al.AttentionLabError):
        al.load(folder)


def test_what_is_no_encoder_is_refused_in_one_line(folder, tmp_path_factory):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    cut = {name: value for name, value in weights.items() if "layer.1." not in name}
    save_file(cut, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(al.AttentionLabError, match="lacks weights of the encoder"):
        encoder(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(al.AttentionLabError, match="no weights"):
        encoder(folder)
    with pytest.raises(al.AttentionLabError, match="no folder"):
        encoder("not//a name")


def test_nothing_moved_in_a_model_that_is_the_same(folder):
    found = fine_tuning.study(after(), base=str(folder), others=(), each=2)
    assert found["moved"]["sst2"]["overall"]["mean"] == 0
    assert all(row["moved"]["sst2"] == 0 for row in found["heads"])
    assert found["change"]["sst2"]["evenness"]["overall"]["mean"] == 0


@pytest.mark.slow
def test_what_moved_is_that_of_a_direct_loop_and_the_same_twice(folder):
    found, again = (fine_tuning.study(after(seed=3), base=str(folder), each=2) for _ in range(2))
    assert json.dumps(found, allow_nan=False) == json.dumps(again, allow_nan=False)
    first, second, moves = tiny_lab(**LONG), tiny_lab(seed=3, **LONG), []
    for one in sentences(2):
        read = [patterns.read(lab, [one])[0].weights[1, 2] for lab in (first, second)]
        moves.append(1 - np.minimum(*read).sum(-1).mean())
    row = next(row for row in found["heads"] if (row["layer"], row["head"]) == (1, 2))
    assert row["moved"]["sst2"] == pytest.approx(np.mean(moves), abs=1e-5)


def test_another_shape_and_another_tokenizer_are_refused(folder):
    lab = tiny_lab(num_hidden_layers=3, **LONG)
    with pytest.raises(al.AttentionLabError, match="3 layers"):
        fine_tuning.study(lab, base=str(folder), others=(), each=2)
    other = tiny_lab("masked", "roberta", max_position_embeddings=258)
    other.reader.tokenizer = tiny_tokenizer("bytes")
    with pytest.raises(al.AttentionLabError, match="cut words differently"):
        fine_tuning.study(other, base=str(folder), others=(), each=2)


def test_ranks_are_those_of_scipy_and_directions_cosines():
    from scipy.stats import spearmanr

    rng: Any = np.random.default_rng(0)
    one, other = rng.random((5, 2, 4)), rng.random((5, 2, 4))
    found: Any = fine_tuning._ranks(one, other, 0)
    a, b = one.mean(0), other.mean(0)
    tests: Any = spearmanr
    assert found["ranks"]["mean"] == pytest.approx(tests(a.ravel(), b.ravel()).statistic)
    inner = [tests(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert found["ranks within layers"]["mean"] == pytest.approx(np.mean(inner))
    base, changed = drawn(seed=1), drawn(seed=2)
    half = replace(base, weights=(base.weights + changed.weights) / 2)
    away = replace(base, weights=2 * base.weights - changed.weights)
    assert fine_tuning._directions([base], [changed], [half]) == pytest.approx(np.ones((1, 2, 3)))
    assert fine_tuning._directions([base], [changed], [away]) == pytest.approx(-np.ones((1, 2, 3)))
    assert (fine_tuning._directions([base], [changed], [base]) == 0).all()


# The records and the stories


@pytest.fixture(params=STUDIES, ids=lambda study: study.NAME)
def told(request) -> tuple[Any, dict[str, Any]]:
    record = _story.recorded(request.param.NAME)
    assert record is not None
    return request.param, record


def said_in(study: Any, record: dict[str, Any]) -> str:
    steps, closing = study.story(record)
    lines = [*(step.text for step in steps), *closing.found, *closing.not_found, *closing.sure]
    return "\n".join(lines).replace("−", "-")


def numbers(value: Any) -> set[str]:
    """All ways in which a story writes the figures of a record."""
    if isinstance(value, dict):
        return {said for one in value.values() for said in numbers(one)}
    if isinstance(value, list):
        return {said for one in value for said in numbers(one)}
    if isinstance(value, bool) or not isinstance(value, int | float):
        return set()
    return {f"{100 * value:.1f}", f"{value:.2f}", f"{value:.1f}", f"{value:g}"} | {f"{100 * value:+.1f}"}


def test_the_record_is_up_to_date(told):
    study, record = told
    figures = record["figures"]
    assert record["study"] == study.NAME
    assert record["question"] == study.QUESTION
    assert record["model"]["digest"] == _story.digest(study.MODEL)
    assert figures["design"]["texts"] == [one.text for one in sentences(seed=record["seed"])]
    assert (_story.RECORDED / f"{study.NAME}.json").stat().st_size < 100_000
    if study is encoder_and_decoder:
        assert figures["decoder"]["digest"] == _story.digest(encoder_and_decoder.OTHER)
    else:
        assert figures["models"] == [fine_tuning.MODEL, *fine_tuning.OTHERS]
        assert figures["base"]["digest"] == "53aa51172d14"  # of the weights of all-MiniLM-L6-v2 on the Hub


def test_every_number_of_the_story_is_in_the_record(told):
    study, record = told
    known = numbers(record["figures"]) | {"95", "0", "1"}  # of intervals, and the ends of a scale
    known |= {str(layer) for layer in range(record["model"]["layers"])}
    if study is fine_tuning:
        limit = record["figures"]["design"]["kept"]
        known |= {str(sum(max(row["moved"].values()) < limit for row in record["figures"]["heads"]))}
        known |= {str(len(record["figures"]["models"]))}
    text = said_in(study, record)
    for name in (record["figures"].get("base", {}).get("name", ""), "openai-community/gpt2"):
        text = text.replace(name, "")
    found = re.findall(r"(?<![\w.-])[+-]?\d+(?:\.\d+)?", text)
    assert len(found) > 40
    for number in found:
        assert number in known, number


def test_the_story_of_the_comparison_follows_its_record():
    record = _story.recorded("encoder_and_decoder")
    assert record is not None
    other = copy.deepcopy(record)
    for figure in other["figures"]["differences"]["back"].values():
        figure["mean"], figure["low"], figure["high"] = -figure["mean"], -figure["high"], -figure["low"]
    was, now = (said_in(encoder_and_decoder, one) for one in (record, other))
    assert "the decoder gives its sink less" in was
    assert "the decoder gives its sink more" in now
    assert "more even" in was
    assert "less even" in now
    assert "the order turns round" in was
    other["figures"]["differences"]["back"]["content"] = record["figures"]["differences"]["back"]["content"]
    assert "the order stays" in said_in(encoder_and_decoder, other)


def test_the_story_of_fine_tuning_follows_its_record():
    record = _story.recorded("fine_tuning")
    assert record is not None
    other = copy.deepcopy(record)
    changes = other["figures"]["change"]
    changes["sst2"], changes["pronouns"] = changes["pronouns"], changes["sst2"]
    for head in other["figures"]["heads"]:
        head["moved"]["pronouns"] = 0.05
    was, now = (said_in(fine_tuning, one) for one in (record, other))
    assert "The sink: up in `pronouns` and down in `sst2` and `qa`" in was
    assert "The sink: up in `sst2` and down in `pronouns` and `qa`" in now
    assert f"1 of {len(other['figures']['heads'])} heads keeps its pattern" in was
    assert "(5.0\u00a0%)" in now


def test_every_step_opens_something_that_runs(told):
    study, record = told
    labs = {
        "sst2": tiny_lab(**LONG),
        "pronouns": tiny_lab("masked", **LONG),
        "qa": tiny_lab("answering", **LONG),
        "gpt2-mini": tiny_lab("causal", "gpt2", **LONG),
    }
    steps, _ = study.story(record)
    assert len(steps) == 5
    for step in steps:
        assert step.tries
        for one in step.tries:
            assert one.model in labs
            run = labs[one.model].run(al.Prompt(one.text, one.second))
            for edit in one.edits:
                kept = {k: v for k, v in edit["where"].items() if k not in ("layers", "heads")}
                assert run.again(al.edit_from_json({**edit, "where": kept})).edited_calls


def test_the_stories_of_tiny_models_can_be_told(small, folder):
    record = {"figures": small, "model": {"name": "tiny"}}
    steps, closing = encoder_and_decoder.story(record)
    assert len(steps) == 5
    assert closing.found
    figures = fine_tuning.study(after(seed=3), base=str(folder), each=2)
    steps, closing = fine_tuning.story({"figures": figures, "model": {"name": "tiny"}})
    assert len(steps) == 5
    assert closing.found


# The command line and the pages


@pytest.mark.parametrize(
    ("asked", "said"),
    [(["negation", "--other", "gpt2-mini"], "--other out"), (["negation", "--base", "."], "--base out")],
)
def test_an_option_of_another_study_is_refused(asked, said, capsys):
    assert command.main(asked) == 2
    assert said in capsys.readouterr().err


def test_options_reach_their_study(folder, capsys, monkeypatch):
    heard = {}
    monkeypatch.setattr(al, "load", lambda name: heard.setdefault("model", name))
    monkeypatch.setattr(_story, "run", lambda name, lab, seed, **options: heard.update(options) or heard)
    assert command.made("fine_tuning", None, 0, base="somewhere", other=None, data=None) == heard
    assert heard == {"model": "sst2", "base": "somewhere"}
    command.made("encoder_and_decoder", None, 0, other="gpt2-mini", base=None, data=None)
    assert heard["other"] == "gpt2-mini"


def test_a_state_opens_with_its_own_model():
    from pages.ui.story import query

    assert query(_story.Try("compare", "a", model="gpt2-mini"), "pronouns")["model"] == "gpt2-mini"
    assert query(_story.Try("compare", "a"), "pronouns")["model"] == "pronouns"


@pytest.mark.pages
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.NAME)
def test_only_a_study_that_can_be_computed_here_offers_it(study, monkeypatch):
    from concurrent.futures import Future
    from pathlib import Path

    import streamlit as st
    from streamlit.testing.v1 import AppTest

    from pages.ui import backend

    ready: Future = Future()
    ready.set_result(tiny_lab())
    monkeypatch.setattr(backend.Backend, "lab", lambda self, name="": ready)
    st.cache_resource.clear()
    at = AppTest.from_file(str(Path(__file__).resolve().parents[1] / "app.py"), default_timeout=60)
    at.switch_page(f"pages/{study.NAME}.py").run()
    st.cache_resource.clear()
    assert not at.exception, at.exception[0].stack_trace
    text = "\n".join(one.value for one in at.markdown)
    live = [button for button in at.button if button.key == "live"]
    assert bool(live) == (study is encoder_and_decoder)
    assert ("--base FOLDER" in text) == (study is fine_tuning)
    assert "Recorded on" in text
