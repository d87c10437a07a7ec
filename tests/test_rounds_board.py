"""The board of shared tasks: the same promises on SQLite and on a PostgreSQL server, also when many come at once."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attnlab_core.errors import BadInput
from attnlab_core.rounds import _jobs, _opened, _schema, _teams
from attnlab_core.rounds._document import Refused, read
from attnlab_core.rounds._round import Round
from attnlab_core.rounds._shipped import ship, shipped_baselines, shipped_round
from attnlab_core.rounds.board import Board
from attnlab_core.store import Store
from tests.postgres_server import free_port
from tests.rounds_data import document, dumped, edits, scored, small_round

ROOT = Path(__file__).parents[1]
DAY = 86400


class Clock:
    """A clock that a test moves; it begins on the first of December 2026."""

    def __init__(self) -> None:
        self.now = 1_796_083_200.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, database: Callable[[str], str]) -> str:
    """An empty database."""
    return database(request.param)


@pytest.fixture
def board(url: str, clock: Clock) -> Board:
    """A board with one open round."""
    made = Board(url, clock=clock)
    made.add_round(small_round())
    made.set_state("spring", "open")
    return made


@pytest.fixture
def key(board: Board) -> str:
    """Of the team Ann."""
    return board.register("Ann")


def send(board: Board, key: str, first: float = 0.5, team: str = "Ann", **changed: Any) -> int:
    return board.submit("spring", team, key, dumped(document(first, **changed)))


def score(board: Board, number: int, mean: float = 0.25) -> None:
    """Let a worker score what waits of a submission."""
    for job in board.waiting(number):
        claim = board.claim(job, "w")
        assert claim
        assert board.finish(claim, scored(mean))


def at_once(count: int, do: Callable[[int], Any]) -> list[Any]:
    """What so many threads got that began together: a value, or the error."""

    def one(k: int) -> Any:
        try:
            return do(k)
        except BadInput as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


# the tables


def test_the_migrations_make_the_tables_that_are_described(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    board = Board(url)

    def ours(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
        return kind != "table" or name != _schema.VERSIONS

    with board._reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, _schema.described()) == []
    assert ScriptDirectory(str(_opened.MIGRATIONS)).get_current_head() == _schema.REVISION


def test_several_open_a_new_database_at_once_and_one_makes_the_tables(url: str) -> None:
    code = "import sys; from attnlab_core.rounds.board import Board; sys.stdin.readline(); print(Board(sys.argv[1]).id)"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": ROOT}
    at_work = [subprocess.Popen([sys.executable, "-c", code, url], **pipes) for _ in range(2)]
    threads = at_once(4, lambda _: Board(url).id)
    said = [one.communicate("go\n", timeout=120)[0].strip() for one in at_work]
    assert len({*said, *threads}) == 1
    assert len(said[0]) == 32


def test_reports_and_rounds_share_a_database(board: Board, url: str) -> None:
    assert Store(url).find() == []
    assert [one.name for one in Board(url).rounds()] == ["spring"]


def test_a_later_database_is_refused_in_a_line_and_left_alone(board: Board, url: str) -> None:
    from sqlalchemy import text

    with board._writing() as connection:
        connection.execute(text(f"UPDATE {_schema.VERSIONS} SET version_num = '9999'"))
    with pytest.raises(BadInput, match=r"later AttentionLab \(tables 9999; .* up to 0002\)") as caught:
        Board(url)
    assert "\n" not in str(caught.value)
    with board._reading() as connection:
        assert board._revision(connection) == "9999"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("mysql://u:secret@h/x", "not in mysql"),
        ("nonsense", r"give a file such as results\.db"),
        ("postgresql://lab:secret@127.0.0.1:{port}/x", r"lab:\*\*\*@127\.0\.0\.1"),
    ],
)
def test_what_cannot_be_opened_is_said_in_a_line_without_its_password(given: str, words: str) -> None:
    with pytest.raises(BadInput, match=words) as caught:
        Board(given.format(port=free_port()))
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_databases_and_alembic_come_with_the_first_board_only() -> None:
    code = """
