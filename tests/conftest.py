"""What all tests share. Our own packages are imported inside fixtures only, so that the shape checker comes first."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
POSTGRES = ("initdb", "pg_ctl", "postgres")
LONG = (
    *("test_walk", "test_any_model", "test_sharing", "test_fuzz_pages", "test_fuzz", "test_browser_walks"),
    *("test_visitors", "test_browser", "test_installation", "test_docs", "test_experiments"),
)
"""The files that take longest, the longest first."""
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
_OWN = tempfile.TemporaryDirectory(prefix="attnlab-tests-")  # no test writes into the user's folders
for _kind in ("CACHE", "DATA"):
    os.environ[f"XDG_{_kind}_HOME"] = str(Path(_OWN.name) / _kind.lower())


def find_browser() -> str | None:
    """The path of a Chromium, if the machine has one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def find_postgres() -> Path | None:
    """The folder with PostgreSQL's programs, if the machine has them; Debian keeps them off the path."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if all((folder / name).exists() for name in POSTGRES)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first: workers take whole files, and the last one must be short."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run; with CI_BROWSER=1 a missing browser is a failure."""
    if item.get_closest_marker("browser") and not find_browser():
        if os.environ.get("CI_BROWSER") == "1":
            pytest.fail(f"CI_BROWSER=1 and none of {', '.join(BROWSERS)} is on the path")
        pytest.skip("needs Chromium on the path")
    if item.get_closest_marker("weights") and os.environ.get("ATTNLAB_WEIGHTS") != "1":
        pytest.skip("needs a checkpoint that is not shipped; set ATTNLAB_WEIGHTS=1 to use the Hub")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs CUDA")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """Tiny models are quicker, and sums always in the same order, on one thread."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser; for tests marked `browser`."""
    return find_browser() or pytest.skip("needs Chromium on the path")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    """One Chromium for all tests of a worker; every visitor is a context of their own in it."""
    from playwright.sync_api import sync_playwright

    from tests.walk import ARGUMENTS

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The app, served once for all tests of a worker; a test of a fresh server, or of its memory, starts its own."""
    from benchmarks.serving import serving

    with serving() as (found, _):
        yield found


@pytest.fixture
def visitor(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page as a new visitor; every request it makes is looked at in the end."""
    from tests.walk import OWN, PATIENCE

    contexts, requests = [], []

    def open_(url: str, **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: requests.append(request.url))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not [url for url in requests if not OWN.match(url)]


@pytest.fixture(scope="session")
def postgres() -> Path:
    """The folder with PostgreSQL's programs; with CI_POSTGRES=1 it is a failure where there are none."""
    found = find_postgres()
    if found is None and os.environ.get("CI_POSTGRES") == "1":
        pytest.fail(
            f"CI_POSTGRES=1 and {', '.join(POSTGRES)} are neither on the path nor in /usr/lib/postgresql"
        )
    return found or pytest.skip("needs PostgreSQL's initdb and pg_ctl")


@pytest.fixture(scope="module")
def server(postgres: Path) -> Iterator[str]:
    """The URL of a new PostgreSQL server."""
    from tests.postgres_server import postgres_server

    with postgres_server(postgres) as url:
        yield url


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Makes an empty database, of the kind "sqlite" or "postgres"; its URL."""

    def empty(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / 'results.db'}"
        import psycopg

        where = request.getfixturevalue("server")
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return where

    return empty


@pytest.fixture(scope="session")
def lab() -> Lab:
    """A tiny sentence classifier, shared: nothing a test does may change it."""
    from attnlab_core.testing import tiny_lab

    return tiny_lab()


@pytest.fixture(scope="session")
def decoder_lab() -> Lab:
    """A tiny causal language model, shared."""
    from attnlab_core.testing import tiny_lab

    return tiny_lab("causal", "gpt2")
