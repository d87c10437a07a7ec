"""Workers of shared tasks: what is submitted is scored once, whoever is killed, withdrawn, or comes twice."""

from __future__ import annotations

import json
import pickle
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from attnlab_core.errors import BadInput
from attnlab_core.progress import step
from attnlab_core.rounds import worker
from attnlab_core.rounds._queue import opened
from attnlab_core.rounds.board import Board
from attnlab_core.rounds.worker import alive, enqueue, start, work
from tests.postgres_server import free_port
from tests.redis_server import redis_server
from tests.rounds_data import document, scored, slow_score, small_round

ROOT = Path(__file__).parents[1]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `slow_score` writes what it begins and ends."""
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture
def queue(tmp_path: Path) -> str:
    return str(tmp_path / "queue.db")


@pytest.fixture
def board(tmp_path: Path, log: Path) -> Board:
    return ready(str(tmp_path / "rounds.db"))


def ready(url: str) -> Board:
    """A board with one open round that takes a lot."""
    made = Board(url)
    made.add_round(small_round(per_day=1000))
    made.set_state("spring", "open")
    return made


def send(board: Board, key: str, first: float = 0.5, team: str = "Ann", **changed: Any) -> int:
    return board.submit("spring", team, key, document(first, **changed))


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    """What it gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


def statuses(board: Board) -> list[str]:
    return [one.status for one in board.submissions("spring")]


WORKING = """
import os, sys
from attnlab_core.rounds.worker import work
from tests.rounds_data import slow_score
url, queue, idle, lease, workers = sys.argv[1:]
work(url, queue, until_idle=float(idle), lease=float(lease), workers=int(workers), score=slow_score)
"""


def spawn(
    board: Board, queue: str, *, idle: float = 1, lease: float = 60, workers: int = 1, **pipes: Any
) -> subprocess.Popen[bytes]:
    """A worker in a process of its own."""
    given = [board.url, queue, str(idle), str(lease), str(workers)]
    return subprocess.Popen([sys.executable, "-c", WORKING, *given], cwd=ROOT, **pipes)


def lines(log: Path, word: str) -> list[str]:
    """What began or ended, by the first number of its scores."""
    text = log.read_text() if log.exists() else ""
    return [line.split()[1] for line in text.splitlines() if line.startswith(word)]


# one worker


def test_what_waits_is_scored_though_nobody_put_it_into_the_queue(
    board: Board, queue: str, log: Path
) -> None:
    key = board.register("Ann")
    numbers = [send(board, key, 1.0 + k) for k in range(3)]
    assert not alive(board)
    work(board.url, queue, until_idle=0, score=slow_score)
    assert statuses(board) == ["scored"] * 3
    found = board.results("spring", "explain", "public")
    assert [(one.entry.number, one.figures["aopc_compr"]["mean"]) for one in found] == [
        (number, 1.0 + k) for k, number in enumerate(numbers)
    ]
    assert lines(log, "ended") == ["1", "2", "3"]
    assert not alive(board)
    board.set_state("spring", "closed")
    work(board.url, queue, until_idle=0, score=slow_score, workers=2)
    assert len(board.results("spring", "explain", "hidden")) == 3
    assert statuses(board) == ["scored"] * 3


def test_a_job_is_put_into_the_queue_once_and_boards_keep_to_their_own(
    board: Board, queue: str, tmp_path: Path
) -> None:
    key = board.register("Ann")
    number = send(board, key)
    jobs = board.waiting(number)
    for given in (jobs, jobs, None):
        assert enqueue(board, given, queue) == ""
    assert opened(board.id, queue).pending_count() == 1
    other = ready(str(tmp_path / "other.db"))
    send(other, other.register("Bob"), team="Bob")
    assert enqueue(other, queue=queue) == ""
    work(other.url, queue, until_idle=0, score=slow_score)
    assert statuses(other) == ["scored"]
    assert statuses(board) == ["queued"]
    assert opened(board.id, queue).pending_count() == 1
    assert opened(other.id, queue).pending_count() == 0


