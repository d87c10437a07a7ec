"""Installed from its wheel, the lab runs from any folder: library, command line, app, case studies and models."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
APP = "attnlab_core/_app/"
PATIENCE = 120
"""Seconds; a busy machine imports slowly."""


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=outside(), capture_output=True, text=True, timeout=600,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def outside() -> dict[str, str]:
    """An environment that knows nothing of this clone, nor of any network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "STREAMLIT"))}
    return kept | {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built with what is installed here and without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "--quiet"),
        *("--wheel-dir", folder), cwd=folder,
    )  # fmt: skip
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def commands(wheel, tmp_path_factory):
    """The folder of commands of an environment with the wheel, which borrows what is installed here."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    places = sysconfig.get_paths("venv", vars={"base": str(folder), "platbase": str(folder)})
    Path(places["purelib"], "borrowed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    python = Path(places["scripts"], "python")
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet"),
        wheel, cwd=folder,
    )  # fmt: skip
    return Path(places["scripts"])


@pytest.fixture
def empty(tmp_path):
    return tmp_path


def tracked(*folders: str) -> set[str]:
    """The files of the clone that are under version control, or about to be."""
    said = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders, cwd=ROOT)
    return {name for name in said.splitlines() if (ROOT / name).is_file()}


@pytest.mark.slow
def test_the_wheel_holds_the_whole_lab_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    beside = tracked("app.py", "favicon.png", ".streamlit/config.toml", "pages", "case_studies")
    assert names == tracked("attnlab_core") | {APP + name for name in beside}
    assert {"app.py", "pages/start.py", "pages/ui/painter.js", "pages/ui/painter.css"} <= beside
    assert {"pages/recorded/start.json", "case_studies/recorded/negation.json"} <= beside
    assert sum(name.endswith(".safetensors") for name in names) == 7


@pytest.mark.slow
def test_the_command_line_runs_from_an_empty_folder(commands, empty):
    listed = json.loads(run(commands / "attnlab", "list", "--json", cwd=empty))
    assert {model["name"] for model in listed["models"]} >= {"sst2", "pronouns", "qa"}
    assert {"atman", "attention_flow"} <= {method["name"] for method in listed["methods"]}
    text = "There is nothing to dislike here."
    asked = ("run", "--model", "sst2", "--text", text, "--json")
    said = json.loads(run(commands / "attnlab", *asked, cwd=empty))
    assert said["prediction"] == "negative"
    same = json.loads(run(commands / "python", "-m", "attnlab_core", *asked, cwd=empty))
    assert said["probabilities"] == same["probabilities"]
    assert run(commands / "attnlab", "--version", cwd=empty).split() == ["attentionlab", PROJECT["version"]]
    assert not list(empty.iterdir())


@pytest.mark.slow
def test_the_studies_come_with_it(commands, empty):
    said = json.loads(run(commands / "attnlab", "study", "list", "--json", cwd=empty))
    assert {"negation", "gender_bias", "multi_hop"} <= {study["name"] for study in said["studies"]}
    run(commands / "attnlab", "study", "negation", "--rows", empty / "rows.csv", cwd=empty)
    assert (empty / "rows.csv").read_text(encoding="utf-8").count("\n") > 100
    help_ = run(commands / "attnlab", "study", "--help", cwd=empty)
    assert help_.startswith("usage: attnlab study ")


@contextmanager
def served(commands: Path, folder: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen, Path]]:
    """The installed app, started in a folder: its port, its process and what it says."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log.txt"
    with log.open("w") as said:
        server = subprocess.Popen(
            [str(commands / "attnlab"), "app", "--port", str(port), *options],
            cwd=folder, env=outside(), stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        assert answer(f"http://127.0.0.1:{port}/_stcore/health", server) == "ok"
        yield port, server, log
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) in (0, -signal.SIGTERM)


@pytest.mark.slow
def test_the_app_is_served_from_an_empty_folder_to_this_machine_alone(commands, empty):
    (empty / "pages").mkdir()
    (empty / "pages" / "__init__.py").write_text("raise RuntimeError('not this one')", encoding="utf-8")
    (empty / ".streamlit").mkdir()
    (empty / ".streamlit" / "config.toml").write_text("server.address = '0.0.0.0'", encoding="utf-8")
    with served(commands, empty) as (port, server, log):
        assert '<div id="root">' in answer(f"http://127.0.0.1:{port}/compare", server)
        assert listening(server.pid) == {("127.0.0.1", port)}
        script = empty / "visit.py"
        script.write_text(VISIT, encoding="utf-8")
        visited = run(commands / "python", "-P", script, cwd=empty).splitlines()
    assert "start → Turn one word up, and watch the verdict move" in visited
    assert len(visited) >= 11
    assert f"http://127.0.0.1:{port}" in log.read_text(encoding="utf-8")
    assert "Traceback" not in log.read_text(encoding="utf-8")


