"""Scores made elsewhere come to the tokens they belong to, and what cannot be laid along the text is refused."""

from __future__ import annotations

import base64
import csv
import gzip
import json
import random
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from attnlab_core._pieces import fold, spellings
from attnlab_core.errors import BadInput
from attnlab_core.external import read_scores
from attnlab_core.methods import attribute_all
from attnlab_core.metrics import judge
from attnlab_core.prompt import Prompt
from attnlab_core.record import of_attributions
from attnlab_core.run import Run
from attnlab_core.testing import tiny_lab

SENTENCE = "There is nothing to dislike here, unexpectedly."


@cache
def run_of(task: str, architecture: str, text: str, second: str | None = None) -> Run:
    return tiny_lab(task, architecture).run(Prompt(text, second))


def bert(text: str = SENTENCE, second: str | None = None) -> Run:
    return run_of("classification", "bert", text, second)


def gpt(text: str) -> Run:
    return run_of("causal", "gpt2", text)


def write(folder: Path, content: object, name: str = "scores.json") -> Path:
    file = folder / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return file


def pieces_of(run: Run) -> list[str]:
    """The tokens as the tokenizer itself writes them."""
    return run.lab.tokenizer.convert_ids_to_tokens(list(run.encoding.ids))


def by_word(run: Run, scores: torch.Tensor) -> dict[str, float]:
    return {word.text: float(scores[list(word.positions)].sum()) for word in run.encoding.words}


# --- our own ---


@pytest.mark.parametrize(
    "run",
    [
        bert,
        lambda: bert("A great film.", "The movie was good."),
        lambda: run_of("answering", "bert", "What is the capital?", "Paris is the capital."),
        lambda: run_of("causal", "llama", "Paris is the capital of"),
        lambda: gpt("Paris\n is   the “capital” – of"),
    ],
)
def test_our_own_record_comes_back_as_it_was(run, tmp_path: Path) -> None:
    found = run()
    made = attribute_all(found, ["input_x_gradient", "raw_attention"])
    again = read_scores(write(tmp_path, of_attributions(found, made)), found)
    for one, other in zip(made, again, strict=True):
        torch.testing.assert_close(one.scores, other.scores, rtol=0, atol=1e-15)
        same = ("method", "label", "tokens", "words", "target", "params", "signed", "aggregation", "notes")
        assert [getattr(one, name) for name in same] == [getattr(other, name) for name in same]


def test_a_continuations_own_tokens_are_left_out(tmp_path: Path) -> None:
    run = gpt("Paris is the capital of")
    made = attribute_all(run, ["atman"], "France. What")
    again = read_scores(write(tmp_path, of_attributions(run, made)), run)[0]
    assert len(made[0].scores) > len(again.scores)
    torch.testing.assert_close(again.scores, made[0].scores[: len(run.tokens)], rtol=0, atol=1e-15)


def test_another_tokenizers_record_keeps_the_sum_of_every_word(tmp_path: Path) -> None:
    here, there = bert(), run_of("classification", "gpt2", SENTENCE)
    made = attribute_all(there, ["input_x_gradient"], 1)
    found = read_scores(write(tmp_path, of_attributions(there, made)), here)[0]
    expected = by_word(there, made[0].scores)
    assert by_word(here, found.scores) == pytest.approx(expected)
    long = next(word for word in here.encoding.words if word.text == "unexpectedly")
    assert len(long.positions) > 1
    assert not found.scores[[0, -1]].any()


def test_our_record_of_another_text_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, of_attributions(bert(), attribute_all(bert(), ["random"])))
    with pytest.raises(BadInput, match="another text"):
        read_scores(file, bert("There is nothing to dislike."))


# --- transformers-interpret ---


def test_word_attributions_of_transformers_interpret(tmp_path: Path) -> None:
    run = bert()
    pairs = [[piece, k / 10] for k, piece in enumerate(pieces_of(run))]
    assert ["[CLS]", 0.0] in pairs
    found = read_scores(write(tmp_path, pairs, "words.json"), run)[0]
    assert found.scores.tolist() == [pair[1] for pair in pairs]
    assert (found.method, found.target, found.signed) == ("words", "", False)
    assert not found.notes


def test_its_two_lists_for_an_answer(tmp_path: Path) -> None:
    run = run_of("answering", "bert", "What is the capital?", "Paris is the capital of France.")
    pieces = pieces_of(run)
    given = {"start": [[p, 1.0] for p in pieces], "end": [[p, -k] for k, p in enumerate(pieces)]}
    start, end = read_scores(write(tmp_path, given, "qa.json"), run)
    assert (start.method, end.method) == ("qa: start", "qa: end")
    assert start.scores.tolist() == [1.0] * len(pieces)
    assert end.scores.tolist() == [-float(k) for k in range(len(pieces))]
    assert end.signed


