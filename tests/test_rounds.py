"""A round of the shared task, what may be submitted to it, how that is scored, and how it is ranked."""

from __future__ import annotations

import gzip
import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from attnlab_core import rounds, stats
from attnlab_core.edits import Where
from attnlab_core.edits.scale import Scale
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.methods import attribute
from attnlab_core.metrics import judge, marked_tokens
from attnlab_core.models import load
from attnlab_core.plausibility import reference
from attnlab_core.progress import watching
from attnlab_core.prompt import Prompt
from attnlab_core.rounds import Refused, Round, _sources
from attnlab_core.tasks.custom import Custom

GOAL = ("negated*/negated", "double*/negated", "downtoned/negated", "scope/negated")
OUT = [{"op": "scale", "factor": 0.0, "where": {"keys": ["not"]}}]


@pytest.fixture(scope="module")
def made() -> Round:
    return rounds.new(
        "negation", model="sst2", source={"suite": "negation"}, rows=24, goal_kinds=GOAL, draws=12, seed=3
    )


@pytest.fixture(scope="module")
def public(made: Round) -> Round:
    """What participants get."""
    return Round.from_json(json.dumps(made.to_json(secret=False)))


def scores(round_: Round, value: float = 0.5) -> dict[str, list[float]]:
    return {name: [value] * length for name, length in round_.lengths.items()}


def document(round_: Round, track: str, **more: Any) -> dict[str, Any]:
    content: dict[str, dict[str, Any]] = {
        "explain": {"scores": scores(round_)},
        "edit": {"edits": OUT},
        "discover": {
            "claim": {
                "suite": "negation",
                "edits": OUT,
                "control": [{"op": "noise", "seed": 1}],
                "direction": "down",
                "size": 1,
            }
        },
    }
    return rounds.template(round_, track, content[track], "A try") | more


def problems(raw: Any, round_: Round) -> tuple[str, ...]:
    with pytest.raises(Refused) as refused:
        rounds.read(raw, round_)
    return refused.value.problems


class TestRound:
    def test_it_comes_back_from_its_document(self, made):
        again = Round.from_json(json.dumps(made.to_json(secret=True)))
        assert again == made
        assert again.digest == made.digest

    def test_what_is_published_hides_the_labels_of_one_split(self, made, public):
        assert public.digest == made.digest
        assert {row.id for row in public.rows} == {row.id for row in made.rows}
        for row in public.split("hidden"):
            assert not row.gold
            assert row.wrong is None
            assert row.rationale is None
        assert all(row.gold for row in public.split("public"))
        said = json.dumps(made.to_json(secret=False))
        assert '"seed"' not in said

    def test_the_same_seed_makes_the_same_round_and_another_one_another(self, made):
        def again(seed: int) -> Round:
            return rounds.new(
                "negation",
                model="sst2",
                source={"suite": "negation"},
                rows=24,
                goal_kinds=GOAL,
                draws=12,
                seed=seed,
            )

        assert again(3).digest == made.digest
        assert again(4).digest != made.digest

    def test_sentences_of_one_group_are_in_one_split(self, made):
        sides: dict[str, set[bool]] = {}
        for row in made.rows:
            sides.setdefault(row.group, set()).add(row.id in made.hidden)
        assert all(len(side) == 1 for side in sides.values())
        assert len(made.rows) == 24
        assert abs(len(made.hidden) - 12) <= 2

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"name": "../up"}, "lower-case letters"),
            ({"name": "<b>"}, "lower-case letters"),
            ({"tracks": {}}, "needs a track"),
            ({"tracks": {"guess": {}}}, "guess"),
            ({"per_day": 0}, "at least one"),
            ({"opens": "soon"}, "opens is a date"),
            ({"opens": "2026-12-02", "closes": "2026-12-01"}, "before it opens"),
        ],
    )
    def test_what_cannot_be_a_round_is_refused(self, made, change, said):
        with pytest.raises(BadInput, match=said):
            replace(made, **change)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"source": {"suite": "nothing"}}, "nothing"),
            ({"source": {"suite": "multi_hop"}}, "asks a model for answering"),
            ({"tracks": ("guess",)}, "guess"),
            ({"goal": "peace"}, "peace"),
            ({"goal": "gap"}, "exactly two kinds"),
            ({"goal_kinds": ("none",)}, "at least one kind"),
            ({"rows": 12}, "fewer than 10"),
            ({"hidden": 1.0}, "between 0 and 1"),
            ({"suites": ("none",)}, "none"),
        ],
    )
    def test_what_cannot_be_made_is_refused(self, change, said):
        given: dict[str, Any] = {"model": "sst2", "source": {"suite": "negation"}, "goal_kinds": GOAL}
        with pytest.raises(BadInput, match=said):
            rounds.new("negation", **(given | change))

    @pytest.mark.parametrize("said", ["", "[]", "{}", '{"schema": "attentionlab.round"}', 7])
    def test_what_is_no_round_is_not_read(self, said):
        with pytest.raises(BadInput):
            Round.from_json(said)

    def test_a_later_version_is_not_read(self, made):
        with pytest.raises(BadInput, match="Update it"):
            Round.from_json(made.to_json(secret=True) | {"schema_version": 2})