@pytest.mark.slow
def test_opened_on_purpose_it_asks_nobody_for_its_address(commands, empty):
    with served(commands, empty, "--address", "0.0.0.0") as (port, server, log):
        assert listening(server.pid) == {("0.0.0.0", port)}
        time.sleep(3)  # Streamlit gives up on the host outside after two
    said = log.read_text(encoding="utf-8")
    assert f"listens on port {port} of every address" in said
    assert "external" not in said.lower()


VISIT = """
import sys
from attnlab_core import serving
sys.path.insert(0, str(serving.home()))
from streamlit.testing.v1 import AppTest
script = str(serving.home() / "app.py")
import app
for entry in app.PAGES:
    at = AppTest.from_file(script, default_timeout=120).switch_page(f"pages/{entry.name}.py").run()
    assert not at.exception, at.exception
    print(entry.name, "→", at.title[0].value)
"""
"""Every page of the installed app, without a browser."""


def answer(url: str, server: subprocess.Popen) -> str:
    """What stands at an address, as soon as it answers."""
    until = time.monotonic() + PATIENCE
    while server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=10) as found:
                return found.read().decode()
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < until, f"{url} did not answer within {PATIENCE} s"
            time.sleep(0.2)
    pytest.fail("the server ended")


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses and ports at which a process listens, by Linux's tables."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("needs /proc")
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        host, port = local.split(":")
        if state == "0A" and f"socket:[{rest[5]}]" in sockets:
            found.add((socket.inet_ntoa(bytes.fromhex(host)[::-1]), int(port, 16)))
    return found


def test_what_is_named_is_what_was_tried():
    """Every range of the project holds the version that requirements.txt pins, and has an end on both sides."""
    from packaging.requirements import Requirement

    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    used = text.split("# used directly")[1].split("# needed by those")[0]
    pinned = dict(line.split("==") for line in used.split())
    wanted = {one.name: one.specifier for one in map(Requirement, PROJECT["dependencies"])}
    assert set(wanted) == set(pinned)
    for name, version in pinned.items():
        assert wanted[name].contains(version), f"{name} {version} is pinned, {wanted[name]} asked for"
        assert re.search(r"<|==", str(wanted[name])), f"{name} has no upper end"
        assert re.search(r">=|==", str(wanted[name])), f"{name} has no lower end"
    assert str(wanted["torch"]) == "==2.13.0"


def test_the_container_gets_what_the_wheel_is_made_of():
    """`.dockerignore` lets everything through that the build reads, and torch is the pinned one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*wheel["packages"], *wheel["force-include"], *PROJECT["license-files"], PROJECT["readme"]}
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert lines[0] == "*"
    let = {line[1:] for line in lines if line.startswith("!")}
    assert needed | {"pyproject.toml", "requirements.txt"} == let
    steps = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"torch==(\S+)", steps)) == {"2.13.0"}
    assert steps.rindex("USER lab") < steps.rindex("ENTRYPOINT")


def test_one_version_everywhere():
    import attnlab_core

    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert attnlab_core.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in citation
    assert f"## {PROJECT['version']}" in changes


def test_the_app_is_served_to_this_machine_unless_told_otherwise(monkeypatch):
    from attnlab_core import serving
    from attnlab_core.__main__ import main

    def served(*args: str) -> list[str]:
        with pytest.raises(SystemExit) as became:
            main(["app", *args])
        return became.value.code

    monkeypatch.setattr(serving.os, "execv", lambda program, args: sys.exit(args))
    monkeypatch.setattr(serving.subprocess, "call", sys.exit)
    plain, opened = served(), served("--port", "8600", "--address", "0.0.0.0")
    assert {"--server.address=127.0.0.1", "--server.port=8501", "--browser.gatherUsageStats=false"} <= {
        *plain
    }
    assert {"--server.address=0.0.0.0", "--server.port=8600"} <= {*opened}
    assert str(ROOT / "app.py") in plain
    assert "--server.allowedHosts=*" in opened  # nobody knows by which name it is reached
    assert not [flag for flag in plain if "allowedHosts" in flag]
    monkeypatch.setenv(serving.HOSTS, "lab.example.org")
    assert "--server.allowedHosts=*" not in served("--address", "0.0.0.0")


@pytest.mark.parametrize("port", ["0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(port, capsys):
    from attnlab_core.__main__ import main

    assert main(["app", f"--port={port}"]) == 2
    assert "from 1 to 65535" in capsys.readouterr().err


def test_a_copy_without_the_app_says_so(monkeypatch, tmp_path):
    from attnlab_core import serving
    from attnlab_core.errors import AttentionLabError

    monkeypatch.setattr(serving, "PACKAGE", tmp_path / "attnlab_core")
    with pytest.raises(AttentionLabError, match="Install AttentionLab anew"):
        serving.home()
