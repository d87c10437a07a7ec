"""The store: the same contract on SQLite and on a PostgreSQL server, and the command that looks through it."""

from __future__ import annotations

import argparse
import csv
import json
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from attnlab_core import _results
from attnlab_core._tables import beside
from attnlab_core.errors import BadInput
from attnlab_core.report import Report
from attnlab_core.store import Entry, Store
from tests.postgres_server import free_port

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

ROOT = Path(__file__).parents[1]
MODEL = {"name": "sst2", "revision": None, "digest": "ab12", "layers": 6}


def row(condition: str, control: bool, before: float, after: float | None, n: int = 40) -> dict[str, Any]:
    said = {"condition": condition, "control": control, "score": "accuracy", "before": before, "rows": n}
    return said | ({"after": after} if condition else {})


def report(**changed: Any) -> Report:
    """An evaluation with two tables, one number unknown."""
    whole = Report(
        request={"experiment": "evaluate", "task": {"task": "sst2"}, "limit": 40, "conditions": [{"name": "invert"}]},
        model=MODEL,
        tables={
            "scores": [
                row("", False, 0.925, None),
                row("invert", False, 0.925, 0.5),
                row("invert", True, 0.925, 0.875),
            ],
            "effects": [{"condition": "invert", "control": False, "flip_rate": 0.425, "p": float("nan")}],
        },
        notes=("Names: “naïve” 漢字 \N{SNOWMAN}.", "With \0 and \udc80."),
        rows=40,
        made="2026-11-21T09:00:00+00:00",
        versions={"torch": "2.13.0", "python": "3.11.2"},
        seconds=1.25,
    )  # fmt: skip
    return replace(whole, **changed)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, database: Callable[[str], str]) -> str:
    """An empty database."""
    return database(request.param)


@pytest.fixture
def store(url: str) -> Store:
    return Store(url)


# the contract


def test_a_report_comes_back_as_it_was(store: Store) -> None:
    one = report()
    number = store.add(one)
    back = store.get(number)
    assert back.to_json() == one.to_json()
    assert back.to_json()["tables"]["effects"][0]["p"] is None
    assert Store(str(store._engine.url)).get(number).notes == one.notes


def test_the_list_is_newest_first_and_filtered(store: Store) -> None:
    other = report(
        request={"experiment": "bench", "task": {"task": "squad"}, "seed": 2**40}, model={"name": "qa"}
    )
    first, second, third = store.add(report()), store.add(other), store.add(report())
    assert [entry.id for entry in store.find()] == [third, second, first]
    assert [entry.id for entry in store.find(task="sst2")] == [third, first]
    assert [entry.id for entry in store.find(model="qa")] == [second]
    assert [entry.id for entry in store.find(task="sst2", experiment="bench")] == []
    assert [entry.id for entry in store.find(limit=2)] == [third, second]
    assert len(store.find(limit=None)) == len(store.find(limit=10**30)) == 3
    assert store.find(experiment="evaluate", limit=1)[0] == Entry(
        id=third,
        made="2026-11-21T09:00:00+00:00",
        experiment="evaluate",
        task="sst2",
        model="sst2",
        revision=None,
        digest="ab12",
        rows=40,
        seed=0,
        main="accuracy",
        main_value=0.925,
        title="evaluate: sst2 on sst2, 40 rows",
    )
    assert store.find(model="qa")[0].to_json()["seed"] == 2**40
    with pytest.raises(BadInput, match="at least one line, not 0"):
        store.find(limit=0)


def test_a_text_that_looks_like_sql_is_a_text(store: Store) -> None:
    name = "x'; DROP TABLE attentionlab_results; --"
    number = store.add(report(model={"name": name}))
    assert [entry.id for entry in store.find(model=name)] == [number]
    assert store.get(number).model["name"] == name


def test_what_is_removed_is_gone_and_its_number_stays_free(store: Store) -> None:
    first, second = store.add(report()), store.add(report())
    store.remove(second)
    assert [entry.id for entry in store.find()] == [first]
    for number in (second, 0, -1, 2**31, 10**30):
        with pytest.raises(BadInput, match=f"There is no result {number} in"):
            store.get(number)
        with pytest.raises(BadInput, match="results list"):
            store.remove(number)
    assert store.add(report()) > second