class TestDocument:
    @pytest.mark.parametrize("track", rounds.TRACKS)
    def test_a_sound_one_is_read_whole_and_published(self, track, made, public):
        said = document(made, track, report="Two\nlines, <b>no</b> markup.")
        for round_ in (made, public):
            for raw in (said, json.dumps(said), json.dumps(said).encode()):
                found = rounds.read(raw, round_)
                assert found.track == track
                assert found.report == said["report"]
                assert rounds.Submission.from_json(json.loads(json.dumps(found.to_json()))) == found
        assert not list(Draft202012Validator(rounds.DOCUMENT).iter_errors(said))

    @pytest.mark.parametrize("track", rounds.TRACKS)
    def test_the_examples_are_sound(self, track, made):
        said = rounds.example(made, track)
        rounds.read(json.dumps(said), made)
        assert not list(Draft202012Validator(rounds.DOCUMENT).iter_errors(said))

    def test_the_digest_is_of_what_counts(self, made):
        one = rounds.read(document(made, "edit"), made)
        assert (
            rounds.read(document(made, "edit", title="Another", report="Other words."), made).digest
            == one.digest
        )
        other = document(made, "edit", edits=[{"op": "scale", "factor": 0.1, "where": {"keys": ["not"]}}])
        assert rounds.read(other, made).digest != one.digest

    def test_everything_that_is_wrong_is_said_at_once_with_its_place(self, made):
        first, second, third, *_ = made.lengths
        wrong: dict[str, Any] = scores(made)
        wrong[first] = [1.0]
        wrong[second] = ["a", *wrong[second][1:]]
        del wrong[third]
        wrong["stranger"] = [1.0]
        said = problems(document(made, "explain", scores=wrong), made)
        assert len(said) == 4
        for place in (f"scores/{first}: ", f"scores/{second}/0: ", f"scores/{third}: ", "scores/stranger: "):
            assert sum(one.startswith(place) for one in said) == 1
        outer = problems({"schema": "x", "track": "guess", "title": 5, "round": "other"}, made)
        assert [one.partition(":")[0] for one in outer] == [
            "schema",
            "schema_version",
            "round",
            "title",
            "track",
        ]

    @pytest.mark.parametrize(
        "number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e7", "true", "null", '"1"', "[1]"]
    )
    def test_only_finite_numbers_are_scores(self, number, made):
        name, length = next(iter(made.lengths.items()))
        said = document(made, "explain")
        said["scores"][name] = ["HERE"] + [0.0] * (length - 1)
        found = problems(json.dumps(said).replace('"HERE"', number), made)
        assert len(found) == 1

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"[]",
            b"7",
            b"\xff\xfe\x00",
            gzip.compress(b"{}" * 10_000, mtime=0),
            b"PK\x03\x04" + bytes(100),
            b"[" * 200_000,
            b'{"a":' * 100_000,
            b'{"track": "edit", "track": "explain"}',
            b"9" * 5_000,
            b"{" + b" " * rounds.MOST_BYTES + b"}",
            json.dumps({"schema": 1}).encode("utf-16"),
        ],
        ids=lambda raw: repr(raw[:12]),
    )
    def test_what_is_no_plain_document_is_refused_in_one_line(self, raw, made):
        (said,) = problems(raw, made)
        assert "\n" not in said
        assert len(said) < 300

    def test_ten_million_numbers_are_refused_before_they_are_read(self, made):
        raw = b'{"scores": {"a": [' + b"0," * 10_000_000 + b"0]}}"
        (said,) = problems(raw, made)
        assert "8 MB at most" in said

    def test_no_more_than_fifty_things_are_named(self, made):
        said = problems(document(made, "explain", scores={f"x{k}": [1] for k in range(5_000)}), made)
        assert len(said) == 50

    @pytest.mark.parametrize(
        ("track", "change", "place"),
        [
            ("edit", {"edits": []}, "edits"),
            ("edit", {"edits": {}}, "edits"),
            ("edit", {"edits": 5}, "edits"),
            ("edit", {"edits": [5]}, "edits/0"),
            ("edit", {"edits": [{"op": "nothing"}]}, "edits/0"),
            ("edit", {"edits": [{"op": "scale", "factor": float("inf")}]}, "edits/0"),
            ("edit", {"edits": [{"op": "scale", "factor": "2; DROP TABLE"}]}, "edits/0"),
            ("edit", {"edits": [{"op": "scale", "factor": 2, "where": {"keys": [[1]]}}]}, "edits/0"),
            ("edit", {"edits": [{"op": "transplant", "model": "evil/model"}]}, "edits/0/model"),
            ("edit", {"edits": [{"op": "transplant", "model": "/etc"}]}, "edits/0/model"),
            ("edit", {"edits": [{"op": "invert"}] * 21}, "edits"),
            ("edit", {"edits": [{"op": "mean_pattern", "texts": ["a " * 150_000]}]}, "edits"),
            ("edit", {"edits": {"stranger": [{"op": "invert"}]}}, "edits/stranger"),
            ("edit", {"edits": OUT, "scores": {}}, "scores"),
            ("edit", {"title": ""}, "title"),
            ("edit", {"title": "  "}, "title"),
            ("edit", {"title": "a" * 121}, "title"),
            ("edit", {"title": "two\nlines"}, "title"),
            ("edit", {"title": "turned \u202e round"}, "title"),
            ("edit", {"title": "half \ud800"}, "title"),
            ("edit", {"report": "a" * 4001}, "report"),
            ("edit", {"report": "\x1b[2J"}, "report"),
            ("edit", {"made": "2001-01-01"}, "made"),
            ("edit", {"team": "others"}, "team"),
        ],
        ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
    )
    def test_each_fault_is_named_with_its_place(self, track, change, place, made):
        said = problems(document(made, track, **change), made)
        assert said[0].startswith(f"{place}: ")
        assert all(one.isprintable() for one in said)

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"suite": "secret"}, "claim/suite"),
            ({"size": -1}, "claim/size"),
            ({"direction": "left"}, "claim/direction"),
            ({"control": OUT}, "claim/control"),
            ({"extra": 1}, "claim"),
            ({"sentences": [{"text": "Good.", "label": "positive"}] * 20}, "claim"),
        ],
        ids=str,
    )
    def test_each_fault_of_a_claim_is_named_with_its_place(self, change, place, made):
        said = document(made, "discover")
        said["claim"] |= change
        assert problems(said, made)[0].startswith(f"{place}: ")

    def test_a_claims_own_sentences_are_each_there_once(self, made):
        said = document(made, "discover")
        del said["claim"]["suite"]
        said["claim"]["sentences"] = [
            {"text": f"It was {'very ' * k}good.", "label": "positive"} for k in range(20)
        ]
        rounds.read(said, made)
        said["claim"]["sentences"][3] = said["claim"]["sentences"][4]
        assert "twice" in problems(said, made)[0]
        said["claim"]["sentences"] = said["claim"]["sentences"][:19]
        assert "claim/sentences" in problems(said, made)[0]

    def test_names_with_markup_or_paths_stay_text(self, made):
        for title in (
            "<img src=x onerror=alert(1)>",
            "../../etc/passwd",
            "'; DROP TABLE x; --",
            "**bold** :material/x:",
        ):
            assert rounds.read(document(made, "edit", title=title), made).title == title


