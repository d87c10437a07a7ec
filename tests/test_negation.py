"""The negation study: its sentences, its figures against a direct loop, and a story that says nothing but its record."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from typing import Any

import pytest

import attnlab_core as al
from attnlab_core.testing import tiny_lab
from case_studies import _negation_measure as measure
from case_studies import _story, negation
from case_studies._negation_data import KINDS, pairs
from case_studies._negation_read import Meter, Reader, Row, sides, tokens_of


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    return negation.study(tiny_lab(), each=6, sample=2, explained=1)


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    found = _story.recorded("negation")
    assert found is not None
    return found


def test_the_pairs_are_many_and_differ_in_one_negation():
    made = pairs(negation.EACH)
    assert len(made) >= 400
    assert Counter(p.kind for p in made) == dict.fromkeys(KINDS, negation.EACH)
    assert len({p.text for p in made}) == len(made)
    assert made == pairs(negation.EACH)
    assert made != pairs(negation.EACH, seed=1)
    for pair in made:
        assert pair.plain != pair.text
        assert pair.text[pair.start : pair.start + len(pair.word)] == pair.word
        assert bool(pair.word) == (pair.kind != "plain")
        assert pair.added or pair.kind not in measure.TURNING
        changed = set(pair.text.lower().split()) ^ set(pair.plain.lower().split())
        assert len(changed) <= 2
        assert not re.search(r"[{}_]|  ", pair.text + pair.plain)


def test_the_figures_are_the_same_twice_and_plain_json(small):
    again = negation.study(tiny_lab(), each=6, sample=2, explained=1)
    assert json.dumps(again, allow_nan=False) == json.dumps(small, allow_nan=False)


def test_a_batch_says_what_one_run_at_a_time_says():
    lab = tiny_lab()
    reader, asked = Reader(lab, Meter(1.0)), [p for p in pairs(3) if p.word]
    rows, direct = [], []
    for pair in asked:
        encoding = reader.encode(pair.text)
        edit = al.Scale(factor=4.0, where=al.Where(keys=tokens_of(pair, encoding)))
        rows += [Row(encoding), Row(encoding, (edit,))]
        run = lab.run(pair.text)
        direct += [float(one.logits[0, 1] - one.logits[0, 0]) for one in (run, run.again(edit))]
    assert reader.odds(rows).tolist() == pytest.approx(direct, abs=1e-5)


def test_the_factors_are_those_of_a_direct_loop(small):
    lab, asked = tiny_lab(), [p for p in pairs(6) if p.kind == "downtoned"]
    found = [
        lab.run(p.text).again(al.Scale(factor=0.0, where=al.Where(keys=("not",)))).probabilities[p.gold]
        for p in asked
    ]
    said = next(r for r in small["factors"] if (r["kind"], r["factor"]) == ("downtoned", 0.0))
    assert said["mean"] == pytest.approx(sum(found) / len(found), abs=1e-4)


def test_progress_only_grows():
    seen: list[float] = []
    with al.watching(lambda done, total: seen.append(done / total)):
        negation.study(tiny_lab(), each=4, sample=2, explained=1)
    assert seen == sorted(seen)
    assert 0.9 < seen[-1] <= 1


def test_another_task_and_other_labels_are_refused():
    with pytest.raises(al.AttentionLabError, match="classification"):
        negation.study(tiny_lab("masked"))
    with pytest.raises(al.AttentionLabError, match="sentiment"):
        sides(["singular", "plural"])
    assert sides(["POSITIVE", "neutral", "NEGATIVE"]) == (2, 0)


def test_the_record_is_up_to_date(record):
    assert record["study"] == "negation"
    assert record["question"] == negation.QUESTION
    assert record["model"]["digest"] == _story.digest("sst2")
    assert (_story.RECORDED / "negation.json").stat().st_size < 300_000
    said = [[*row[:7]] for row in record["figures"]["pairs"]]
    wanted = pairs(negation.EACH)
    assert said == [[p.kind, p.form, p.plain, p.plain_gold, p.text, p.gold, p.word] for p in wanted]


def leaves(value: Any):
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield value


def said_in(record: dict[str, Any]) -> str:
    steps, closing = negation.story(record)
    lines = [step.text for step in steps] + [*closing.found, *closing.not_found, *closing.sure]
    return "\n".join(lines).replace("−", "-")


def counted(f: dict[str, Any]) -> set[str]:
    """Numbers that are counts over the record's rows."""
    table = f["heads"]["table"]
    by = {(r["kind"], r["factor"]): r for r in f["factors"]}
    counts = [len(table), sum(by[k, 1.0]["n"] for k in KINDS[1:])]
    counts += [sum(by[k, x][w] for k in KINDS[1:]) for x in (0.0, 8.0) for w in ("to_right", "to_wrong")]
    counts += [sum(r["p"] < 0.05 and way * r["effect"] > 0 for r in table) for way in (1, -1)]
    counts += [sum(r["p_zeroed"] < 0.05 for r in table)]
    return {str(one) for one in counts}


def test_every_number_of_the_story_is_in_the_record(record):
    known = counted(record["figures"]) | {
        "95",
        "0.05",
        "1",
        "0",
    }  # intervals, the level of the tests, the ends of a scale
    for number in leaves({k: v for k, v in record["figures"].items() if k != "pairs"}):
        known |= {f"{100 * number:.1f}", f"{number:.2f}", f"{number:g}"}
    for number in re.findall(r"-?\d+(?:\.\d+)?", said_in(record)):
        assert number in known, number


def test_the_story_follows_the_record(record):
    other = copy.deepcopy(dict(record))
    for row in other["figures"]["factors"]:
        row["mean"], row["to_wrong"], row["to_right"] = 1 - row["mean"], row["to_right"], row["to_wrong"]
    other["figures"]["methods"]["table"].reverse()
    other["figures"]["founding"]["curve"][3] = {"factor": 1.0, "positive": 0.3, "negative": 0.7}
    was, now = said_in(record), said_in(other)
    assert "falls from" in was
    assert "rises from" in now
    assert "That is the turn that was expected" in now
    assert "That is the turn that was expected" not in was


def test_every_step_opens_something_that_runs(record):
    lab = tiny_lab()
    steps, _ = negation.story(record)
    assert 5 <= len(steps) <= 8
    for step in steps:
        assert step.tries
        for one in step.tries:
            run = lab.run(one.text)
            for edit in one.edits:
                where = edit["where"]
                kept = {k: v for k, v in where.items() if k not in ("layers", "heads")} | {"layers": [0]}
                assert run.again(al.edit_from_json({**edit, "where": kept})).edited_calls


def test_the_story_of_a_tiny_model_can_be_told(small):
    steps, closing = negation.story({"figures": small, "model": {"name": "tiny"}})
    assert len(steps) == 8
    assert closing.found


def test_the_founding_example_is_the_pages_own(record):
    from pages.ui import presets

    assert (negation.FOUNDING, negation.EXPECTED) == (presets.TEXT, presets.GUESS)
    assert [dict(one) for one in negation.story(record)[0][0].tries[0].edits] == [presets.EDIT]