def test_a_queue_that_cannot_be_reached_costs_time_alone(board: Board, queue: str, tmp_path: Path) -> None:
    send(board, board.register("Ann"))
    port = free_port()
    for given, words in (
        (str(tmp_path / "nowhere" / "queue.db"), "unable to open"),
        (f"redis://:secret@127.0.0.1:{port}", "The queue at redis:// does not answer"),
        ("redis://:se/cret@h:port", "redis://host:6379/0"),
        ("amqp://guest:secret@h", "a file such as queue.db, or redis://"),
    ):
        said = enqueue(board, queue=given)
        assert words in said
        assert "\n" not in said
        assert "cret" not in said
        with pytest.raises(BadInput) as caught:
            work(board.url, given, until_idle=0, score=slow_score)
        assert str(caught.value) == said
    work(board.url, queue, until_idle=0, score=slow_score)
    assert statuses(board) == ["scored"]


def test_a_redis_without_its_client_names_the_cure(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    import huey.storage

    monkeypatch.setattr(huey.storage, "Redis", None)
    assert "pip install redis" in enqueue(board, queue="redis://127.0.0.1")


def test_the_queue_is_the_users_own_or_the_variables(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ATTENTIONLAB_QUEUE", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert enqueue(board) == ""
    assert (tmp_path / "data" / "attentionlab" / "queue.db").exists()
    monkeypatch.setenv("ATTENTIONLAB_QUEUE", str(tmp_path / "mine.db"))
    assert enqueue(board) == ""
    assert (tmp_path / "mine.db").exists()


class Harmful:
    """Runs something where it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return (Path.write_text, (self.file, "ran"))


def test_what_others_put_into_the_queue_runs_nothing_and_stops_nothing(
    board: Board, queue: str, tmp_path: Path, log: Path
) -> None:
    send(board, board.register("Ann"))
    assert enqueue(board, [10**30, -1, 0, 77], queue) == ""
    name = f"attentionlab_{board.id}"
    odd = [
        pickle.dumps(Harmful(tmp_path / "harm")), b"", b"\xff", b"[]", b"{}", b"[" * 100_000,
        json.dumps(["1", "os.system", None, 0, 0, 0, ["true"], {}]).encode(),
        json.dumps(["2", "attnlab_core.rounds._queue.score", None, 0, 0, 0, ["1; DROP TABLE"], {}]).encode(),
        json.dumps(["3", "attnlab_core.rounds._queue.score", None, 0, 0, 0, [], {"x": 1}]).encode(),
    ]  # fmt: skip
    with sqlite3.connect(queue) as connection:
        connection.executemany(
            "INSERT INTO task (queue, data, priority) VALUES (?, ?, 9)", [(name, one) for one in odd]
        )
    connection.close()
    work(board.url, queue, until_idle=1, score=slow_score)
    assert statuses(board) == ["scored"]
    assert lines(log, "ended") == ["0.5"]
    assert not (tmp_path / "harm").exists()
    assert opened(board.id, queue).pending_count() == 0


def test_a_scoring_that_breaks_off_is_tried_three_times_and_one_that_cannot_be_is_refused(
    board: Board, queue: str, log: Path
) -> None:
    key = board.register("Ann")
    broken, other = send(board, key, 1.0, title="Broken"), send(board, key, 2.0)
    work(board.url, queue, until_idle=0, score=slow_score)
    entry = board.submission(broken)
    assert (entry.status, entry.reason) == (
        "refused",
        "Scoring broke off 3 times, at last so: RuntimeError: out of memory",
    )
    assert lines(log, "began").count("1") == 3
    assert board.submission(other).status == "scored"
    unfit = send(board, key, 3.0)

    def refuses(*_: Any, **__: Any) -> Any:
        raise BadInput("scores/a: there are 3 numbers, and the model reads 5 tokens.")

    work(board.url, queue, until_idle=0, score=refuses)
    entry = board.submission(unfit)
    assert (entry.status, entry.reason) == (
        "refused",
        "scores/a: there are 3 numbers, and the model reads 5 tokens.",
    )


@pytest.fixture
def gate(board: Board, queue: str) -> Iterator[tuple[threading.Event, list[Any], Any]]:
    """A worker in a thread, whose scoring waits: what lets it go on, what it scored, and its thread."""
    go, seen = threading.Event(), []

    def score(round_: Any, submission: Any, split: str, *, draw: str) -> Any:
        seen.append((round_.name, submission.title, split, len(draw)))
        for done in range(10**6):
            step(3 + go.is_set(), 7)
            if go.wait(0.02) and done > 60:
                break
        return scored()

    thread = threading.Thread(
        target=work, args=(board.url, queue), kwargs={"until_idle": 0, "score": score, "lease": 2}
    )
    yield go, seen, thread
    go.set()
    thread.join(60)
    assert not thread.is_alive()


def test_progress_is_told_and_a_lease_is_kept_as_long_as_it_takes(board: Board, gate: Any) -> None:
    go, seen, thread = gate
    number = send(board, board.register("Ann"))
    thread.start()
    entry = until(lambda: (found := board.submission(number)).done and found)
    assert (entry.status, entry.done, entry.total) == ("running", 3, 7)
    assert alive(board)
    time.sleep(2.5)  # longer than the lease
    assert board.waiting() == []
    go.set()
    thread.join(60)
    entry = board.submission(number)
    assert (entry.status, entry.total) == ("scored", 7)
    assert seen == [("spring", "Mine", "public", 32)]


def test_what_is_withdrawn_while_it_is_scored_stops_and_nothing_is_kept(board: Board, gate: Any) -> None:
    _, seen, thread = gate
    key = board.register("Ann")
    number = send(board, key)
    thread.start()
    until(lambda: seen)
    board.withdraw(number, "Ann", key)
    thread.join(60)
    assert not thread.is_alive()
    assert statuses(board) == ["withdrawn"]
    with board._reading() as connection:
        assert connection.execute(board._table("scores").select()).all() == []


def test_a_worker_needs_a_thread_and_a_lease(board: Board, queue: str) -> None:
    for odd in ({"workers": 0}, {"lease": 0}):
        with pytest.raises(BadInput, match="at least one thread and a lease above 0"):
            work(board.url, queue, score=slow_score, **odd)


# starting one


def test_one_worker_is_started_where_none_is_and_no_url_is_in_its_command(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    code = (
        "import os, sys; print(os.environ['ATTENTIONLAB_DB'], os.environ['ATTENTIONLAB_QUEUE'], sys.argv, "
        f"file=open({str(said)!r}, 'a'), flush=True)"
    )
    monkeypatch.setattr(worker, "COMMAND", ("-c", code))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    made = []
    threads = [
        threading.Thread(target=lambda: made.append(start(board.url, "redis://:secret@h"))) for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert sorted(made) == [False, False, False, True]
    assert alive(board)
    until(lambda: said.exists() and said.read_text().endswith("\n"))
    assert said.read_text() == f"{board.url} redis://:secret@h ['-c']\n"
    board.left(worker.STARTING)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(BadInput, match=r"cannot be started \(No such file or directory\). Start one by hand"):
        start(board.url)
    assert not alive(board)


# processes that are killed, or many


@pytest.mark.slow
def test_what_a_killed_worker_had_is_scored_by_another_once(
    board: Board, queue: str, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORING", "4")
    number = send(board, board.register("Ann"))
    first = spawn(board, queue, lease=3)
    until(lambda: lines(log, "began"))
    first.kill()
    first.wait(60)
    assert statuses(board) == ["running"]
    monkeypatch.setenv("SCORING", "0.1")
    second = spawn(board, queue, lease=3)
    assert second.wait(120) == 0
    assert statuses(board) == ["scored"]
    assert (lines(log, "began"), lines(log, "ended")) == (["0.5", "0.5"], ["0.5"])
    assert [one.entry.number for one in board.results("spring", "explain", "public")] == [number]


@pytest.mark.slow
def test_a_submission_that_ends_its_workers_is_refused_and_the_others_are_scored(
    board: Board, queue: str, log: Path
) -> None:
    key = board.register("Ann")
    deadly = send(board, key, 1.0, title="Deadly")
    others = [send(board, key, 2.0 + k) for k in range(2)]
    for _ in range(3):
        assert spawn(board, queue, lease=1).wait(120) == -signal.SIGKILL
        time.sleep(1.1)
    assert spawn(board, queue, lease=1).wait(120) == 0
    entry = board.submission(deadly)
    assert (entry.status, entry.reason) == ("refused", "Scoring it ended its worker 3 times.")
    assert lines(log, "began").count("1") == 3
    assert [board.submission(number).status for number in others] == ["scored", "scored"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_end_gives_back_what_it_has(
    board: Board, queue: str, log: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setenv("SCORING", "60")
    send(board, board.register("Ann"))
    made = spawn(board, queue)
    until(lambda: lines(log, "began"))
    until(lambda: alive(board))
    made.send_signal(how)
    assert made.wait(30) == 0
    assert statuses(board) == ["queued"]
    assert not alive(board)
    claim = board.claim(board.waiting()[0], "w")
    assert claim
    assert claim.attempts == 1


@pytest.fixture(params=["file", "redis"])
def any_queue(request: pytest.FixtureRequest, queue: str) -> Iterator[str]:
    """A queue of each kind, the Redis one with a password."""
    if request.param == "file":
        yield queue
    else:
        with redis_server("secret") as url:
            yield url


@pytest.fixture(params=["sqlite", "postgres"])
def any_board(request: pytest.FixtureRequest, database: Callable[[str], str], log: Path) -> Board:
    """An open round in a database of each kind."""
    return ready(database(request.param))


@pytest.mark.slow
def test_two_workers_score_twenty_once_each(
    any_board: Board, any_queue: str, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORING", "0.2")
    key = any_board.register("Ann")
    numbers = [send(any_board, key, 1.0 + k) for k in range(20)]
    assert enqueue(any_board, queue=any_queue) == ""
    both = [spawn(any_board, any_queue, workers=2, stderr=subprocess.PIPE) for _ in range(2)]
    assert [one.communicate(timeout=300)[1] for one in both] == [b"", b""]
    assert [one.returncode for one in both] == [0, 0]
    assert statuses(any_board) == ["scored"] * 20
    found = any_board.results("spring", "explain", "public")
    assert [(one.entry.number, one.figures["aopc_compr"]["mean"]) for one in found] == [
        (number, 1.0 + k) for k, number in enumerate(numbers)
    ]
    wanted = Counter(f"{1 + k}" for k in range(20))
    assert Counter(lines(log, "began")) == Counter(lines(log, "ended")) == wanted


@pytest.mark.slow
def test_a_redis_that_forgets_everything_loses_nothing(
    board: Board, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    monkeypatch.setenv("SCORING", "0.5")
    key = board.register("Ann")
    for k in range(6):
        send(board, key, 1.0 + k)
    with redis_server() as url:
        assert enqueue(board, queue=url) == ""
        made = spawn(board, url)
        until(lambda: lines(log, "ended"))
        with redis.Redis.from_url(url) as client:
            client.flushall()
        assert made.wait(120) == 0
    assert statuses(board) == ["scored"] * 6
    assert len(lines(log, "ended")) == 6


@pytest.mark.slow
def test_many_submissions_at_once_are_all_there_and_scored(any_board: Board, tmp_path: Path) -> None:
    from benchmarks.rounds import Load, run

    found = run(any_board.url, str(tmp_path / "queue.db"), Load(teams=20, each=3, processes=4, workers=2))
    assert (found.taken, found.lost, found.doubled, found.wrong) == (60, 0, 0, 0)


@pytest.mark.slow
def test_the_whole_way_with_a_shipped_model(tmp_path: Path, log: Path) -> None:
    """Made, opened, submitted, and scored in a process that knows nothing but the database and the queue."""
    from attnlab_core.rounds import example, new

    round_ = new("real", model="sst2", source={"suite": "negation"}, tracks=("explain",), rows=24)
    board, queue = Board(str(tmp_path / "rounds.db")), str(tmp_path / "queue.db")
    board.add_round(round_)
    board.set_state("real", "open")
    number = board.submit("real", "Ann", board.register("Ann"), example(round_, "explain"))
    assert enqueue(board, queue=queue) == ""
    code = "import sys; from attnlab_core.rounds.worker import work; work(*sys.argv[1:], until_idle=0)"
    subprocess.run([sys.executable, "-c", code, board.url, queue], cwd=ROOT, check=True, timeout=300)
    entry = board.submission(number)
    assert (entry.status, entry.reason, entry.done) == ("scored", "", entry.total)
    (result,) = board.results("real", "explain", "public")
    assert result.facts["data"] == round_.digest
    assert result.facts["model"]["digest"] == round_.model["digest"]
    assert result.figures["aopc_compr"]["n"] == len(round_.split("public"))
    from attnlab_core.rounds import score

    again = score(round_, board.document(number), "public", draw="")
    assert result.figures["aopc_compr"] == pytest.approx(again.figures["aopc_compr"])