def test_byte_pieces_with_and_without_their_marks(tmp_path: Path) -> None:
    text = "Gaga goes to the café – \n\n come “here”, Ça!"
    run = gpt(text)
    pieces = pieces_of(run)
    assert any(piece.startswith("Ġ") for piece in pieces)
    pairs = [[piece, float(k)] for k, piece in enumerate(pieces)]
    found = read_scores(write(tmp_path, pairs), run)[0]
    assert float(found.scores.sum()) == pytest.approx(sum(range(len(pieces))))
    for word in run.encoding.words:
        if word.text.isascii() and word.text.isalpha():
            expected = sum(k for k in word.positions)
            assert by_word(run, found.scores)[word.text] == pytest.approx(expected), word.text
    plain = gpt("Paris is the capital of")
    bare = [[piece.replace("Ġ", ""), 1.0] for piece in pieces_of(plain)]
    assert read_scores(write(tmp_path, bare), plain)[0].scores.tolist() == [1.0] * len(bare)


def test_byte_pieces_on_another_models_tokens(tmp_path: Path) -> None:
    text = "Gaga goes to a café – and Ça come “here”!"
    there, here = gpt(text), bert(text)
    pairs = [[piece, 2.0**-k] for k, piece in enumerate(pieces_of(there))]
    found = read_scores(write(tmp_path, pairs), here)[0]
    scores = torch.tensor([score for _, score in pairs], dtype=torch.float64)
    assert len(pairs) != len(here.tokens)
    assert by_word(here, found.scores) == pytest.approx(by_word(there, scores))


# --- inseq ---

SCORES = [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.0, 0.1], [0.2, 0.3], [float("nan"), 0.9], [float("nan")] * 2]
SUMS = [0.3, 0.7, 1.1, 0.1, 0.5]


def packed(array: np.ndarray, compress: bool) -> dict[str, object]:
    raw = array.tobytes()
    body = base64.b64encode(gzip.compress(raw) if compress else raw).decode()
    head = "b64.gz:" if compress else "b64:"
    return {"__ndarray__": head + body, "dtype": str(array.dtype), "shape": array.shape, "Corder": True}


def tensors(array: np.ndarray, dtype: torch.dtype = torch.float32) -> str:
    return base64.b64encode(save({"attribution": torch.from_numpy(array).to(dtype)})).decode()


def inseq(scores: object, tagged: bool, source: bool = False) -> dict[str, object]:
    """A file as inseq 0.7 writes it, with the types of its classes or without."""

    def tag(kind: str, fields: dict[str, object]) -> dict[str, object]:
        return {"__instance_type__": ["inseq.data", kind], "attributes": fields} if tagged else fields

    pieces = ["Paris", "Ġis", "Ġthe", "Ġcapital", "Ġof", "ĠFrance", "."]
    tokens = [tag("TokenWithId", {"id": k, "token": piece}) for k, piece in enumerate(pieces)]
    sequence = {
        "source": tokens[:5],
        "target": tokens[5:] if source else tokens,
        "source_attributions": scores if source else None,
        "target_attributions": None if source else scores,
        "step_scores": {},
    }
    return tag(
        "FeatureAttributionOutput",
        {
            "info": {"attribution_method": "saliency"},
            "sequence_attributions": [tag("FeatureAttributionSequenceOutput", sequence)],
            "step_attributions": None,
        },
    )


@pytest.mark.parametrize("tagged", [True, False])
@pytest.mark.parametrize(
    "form",
    [
        tensors,
        lambda array: tensors(array, torch.float16),
        lambda array: array.tolist(),
        lambda array: packed(array, True),
        lambda array: packed(array, False),
        lambda array: {"__ndarray__": array.tolist(), "dtype": "float64", "shape": array.shape},
    ],
)
def test_what_inseq_saves(form, tagged: bool, tmp_path: Path) -> None:
    run = gpt("Paris is the capital of")
    file = write(tmp_path, inseq(form(np.array(SCORES)), tagged))
    found = read_scores(file, run)[0]
    np.testing.assert_allclose(found.scores.numpy(), SUMS, atol=2e-3)
    assert found.label == "saliency (inseq)"
    assert "summed over 2 generated" in found.aggregation


