"""The app in a real browser: the main job, cold deep links, two visitors, a phone, and no request to anywhere else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.walk import PATIENCE, WIDTHS, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]

STUDIES = ("negation", "gender_bias", "multi_hop", "encoder_and_decoder", "fine_tuning")


def verdict(page) -> str:
    return page.locator(".al-verdict").first.inner_text()


def changed(page, before: str) -> str:
    """The verdict once it is another one."""
    page.wait_for_function("old => document.querySelector('.al-verdict')?.innerText !== old", arg=before)
    return verdict(page)


def test_the_main_job(address, visitor):
    """Open, see the finding, type a sentence, double the attention on a word, see the verdict move."""
    page = visitor(address)
    page.wait_for_selector(".al-verdict")
    assert page.locator(".al-row").count() == 5
    page.get_by_text(re.compile(r"\bLive$")).first.wait_for()
    assert "was" in verdict(page)
    box = page.get_by_label("Sentence")
    before = verdict(page)
    box.fill("The movie was not as bad as I expected.")
    box.press("Enter")
    page.get_by_role("button", name="expected", exact=True).wait_for()
    plain = changed(page, before)
    page.get_by_role("button", name="not", exact=True).click()
    doubled = changed(page, plain)
    assert re.search(r"\d+\.\d %", plain)
    assert re.search(r"[+−]\d+\.\d points", doubled)
    page.locator(".al-row .al-words").nth(4).wait_for()
    assert page.locator(".al-row").count() == 5
    from playwright.sync_api import expect

    page.get_by_role("link", name="Edit further").click()
    page.get_by_text("attention calls were edited").wait_for()
    assert verdict(page) == doubled
    box = page.get_by_label("Text", exact=True)
    expect(box).to_have_value("The movie was not as bad as I expected.", timeout=PATIENCE)


def test_two_visitors_see_their_own_numbers(address, visitor):
    links = [f"{address}manipulate?w={word}" for word in ("nothing", "dislike")]
    pages = [visitor(link) for link in links]
    for page in pages:
        page.get_by_text("attention calls were edited").wait_for()
    first = [verdict(page) for page in pages]
    assert first[0] != first[1]
    for page in reversed(pages):
        page.get_by_role("button", name="Files and code").click()
        page.get_by_role("tab", name="Command line").click()
    for page, said, word in zip(pages, first, ("nothing", "dislike"), strict=True):
        assert verdict(page) == said
        command = page.locator("[data-testid=stCode]").filter(has_text="python -m attnlab_core")
        assert f'"keys": ["{word}"]' in command.inner_text()


def test_a_shared_link_reopens_the_state(address, visitor):
    page = visitor(f"{address}manipulate?w=nothing")
    page.get_by_text("attention calls were edited").wait_for()
    said = verdict(page)
    page.get_by_role("button", name="Share", exact=True).click()
    link = page.locator("[data-testid=stPopoverBody] code").first.inner_text()
    again = visitor(link)
    again.get_by_text("attention calls were edited").wait_for()
    assert verdict(again) == said


def spot(page, query: int, key: int) -> tuple[float, float]:
    """Where a cell of the painter is on the screen."""
    canvas = page.locator("canvas[data-geometry]")
    place, box = json.loads(canvas.get_attribute("data-geometry")), canvas.bounding_box()
    return tuple(
        box[axis] + place[start] + (k + 0.5) * place["cell"]
        for axis, start, k in (("x", "left", key), ("y", "top", query))
    )


def painted(page, cells: int) -> None:
    """Wait until the stack of edits says so many painted cells."""
    page.get_by_text(re.compile(rf"Painted: layer \d+, head \d+, {cells} cell")).wait_for()


def test_painting_by_mouse_and_keys_moves_the_verdict(address, visitor):
    """Drag, undo, redo, paint with keys, and reopen it all by its link."""
    page = visitor(f"{address}manipulate?layer=5", viewport={"width": 1440, "height": 1300})
    canvas = page.locator("canvas[data-geometry]")
    canvas.wait_for()
    page.get_by_text("entropy until then").wait_for()
    plain = verdict(page)
    canvas.scroll_into_view_if_needed()
    place = spot(page, 0, 1)
    page.mouse.move(*place)
    page.mouse.down()
    for key in (2, 3, 4):
        page.mouse.move(*spot(page, 0, key), steps=4)
    page.mouse.up()
    dragged = changed(page, plain)
    assert re.search(r"[+−]\d+\.\d points", dragged)
    painted(page, 4)
    assert spot(page, 0, 1) == place  # nothing moves under the hand
    dragged = verdict(page)
    page.get_by_role("button", name="Undo", exact=True).click()
    assert changed(page, dragged) == plain
    page.get_by_role("button", name="Redo", exact=True).click()
    assert changed(page, plain) == dragged
    canvas.focus()
    for key in ("ArrowRight", "+", "+"):
        page.keyboard.press(key)
    painted(page, 5)  # one cell of five: the verdict may move by less than is shown
    keyed = verdict(page)
    page.get_by_role("button", name="Share", exact=True).click()
    link = page.locator("[data-testid=stPopoverBody] code").first.inner_text()
    again = visitor(link)
    again.get_by_text("attention calls were edited").wait_for()
    painted(again, 5)
    assert verdict(again) == keyed


def test_a_suggestion_and_a_search_are_taken_over_as_edits(address, visitor):
    """Their buttons stand in parts of the page that are drawn by themselves; the rest of the page must follow."""
    page = visitor(f"{address}manipulate?view=Gradient")
    page.get_by_role("button", name="Find ten").click()
    plain = verdict(page)
    page.get_by_role("button", name="Use").first.click()
    page.get_by_text("Edits (1)").wait_for()
    helped = changed(page, plain)
    page.get_by_role("tab", name="Optimise").click()
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="The fewest cells").click()
    page.get_by_text("Edits (2)").wait_for()
    changed(page, helped)
    page.get_by_role("meter").first.wait_for()


def test_a_figure_is_downloaded(address, visitor):
    page = visitor(f"{address}compare")
    page.get_by_role("heading", name="All scores").wait_for()
    page.get_by_role("button", name="Download").nth(1).click()
    for kind, begins in (("SVG", b"<svg"), ("PNG", b"\x89PNG"), ("CSV", b"\xef\xbb\xbf"), ("JSON", b"{")):
        with page.expect_download() as caught:
            page.get_by_role("button", name=kind, exact=True).click()
        assert Path(caught.value.path()).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    "name", ["", "compare", "manipulate?w=nothing", "heads", *STUDIES, "experiments", "models"]
)
def test_a_phone_never_scrolls_sideways(name, address, visitor):
    text = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen is nothing to dislike, said everybody who went there."
    page = visitor(f"{address}{name}", viewport={"width": 390, "height": 844})
    page.get_by_role("heading", level=1).wait_for()
    if name not in ("heads", "experiments", "models", *STUDIES):
        page.wait_for_selector(".al-verdict")
        box = page.get_by_label("Sentence" if name == "" else "Text", exact=name != "")
        box.fill(text)
        box.press("Control+Enter")
        page.get_by_text("everybody").filter(visible=True).last.wait_for()
        settle(page)
    assert page.evaluate(WIDTHS) <= 0
