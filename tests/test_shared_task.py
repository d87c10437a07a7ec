"""The shared task on the command line: rounds are made, opened, closed and shown; others submit; boards are written."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import signal
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest

from attnlab_core.__main__ import main
from attnlab_core.errors import BadInput
from attnlab_core.rounds import DOCUMENT, METRICS, SPLITS, TRACKS, read, score
from attnlab_core.rounds._export import as_csv, page, tables, write
from attnlab_core.rounds._published import write as publish
from attnlab_core.rounds._shipped import FOLDER, ship, shipped_baselines, shipped_round
from attnlab_core.rounds.board import Board
from tests.rounds_data import document, edits, scored, small_round

ROOT = Path(__file__).parents[1]
LINES = re.findall(
    r"^python -m attnlab_core (.+)$",
    (ROOT / "README.md").read_text(encoding="utf-8").partition("## Shared task")[2].partition("\n## ")[0],
    re.MULTILINE,
)
FIRST, FIVE = LINES[0], LINES[1:6]


@pytest.fixture(autouse=True)
def _own(tmp_path, monkeypatch):
    """A database and a queue of a test's own; a worker's signal handlers go with it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATTENTIONLAB_DB", str(tmp_path / "results.db"))
    monkeypatch.setenv("ATTENTIONLAB_QUEUE", str(tmp_path / "queue.db"))
    monkeypatch.delenv("ATTENTIONLAB_TEAM_KEY", raising=False)
    kept = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in kept.items():
        signal.signal(one, handler)


@pytest.fixture
def board():
    """A board with the small round, open."""
    made = Board()
    made.add_round(small_round())
    made.set_state("spring", "open")
    return made


@pytest.fixture
def say(capsys):
    """Run a command; its status, what it printed, and what it complained of."""

    def said(line: str):
        status = main(shlex.split(line))
        found = capsys.readouterr()
        return status, found.out, found.err

    return said


@pytest.fixture
def ask(say):
    """Run a command that must end well; its JSON object."""

    def asked(line: str):
        status, out, err = say(f"{line} --json")
        assert (status, err) == (0, "")
        return json.loads(out, parse_constant=pytest.fail)

    return asked


def submitted(said, file: str = "mine.json") -> str:
    Path(file).write_text(json.dumps(said), encoding="utf-8")
    return file


def finish(board: Board, *means: float, **facts) -> None:
    """Score what waits, each with the next mean."""
    for job, mean in zip(board.waiting(), means, strict=True):
        claim = board.claim(job, "w")
        assert claim
        assert board.finish(claim, _whole(mean, **facts))


def _whole(mean: float, **facts):
    """Scores that are far apart where their means are, and the same where they are not."""
    found = scored(mean, **facts)
    return replace(found, values={"aopc_compr": [mean, mean], "taucorr_loo": [None, None]})


