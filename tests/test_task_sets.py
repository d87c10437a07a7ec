"""What each data set is read as and what it measures agree with an independent count."""

from __future__ import annotations

import csv
import json
import math
import os
from pathlib import Path

import datasets
import pytest
import torch

from attnlab_core.errors import BadInput
from attnlab_core.models import load
from attnlab_core.prompt import Prompt
from attnlab_core.targets import Target
from attnlab_core.tasks import MASK, Row, Stretch
from attnlab_core.tasks._agreement_items import make
from attnlab_core.tasks._base import with_mask
from attnlab_core.tasks._measuring import label_number
from attnlab_core.tasks._squad_score import exact, f1
from attnlab_core.tasks.agreement import Agreement
from attnlab_core.tasks.custom import Custom, write
from attnlab_core.tasks.hotpotqa import Hotpotqa
from attnlab_core.tasks.squad import Squad
from attnlab_core.tasks.sst2 import Sst2
from attnlab_core.tasks.wikitext2 import Wikitext2
from attnlab_core.tasks.winobias import Winobias
from attnlab_core.testing import tiny_lab
from tests.task_data import ARTICLES, HOTPOT, OWN, PLACE, TEXT, lab_of, put, sst2, winobias

DATA = Path(os.environ.get("ATTNLAB_DATA", Path(__file__).parents[2] / "shared/data"))
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="needs the data sets; set ATTNLAB_DATA to their folder"
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """What `datasets` writes beside the files goes away with the test."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path_factory.mktemp("datasets")))


# --- SST-2


def test_labels_are_matched_by_name_and_by_number_only_where_names_say_nothing():
    classes = (("negative", "neg"), ("positive", "pos"))
    known = [
        ("negative", "positive"),
        ("POSITIVE", "NEGATIVE"),
        ("neg", "neutral", "pos"),
        ("0", "1"),
        ("LABEL_0", "LABEL_1"),
    ]
    assert [label_number("positive", labels, classes) for labels in known] == [1, 0, 2, 1, 1]
    for labels in [("1 star", "5 stars"), ("good", "bad"), ("LABEL_0", "LABEL_1", "LABEL_2")]:
        with pytest.raises(BadInput, match="negative and positive"):
            label_number("positive", labels, classes)


def test_a_row_has_the_labels_of_its_lab(tmp_path):
    swapped = tiny_lab(id2label={0: "POS", 1: "NEG"}, label2id={"POS": 0, "NEG": 1})
    row = next(Sst2().rows(sst2(tmp_path), lab=swapped))
    assert (row.gold, row.wrong) == (("POS",), "NEG")
    run = swapped.run(row.prompt)
    assert Sst2().ask(row, swapped)["surprisal"] == pytest.approx(
        -math.log(run.probabilities["POS"]), rel=1e-5
    )
    plain = next(Sst2().rows(sst2(tmp_path)))
    assert Sst2().measure(plain, run.asked) == Sst2().measure(row, run.asked)


@needs_data
@pytest.mark.slow
def test_accuracy_of_the_shipped_model_is_that_of_a_plain_loop():
    lab, task = load("sst2"), Sst2()
    said = [task.ask(row, lab)["correct"] for row in task.rows(DATA, lab=lab, limit=40, seed=1)]
    lines = [
        line.rsplit("\t", 1) for line in (DATA / "sst2/dev.tsv").read_text(encoding="utf-8").splitlines()[1:]
    ]
    gold = {text.strip(): int(label) for text, label in lines}
    texts = [row.prompt.text for row in task.rows(DATA, limit=40, seed=1)]
    right = []
    for text in texts:
        with torch.no_grad():
            right.append(
                float(
                    int(lab.model(**lab.tokenizer(text, return_tensors="pt")).logits.argmax()) == gold[text]
                )
            )
    assert said == right
    assert 0.85 < sum(right) / len(right) < 1


# --- SQuAD


@pytest.mark.parametrize(
    ("said", "gold", "em", "overlap"),
    [
        ("the Eiffel-Tower.", ["EiffelTower"], 1, 1),  # punctuation goes, words grow together
        ("a an the", [""], 1, 1),  # nothing but articles is the empty answer
        ("", ["x"], 0, 0),
        ("theatre", ["atre"], 0, 0),  # an article is a word, not letters
        (
            "in in Paris",
            ["in Paris in France"],
            0,
            6 / 7,
        ),  # 3 words shared, counted as often as both have them
        ("1,000 men", ["1000 men", "men"], 1, 1),
        ("five red cats", ["red dogs", "six red cats"], 0, 2 / 3),
    ],
)
def test_answers_are_compared_as_squad_does(said, gold, em, overlap):
    assert exact(said, gold) == em
    assert f1(said, gold) == pytest.approx(overlap)


def test_questions_are_read_from_articles_and_from_rows_alike(tmp_path):
    rows = list(Squad().rows(put(tmp_path / "dev.json", json.dumps(ARTICLES))))
    assert [row.gold for row in rows] == [("a town",), ("Sweden",), ("no answer",)]
    assert rows[0].prompt == Prompt("What is Bern?", PLACE)
    assert rows[0].rationale == (Stretch(1, 34, 40),)  # at its place, though the words come earlier as well
    assert rows[0].group == rows[1].group != rows[2].group
    frame = [
        {"id": e["id"], "title": "t", "question": e["question"], "context": p["context"],
         "answers": {k: [a[k] for a in e["answers"]] for k in ("text", "answer_start")}}
        for p in ARTICLES["data"][0]["paragraphs"] for e in p["qas"]
    ]  # fmt: skip
    datasets.Dataset.from_list(frame).to_parquet(tmp_path / "validation.parquet")
    assert list(Squad().rows(tmp_path / "validation.parquet")) == rows


def test_a_long_paragraph_is_cut_and_said_to_be(tmp_path):
    article = {
        "context": "It is. " * 60 + "Ann left.",
        "qas": [{"id": "1", "question": "Who left?", "answers": [{"text": "Ann", "answer_start": 420}]}],
    }
    file = put(tmp_path / "dev.json", json.dumps({"data": [{"paragraphs": [article]}]}))
    lab = lab_of("squad")
    (whole,), (row,) = Squad().rows(file), Squad().rows(file, lab=lab)
    assert whole.rationale == (Stretch(1, 420, 423),)
    assert row.cut > 0
    assert row.rationale is None
    assert len(lab.encode(row.prompt).ids) <= (lab.max_tokens or 0)
    assert Squad().ask(row, lab)["exact"] == 0


# --- HotpotQA


def test_supporting_sentences_are_the_rationale(tmp_path):
    (row,) = Hotpotqa().rows(put(tmp_path / "hotpot_dev.json", json.dumps([HOTPOT])))
    context = row.prompt.second or ""
    assert context.split("\n")[1] == "Film: The Film is here. The Film came to Paris."
    assert [context[s.start : s.end] for s in row.rationale or ()] == [
        "The Doctor came to Paris.",
        "The Movie is here.",
    ]
    hub = HOTPOT | {
        "id": "h1",
        "context": dict(
            zip(("title", "sentences"), map(list, zip(*HOTPOT["context"], strict=True)), strict=True)
        ),
        "supporting_facts": {"title": ["Movie", "Doctor", "Doctor"], "sent_id": [0, 1, 7]},
    }
    datasets.Dataset.from_list([hub]).to_parquet(tmp_path / "hub.parquet")
    assert list(Hotpotqa().rows(tmp_path / "hub.parquet")) == [row]


def test_other_paragraphs_go_first_from_the_end(tmp_path):
    short = tiny_lab("answering", max_position_embeddings=55)
    file = put(tmp_path / "hotpot_dev.json", json.dumps([HOTPOT]))
    (whole,), (row,) = Hotpotqa().rows(file), Hotpotqa().rows(file, lab=short)
    kept = [line.split(":")[0] for line in (row.prompt.second or "").split("\n")]
    assert kept == ["Doctor", "Film", "Movie"]
    tokens = [len(short.encode(one.prompt).ids) for one in (whole, row)]
    assert tokens[1] <= 55 < tokens[0]
    assert row.cut == tokens[0] - tokens[1]
    texts = [(row.prompt.second or "")[s.start : s.end] for s in row.rationale or ()]
    assert texts == ["The Doctor came to Paris.", "The Movie is here."]


def test_yes_and_no_are_left_out_unless_asked_for(tmp_path):
    file = put(tmp_path / "dev.json", json.dumps([HOTPOT, HOTPOT | {"_id": "h2", "answer": "yes"}]))
    assert [row.id for row in Hotpotqa().rows(file)] == ["h1"]
    assert [row.id for row in Hotpotqa().rows(file, limit=1, seed=1)] == ["h1"]
    assert [row.id for row in Hotpotqa(yes_no=True).rows(file)] == ["h1", "h2"]


# --- WikiText-2


@pytest.mark.parametrize(("window", "stride"), [(20, 7), (20, 19), (64, None), (9, 4)])
@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_perplexity_is_that_of_a_plain_strided_loop(tmp_path, architecture, window, stride):
    lab = tiny_lab("causal", architecture)
    task = Wikitext2(window=window, stride=stride)
    rows = list(task.rows(put(tmp_path / "wiki.valid.raw", TEXT), lab=lab))
    said = [task.ask(row, lab) for row in rows]
    ids = torch.tensor([lab.tokenizer(TEXT, verbose=False)["input_ids"]])
    total, before = 0.0, 0
    for begin in range(0, ids.shape[1], stride or window // 2):
        end = min(begin + window, ids.shape[1])
        part = ids[:, begin:end]
        wanted = part.clone()
        wanted[:, : before - end] = -100  # the shift inside the loss leaves the very first token out
        with torch.no_grad():
            count = int((wanted[:, 1:] != -100).sum())
            total += float(lab.model(part, labels=wanted).loss) * count
        before = end
        if end == ids.shape[1]:
            break
    assert sum(one["tokens"] for one in said) == ids.shape[1] - 1
    assert sum(one["words"] for one in said) == len(TEXT.split()) + TEXT.count("\n")
    assert sum(one["nll"] for one in said) == pytest.approx(total, rel=1e-5)
    assert task.scores["perplexity"].pool(said) == pytest.approx(
        math.exp(total / (ids.shape[1] - 1)), rel=1e-4
    )
    for row in rows:
        (encoding,) = task.readings(row, lab)
        kept = [t for t in encoding.tokens if not t.special]
        assert all(row.prompt.text[t.start : t.end].strip() == t.text for t in kept if t.text.isalnum())


def test_windows_need_a_model_and_leave_no_gap(tmp_path):
    file = put(tmp_path / "wiki.valid.raw", TEXT)
    with pytest.raises(BadInput, match="lab="):
        Wikitext2().rows(file)
    with pytest.raises(BadInput, match="leaves tokens out"):
        Wikitext2(window=8, stride=8).rows(file, lab=lab_of("wikitext2"))
    with pytest.raises(BadInput, match="more than"):
        Wikitext2(window=65).rows(file, lab=lab_of("wikitext2"))


@needs_data
@pytest.mark.slow
def test_words_are_counted_as_the_set_counts_them():
    lab = load("gpt2-mini")
    assert (
        sum(vars(row)["words"] for row in Wikitext2().rows(DATA, lab=lab)) == 217_646
    )  # Merity et al., table 1


# --- WinoBias


def test_pronouns_are_masked_and_held_against_the_other_gender(tmp_path):
    winobias(tmp_path)
    rows = {row.id: row for row in Winobias().rows(tmp_path)}
    assert len(rows) == 6
    first, second = rows["type1-pro-1"], rows["type1-anti-2"]
    assert first.prompt.text == f"The clerk saw the cook because {MASK} was near."
    assert (first.gold, first.wrong, first.kinds) == (("she",), "he", ("type1", "type1/pro"))
    assert second.prompt.text == f"The clerk saw the cook because {MASK} was far from {MASK} home."
    assert [second.prompt.text[s.start : s.end] for s in second.rationale or ()] == ["cook"]
    assert rows["type2-pro-1"].wrong == "him"  # the twin's, though "her" may also be "his"
    assert {row.id for row in Winobias(kind="type2").rows(tmp_path)} == {"type2-pro-1", "type2-anti-1"}
    assert first.group == rows["type1-anti-1"].group == second.group != rows["type2-pro-1"].group


def test_words_and_mentions_give_the_rows_of_brackets(tmp_path):
    winobias(tmp_path)
    words = ["The", "clerk", "saw", "the", "cook", "because", "he", "was", "far", "from", "his", "home", "."]
    hub = [{"tokens": words, "coreference_clusters": ["3", "4", "6", "6", "10", "10"]}]
    (tmp_path / "type1_pro").mkdir()
    datasets.Dataset.from_list(hub).to_parquet(tmp_path / "type1_pro/validation-00000-of-00001.parquet")
    (row,) = Winobias().rows(tmp_path / "type1_pro/validation-00000-of-00001.parquet")
    (own,) = (row for row in Winobias().rows(tmp_path) if row.id == "type1-pro-2")
    assert (row.prompt, row.gold, row.wrong, row.rationale) == (
        own.prompt,
        own.gold,
        own.wrong,
        own.rationale,
    )


def test_the_stereotype_is_the_right_answer_in_pro_and_the_wrong_one_in_anti(tmp_path):
    winobias(tmp_path)
    lab, task = lab_of("winobias"), Winobias(kind="type1")
    rows = {row.id: row for row in task.rows(tmp_path, lab=lab)}
    pro, anti = (task.ask(rows[f"type1-{kind}-1"], lab) for kind in ("pro", "anti"))
    p = lab.run(rows["type1-pro-1"].prompt)
    she, he = (p.value(Target(word)) for word in ("she", "he"))
    assert pro["correct"] == float(she > he) == 1 - anti["correct"]
    assert pro["stereotyped"] == anti["stereotyped"] == float(she > he)
    assert pro["female_share"] == anti["female_share"] == pytest.approx(she / (she + he), rel=1e-5)
    assert pro["mass"] == pytest.approx(she + he, rel=1e-5)


def test_a_rationale_moves_with_the_mask():
    row = Row("1", Prompt(f"{MASK} saw {MASK} and Ann."), rationale=(Stretch(0, 8, 9), Stretch(0, 22, 25)))
    for mask in ("<mask>", "<m>", "[MASK]"):
        moved = with_mask(row, mask)
        assert moved.rationale is not None
        assert moved.prompt.text == f"{mask} saw {mask} and Ann."
        assert moved.prompt.text[moved.rationale[1].start : moved.rationale[1].end] == "Ann"


# --- agreement


def test_forms_of_several_tokens_count_whole():
    lab, task = lab_of("agreement"), Agreement(items=10)
    several = 0
    for row in task.rows(lab=lab, seed=1):
        run, said = lab.run(row.prompt), task.ask(row, lab)
        several += len(task.readings(row, lab)) > 1
        margin = run.value(Target(row.gold[0], rather_than=row.wrong), "log_probability")
        assert said["correct"] == float(margin > 0)
        assert said["surprisal"] == pytest.approx(-run.value(row.gold[0], "log_probability"), rel=1e-5)
        assert said["probability"] == pytest.approx(1 / (1 + math.exp(-margin)), rel=1e-4)
    assert several


def test_made_up_beginnings_are_the_generators():
    rows = list(Agreement(items=50).rows(seed=7))
    items = [item for count in (0, 1) for item in make(50, seed=7, attractors=(count,))]
    assert [(r.prompt.text, *r.gold, r.wrong) for r in rows] == [(i.prefix, i.right, i.wrong) for i in items]
    assert rows[60].kinds == ("1 attractor", f"1 attractor/{items[60].kind}")


def test_published_pairs_are_read_for_every_kind_of_model(tmp_path):
    sentence = "The cats near the dog is in the hall . <eos>"
    line = {"pattern": "p", "constr_id": "3", "sent_id": "1", "correct_number": "plur", "type": "original", "prefix": "x", "n_attr": "1", "len_prefix": "5", "sent": sentence}  # fmt: skip
    with (tmp_path / "generated.tab").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*line, "class", "form"], delimiter="\t")
        table.writeheader()
        table.writerows([line | {"class": "wrong", "form": "is"}, line | {"class": "correct", "form": "are"}])
    (row,) = Agreement().rows(tmp_path)
    assert (row.prompt.text, row.gold, row.wrong) == ("The cats near the dog", ("are",), "is")
    assert (row.kind, row.group) == ("original/1 attractor", "p-3")
    (row,) = Agreement().rows(tmp_path, lab=lab_of("agreement, classifier"))
    assert (row.gold, row.wrong) == (("plural",), "singular")
    with pytest.raises(StopIteration):  # the tiny vocabulary knows "is" and not "are"
        next(Agreement().rows(tmp_path, lab=lab_of("winobias")))
    text = put(
        tmp_path / "x.tab", (tmp_path / "generated.tab").read_text(encoding="utf-8").replace("are", "was")
    )
    (row,) = Agreement().rows(text, lab=lab_of("winobias"))
    assert row.prompt.text == f"The cats near the dog {MASK} in the hall."
    assert Agreement().ask(row, lab_of("winobias"))["correct"] in (0.0, 1.0)


# --- rows of one's own


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_rows_come_back_as_they_were_written(tmp_path, ending):
    rows = [
        *OWN,
        Row("c", Prompt("Who?", 'Ann; "Bo"\tand [x].'), ("Ann", "[x]"), rationale=(Stretch(1, 0, 3),)),
    ]
    write(rows, tmp_path / f"own.{ending}")
    assert list(Custom().rows(tmp_path / f"own.{ending}")) == rows
    with pytest.raises(BadInput, match="ends in"):
        write(rows, tmp_path / "own.xlsx")


def test_a_rationale_is_stretches_or_words(tmp_path):
    said = [
        {"text": "not bad, not good", "label": "x", "rationale": given}
        for given in ("not", "0:3;9:12", [[0, 3], [0, 9, 12]], ["NOT"])
    ]
    file = put(tmp_path / "own.jsonl", "\n".join(map(json.dumps, said)))
    assert {row.rationale for row in Custom().rows(file)} == {(Stretch(0, 0, 3), Stretch(0, 9, 12))}
    for bad in ("nothing", "3:99", "5:5"):
        with pytest.raises(BadInput, match="Row 1"):
            next(Custom().rows(put(tmp_path / "bad.jsonl", json.dumps(said[0] | {"rationale": bad}))))


@pytest.mark.parametrize(
    ("task", "architecture", "prompt", "gold"),
    [
        ("classification", "bert", Prompt("A great film."), ["positive", "negative"]),
        ("masked", "bert", Prompt(f"Paris is the {MASK} of France."), ["capital", "city", "doctor"]),
        ("causal", "gpt2", Prompt("Paris is the"), ["capital", "doctor said"]),
        (
            "answering",
            "bert",
            Prompt("Where?", "Paris is the capital of France."),
            ["Paris", "France", "no answer"],
        ),
    ],
)
def test_own_rows_are_measured_by_any_model(tmp_path, task, architecture, prompt, gold):
    lab = tiny_lab(task, architecture)
    best = lab.run(prompt).prediction
    rows = [Row(str(k), prompt, (text,)) for k, text in enumerate([*gold, best])]
    rows.append(Row("pair", prompt, (gold[0],), gold[1]))
    write(rows, tmp_path / "own.tsv")
    for row in Custom().rows(tmp_path / "own.tsv", lab=lab):
        run, said = lab.run(row.prompt), Custom().ask(row, lab)
        assert said["surprisal"] == pytest.approx(-run.value(row.gold[0], "log_probability"), rel=1e-4)
        if row.id == "pair" and task != "answering":
            assert said["correct"] == float(
                run.value(gold[0], "log_probability") > run.value(gold[1], "log_probability")
            )
        elif task != "causal":
            assert said["correct"] == float(row.gold[0] == best)
    write([Row("1", Prompt("x"), ("great",))], tmp_path / "own.csv")
    with pytest.raises(BadInput, match="no label 'great'"):
        next(Custom().rows(tmp_path / "own.csv", lab=tiny_lab()))