class TestScores:
    def test_explanations_get_what_the_metrics_say_of_them(self, made):
        """Against the metrics called by hand, sentence by sentence."""
        lab = load("sst2")
        runs = {row.id: lab.run(row.prompt) for row in made.rows}
        given = {name: attribute(run, "occlusion").scores.tolist() for name, run in runs.items()}
        submission = rounds.read(document(made, "explain", scores=given), made)
        found = rounds.score(made, submission, "public", draw="x")
        rows = made.split("public")
        for k, row in enumerate(rows):
            run = runs[row.id]
            gold = marked_tokens(run, row.rationale) if row.rationale else None
            names = ["aopc_compr", "aopc_suff", "taucorr_loo"] + (["auprc_plau"] if gold is not None else [])
            (judged,) = judge(run, [attribute(run, "occlusion")], names=names, gold=gold, controls=())
            for name in names:
                value = judged.values[name]
                assert found.values[name][k] == (
                    None if math.isnan(value) else pytest.approx(value, abs=1e-5)
                )
        for name, one in found.figures.items():
            numbers = [value for value in found.values[name] if value is not None]
            assert one["mean"] == pytest.approx(np.mean(numbers))
            assert one["low"] <= one["mean"] <= one["high"]
            assert one["n"] == len(numbers)
        assert found.facts["data"] == made.digest
        assert {"model", "code", "metrics", "seed"} <= found.facts.keys()

    def test_splits_are_scored_apart_and_the_same_every_time(self, made):
        submission = rounds.read(document(made, "edit"), made)
        one, two = (rounds.score(made, submission, split, draw="x") for split in ("public", "hidden"))
        assert len(one.values["before"]) == len(made.split("public"))
        assert len(two.values["before"]) == len(made.split("hidden"))
        assert rounds.score(made, submission, "public", draw="y") == one

    def test_an_edit_counts_where_it_is_plausible(self, made):
        """Against a run of each sentence by hand."""
        submission = rounds.read(document(made, "edit"), made)
        found = rounds.score(made, submission, "public", draw="x")
        lab, known = load("sst2"), reference(load("sst2"))
        assert known is not None
        edit = Scale(factor=0.0, where=Where(keys=("not",)))
        for k, row in enumerate(made.split("public")):
            plain = lab.run(row.prompt)
            right = row.gold[0].lower()
            before = float(plain.prediction.lower() == right)
            assert found.values["before"][k] == before
            if "not" not in row.prompt.text.split():
                assert not found.values["touched"][k]
                assert found.values["after"][k] == before
                continue
            new = lab.run(row.prompt, edits=[edit])
            percentile = known.judge(new, plain).percentile
            after = float(new.prediction.lower() == right)
            assert found.values["percentile"][k] == pytest.approx(percentile, abs=0.5)
            assert found.values["after_any"][k] == after
            assert found.values["after"][k] == (after if percentile <= 95 else before)
        figures, values = found.figures, found.values
        meant = [k for k, goal in enumerate(values["goal"]) if goal]
        gain = np.mean([values["after"][k] - values["before"][k] for k in meant])  # type: ignore[operator]
        assert figures["gain"]["mean"] == pytest.approx(gain)
        assert figures["gain"]["mean"] == pytest.approx(
            figures["repaired"]["mean"] - figures["broken"]["mean"]
        )

    def test_no_edit_changes_nothing(self, made):
        nothing = [{"op": "scale", "factor": 1.0}]
        found = rounds.score(
            made, rounds.read(document(made, "edit", edits=nothing), made), "public", draw="x"
        )
        assert found.values["after_any"] == found.values["before"]
        assert found.figures["gain"]["mean"] == found.figures["cost"]["mean"] == 0

    def test_edits_of_some_sentences_leave_the_others_alone(self, made):
        row = next(row for row in made.split("public") if "not" in row.prompt.text.split())
        found = rounds.score(
            made, rounds.read(document(made, "edit", edits={row.id: OUT}), made), "public", draw="x"
        )
        assert sum(found.values["touched"]) == 1  # type: ignore[arg-type]
        assert "1 of" in found.facts["notes"][0]

    def test_the_gap_is_the_difference_of_two_accuracies(self, made):
        kinds = list(dict.fromkeys(row.kind for row in made.split("public")))[:2]
        round_ = replace(made, tracks={"edit": {"goal": "gap", "kinds": kinds, "percentile": 100.0}})
        found = rounds.score(round_, rounds.read(document(made, "edit"), round_), "public", draw="x")
        rows = round_.split("public")

        def accuracy(name: str, kind: str) -> float:
            mine = [value for value, row in zip(found.values[name], rows, strict=True) if row.kind == kind]
            return float(np.mean(mine))  # type: ignore[arg-type]

        gaps = [abs(accuracy(name, kinds[0]) - accuracy(name, kinds[1])) for name in ("before", "after")]
        assert found.figures["gain"]["mean"] == pytest.approx(gaps[0] - gaps[1])

    def test_a_claim_is_tested_on_sentences_that_nobody_could_know(self, made):
        submission = rounds.read(document(made, "discover"), made)
        one, again, other, hidden = (
            rounds.score(made, submission, split, draw=draw)
            for split, draw in (("public", "a"), ("public", "a"), ("public", "b"), ("hidden", "a"))
        )
        assert one == again
        assert len({one.facts["data"], other.facts["data"], hidden.facts["data"]}) == 3
        assert len(one.values["net"]) == 12

    def test_an_effect_is_the_change_of_the_right_answers_log_probability(self, made):
        submission = rounds.read(document(made, "discover"), made)
        found = rounds.score(made, submission, "public", draw="a")
        lab = load("sst2")
        claim = submission.content["claim"]
        from attnlab_core.rounds._sources import drawn_for

        rows = drawn_for(claim, 12, lab, found.facts["draw"])
        for k, row in enumerate(rows):
            if "not" not in row.prompt.text.split():
                assert found.values["effect"][k] == 0
                continue
            task, labels = Custom(), {label.lower(): label for label in lab.labels}
            mine = replace(row, gold=(labels[row.gold[0]],), wrong=labels[row.wrong or ""])
            before, after = (
                task.ask(mine, lab, edits)["surprisal"]
                for edits in ((), (Scale(factor=0.0, where=Where(keys=("not",))),))
            )
            assert found.values["effect"][k] == pytest.approx(before - after, abs=1e-4)
        net = [-(e - c) for e, c in zip(found.values["effect"], found.values["control"], strict=True)]  # type: ignore[operator]
        assert found.values["net"] == pytest.approx(net)
        assert found.facts["replicated"] == (found.figures["net"]["low"] > 0)

    def test_a_claims_sentences_are_read_without_edits_once(self, made, monkeypatch):
        from attnlab_core.rounds import _changes

        plain, read = [], _changes._read

        def counted(lab, encodings, edits, *, keep):
            plain.extend(encodings if not any(edits) else ())
            return read(lab, encodings, edits, keep=keep)

        monkeypatch.setattr(_changes, "_read", counted)
        found = rounds.score(made, rounds.read(document(made, "discover"), made), "public", draw="a")
        assert len(plain) == len(found.values["net"]) == 12

    def test_of_a_claims_own_sentences_half_are_drawn(self, made):
        said = document(made, "discover")
        del said["claim"]["suite"]
        said["claim"]["sentences"] = [
            {"text": f"It was not {'very ' * k}good.", "label": "Negative"} for k in range(20)
        ]
        found = rounds.score(made, rounds.read(said, made), "public", draw="a")
        assert found.figures["net"]["n"] == 10

    def test_a_label_that_the_model_does_not_have_is_refused(self, made):
        said = document(made, "discover")
        del said["claim"]["suite"]
        said["claim"]["sentences"] = [{"text": f"Number {k}.", "label": "odd"} for k in range(20)]
        with pytest.raises(BadInput, match="claim/sentences/0/label"):
            rounds.score(made, rounds.read(said, made), "public", draw="a")

    def test_other_weights_are_refused(self, made):
        round_ = replace(made, model={**made.model, "digest": "0" * 64})
        with pytest.raises(BadInput, match="others than those"):
            rounds.score(round_, rounds.read(document(made, "edit"), made), "public", draw="x")

    @pytest.mark.parametrize("track", ["explain", "edit", "discover"])
    def test_it_says_how_far_it_is_and_can_be_stopped(self, track, made):
        seen: list[tuple[int, int]] = []

        def stop(done: int, total: int) -> None:
            seen.append((done, total))
            if done > 3:
                raise RuntimeError("enough")

        with pytest.raises(RuntimeError, match="enough"), watching(stop):
            rounds.score(made, rounds.read(document(made, track), made), "public", draw="x")
        total = 12 if track == "discover" else len(made.split("public"))
        assert seen == [(k, total) for k in range(5)]