@pytest.mark.slow
def test_five_commands_lead_from_nothing_to_a_published_board(capsys):
    assert [line.split()[:2] for line in FIVE] == [
        ["task", "new"], ["task", "open"], ["submit", "example"], ["submit", "send"], ["task", "close"],
    ]  # fmt: skip
    for line in FIVE:
        assert main(shlex.split(line, comments=True)) == 0, capsys.readouterr().err
    said = json.loads(Path("board/board.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert {(one["track"], one["split"]) for one in said["tables"]} == {
        ("edit", "public"),
        ("edit", "hidden"),
    }
    for table in said["tables"]:
        assert sum(not line["baseline"] for line in table["lines"]) == 1
        assert {"No edit", "Random"} <= {line["title"] for line in table["lines"]}
        assert all(line["figures"]["gain"]["n"] for line in table["lines"])
    assert "<script" not in Path("board/index.html").read_text(encoding="utf-8")


def test_the_readme_shows_the_worked_round_first(say):
    status, out, err = say(FIRST)
    assert (status, err) == (0, "")
    assert "Gradient SHAP" in out
    assert "2=" in out or "1=" in out


def test_the_parser_knows_the_tracks_and_splits():
    from attnlab_core import _shared_task

    assert (_shared_task.TRACKS, _shared_task.SPLITS) == (TRACKS, SPLITS)


# organising


def test_what_may_be_published_holds_no_hidden_label(tmp_path):
    round_ = small_round(tracks={"edit": {"goal": "accuracy", "kinds": [""], "percentile": 95.0}})
    secret, *files = publish(round_, tmp_path / "spring")
    assert stat.S_IMODE(Path(secret).stat().st_mode) == 0o600
    assert len(json.loads(Path(secret).read_text())["rows"][3]["gold"]) == 1
    names = {Path(file).name for file in files}
    assert names == {"round.json", "submission.schema.json", "example-edit.json", "README.md"}
    said = json.loads((tmp_path / "spring/publish/round.json").read_text())
    for row in said["rows"]:
        assert ("gold" in row) == (row["id"] not in said["hidden"])
    assert "seed" not in said
    assert json.loads((tmp_path / "spring/publish/submission.schema.json").read_text()) == DOCUMENT
    assert read((tmp_path / "spring/publish/example-edit.json").read_bytes(), round_).track == "edit"
    with pytest.raises(BadInput, match="already"):
        publish(round_, tmp_path / "spring")


def test_a_round_is_opened_from_its_folder_and_not_from_what_was_published(say, ask, tmp_path):
    publish(
        small_round(tracks={"edit": {"goal": "accuracy", "kinds": [""], "percentile": 95.0}}), tmp_path / "s"
    )
    status, out, err = say("task open s/publish --no-baselines")
    assert (status, out) == (2, "")
    assert "without the hidden labels" in err
    assert ask("task open s --no-baselines")["state"] == "open"
    assert [one["name"] for one in ask("task list")["rounds"]] == ["spring"]
    assert ask("task freeze spring")["state"] == "frozen"
    assert say("task open spring")[0] == 2
    assert ask("task thaw spring")["state"] == "open"
    assert ask("task show spring")["round"]["sentences"] == {"public": 2, "hidden": 2}
    assert "seed" not in ask("task show spring")["round"]


def test_closing_scores_what_is_left_and_writes_the_board(board, ask, monkeypatch):
    monkeypatch.setattr("attnlab_core.rounds.score", lambda round_, submission, split, *, draw: _whole(0.5))
    board.add_baseline("spring", document(0.1), "Random")
    board.submit("spring", "A", board.register("A"), document())
    said = ask("task close spring --out board")
    assert said["submissions"] == {"scored": 1}
    assert said["baselines"] == {"scored": 1}
    found = json.loads(Path("board/board.json").read_text(), parse_constant=pytest.fail)
    assert found["round"]["state"] == "closed"
    lines = {(t["track"], t["split"]): len(t["lines"]) for t in found["tables"]}
    assert lines == {
        ("explain", "public"): 2,
        ("explain", "hidden"): 2,
        ("edit", "public"): 0,
        ("edit", "hidden"): 0,
    }


def test_closing_may_leave_the_work_to_others(board, ask):
    board.submit("spring", "A", board.register("A"), document())
    said = ask("task close spring --out board --no-work")
    assert said["submissions"] == {"queued": 1}
    assert json.loads(Path("board/board.json").read_text())["tables"][0]["lines"] == []


def test_a_worker_says_what_it_scores_and_ends_when_idle(board, say, monkeypatch):
    monkeypatch.setattr("attnlab_core.rounds.score", lambda round_, submission, split, *, draw: _whole(0.5))
    board.submit("spring", "A", board.register("A"), document(title="Red herring"))
    assert say("task worker --until-idle 0.2") == (0, "1 scored.\n", "spring: explain, public: Red herring\n")
    assert board.submission(1).status == "scored"


def test_what_was_refused_is_scored_anew_all_of_it_or_none(board, say, ask, monkeypatch):
    key = board.register("A")
    numbers = [board.submit("spring", "A", key, document(k)) for k in (0.1, 0.2, 0.3)]
    for job in board.waiting()[:2]:
        claim = board.claim(job, "w")
        assert claim
        board.refuse(claim, "The weights of 'sst2' here are others.")
    for wrong, words in (
        ("1 3", "Submission 3 is queued: only what was refused"),
        ("1 9", "no submission 9"),
    ):
        status, out, err = say(f"task again {wrong}")
        assert (status, out) == (2, "")
        assert words in err
    assert board.submission(1).status == "refused"
    said = ask("task again 1 2")
    assert [(one["number"], one["status"]) for one in said["submissions"]] == [(1, "queued"), (2, "queued")]
    assert len(board.waiting()) == 3
    monkeypatch.setattr("attnlab_core.rounds.score", lambda round_, submission, split, *, draw: _whole(0.5))
    assert say("task worker --until-idle 0.2")[:2] == (0, "3 scored.\n")
    assert [board.submission(number).status for number in numbers] == ["scored"] * 3


def test_it_says_what_is_scored_anew_and_that_nobody_does(board, say):
    board.submit("spring", "A", board.register("A"), document())
    claim = board.claim(1, "w")
    assert claim
    board.refuse(claim, "no")
    status, out, err = say("task again 1")
    assert (status, err) == (0, "")
    assert (
        out == "Submission 1 to spring: queued.\nNo worker is alive. Score with: task worker --until-idle\n"
    )


def test_dates_are_changed_checked_and_shown_with_the_former_ones(board, say, ask):
    status, out, err = say("task dates spring --closes 2999-12-01")
    assert (status, err) == (0, "")
    assert "spring: opens: once opened; closes: 2999-12-01.\nchanged 20" in out
    assert "before: opens: once opened; closes: by hand\n" in out
    said = ask("task dates spring --opens 2026-01-01 --closes ''")["dates"]
    assert [(one["opens"], one["closes"]) for one in said] == [
        ("", ""),
        ("", "2999-12-01"),
        ("2026-01-01", ""),
    ]
    assert "opens: 2026-01-01; closes: by hand; 10 submissions a day\nchanged" in say("task show spring")[1]
    assert ask("task show spring")["round"]["dates"] == said
    for wrong, words in (
        ("spring", "Give a date"),
        ("spring --closes 2025-12-01", "before it opens"),
        ("spring --closes soon", "such as 2026-12-01"),
        ("autumn --closes ''", "There is no round"),
    ):
        status, out, err = say(f"task dates {wrong}")
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert words in err
    assert ask("task show spring")["round"]["dates"] == said
    found = page(board, "spring", tables(board, "spring"))
    assert re.search(r"from 2026-01-01 \(UTC where no zone is named\), changed last 20", found)


# taking part


def test_a_new_team_gets_its_key_once_and_needs_it_then(board, say, ask, monkeypatch):
    said = ask(f"submit send {submitted(document())} --team 'A team'")
    key = said["key"]
    assert (said["number"], said["status"]) == (1, "queued")
    status, _, err = say(f"submit send {submitted(document(0.7))} --team 'a TEAM'")
    assert status == 2
    assert "ATTENTIONLAB_TEAM_KEY" in err
    monkeypatch.setenv("ATTENTIONLAB_TEAM_KEY", key)
    again = ask("submit send mine.json --team 'A team'")
    assert again["number"] == 2
    assert "key" not in again
    assert say(f"submit send {submitted(edits())} --team 'A team' --key wrong")[0] == 2
    assert [one["number"] for one in ask("submit list spring --team 'A team'")["submissions"]] == [1, 2]
    assert ask("submit withdraw 1 --team 'A team'") == {"withdrawn": 1}
    assert ask("submit status 1")["status"] == "withdrawn"
    assert key not in "".join(say(f"submit {line}")[1] for line in ("list spring", "status 2"))


def test_whoever_is_refused_is_not_registered(board, say):
    wrong = submitted(document(scores={"a": [1.0]}))
    assert say(f"submit send {wrong} --team A")[0] == 2
    assert board.register("A")


def test_a_key_is_told_even_where_the_round_takes_nothing(board, say):
    board.set_state("spring", "frozen")
    status, out, err = say(f"submit send {submitted(document())} --team A")
    assert (status, out, err.count("\n")) == (2, "", 1)
    key = err.split()[-1]
    board.set_state("spring", "open")
    assert board.submit("spring", "A", key, document()) == 1


def test_everything_wrong_is_said_at_once_a_line_each(board, say):
    file = submitted(document(title="", scores={"a": [1.0], "x": [1.0]}))
    status, out, err = say(f"submit check {file}")
    assert (status, out) == (2, "")
    assert "title" in err
    file = submitted(document(scores={"a": [1.0], "x": [1.0]}))
    lines = say(f"submit check {file}")[2].splitlines()
    assert len(lines) == 5  # x is unknown, a too short, three are missing
    assert all(line.startswith("attnlab_core: scores/") for line in lines)
    status, out, err = say(f"submit check {file} --json")
    assert (status, err) == (2, "")
    assert len(json.loads(out)["problems"]) == 5
    assert board.submissions("spring") == []


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[1]", b'{"round": 5}', b"{" * 5, b" " * (8 * 2**20 + 1)])
def test_what_is_no_submission_is_refused_in_a_line(board, say, content):
    Path("bad.json").write_bytes(content)
    for line in ("submit check bad.json", "submit send bad.json --team A"):
        status, out, err = say(line)
        assert (status, out, err.count("\n")) == (2, "", 1)


def test_a_published_round_is_enough_to_take_part(say, tmp_path):
    publish(
        small_round(tracks={"edit": {"goal": "accuracy", "kinds": [""], "percentile": 95.0}}), tmp_path / "s"
    )
    for where in ("s/publish", "s/publish/round.json"):
        assert say(f"submit example {where} --track edit --out mine.json")[0] == 0
        assert say(f"submit check mine.json --round {where}")[0] == 0
    assert not (tmp_path / "results.db").exists()


def test_files_that_are_not_there_are_named(say):
    for line in (
        "submit check none.json",
        "submit example none/round.json --track edit --out x",
        "leaderboard none",
    ):
        status, _, err = say(line)
        assert (status, err.count("\n")) == (2, 1)
        assert "none" in err


# the table


def test_ties_are_shown_as_ties_and_baselines_are_marked(board, say, ask):
    board.add_baseline("spring", document(0.1), "Random")
    key = board.register("A")
    for first in (0.2, 0.3):
        board.submit("spring", "A", key, document(first, title=f"Mine {first}"))
    finish(board, 0.2, 0.2, 0.9)
    out = say("leaderboard spring --track explain")[1]
    rows = [line.split() for line in out.splitlines() if "(" in line and line[:1].isdigit()]
    assert [row[0] for row in rows] == ["1", "2=", "2="]
    assert "0.900 (0.800..1.000)" in out
    assert "baseline" in out
    assert "hidden split is shown when" in out
    lines = ask("submit status 3")["results"]["public"]
    assert lines["rank"] == "1"


def test_what_is_hidden_stays_hidden_until_the_round_is_closed(board, say, ask):
    board.submit("spring", "A", board.register("A"), document())
    finish(board, 0.5, seed=987654321)
    status, _, err = say("leaderboard spring --split hidden")
    assert status == 2
    assert "when it is closed" in err
    assert say("task export spring --out board --split hidden")[0] == 2
    write(board, "spring", Path("board"))
    for file in Path("board").iterdir():
        assert "987654321" not in file.read_text(), file
    board.set_state("spring", "closed")
    finish(board, 0.4, seed=987654321)
    table = ask("leaderboard spring --track explain --split hidden")["tables"][0]
    assert table["lines"][0]["figures"]["aopc_compr"]["mean"] == 0.4
    assert table["lines"][0]["facts"]["seed"] == 987654321
    assert table["lines"][0]["figures"].get("taucorr_loo", {}).get("mean") is None


def test_what_strangers_typed_is_text_wherever_it_is_shown(board, say):
    title = "<img src=x onerror=alert(1)> **b** {{ 7*7 }}"
    number = board.submit(
        "spring", "=cmd()", board.register("=cmd()"), document(title=title, report="</p><script>x")
    )
    finish(board, 0.5)
    found = tables(board, "spring", track="explain", split="public")
    html = page(board, "spring", found)
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img src=x onerror=alert(1)&gt; **b** {{ 7*7 }}" in html
    assert "&lt;/p&gt;&lt;script&gt;x" in html
    assert "Spring &lt;b&gt;2026&lt;/b&gt;" in html
    (row,) = csv.DictReader(io.StringIO(as_csv(found)))
    assert (row["team"], row["number"]) == ("'=cmd()", str(number))
    assert float(row["aopc_compr_mean"]) == 0.5
    assert "\x1b" not in say("leaderboard spring")[1]


def test_a_withdrawn_submission_leaves_the_board(board, ask):
    key = board.register("A")
    board.submit("spring", "A", key, document())
    finish(board, 0.5)
    board.withdraw(1, "A", key)
    assert ask("leaderboard spring --track explain")["tables"][0]["lines"] == []


def test_the_page_loads_nothing_and_an_empty_one_says_so(board):
    html = page(board, "spring", tables(board, "spring"))
    assert html.count("Nothing has been scored yet.") == 2
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=|url\(|@import|<script", html)


# the worked round that is shipped


def test_an_empty_database_gets_the_worked_round_at_once(tmp_path):
    board, began = Board(), time.process_time()
    assert ship(board)
    assert time.process_time() - began < 2
    assert not ship(board)
    assert board.state("negation") == "closed"
    found = tables(board, "negation")
    assert {(one.track, one.split) for one in found} == {
        (track, split) for track in TRACKS for split in SPLITS
    }
    assert all(line.baseline for table in found for line in table.lines)
    assert {line.title for table in found for line in table.lines} >= {"No edit", "Random", "AtMan"}
    assert board.waiting() == []
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 600_000


def test_of_many_who_ship_it_at_once_one_does():
    from concurrent.futures import ThreadPoolExecutor

    board = Board()
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: ship(Board()), range(4))) == 1
    assert len(board.submissions("negation")) == len(list(shipped_baselines()))


def test_it_never_comes_beside_other_rounds(board, ask, tmp_path):
    assert not ship(board)
    assert [one.name for one in board.rounds()] == ["spring"]
    assert (
        ask(f"leaderboard --db {tmp_path}/other.db")["rounds"] == []
    )  # asked for by name, it stays as it is


def test_the_worked_round_is_of_the_metrics_and_the_weights_of_today():
    from attnlab_core import plausibility
    from attnlab_core.models import load

    round_ = shipped_round()
    assert round_.model["digest"] == plausibility.digest(load("sst2"))
    for name, given, found in shipped_baselines():
        again = {
            "schema": "attentionlab.submission",
            "schema_version": 1,
            "round": "negation",
            "track": given.track,
        }
        assert read(again | {"title": name} | dict(given.content), round_).digest == given.digest
        assert {one.facts["metrics"] for one in found.values()} == {METRICS}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("track", "name"), [("explain", "Input × gradient"), ("edit", "Uniform"), ("discover", "Random")]
)
def test_the_worked_rounds_figures_come_out_again(track, name):
    round_ = shipped_round()
    (found,) = [one for one in shipped_baselines() if (one[1].track, one[0]) == (track, name)]
    for split, kept in found[2].items():
        again = score(round_, found[1], split, draw="worked")
        assert again.figures.keys() == kept.figures.keys()
        for figure, numbers in kept.figures.items():
            assert again.figures[figure] == pytest.approx(numbers, abs=2e-3), figure