def test_several_are_kept_together_or_not_at_all(store: Store) -> None:
    broken = report(model={"digest": "without a name"})
    with pytest.raises(BadInput, match="not whole"):
        store.add_all([report(), broken])
    with pytest.raises(BadInput, match="does not answer as it should"):
        store.add_all([report(), report(rows=2**70)])
    assert store.find() == []
    assert len(store.add_all([report(), report()])) == len(store.find()) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"request": {"experiment": "evaluate"}},
        {"request": {"experiment": "evaluate", "task": "sst2"}},
        {"tables": [1]},
        {"tables": {"scores": [1]}},
        {"rows": None},
        {"model": {"name": "sst2", "loss": float("nan")}},
    ],
)
def test_a_report_that_is_not_whole_is_refused(changed: dict[str, Any], tmp_path: Path) -> None:
    store = Store(str(tmp_path / "results.db"))
    with pytest.raises(BadInput, match="not whole"):
        store.add(report(**changed))
    assert store.find() == []


def test_a_later_document_stays_and_is_refused_in_a_line(store: Store) -> None:
    number = store.add(report())
    with store._asked() as connection:
        said = store.get(number).to_json() | {"schema_version": 99}
        connection.execute(store._table.update().values(document=json.dumps(said), schema_version=99))
    with pytest.raises(BadInput, match="version 99"):
        store.get(number)
    assert [entry.id for entry in store.find()] == [number]


def test_a_table_of_another_version_is_refused_and_left_alone(store: Store, url: str) -> None:
    from sqlalchemy import text

    store.add(report())
    with store._asked() as connection:
        connection.execute(text("ALTER TABLE attentionlab_results RENAME COLUMN digest TO weights"))
    with pytest.raises(BadInput, match="another version: it has no digest"):
        Store(url)
    with store._asked() as connection:
        assert connection.execute(text("SELECT weights FROM attentionlab_results")).scalars().all() == [
            "ab12"
        ]


ADDING = """
import json, sys, sqlalchemy
from attnlab_core.report import report_from_json
from attnlab_core.store import Store
print("ready", flush=True)
document = json.loads(sys.stdin.readline())
for _ in range(10):
    print(Store(sys.argv[1]).add(report_from_json(document)))
"""


def test_processes_open_and_add_at_once(url: str) -> None:
    """The table is made by whichever is first; all are up before any begins."""
    start = [sys.executable, "-c", ADDING, url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    at_work = [subprocess.Popen(start, cwd=ROOT, text=True, **pipes) for _ in range(3)]
    for one in at_work:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    for one in at_work:
        assert one.stdin
        one.stdin.write(json.dumps(report().to_json()) + "\n")
        one.stdin.flush()
    said = [one.communicate(timeout=120)[0].split() for one in at_work]
    assert [one.returncode for one in at_work] == [0, 0, 0]
    numbers = sorted(int(number) for lines in said for number in lines)
    assert len(set(numbers)) == 30
    assert sorted(entry.id for entry in Store(url).find()) == numbers


# what cannot be opened


def test_sqlite_lets_others_read_while_one_writes(tmp_path: Path) -> None:
    file = tmp_path / "results.db"
    store = Store(str(file))
    store.add(report())
    writer = sqlite3.connect(file, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM attentionlab_results")
    assert len(store.find()) == 1
    writer.execute("ROLLBACK")
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    writer.close()


@pytest.mark.parametrize(
    "given",
    ["nonsense", "://", "sqlite://", "sqlite:///:memory:", "oracle9://x/y", "postgresql://u:secret@h:port/x"],
)
def test_a_bad_url_is_refused_in_a_line_without_its_password(given: str) -> None:
    with pytest.raises(BadInput, match=r"give a file such as results\.db") as caught:
        Store(given)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("postgresql+psycopg2://h/x", r"pip install .psycopg\[binary\]"),
        ("mssql+pymssql://h/x", "pymssql is not installed"),
    ],
)
def test_a_driver_that_is_missing_is_named(given: str, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Store(given)


def test_a_server_that_does_not_answer_is_named_without_the_password() -> None:
    with pytest.raises(BadInput, match=r"lab:\*\*\*@127\.0\.0\.1") as caught:
        Store(f"postgresql://lab:secret@127.0.0.1:{free_port()}/results?sslpassword=secret")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "results.db"
    file.write_text("Not a database, but somebody's text. " * 50)
    kept = file.read_bytes()
    with pytest.raises(BadInput, match="file is not a database"):
        Store(f"sqlite:///{file}")
    assert file.read_bytes() == kept
    with pytest.raises(BadInput, match="There is no folder"):
        Store(str(tmp_path / "nowhere" / "results.db"))
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(BadInput, match="unable to open"):
        Store(str(tmp_path / "folder.db"))


def test_half_a_database_is_refused_in_a_line(tmp_path: Path) -> None:
    file = tmp_path / "results.db"
    store = Store(str(file))
    store.add_all([report()] * 50)
    with sqlite3.connect(file) as writer:
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writer.close()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match="does not answer as it should"):
        [store.get(entry.id) for entry in store.find()]


