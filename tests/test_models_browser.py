"""Bringing a model in a real browser: dropped, found again by the same visitor alone, opened, and deleted."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest

from tests.hub_server import save
from tests.test_walk import MARKUP, RENDERED
from tests.walk import OWN, PATIENCE, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]


MARKED = "<img src=x onerror=window.pwned=1> **bold** $math$ <b>fat<b>.safetensors"


def zipped(folder: Path) -> dict[str, object]:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    return {"name": "tiny bert.zip", "mimeType": "application/zip", "buffer": made.getvalue()}


def test_names_of_files_are_never_markup(address: str, visitor, tmp_path: Path) -> None:
    """Neither in the field they are dropped on, nor in what is said of them, nor in the list of what was kept."""
    folder = save(tmp_path / "mine", layer_norm_eps=3e-5)
    files: list[dict[str, object]] = [
        {"name": path.name, "mimeType": "application/octet-stream", "buffer": path.read_bytes()}
        for path in sorted(folder.iterdir())
    ]
    marked = {"name": MARKED, "mimeType": "application/octet-stream", "buffer": b"x"}
    page = visitor(f"{address}models")
    page.get_by_role("heading", name="Bring your own").wait_for()
    page.set_input_files("input[type=file]", files=[marked, *files])
    page.get_by_label("What to call it").fill(MARKUP[:60])
    page.locator("[data-testid=stFileChipName]").first.wait_for()
    assert page.evaluate(RENDERED) == []
    page.get_by_role("button", name="Check and keep").click()
    page.get_by_text("Kept as upload").wait_for()
    page.get_by_text("Not needed and not kept: <img").wait_for()
    settle(page)
    assert page.evaluate(RENDERED) == []
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete").wait_for(state="detached")


@pytest.mark.parametrize("width", [1440, 390])
def test_a_model_is_dropped_found_again_opened_and_deleted(
    width: int, address: str, browser, tmp_path: Path
) -> None:
    requests: list[str] = []
    folder = save(tmp_path / "mine", layer_norm_eps=1e-5 + width * 1e-9)
    mine = browser.new_context(viewport={"width": width, "height": 900})
    other = browser.new_context(viewport={"width": width, "height": 900})
    for context in (mine, other):
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: requests.append(request.url))
    try:
        page = mine.new_page()
        page.goto(f"{address}models")
        page.get_by_role("heading", name="Bring your own").wait_for()
        page.set_input_files("input[type=file]", files=[zipped(folder)])
        page.get_by_role("button", name="Check and keep").click()
        page.get_by_text("Kept as upload").wait_for()
        name = page.locator("[data-testid=stCode]").inner_text().strip()
        assert re.fullmatch("upload:[0-9a-f]{20}", name)
        wide, shown = page.evaluate(
            "(() => {const m = document.querySelector('[data-testid=stMain]'); return [m.scrollWidth, m.clientWidth]})()"
        )
        assert wide <= shown

        again = mine.new_page()  # the same browser, another visit
        again.goto(f"{address}models")
        again.get_by_text("tiny bert: bert").wait_for()
        stranger = other.new_page()
        stranger.goto(f"{address}models")
        stranger.get_by_role("heading", name="Bring your own").wait_for()
        stranger.get_by_role("button", name="Check and keep").wait_for()
        assert stranger.get_by_text("tiny bert: bert").count() == 0

        stranger.goto(f"{address}compare?model={name}")  # who has the link may use it
        stranger.get_by_text("of memory in fp32").wait_for()
        stranger.get_by_role("button", name="Load").click()
        stranger.get_by_text("Checked: 2 attention calls, no-edit difference 0.0").wait_for()
        stranger.locator(".al-verdict").first.wait_for()

        again.get_by_role("button", name="Delete").click()
        again.get_by_text("tiny bert: bert").wait_for(state="detached")
    finally:
        for context in (mine, other):
            context.close()
    assert not [url for url in requests if not OWN.match(url)]