# the documents


def test_the_documented_schema_is_the_one_that_is_published():
    said = (ROOT / "docs/submission.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r'^```json title="([^"]+)"\n(.*?)^```$', said, re.MULTILINE | re.DOTALL))
    assert json.loads(blocks["submission.schema.json"]) == DOCUMENT
    for name in (*DOCUMENT["properties"], *DOCUMENT["properties"]["claim"]["properties"]):
        assert f"`{name}`" in said, name
    round_ = shipped_round()
    assert read(blocks["edit.json"], round_).track == "edit"
    assert read(blocks["discover.json"], round_).track == "discover"


def test_the_documented_way_to_make_scores_makes_a_submission(tmp_path):
    said = (ROOT / "docs/submission.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'^```python title="explain.py"\n(.*?)^```$', said, re.MULTILINE | re.DOTALL)
    whole = shipped_round()
    few = whole.rows[:4]
    kept = replace(
        whole, rows=few, lengths={row.id: whole.lengths[row.id] for row in few}, published=whole.digest
    )
    (tmp_path / "round.json").write_text(json.dumps(kept.to_json(secret=False)), encoding="utf-8")
    exec(compile(code, "explain.py", "exec"), {})
    assert read((tmp_path / "mine.json").read_bytes(), kept).track == "explain"