import sys
import attnlab_core.rounds.board, attnlab_core.rounds.worker
heavy = {"sqlalchemy", "alembic", "huey", "redis", "pandas", "psycopg"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
attnlab_core.rounds.board.Board(sys.argv[1])
assert "alembic" in sys.modules
"""
    again = code.replace('assert "alembic" in', 'assert "alembic" not in')
    with tempfile.TemporaryDirectory() as folder:
        for one in (code, again):
            command = [sys.executable, "-c", one, f"{folder}/x.db"]
            subprocess.run(command, cwd=ROOT, check=True, timeout=120)


# rounds


def test_a_round_comes_back_whole_and_is_added_once(board: Board) -> None:
    assert board.round("spring") == small_round()
    assert board.round("spring").digest == small_round().digest
    board.add_round(small_round(made="2026-12-24"))
    assert [one.to_json() for one in board.rounds()] == [
        {"name": "spring", "title": "Spring <b>2026</b>", "state": "open", "opens": "", "closes": "",
         "tracks": ["explain", "edit"], "submissions": 0}
    ]  # fmt: skip
    for other in (small_round(seed=1), small_round(per_day=3)):
        with pytest.raises(BadInput, match="another round named 'spring'"):
            board.add_round(other)
    published = Round.from_json(small_round(name="summer").to_json(secret=False))
    with pytest.raises(BadInput, match="without the hidden labels"):
        board.add_round(published)
    for name in ("summer", "x'; DROP TABLE attentionlab_rounds; --", "\0", "\udc80", "x" * 10**6):
        with pytest.raises(BadInput, match="There is no round"):
            board.round(name)


def test_a_round_goes_its_way_and_closing_is_final(board: Board) -> None:
    for state in ("frozen", "open", "open", "frozen", "closed", "closed"):
        board.set_state("spring", state)
        assert board.state("spring") == state
    for state in ("open", "frozen", "new"):
        with pytest.raises(BadInput, match=f"is closed and cannot become {state}. That is final"):
            board.set_state("spring", state)
    board.add_round(small_round(name="summer"))
    with pytest.raises(BadInput, match=r"is new and cannot become closed\. From there it can become open"):
        board.set_state("summer", "closed")
    with pytest.raises(BadInput, match="it cannot be 'ended'"):
        board.set_state("summer", "ended")


# teams


def test_a_team_has_a_key_of_which_only_a_salted_hash_is_kept(board: Board, key: str) -> None:
    other = board.register("Bob")
    assert len(key) == 32
    assert key != other
    with board._reading() as connection:
        kept = connection.execute(board._table("teams").select()).all()
    assert key not in str(kept)
    assert len({one.salt for one in kept}) == len({one.hash for one in kept}) == 2
    assert send(board, key, team="ann")
    said = set()
    for team, wrong in (("Ann", other), ("Ann", ""), ("Ann", key + "x"), ("Nobody", key), ("Ann' OR 1=1 --", key),
                        ("Ann", "\udc80"), ("Ann", "k" * 10**6), ("x" * 10**6, key), ("AttentionLab", key)):  # fmt: skip
        with pytest.raises(BadInput) as caught:
            send(board, wrong, 0.75, team=team)
        said.add(str(caught.value))
    assert len(said) == 1


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        " Ann",
        "Ann ",
        "a" * 41,
        "a\nb",
        "a\0",
        "\u202eevil",
        "a\u200bb",
        "\u3164",
        "\udc80",
        "x" * 10**6,
    ],
)
def test_a_name_that_cannot_be_read_is_refused(board: Board, name: str) -> None:
    with pytest.raises(BadInput, match="1 to 40 characters that can be seen") as caught:
        board.register(name)
    assert len(str(caught.value)) < 200


def test_names_are_taken_whatever_their_case_and_form(board: Board) -> None:
    for name in (
        "Straße",
        "Ren\u00e9",
        "<script>alert(1)</script>",
        "x'; DROP TABLE y; --",
        "漢字",
        "../../etc/passwd",
    ):
        board.register(name)
    for name in ("STRASSE", "Rene\u0301", "REN\u00c9", "\uff32en\u00e9", "attentionlab"):
        with pytest.raises(BadInput, match="is taken"):
            board.register(name)
    assert [isinstance(one, str) for one in at_once(6, lambda _: board.register("Same"))].count(True) == 1


def test_so_many_teams_a_day_are_new(board: Board, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_teams, "NEW_A_DAY", 3)
    said = at_once(6, lambda k: board.register(f"team {k}"))
    assert [isinstance(one, str) for one in said].count(True) == 3
    clock.now += DAY + 1
    board.register("tomorrow")


# submitting


def test_a_submission_is_kept_as_it_was_checked_and_waits(board: Board, key: str) -> None:
    number = send(board, key)
    assert board.submission(number).to_json() == {
        "number": number, "round": "spring", "track": "explain", "team": "Ann", "title": "Mine",
        "report": "As <i>it</i> is.\nReally.", "made": "2026-12-01T00:00:00+00:00", "baseline": False, "status": "queued",
        "done": 0, "total": 0, "reason": "", "digest": read(document(), small_round()).digest,
    }  # fmt: skip
    assert board.document(number) == read(document(), small_round())
    assert len(board.waiting(number)) == len(board.waiting()) == 1
    other = board.submit("spring", "Ann", key, edits())
    assert [one.number for one in board.submissions("spring")] == [number, other]
    assert [one.number for one in board.submissions("spring", track="edit")] == [other]
    assert [one.number for one in board.submissions("spring", team="ANN", track="explain")] == [number]
    assert board.submissions("spring", team="Bob") == []
    assert board.rounds()[0].submissions == 2
    for unknown in (0, -1, other + 1, 2**31, 10**30):
        for ask in (board.submission, board.document):
            with pytest.raises(BadInput, match=f"There is no submission {unknown} in"):
                ask(unknown)


@pytest.mark.parametrize(
    "raw",
    [
        dumped(document(float("nan"))),
        dumped(document(float("inf"))),
        dumped(document(1e300)),
        dumped(document(scores={"a": [1.0]})),
        dumped(document(scores={"../../etc/passwd": [1.0]})),
        dumped(document(scores=[[1.0]] * 4)),
        dumped(document(title="\u202eevil")),
        dumped(document(title="x" * 121)),
        dumped(document(round="summer")),
        dumped(document(round="spring'; DROP TABLE attentionlab_rounds; --")),
        b'{"scores": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b"[" + b"1," * 10_000_000 + b"1]",
        b"\x1f\x8b\x08\x00" + b"\0" * 100,
        b"\xff\xfe",
        b"",
        "\udc80",
        {"scores": None},
    ],
    ids=range(17),
)  # fmt: skip
def test_a_hostile_document_is_refused_in_a_line_and_leaves_nothing(board: Board, key: str, raw: Any) -> None:
    with pytest.raises(Refused) as caught:
        board.submit("spring", "Ann", key, raw)
    assert "\n" not in str(caught.value)
    assert board.submissions("spring") == []
    assert board.waiting() == []


def test_words_that_look_like_sql_are_words(board: Board, key: str) -> None:
    name = "x'; DELETE FROM attentionlab_submissions; --"
    number = send(board, key, title=name, report=name)
    assert (board.submission(number).title, board.submission(number).report) == (name, name)
    assert board.submissions("spring", team=name) == board.submissions("spring", track=name) == []


def test_submissions_are_taken_while_the_round_is_open_and_within_its_dates(
    board: Board, clock: Clock, key: str
) -> None:
    board.add_round(small_round(name="winter", opens="2026-12-02", closes="2026-12-03T01:00+01:00"))

    def sent(first: float) -> int:
        return board.submit("winter", "Ann", key, document(first, round="winter"))

    with pytest.raises(BadInput, match="is new: it takes no submissions now"):
        sent(1)
    board.set_state("winter", "open")
    with pytest.raises(BadInput, match=r"from 2026-12-02T00:00:00\+00:00 on; it is 2026-12-01T00:00:00"):
        sent(1)
    clock.now += DAY
    assert sent(1)
    clock.now += DAY - 1
    assert sent(2)
    clock.now += 1
    with pytest.raises(BadInput, match=r"until 2026-12-03T00:00:00\+00:00"):
        sent(3)
    board.set_state("spring", "frozen")
    with pytest.raises(BadInput, match="is frozen"):
        send(board, key)
    with pytest.raises(BadInput, match="There is no round"):
        board.submit("autumn", "Ann", key, document())


def test_dates_are_changed_while_a_round_is_not_closed_and_the_former_ones_are_kept(
    board: Board, clock: Clock, key: str
) -> None:
    winter = small_round(name="winter", opens="2026-12-02", closes="2026-12-03")
    board.add_round(winter)
    board.set_state("winter", "open")
    clock.now += 60
    board.set_dates("winter", opens="2026-12-01")
    assert board.submit("winter", "Ann", key, document(1, round="winter"))
    clock.now += 5 * DAY
    with pytest.raises(BadInput, match=r"until 2026-12-03T00:00:00\+00:00"):
        board.submit("winter", "Ann", key, document(2, round="winter"))
    board.set_dates("winter", closes="")
    board.set_dates("winter", opens="2026-12-01", closes="")
    assert board.submit("winter", "Ann", key, document(2, round="winter"))
    found = [(one.opens, one.closes, one.since[:16]) for one in board.dates("winter")]
    assert found == [
        ("2026-12-02", "2026-12-03", "2026-12-01T00:00"),
        ("2026-12-01", "2026-12-03", "2026-12-01T00:01"),
        ("2026-12-01", "", "2026-12-06T00:01"),
    ]
    assert board.round("winter") == replace(winter, opens="2026-12-01", closes="")
    assert board.round("winter").digest == winter.digest
    assert {one.name: (one.opens, one.closes) for one in board.rounds()}["winter"] == ("2026-12-01", "")
    board.add_round(winter)  # the same as it was made


def test_dates_that_make_no_sense_are_refused_and_leave_nothing(board: Board) -> None:
    board.set_dates("spring", closes="2026-12-05")
    for given, words in (
        ({"opens": "2026-12-05"}, "would close at 2026-12-05, before it opens at 2026-12-05"),
        ({"opens": "2026-12-07T01:00+02:00", "closes": "2026-12-06T23:00"}, "before it opens"),
        ({"closes": "tomorrow"}, "closes is a date such as"),
        ({"opens": "\0x"}, "opens is a date such as"),
    ):
        with pytest.raises(BadInput, match=words):
            board.set_dates("spring", **given)
    with pytest.raises(BadInput, match="There is no round"):
        board.set_dates("summer", closes="")
    assert [(one.opens, one.closes) for one in board.dates("spring")] == [("", ""), ("", "2026-12-05")]
    board.set_state("spring", "closed")
    with pytest.raises(BadInput, match="is closed: its dates stay as they are"):
        board.set_dates("spring", closes="")


def test_a_database_from_before_dates_could_be_changed_is_brought_up_to_date(board: Board, url: str) -> None:
    from sqlalchemy import text

    with board._writing() as connection:
        connection.execute(text("DROP TABLE attentionlab_dates"))
        connection.execute(text(f"UPDATE {_schema.VERSIONS} SET version_num = '0001'"))
    found = Board(url)
    assert [one.name for one in found.rounds()] == ["spring"]
    found.set_dates("spring", closes="2026-12-05")
    assert found.round("spring").closes == "2026-12-05"


def test_the_server_has_the_time_and_nothing_in_a_document_says_otherwise(url: str) -> None:
    import time

    board = Board(url)
    board.add_round(small_round())
    board.set_state("spring", "open")
    number = send(board, board.register("Ann"))
    with board._reading() as connection:
        made = connection.execute(board._table("submissions").select()).one().made_at
    assert abs(made - time.time()) < 30
    assert board.submission(number).made.endswith("+00:00")
    with pytest.raises(Refused, match="made: there is no such part"):
        send(board, board.register("Bob"), team="Bob", made="2020-01-01")


def test_a_team_has_so_many_submissions_a_day_in_each_track(board: Board, clock: Clock) -> None:
    board.add_round(small_round(name="few", per_day=2))
    board.set_state("few", "open")
    keys = {team: board.register(team) for team in ("Ann", "Bob")}

    def sent(first: float, team: str = "Ann") -> int:
        return board.submit("few", team, keys[team], document(first, round="few"))

    one = sent(1)
    clock.now += 3600
    sent(2)
    board.withdraw(one, "Ann", keys["Ann"])
    with pytest.raises(BadInput, match=r"2 submissions within 24 hours in a track.*from 2026-12-02T00:00:00"):
        sent(3)
    assert sent(3, "Bob")
    assert board.submit("few", "Ann", keys["Ann"], edits(round="few"))
    clock.now += DAY - 3600
    assert sent(3)
    with pytest.raises(BadInput, match="from 2026-12-02T01:00:00"):
        sent(4)


def test_the_same_is_taken_once_from_a_team(board: Board, key: str) -> None:
    number = send(board, key)
    with pytest.raises(BadInput, match=rf"submission {number}\."):
        send(board, key, title="Another name for it", report="")
    board.withdraw(number, "Ann", key)
    with pytest.raises(BadInput, match=rf"submission {number}, and was withdrawn\."):
        send(board, key)
    assert send(board, board.register("Bob"), team="Bob") > number


def test_many_at_once_are_held_to_the_limit_and_none_is_doubled(board: Board, key: str) -> None:
    same = at_once(8, lambda _: send(board, key))
    assert [isinstance(one, int) for one in same].count(True) == 1
    others = at_once(16, lambda k: send(board, key, 1.0 + k))
    numbers = [one for one in others if isinstance(one, int)]
    assert len(numbers) == len(set(numbers)) == 9  # ten a day, one was there
    assert all("10 submissions within 24 hours" in str(one) for one in others if not isinstance(one, int))
    assert len(board.submissions("spring")) == len(board.waiting()) == 10


# scoring


def test_a_job_is_claimed_by_one_and_scored_once(board: Board, key: str) -> None:
    number = send(board, key)
    (job,) = board.waiting()
    claims = [one for one in at_once(8, lambda k: board.claim(job, f"worker {k}")) if one]
    assert len(claims) == 1
    (claim,) = claims
    assert (claim.submission, claim.split, claim.round, len(claim.draw)) == (number, "public", "spring", 32)
    assert board.waiting() == []
    assert board.beat(claim, 1, 2)
    assert (board.submission(number).status, board.submission(number).done, board.submission(number).total) == (
        "running", 1, 2,
    )  # fmt: skip
    assert at_once(6, lambda k: board.finish(claim, scored(k / 10))).count(True) == 1
    entry = board.submission(number)
    assert (entry.status, entry.done, entry.total, entry.reason) == ("scored", 2, 2, "")
    assert len(board.results("spring", "explain", "public")) == 1
    assert not board.finish(claim, scored())
    assert not board.beat(claim, 2, 2)
    assert not board.refuse(claim, "late")
    assert not board.release(claim)
    for odd in (job, 0, -1, 2**31, 10**30, "1; DROP TABLE", None):
        assert board.claim(odd, "w") is None  # type: ignore[arg-type]


def test_a_lease_that_ran_out_is_taken_over_and_the_late_one_writes_nothing(
    board: Board, clock: Clock, key: str
) -> None:
    number = send(board, key)
    (job,) = board.waiting()
    late = board.claim(job, "late", 60)
    assert late
    clock.now += 59
    assert board.beat(late, 1, 2)
    clock.now += 59
    assert board.waiting() == []
    assert board.claim(job, "other") is None
    clock.now += 1
    assert board.waiting() == [job]
    other = board.claim(job, "other")
    assert other
    assert not board.beat(late, 2, 2)
    assert not board.finish(late, scored(0.9))
    assert board.results("spring", "explain", "public") == []
    assert board.finish(other, scored(0.1))
    (result,) = board.results("spring", "explain", "public")
    assert (result.entry.number, result.figures["aopc_compr"]["mean"]) == (number, 0.1)


def test_a_job_that_ends_its_worker_three_times_is_refused_and_can_be_asked_again(
    board: Board, clock: Clock, key: str
) -> None:
    number = send(board, key)
    (job,) = board.waiting()
    for _ in range(_jobs.ATTEMPTS):
        assert board.claim(job, "w", 60)
        clock.now += 60
    assert board.claim(job, "w") is None
    entry = board.submission(number)
    assert (entry.status, entry.reason) == ("refused", "Scoring it ended its worker 3 times.")
    assert board.waiting() == []
    assert board.again(number) == [job]
    score(board, number)
    assert board.submission(number).status == "scored"
    assert board.again(number) == []


def test_a_job_given_back_loses_nothing_and_one_that_broke_off_is_tried_again(board: Board, key: str) -> None:
    number = send(board, key)
    (job,) = board.waiting()
    for _ in range(5):
        claim = board.claim(job, "w")
        assert claim
        assert claim.attempts == 1
        assert board.release(claim)
    for attempt in (1, 2, 3):
        claim = board.claim(job, "w")
        assert claim
        assert claim.attempts == attempt
        assert board.broke(claim, "out of\nmemory")
    entry = board.submission(number)
    assert (entry.status, entry.reason) == ("refused", "Scoring broke off 3 times, at last so: out of memory")


def test_what_cannot_be_scored_is_refused_with_the_reason(board: Board, key: str) -> None:
    number = send(board, key)
    claim = board.claim(board.waiting()[0], "w")
    assert claim
    assert board.refuse(claim, "scores/a:\n3 numbers, \0\udc80 and 5 tokens." + "x" * 10**5)
    entry = board.submission(number)
    assert entry.status == "refused"
    assert entry.reason.startswith("scores/a: 3 numbers, ? and 5 tokens.")
    assert len(entry.reason) == 1000
    assert board.results("spring", "explain", "public") == []


def test_results_say_what_each_figure_rests_on(board: Board, key: str) -> None:
    number = send(board, key)
    score(board, number)
    (result,) = board.results("spring", "explain", "public")
    assert result.entry == board.submission(number)
    assert result.scored == "2026-12-01T00:00:00+00:00"
    assert result.values == {"aopc_compr": [0.5, None], "taucorr_loo": [None, None]}
    assert result.facts == scored().facts
    assert result.figures["aopc_compr"] == {"mean": 0.25, "low": 0.15, "high": 0.35, "n": 2}
    assert math.isnan(result.figures["taucorr_loo"]["mean"])
    with board._reading() as connection:
        kept = connection.execute(board._table("figures").select()).mappings().all()
    facts = {"data": "d1", "revision": "r1", "digest": "ab12", "code": "0.1.0", "seed": "0", "metrics": "1"}
    assert [{name: one[name] for name in facts} for one in kept] == [facts, facts]
    assert board.results("spring", "explain", "hidden") == board.results("spring", "edit", "public") == []
    with pytest.raises(BadInput, match="public or hidden, not 'secret'"):
        board.results("spring", "explain", "secret")


def test_scores_that_cannot_be_kept_leave_the_job_as_it_was(board: Board, key: str) -> None:
    number = send(board, key)
    claim = board.claim(board.waiting()[0], "w")
    assert claim
    with pytest.raises(ValueError, match="not JSON compliant"):
        board.finish(claim, scored(odd=float("nan")))
    assert board.submission(number).status == "running"
    assert board.finish(claim, scored())


def test_closing_queues_the_hidden_split_for_what_was_scored_then_or_later(board: Board, key: str) -> None:
    first, late, gone, bad = (send(board, key, 1.0 + k) for k in range(4))
    base = board.add_baseline("spring", document(9.0, title="Random"), "random")
    for number in (first, gone, base):
        score(board, number)
    claim = board.claim(board.waiting(bad)[0], "w")
    assert claim
    board.refuse(claim, "It does not fit.")
    board.withdraw(gone, "Ann", key)
    at_work = board.claim(board.waiting(late)[0], "w")
    assert at_work
    board.set_state("spring", "frozen")
    assert len(board.waiting()) == 0
    board.set_state("spring", "closed")
    assert [len(board.waiting(number)) for number in (first, late, gone, bad, base)] == [1, 0, 0, 0, 1]
    assert board.finish(at_work, scored())
    assert len(board.waiting(late)) == 1
    for number in (first, late, base):
        assert board.submission(number).status == "queued"
        score(board, number, 0.75)
    for split, mean in (("public", 0.25), ("hidden", 0.75)):
        found = board.results("spring", "explain", split)
        assert [one.entry.number for one in found] == [first, late, base]
        assert {one.figures["aopc_compr"]["mean"] for one in found} == {mean}
    board.set_state("spring", "closed")
    assert board.waiting() == []


def test_closing_while_others_finish_forgets_none(board: Board, key: str) -> None:
    numbers = [send(board, key, 1.0 + k) for k in range(8)]
    claims = [board.claim(job, "w") for job in board.waiting()]

    def do(k: int) -> Any:
        if k == 4:
            return board.set_state("spring", "closed")
        return board.finish(claims[k - (k > 4)], scored())  # type: ignore[arg-type]

    assert [one for one in at_once(9, do) if one is not None] == [True] * 8
    assert [len(board.waiting(number)) for number in numbers] == [1] * 8


def test_what_is_withdrawn_is_shown_and_scored_no_more(board: Board, key: str) -> None:
    done, running, queued, other = (send(board, key, 1.0 + k) for k in range(4))
    score(board, done)
    score(board, other)
    claim = board.claim(board.waiting(running)[0], "w")
    assert claim
    stranger = board.register("Bob")
    for team, with_key, words in (("Bob", stranger, "has no submission"), ("Ann", stranger, "not known"),
                                  ("AttentionLab", "", "not known")):  # fmt: skip
        with pytest.raises(BadInput, match=words):
            board.withdraw(done, team, with_key)
    for number in (done, running, queued, queued):
        board.withdraw(number, "Ann", key)
    assert not board.beat(claim, 1, 2)
    assert not board.finish(claim, scored())
    assert board.waiting() == []
    assert {board.submission(number).status for number in (done, running, queued)} == {"withdrawn"}
    assert [one.entry.number for one in board.results("spring", "explain", "public")] == [other]
    assert board.rounds()[0].submissions == 1
    assert [board.again(number) for number in (done, running, queued)] == [[], [], []]
    base = board.add_baseline("spring", document(9.0), "random")
    with pytest.raises(BadInput, match="has no submission"):
        board.withdraw(base, "Ann", key)


def test_a_baseline_is_there_once_in_a_track_and_no_teams(board: Board) -> None:
    board.add_round(small_round(name="summer"))
    number = board.add_baseline("summer", document(9.0, round="summer"), "random")
    assert board.add_baseline("summer", document(9.0, round="summer", title="Renamed"), "random") == number
    with pytest.raises(BadInput, match=rf"'random' of the track explain is there already, as {number}"):
        board.add_baseline("summer", document(8.0, round="summer"), "random")
    other = board.add_baseline("summer", edits(round="summer"), "random")
    many = [board.add_baseline("summer", document(1.0 + k, round="summer"), f"m{k}") for k in range(12)]
    assert [one.number for one in board.submissions("summer")] == [number, other, *many]
    entry = board.submission(number)
    assert (entry.team, entry.baseline, entry.status) == ("AttentionLab", True, "queued")
    assert next(one for one in board.rounds() if one.name == "summer").submissions == 0
    for state in ("open", "frozen", "closed"):
        board.set_state("summer", state)
    with pytest.raises(BadInput, match="is closed: nothing can be added"):
        board.add_baseline("summer", document(7.0, round="summer"), "late")


def test_the_worked_round_is_shipped_once_whoever_comes(url: str) -> None:
    assert at_once(4, lambda _: ship(Board(url))).count(True) == 1
    board = Board(url)
    assert not ship(board)
    assert [(one.name, one.state) for one in board.rounds()] == [("negation", "closed")]
    shipped = list(shipped_baselines())
    assert [one.title for one in board.submissions("negation")] == [given.title for _, given, _ in shipped]
    assert {one.status for one in board.submissions("negation")} == {"scored"}
    assert board.waiting() == []
    for name, given, whole in shipped:
        for split, one in whole.items():
            (found,) = (
                result
                for result in board.results("negation", given.track, split)
                if result.entry.title == given.title
            )
            assert found.figures.keys() == one.figures.keys(), name
            assert found.values == one.values
            assert found.facts == one.facts
    assert board.round("negation").digest == shipped_round().digest


def test_the_worked_round_never_comes_beside_another(board: Board) -> None:
    assert not ship(board)
    assert [one.name for one in board.rounds()] == ["spring"]


def test_workers_are_seen_and_forgotten_and_one_is_first(board: Board, clock: Clock) -> None:
    assert board.workers() == []
    assert at_once(6, lambda k: board.first(f"w{k}")).count(True) == 1
    board.seen("x")
    board.seen("x")
    assert len(board.workers()) == 2
    clock.now += 30
    board.seen("y")
    clock.now += 30
    assert board.workers() == ["y"]
    assert not board.first("z")
    board.left("y")
    assert board.workers() == []
    assert board.first("z")
