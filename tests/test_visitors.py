"""Many visitors: each gets the answer to their own sentence, leaves nothing behind, and takes their work along."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
import tomllib
import weakref
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from attnlab_core.errors import Cancelled, ModelRefused
from benchmarks import visitors
from benchmarks._visitor import Visitor
from benchmarks.serving import ROOT, serving
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


def answer(address: str, host: str, origin: str | None = None) -> int:
    """The status with which the app answers a browser that was led to it as `host`, by a page of `origin`."""
    port = urlsplit(address).port
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    said = {"Host": f"{host}:{port}", "Origin": origin or f"http://{host}:{port}", "Upgrade": "websocket"}
    said |= {"Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
    with socket.create_connection(("127.0.0.1", port), 5) as asked:
        lines = [f"{name}: {value}" for name, value in said.items()]
        asked.sendall("\r\n".join(["GET /_stcore/stream HTTP/1.1", *lines, "", ""]).encode())
        return int(asked.recv(64).split()[1])


def test_no_page_of_another_host_reaches_the_app(server):
    """Neither one whose own name was made to lead here, nor one that asks from where it is."""
    for host in ("127.0.0.1", "localhost"):
        assert answer(server[0], host) == 101
        assert answer(server[0], host, "http://evil.example") == 403
    assert answer(server[0], "evil.example") == 403


@pytest.mark.slow
def test_a_name_that_the_operator_gives_is_answered_to(monkeypatch):
    from attnlab_core.serving import HOSTS

    monkeypatch.setenv(HOSTS, "lab.example.org *.lab.example")
    with serving() as (address, _):
        for host, status in {"lab.example.org": 101, "a.lab.example": 101, "127.0.0.1": 403}.items():
            assert answer(address, host) == status


def test_what_keeps_other_pages_out_is_switched_on():
    said = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text(encoding="utf-8"))["server"]
    assert said["enableCORS"]
    assert said["enableXsrfProtection"]
    assert set(said["allowedHosts"]) == {"127.0.0.1", "localhost"}


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


def loads(*, steps: int = 500, seconds: float = 0.01):
    """What loads a tiny model in steps; its name says how it ends. What it made is noted."""
    from attnlab_core.progress import step
    from attnlab_core.testing import tiny_lab

    begun: list[str] = []
    made: list[weakref.ref] = []

    def load(name: str):
        begun.append(name)
        for k in range(0 if "at once" in name else steps):
            step(k, steps)
            time.sleep(seconds)
        if "breaks" in name:
            raise ModelRefused("It broke off.")
        lab = tiny_lab()
        made.append(weakref.ref(lab.model))
        if "long" in name:  # no step while the weights are read
            time.sleep(2 * GONE)
        return lab

    return load, begun, made


@pytest.fixture
def loading(monkeypatch):
    """A backend whose models are loaded in five seconds, what was begun, and what was made."""
    from pages.ui import backend as module

    load, begun, made = loads()
    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(gc, "freeze", lambda: None)  # or the tests' own objects would never be collected
    return Backend(), begun, made


def test_a_model_on_its_way_is_given_up_when_its_visitor_leaves(loading, monkeypatch):
    """Its place among those that wait is free at once: the next is loaded, and who waits for nobody is not begun."""
    from pages.ui import visitors as presence

    made, begun, _ = loading
    there, behind = threading.Event(), threading.Event()
    there.set()
    monkeypatch.setattr(presence, "presence", lambda: there.is_set)
    first = made.lab("first")
    monkeypatch.setattr(presence, "presence", lambda: behind.is_set)
    never = made.lab("never")
    monkeypatch.setattr(presence, "presence", lambda: presence.always)
    last = made.lab("last, at once")
    time.sleep(0.3)
    there.clear()
    gone = time.monotonic()
    assert isinstance(first.exception(GONE + 20), Cancelled)
    assert time.monotonic() - gone >= 0.5 * GONE  # a connection that only broke may come back
    assert isinstance(never.exception(20), Cancelled)
    assert last.result(60)
    assert [name for name in begun if name != "sst2"] == [
        "first",
        "last, at once",
    ]  # other tests' pages ask for that
    assert not made.asked("first")
    assert "first" not in made.progress
    assert [one.name for one in made.loaded() if one.name != "sst2"] == ["last, at once"]


def test_a_model_goes_on_while_one_of_those_who_asked_is_there(loading, monkeypatch):
    from pages.ui import visitors as presence

    made, begun, _ = loading
    monkeypatch.setattr(presence, "presence", lambda: presence.always)
    future = made.lab("both")
    monkeypatch.setattr(presence, "presence", lambda: lambda: False)
    assert made.lab("both") is future
    assert future.result(60)
    assert begun == ["both"]


@pytest.mark.parametrize("name", ["at once, long", "at once, breaks"])
def test_what_came_too_late_is_dropped_and_loaded_anew_for_the_next(name, loading, monkeypatch):
    """Where no step tells in between: the model leaves the memory, and a failure is not held against who comes later."""
    from pages.ui import visitors as presence

    made, begun, kept = loading
    answers = iter([True])
    monkeypatch.setattr(presence, "presence", lambda: lambda: next(answers, False))
    monkeypatch.setattr("pages.ui.shelf.GONE", 0.0)
    error = made.lab(name).exception(60)
    assert isinstance(error, Cancelled)
    assert made.loaded() == []
    assert not made.asked(name)
    assert all(model() is None for model in kept)
    monkeypatch.setattr(presence, "presence", lambda: presence.always)
    again = made.lab(name)
    assert isinstance(again.exception(60), ModelRefused) if "breaks" in name else again.result(60)
    assert begun == [name, name]


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