def test_a_file_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    number = Store(str(tmp_path / "results.db")).add(report())
    store = Store(f"sqlite:///file:{tmp_path / 'results.db'}?mode=ro&uri=true")
    assert store.get(number).rows == 40
    with pytest.raises(BadInput, match="readonly"):
        store.add(report())


def test_the_place_is_the_users_folder_or_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTENTIONLAB_DB", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "a ? b # c %20"))
    assert Store().name == str(tmp_path / "a ? b # c %20" / "attentionlab" / "results.db")
    assert Path(Store().name).exists()
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store().name == str(tmp_path / ".local/share/attentionlab/results.db")
    monkeypatch.setenv("ATTENTIONLAB_DB", f"sqlite:///{tmp_path / 'other.sqlite'}")
    assert Store().name == str(tmp_path / "other.sqlite")
    assert Store(str(tmp_path / "given.db")).name == str(tmp_path / "given.db")
    monkeypatch.setenv("ATTENTIONLAB_DB", "")
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "taken"))
    with pytest.raises(BadInput, match="point XDG_DATA_HOME"):
        Store()


def test_sqlalchemy_comes_with_the_first_store_only() -> None:
    code = """
import sys
import attnlab_core, attnlab_core.store, attnlab_core._results
assert not {"sqlalchemy", "torch", "pandas", "psycopg"} & sys.modules.keys(), sys.modules.keys()
attnlab_core.store.Store(sys.argv[1])
assert "sqlalchemy" in sys.modules and "torch" not in sys.modules
"""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code, f"{folder}/x.db"], cwd=ROOT, check=True, timeout=120)


# side by side


def test_figures_are_put_beside_each_other(store: Store) -> None:
    scores = [row("invert", True, 0.9, 0.85), row("", False, 0.9, None), row("invert", False, 0.9, None)]
    changed = report(
        request={"experiment": "evaluate", "task": {"task": "sst2"}, "limit": 50, "conditions": [{"name": "invert"}]},
        model=MODEL | {"digest": "cd34"},
        tables={"scores": scores, "effects": [{"condition": "zero", "control": False, "flip_rate": 0.1}]},
        rows=50,
    )  # fmt: skip
    one, two = store.add(report()), store.add(changed)
    frame = store.compare(one, two)
    assert list(frame.columns) == [
        "condition",
        "control",
        "score",
        "figure",
        "value_1",
        "value_2",
        "difference",
    ]
    found = {(r["condition"], r["control"], r["figure"]): r for r in frame.to_dict("records")}
    assert len(found) == len(frame) == 8  # 3 rows, of two of them `after` too
    assert found["", False, "before"]["difference"] == pytest.approx(-0.025)
    assert found["invert", True, "after"]["value_1"] == 0.875
    assert found["invert", True, "after"]["value_2"] == 0.85
    assert found["invert", True, "after"]["difference"] == pytest.approx(-0.025)
    assert found["invert", False, "after"]["value_1"] == 0.5
    assert frame[(frame.figure == "after") & ~frame.control].difference.isna().all()
    assert frame.attrs["notes"] == [
        "The models differ: digest ab12 and cd34.",
        "The data differ: limit 40 and 50; rows 40 and 50.",
    ]
    with pytest.raises(BadInput, match="'effects' of the two reports have no row in common"):
        store.compare(one, two, "effects")
    same = store.compare(one, one, "effects")
    assert same.figure.tolist() == ["flip_rate"]  # nobody knows p
    assert same.difference.tolist() == [0]
    assert same.attrs["notes"] == []