def result(number: int, values: dict[str, list[float | None]], **figures: Any) -> Any:
    entry = SimpleNamespace(number=number, team="T", title=f"row {number}", baseline=False)
    means = {name: stats.interval([v for v in some if v is not None]) for name, some in values.items()}
    return SimpleNamespace(entry=entry, figures=means | figures, values=values, facts={}, scored="")


class TestRanks:
    def test_what_chance_could_turn_round_is_tied(self, made):
        rng = np.random.default_rng(0)
        base = rng.normal(size=60)
        far = (base + 2).tolist()
        near = (base + 2 + rng.normal(0, 0.5, 60)).tolist()
        low = base.tolist()
        lines = rounds.ranked(
            made, "explain", [result(k, {"aopc_compr": some}) for k, some in enumerate((low, near, far))]
        )
        assert [(line.number, line.rank, line.tied) for line in lines if line.number == 0] == [(0, 3, False)]
        assert {(line.rank, line.tied) for line in lines[:2]} == {(1, True)}

    def test_pairs_tell_apart_what_intervals_do_not(self, made):
        """A small but steady difference on sentences that vary much."""
        rng = np.random.default_rng(1)
        base = rng.normal(0, 5, 60)
        one, two = base.tolist(), (base - 0.1 + rng.normal(0, 0.01, 60)).tolist()
        lines = rounds.ranked(
            made, "explain", [result(1, {"aopc_compr": one}), result(2, {"aopc_compr": two})]
        )
        assert [(line.number, line.rank) for line in lines] == [(1, 1), (2, 2)]
        assert lines[0].figures["aopc_compr"]["low"] < lines[1].figures["aopc_compr"]["high"]

    def test_the_same_scores_are_tied_whoever_sent_them(self, made):
        values = {"aopc_compr": np.random.default_rng(2).normal(size=30).tolist()}
        lines = rounds.ranked(made, "explain", [result(k, values) for k in (7, 3, 5)])
        assert [(line.number, line.rank, line.tied) for line in lines] == [
            (3, 1, True),
            (5, 1, True),
            (7, 1, True),
        ]

    def test_undefined_numbers_do_not_decide(self, made):
        values: list[float | None] = [1.0, None] * 20
        lines = rounds.ranked(
            made, "explain", [result(1, {"aopc_compr": values}), result(2, {"aopc_compr": [0.0] * 40})]
        )
        assert [(line.number, line.rank) for line in lines] == [(1, 1), (2, 2)]

    def test_claims_are_ranked_by_what_replicated(self, made):
        rng = np.random.default_rng(3)
        strong, weak, none, against = (rng.normal(m, 0.2, 50).tolist() for m in (2, 1, 0, -1))
        found = [result(k, {"net": some}) for k, some in enumerate((none, against, weak, strong))]
        lines = rounds.ranked(made, "discover", found)
        assert [line.number for line in lines] == [3, 2, 0, 1]
        assert [(line.rank, line.tied) for line in lines] == [(1, False), (2, False), (3, True), (3, True)]

    @pytest.mark.parametrize("track", rounds.TRACKS)
    def test_an_empty_table_has_no_lines(self, track, made):
        assert rounds.ranked(made, track, []) == []
        assert [one.name for one in rounds.columns(track, [])] == [rounds.COLUMNS[track][0].name]

    def test_a_line_is_plain_json(self, made):
        (line,) = rounds.ranked(made, "explain", [result(1, {"aopc_compr": [None, None]})])
        said = json.loads(json.dumps(line.to_json(), allow_nan=False))
        assert said["figures"]["aopc_compr"]["mean"] is None


