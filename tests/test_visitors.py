"""Many visitors: each gets the answer to their own sentence, leaves nothing behind, and takes their work along."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks import visitors
from benchmarks._visitor import Visitor
from benchmarks.serving import serving
from pages.ui.backend import Backend
from pages.ui.tasks import GONE, Task

LONG = " ".join(
    f"{name} after {word} {name}, and nothing else." for name in visitors.NAMES for word in visitors.WORDS[:3]
)

HASTE = "from pages.ui import tidying; tidying.EVERY = 1.0"


@pytest.fixture(scope="module")
def server():
    with serving() as found:
        yield found


def test_the_app_is_served_to_this_machine_alone(server):
    """A server on all addresses would answer on 127.0.0.2 as well."""
    port = urlsplit(server[0]).port
    with socket.create_connection(("127.0.0.1", port), 5):
        pass
    with socket.socket() as other:
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", port)) != 0


def steps(task: Task) -> list[float]:
    """Work in many small steps that would take a minute."""
    from attnlab_core.progress import step

    for k in range(6000):
        step(k, 6000)
        time.sleep(0.01)
    return [1.0]


def test_work_stops_soon_after_its_visitor_left():
    there = threading.Event()
    there.set()
    task = Backend().begin(("none", "work"), steps, there=there.is_set)
    time.sleep(0.3)
    assert task.running
    there.clear()
    gone = time.monotonic()
    assert task.done.wait(GONE + 3)
    assert time.monotonic() - gone >= 0.9 * GONE  # a connection that only broke may come back
    assert task.left
    assert task.result is None


def test_work_that_waits_its_turn_is_not_begun_for_one_who_left():
    begun = []
    task = Backend().begin(("none", "work"), begun.append, there=lambda: False)
    assert task.done.wait(5)
    assert task.left
    assert not begun


def test_a_connection_that_breaks_for_a_moment_stops_nothing():
    answers = iter([True] * 20 + [False] * 20)
    task = Backend().begin(("none", "work"), steps, there=lambda: next(answers, True))
    time.sleep(1.0)
    assert task.running
    task.stop.set()
    assert task.done.wait(3)
    assert not task.left


def test_who_comes_back_finds_the_work_begun_anew():
    def script():
        import streamlit as st

        from pages.ui import state

        task = state.task("work", ("none", "work"), lambda task: 7)
        task.done.wait(5)
        st.session_state["_numbers_seen"] = [*st.session_state.get("_numbers_seen", []), id(task)]
        st.text(str(task.result))

    at = AppTest.from_function(script).run()
    assert at.text[0].value == "7"
    at.session_state["_task_work"].left = True
    at.run()
    first, second = at.session_state["_numbers_seen"]
    assert first != second
    assert at.text[0].value == "7"


def test_memory_is_tidied_now_and_then_only(monkeypatch):
    from pages.ui import tidying

    tidy = tidying.Tidy()
    assert not tidy()
    monkeypatch.setattr(tidying, "EVERY", 0.0)
    assert tidy()


@pytest.mark.slow
def test_many_at_once_get_the_answer_to_their_own_sentence(server):
    seen = visitors.at_once(server[0], 6)
    right = visitors.expected([text for text, _, _ in seen])
    assert len(right) == 6
    assert {text: shown for text, shown, _ in seen} == right
    assert len(set(right.values())) > 1


def busy(pid: int, seconds: float) -> float:
    """Seconds of processor time that a process takes within so many seconds."""

    def used() -> int:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = used()
    time.sleep(seconds)
    return (used() - before) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_visitor_who_leaves_takes_the_work_along(server):
    """A long explanation keeps the server busy while its visitor is there, and no longer."""
    address, pid = server
    with Visitor(address) as one:
        one.settle()  # the model is there
    with Visitor(address, "compare", text=LONG, m="Occlusion") as one:
        one.look(10.0)
        one.press("Run the slow ones")
        assert any(busy(pid, 2.0) > 0.3 for _ in range(10))  # others may want the processor, too
    time.sleep(GONE + 3)
    assert busy(pid, 3.0) < 0.3


@pytest.mark.parametrize("leak", [0.0, 3.0])
def test_single_readings_that_are_far_off_hide_no_leak_and_make_none(leak):
    found = {number: 600.0 + leak * number for number in range(22, 76, 6)} | {22: 300.0}
    found[40] += 40.0
    found[64] -= 40.0
    assert abs(visitors.slope(found) - leak) < 1.0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_visitors_leave_nothing_behind(monkeypatch):
    """The full figures are printed by `python -m benchmarks.visitors`; here a leak of a megabyte a visitor would show.

    The server forgets and tidies up within seconds, and remembers so few results that it is soon full of them.
    """
    monkeypatch.setenv("ATTNLAB_RESULTS_GB", str(4 / 1024))
    with serving("--server.disconnectedSessionTTL=2", first=HASTE) as server:
        found = visitors.in_turn(
            *server, marks=range(20, 53, 4), pages=("heads", "compare"), waits=(2.5, 1.5)
        )
    assert visitors.slope(found) < 1.0, found