def test_layers_and_heads_tell_rows_apart_and_curves_go_by_their_share() -> None:
    tables = {
        "by_head": [{"layer": n, "head": m, "value": n + m / 10} for n in range(2) for m in range(2)],
        "curves": [{"method": "atman", "share": s, "value": 1 - s} for s in (0.0, 0.5, 1.0)],
        "twins": [{"method": "atman", "value": 1}, {"method": "atman", "value": 1}],
        "words": [{"method": "atman", "found": ["a"]}],
    }
    one = report(tables=tables)
    two = report(tables=tables | {"curves": [{"method": "atman", "share": 0.5, "value": 0.75}]})
    name, rows, _ = beside(one, two)
    assert name == "by_head"
    assert [(r["layer"], r["head"], r["value_2"]) for r in rows] == [
        (0, 0, 0),
        (0, 1, 0.1),
        (1, 0, 1),
        (1, 1, 1.1),
    ]
    _, rows, notes = beside(one, two, "curves")
    assert [(r["share"], r["value_1"], r["value_2"], r["difference"]) for r in rows] == [
        (0, 1, None, None), (0.5, 0.5, 0.75, 0.25), (1, 0, None, None),
    ]  # fmt: skip
    assert notes == ["Rows of 'curves' that only the first report has: 2."]
    with pytest.raises(BadInput, match="cannot be told apart"):
        beside(one, two, "twins")
    with pytest.raises(BadInput, match="hold no number"):
        beside(one, two, "words")


def test_what_cannot_be_compared_is_said_in_a_line() -> None:
    other = report(request={"experiment": "bench", "task": {"task": "sst2"}})
    with pytest.raises(BadInput, match="'evaluate' and one of 'bench'"):
        beside(report(), other)
    with pytest.raises(BadInput, match="The first report has no table 'kinds'; it has scores, effects"):
        beside(report(), report(), "kinds")
    with pytest.raises(BadInput, match="The second report has no table 'scores'; it has none"):
        beside(report(), report(tables={}))
    with pytest.raises(BadInput, match="no row in common"):
        beside(report(tables={"scores": []}), report())


# files and the command line


def command(*argv: str, database: str | None = None) -> tuple[Any, str]:
    """What a command says: its object, which must be JSON, and its text."""
    parser = argparse.ArgumentParser()
    _results.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["results", *(("--db", database) if database else ()), *argv])
    said = args.command(args)
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    return said, args.show(said)


def test_reports_go_into_files_and_come_back(store: Store, tmp_path: Path) -> None:
    one, two = report(), report(tables={"curve": [{"id": "a,b", "share": 0.5, "tokens": ["x"]}]})
    numbers = store.add_all([one, two])
    assert store.export(None, tmp_path / "all.json") == 2
    assert json.loads((tmp_path / "all.json").read_text()) == [one.to_json(), two.to_json()]
    assert store.export(numbers[:1], tmp_path / "one.json") == 1
    assert json.loads((tmp_path / "one.json").read_text()) == [one.to_json()]
    store.export(numbers, tmp_path / "both.csv")
    with (tmp_path / "both.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(lines[0])[:4] == ["id", "experiment", "model", "task"]
    assert [(line["id"], line["condition"], line["after"]) for line in lines] == [
        (str(numbers[0]), "", ""), (str(numbers[0]), "invert", "0.5"), (str(numbers[0]), "invert", "0.875"),
        (str(numbers[1]), "", ""),
    ]  # fmt: skip
    assert lines[3]["table_id"] == "a,b"
    assert lines[3]["tokens"] == '["x"]'
    assert {file.name for file in tmp_path.glob("*.part")} | {
        f.name for f in tmp_path.glob(".*.part")
    } == set()


def test_a_file_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "results.db"))
    with pytest.raises(BadInput, match="nothing to write"):
        store.export(None, tmp_path / "all.json")
    number = store.add(report())
    with pytest.raises(BadInput, match=r"as \.json or \.csv, not as \.html\. A page is made by"):
        store.export(None, tmp_path / "all.html")
    with pytest.raises(BadInput, match="cannot be written: No such file"):
        store.export([number], tmp_path / "nowhere" / "all.csv")
    (tmp_path / "old.json").write_text("old")
    with pytest.raises(BadInput, match="There is no result 99"):
        store.export([number, 99], tmp_path / "old.json")
    assert (tmp_path / "old.json").read_text() == "old"