def test_what_inseq_saves_of_two_part_models_and_by_the_width(tmp_path: Path) -> None:
    run = gpt("Paris is the capital of")
    source = inseq(tensors(np.array(SCORES)[:5]), True, source=True)
    np.testing.assert_allclose(read_scores(write(tmp_path, source), run)[0].scores, SUMS, atol=1e-6)
    wide = np.stack([np.array(SCORES) * 3, np.array(SCORES) * 4], axis=-1)
    found = read_scores(write(tmp_path, inseq(tensors(wide), True)), run)[0]
    np.testing.assert_allclose(found.scores, [5 * one for one in SUMS], atol=1e-5)
    assert "L2 norm" in found.aggregation


def test_inseqs_compressed_file(tmp_path: Path) -> None:
    file = tmp_path / "out.json.gz"
    file.write_bytes(gzip.compress(json.dumps(inseq(tensors(np.array(SCORES)), True)).encode()))
    found = read_scores(file, gpt("Paris is the capital of"))[0]
    np.testing.assert_allclose(found.scores, SUMS, atol=1e-6)


def test_of_several_texts_the_one_that_fits_is_read(tmp_path: Path) -> None:
    one, other = inseq(tensors(np.array(SCORES)), False), inseq(tensors(np.array(SCORES)), False)
    other["sequence_attributions"][0]["target"][0]["token"] = "London"
    one["sequence_attributions"] = other["sequence_attributions"] + one["sequence_attributions"]
    assert len(read_scores(write(tmp_path, one), gpt("Paris is the capital of"))) == 1
    with pytest.raises(BadInput, match="“London”"):
        read_scores(write(tmp_path, other), gpt("Paris is the capital of"))


def test_inseqs_scores_by_layer_and_head_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, inseq(tensors(np.zeros((7, 2, 3, 4))), True))
    with pytest.raises(BadInput, match="aggregate"):
        read_scores(file, gpt("Paris is the capital of"))
    with pytest.raises(BadInput, match="no scores for its target"):
        read_scores(write(tmp_path, inseq(None, True)), gpt("Paris is the capital of"))
    with pytest.raises(BadInput, match="cannot be unpacked"):
        read_scores(write(tmp_path, inseq("not base64", True)), gpt("Paris is the capital of"))


# --- tables ---


def table(folder: Path, rows: list[list[object]], name: str = "scores.csv") -> Path:
    file = folder / name
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, delimiter="\t" if name.endswith(".tsv") else ",").writerows(rows)
    return file


@pytest.mark.parametrize("name", ["scores.csv", "scores.tsv"])
def test_words_share_their_score_equally_among_their_tokens(name: str, tmp_path: Path) -> None:
    words = ["There", "is", "nothing", "to", "dislike", "here", ",", "unexpectedly", "."]
    rows = [["Word", "Score"], *[[word, 2.0**k] for k, word in enumerate(words)]]
    found = read_scores(table(tmp_path, rows, name), bert())[0]
    assert by_word(bert(), found.scores) == {word: pytest.approx(2.0**k) for k, word in enumerate(words)}
    long = next(word for word in bert().encoding.words if word.text == "unexpectedly")
    assert len(set(found.scores[list(long.positions)].tolist())) == 1


def test_a_table_without_punctuation_and_with_it_in_the_words(tmp_path: Path) -> None:
    plain = ["there", "is", "nothing", "to", "dislike", "here", "unexpectedly"]
    rows = [["token", "score"], *[[word, 1] for word in plain]]
    found = by_word(bert(), read_scores(table(tmp_path, rows), bert())[0].scores)
    assert found == {word.text: float(word.text.isalpha()) for word in bert().encoding.words} | {
        word: pytest.approx(1) for word in ("unexpectedly",)
    }
    glued = [["token", "score"], *[[word, 2] for word in SENTENCE.split()]]
    found = by_word(bert(), read_scores(table(tmp_path, glued), bert())[0].scores)
    assert (found["here"], found[","]) == (1, 1)
    assert found["unexpectedly"] + found["."] == pytest.approx(2)


def test_a_table_of_several_texts_and_methods(tmp_path: Path) -> None:
    rows = [["text_id", "method", "token", "score"]]
    rows += [["a", "lime", word, 1] for word in "Another text .".split()]
    rows += [["b", "lime", word, 2] for word in ["[CLS]", *SENTENCE.split(), "[SEP]"]]
    rows += [["b", "shap", word, -3] for word in SENTENCE.split()]
    found = read_scores(table(tmp_path, rows), bert())
    assert [one.method for one in found] == ["lime", "shap"]
    assert float(found[0].scores[0]) == 2
    assert float(found[1].scores.sum()) == pytest.approx(-3 * len(SENTENCE.split()))