def test_a_source_that_is_no_suite_is_a_task() -> None:
    rows = _sources.drawn({"task": {"task": "agreement", "items": 3}}, load("agreement"), 1)
    assert rows
    assert rows != _sources.drawn({"task": {"task": "agreement", "items": 3}}, load("agreement"), 2)
    with pytest.raises(UnknownName):
        _sources.drawn({"suite": "x"}, None, 0)
    assert _sources.from_json(_sources.to_json(rows[0])) == rows[0]
    assert _sources.from_json({"id": "1", "text": "A"}).prompt == Prompt("A")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "source", "tracks"),
    [
        ("qa", {"suite": "multi_hop"}, ("explain", "edit", "discover")),
        ("agreement", {"task": {"task": "agreement", "items": 30}}, ("explain", "edit", "discover")),
        ("gpt2-mini", {"task": {"task": "agreement", "items": 30}}, ("explain",)),
    ],
    ids=["answering", "classification", "causal"],
)
def test_a_round_of_any_model_has_examples_that_are_scored(model, source, tracks):
    made = rounds.new("any-model", model=model, source=source, tracks=tracks, rows=48, draws=4)
    for track in tracks:
        found = rounds.score(made, rounds.read(rounds.example(made, track), made), "hidden", draw="x")
        main = found.figures[rounds.COLUMNS[track][0].name]
        assert main["n"] > 0
        assert math.isfinite(main["mean"])


def test_a_claim_needs_a_suite_or_sentences_to_begin_with():
    source = {"task": {"task": "agreement", "items": 30}}
    with pytest.raises(BadInput, match="leave out the track discover"):
        rounds.new("few", model="agreement", source=source, tracks=("discover",), rows=24)