def test_the_command_lists_shows_and_compares(url: str) -> None:
    said, text = command(database=url)
    assert said["results"] == []
    assert "No such result" in text
    store = Store(url)
    one, two = store.add(report()), store.add(report(model=MODEL | {"name": "a long name"}))
    said, text = command("list", "--limit", "1", database=url)
    assert [entry["id"] for entry in said["results"]] == [two]
    assert text.splitlines() == [
        "id  made              experiment  task  model        rows  main      main_value",
        " 2  2026-11-21 09:00  evaluate    sst2  a long name    40  accuracy       0.925",
    ]
    assert [entry["id"] for entry in command("--model", "sst2", database=url)[0]["results"]] == [one]
    assert command("--model", "sst2", "list", database=url)[0]["results"][0]["id"] == one
    assert command("list", "--model", "sst2", "--db", url)[0]["results"][0]["id"] == one
    said, text = command("show", str(one), database=url)
    assert said == {"id": one, "title": "evaluate: sst2 on sst2, 40 rows"} | report().to_json()
    assert "invert     yes      accuracy   0.925    40  0.875" in text
    said, text = command("compare", str(one), str(two), "--table", "effects", database=url)
    assert said["rows"] == [
        {"condition": "invert", "control": False, "figure": "flip_rate", "value_1": 0.425, "value_2": 0.425,
         "difference": 0.0}
    ]  # fmt: skip
    assert said["notes"] == ["The models differ: name sst2 and a long name."]
    assert "flip_rate    0.425    0.425           0" in text


def test_the_command_exports_removes_and_adds(tmp_path: Path) -> None:
    database, file = str(tmp_path / "one.db"), str(tmp_path / "all.json")
    numbers = Store(database).add_all([report(), report(rows=7)])
    said, text = command("export", file, database=database)
    assert said == {"file": file, "results": 2}
    assert text == f"{file}: 2 results"
    assert command("remove", str(numbers[0]), database=database)[1] == "Removed result 1."
    assert [entry.id for entry in Store(database).find()] == numbers[1:]
    said, text = command("add", file, database=str(tmp_path / "two.db"))
    assert (said["added"], text) == ([1, 2], "Kept as 1, 2.")
    assert Store(said["database"]).get(2).to_json() == report(rows=7).to_json()
    single = tmp_path / "single.json"
    single.write_text(json.dumps({"stored": 4} | report().to_json()))
    assert command("add", str(single), database=database)[0]["added"] == [3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "empty list"),
        ("[1]", "no report of an experiment"),
        ('{"schema": "attentionlab.report", "schema_version": 1}', "not whole"),
        ('{"schema": "attentionlab.report", "schema_version": 99}', "version 99"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_holds_no_report_is_refused(text: str | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "given.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(BadInput, match=words) as caught:
        command("add", str(file), database=str(tmp_path / "x.db"))
    assert "\n" not in str(caught.value)
    assert Store(str(tmp_path / "x.db")).find() == []


def test_a_report_that_evaluate_made_is_kept(lab: Lab, tmp_path: Path) -> None:
    """The whole way, with the tables that an experiment really writes."""
    from attnlab_core.experiments import experiment_from_json, run

    data, database = tmp_path / "rows.jsonl", str(tmp_path / "results.db")
    rows = [{"text": f"The film was {word}.", "label": "positive"} for word in ("good", "fine", "bad")]
    data.write_text("\n".join(map(json.dumps, rows)))
    edits = [{"op": "scale", "factor": 0.5, "where": {"keys": [1]}}, {"op": "uniform"}]
    asked = [
        {"experiment": "evaluate", "task": {"task": "custom"}, "data": str(data), "judged": False,
         "conditions": [{"name": "edit", "edits": [edit]}]}
        for edit in edits
    ]  # fmt: skip
    made = [run(experiment_from_json(one), lab, folder=tmp_path / "runs") for one in asked]
    numbers = Store(database).add_all(made)
    assert [Store(database).get(number).to_json() for number in numbers] == [one.to_json() for one in made]
    entry = Store(database).find()[0]
    assert (entry.task, entry.rows, entry.main) == ("custom", 3, "accuracy")
    assert entry.main_value == made[1].tables["scores"][0]["before"]
    said, text = command("compare", *map(str, numbers), "--table", "effects", database=database)
    moved = next(one for one in said["rows"] if one["figure"] == "attention_moved" and not one["control"])
    one, two = (made[k].tables["effects"][0]["attention_moved"] for k in (0, 1))
    assert (moved["value_1"], moved["value_2"], moved["difference"]) == (one, two, two - one)
    assert "requests differ: conditions" in text
    assert "models differ" not in text