def test_our_own_frame_as_a_table(tmp_path: Path) -> None:
    made = attribute_all(bert(), ["occlusion"])[0]
    file = tmp_path / "frame.csv"
    made.to_frame().to_csv(file, index=False)
    torch.testing.assert_close(read_scores(file, bert())[0].scores, made.scores)
    rows = json.loads(made.to_frame().to_json(orient="records"))
    found = read_scores(write(tmp_path, rows), bert())[0]
    torch.testing.assert_close(found.scores, made.scores, rtol=0, atol=1e-9)


# --- laying pieces along a text ---


def test_sums_are_kept_however_a_text_is_cut(tmp_path: Path) -> None:
    dice, letters = random.Random(0), SENTENCE.replace(" ", "")
    for _ in range(50):
        cuts = [0, *sorted(dice.sample(range(1, len(letters)), dice.randint(1, 20))), len(letters)]
        pairs = [[letters[a:b], dice.uniform(-1, 1)] for a, b in pairwise(cuts)]
        found = read_scores(write(tmp_path, pairs), bert())[0]
        assert float(found.scores.sum()) == pytest.approx(sum(score for _, score in pairs))


def test_unknown_tokens_stand_for_what_is_between(tmp_path: Path) -> None:
    run = bert("There is 日本 🙂🙂 nothing here.")
    pairs = [["there", 1], ["is", 2], ["[UNK]", 4], ["[UNK]", 8], ["nothing", 16], ["here", 32], [".", 64]]
    found = by_word(run, read_scores(write(tmp_path, pairs), run)[0].scores)
    assert found == {"There": 1, "is": 2, "日本": 4, "🙂🙂": 8, "nothing": 16, "here": 32, ".": 64}
    last = bert("There is 日本")
    pairs = [["there", 1], ["is", 2], ["[UNK]", 4]]
    assert by_word(last, read_scores(write(tmp_path, pairs), last)[0].scores)["日本"] == 4


def test_special_tokens_of_another_model_are_left_out_with_a_note(tmp_path: Path) -> None:
    pairs = [["<s>", 5], *[[word, 1] for word in SENTENCE.split()], ["</s>", 5]]
    found = read_scores(write(tmp_path, pairs), bert())[0]
    assert float(found.scores.sum()) == pytest.approx(len(SENTENCE.split()))
    assert found.notes == (
        "2 special token(s) of the file are not among this model's; their scores are left out.",
    )


def test_a_mask_in_the_text_is_no_special_token(tmp_path: Path) -> None:
    run = run_of("masked", "bert", "Paris is the [MASK] of France.")
    pairs = [[piece, float(k)] for k, piece in enumerate(pieces_of(run))]
    assert read_scores(write(tmp_path, pairs), run)[0].scores.tolist() == [score for _, score in pairs]


def test_what_a_piece_may_stand_for() -> None:
    assert fold(" Çafé\n") == "cafe"
    assert "ly" in spellings("##ly")
    assert " good" in spellings("▁good")
    assert "good" in spellings("good</w>")
    assert spellings("ĠÃ©t", in_bytes=True) == [" ét"]
    assert spellings("Ã", in_bytes=True) == []


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ([["There", 1], ["was", 1]], "s.json", "goes on with “isnothing.*they have “was”"),
        ([["There", 1], ["is", 1]], "s.json", "end before “nothing"),
        (
            [*[[word, 1] for word in SENTENCE.split()], ["more", 1]],
            "s.json",
            "the text's end, they have “more”",
        ),
        ([["There", float("nan")]], "s.json", "no finite number"),
        ({"a": 1}, "s.json", "no known kind"),
        ([], "s.json", "no known kind"),
        ({"tokens": [], "attributions": [{}]}, "s.json", "no known kind"),
        ("{", "s.json", "no JSON"),
        ("word,weights\na,1\n", "s.csv", "needs a column token .* it has word, weights"),
        ("", "s.csv", "no rows"),
        ("word,score\na,high\n", "s.csv", "line 2: the score 'high' is no number"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(content, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        read_scores(write(tmp_path, content, name), bert())
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_scores(tmp_path / "none.json", bert())


# --- judged like any other ---


def test_scores_from_elsewhere_are_judged_like_our_own(tmp_path: Path) -> None:
    run = bert()
    made = attribute_all(run, ["occlusion"])
    file = tmp_path / "frame.csv"
    made[0].to_frame().to_csv(file, index=False)
    own, read = judge(run, [*made, *read_scores(file, run)], controls=())
    assert read.method == "frame"
    assert read.values == pytest.approx(own.values, abs=1e-9)
    asked = judge(run, read_scores(file, run), names=["sensitivity"], controls=())[0]
    assert "cannot be made again" in asked.why["sensitivity"]
