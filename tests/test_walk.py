"""Every page in a browser whose network is cut: wide and narrow, light and dark, as it opens and with something set."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from app import PAGES
from pages.ui import links, tour
from tests import walk

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def enter(browser):
    """Opens a page as a new visitor from whom every other host is cut off."""
    entered = []

    def open_(url: str, **settings):
        entered.append(walk.enter(browser, url, **settings))
        return entered[-1]

    yield open_
    for visit in entered:
        visit.page.context.close()


def link(address: str, name: str, query: str = "") -> str:
    return address + ("" if name == "start" else name) + (f"?{query}" if query else "")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [entry.name for entry in PAGES])
def test_nothing_is_wrong_with_a_page(name, theme, address, enter):
    """No error in the console, no request to elsewhere, no barrier, no traceback, nothing that scrolls sideways."""
    kept, wrong = os.environ.get("ATTNLAB_SCREENS"), {}
    for state, query in (("first", ""), ("worked", walk.WORKED.get(name, ""))):
        if state == "worked" and not query:
            continue
        visit = enter(link(address, name, query), color_scheme=theme)
        for size in walk.SIZES:
            visit.resize(size)
            visit.wait()
            if kept:
                visit.keep(Path(kept) / f"{name}-{state}-{theme}-{size}.png")
            wrong |= {f"{state} {size}: {one}": None for one in visit.wrong()}
        visit.page.context.close()
    assert not wrong, "\n" + "\n".join(wrong)


OPENED = {"start": {"Share", "All steps"}, "manipulate": {"Share", "Change", "Files and code", "Download"}}
"""Some of what has to be found; on every page there is at least the menu Share."""
UNFOLDED = (
    "compare",
    "side_by_side",
    "manipulate",
    "heads",
    "graph",
    "next_tokens",
    "models",
    "leaderboard",
)
"""Pages that have something to unfold at once."""


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [entry.name for entry in PAGES])
def test_nothing_is_wrong_with_what_opens_on_a_page(name, theme, address, enter):
    """All that unfolds, then each popover by itself: no barrier in it, no error, nothing that scrolls sideways."""
    visit, wrong = enter(link(address, name, walk.WORKED.get(name, "")), color_scheme=theme), {}
    visit.wait()
    count = walk.unfold(visit.page)
    wrong |= {f"unfolded: {one}": None for one in visit.wrong()}
    found = set()
    for popover in walk.popovers(visit.page):
        found.add(popover)
        wrong |= {f"{popover}: {one}": None for one in visit.wrong()}
    assert not wrong, "\n" + "\n".join(wrong)
    assert OPENED.get(name, {"Share"}) <= found
    assert count or name not in UNFOLDED


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_dialog_of_a_page_that_is_not_there_has_no_barrier(theme, address, enter):
    visit = enter(link(address, "nowhere"), color_scheme=theme)
    visit.page.get_by_role("dialog").wait_for()
    visit.wait()
    assert walk.barriers(visit.page) == []
    visit.page.keyboard.press("Escape")
    visit.page.get_by_role("dialog").wait_for(state="hidden")


PLACE = """() => {
  let one = document.activeElement;
  while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement;
  const label = one?.getAttribute('aria-label') || one?.labels?.[0]?.innerText || one?.innerText || '';
  return `${one?.tagName.toLowerCase()} ${one?.dataset?.canvas ?? ''} ${label}`.replace(/\\s+/g, ' ').slice(0, 90);
}"""


def reach(page, begins: str) -> None:
    """Get somewhere with the Tab key alone."""
    page.locator("h1").wait_for()
    passed = []
    for _ in range(150):
        page.keyboard.press("Tab")
        passed.append(page.evaluate(PLACE))
        if passed[-1].startswith(begins):
            return
    raise AssertionError(f"{begins!r} is not among {passed}")


def test_the_painter_is_worked_by_keys_alone(address, enter):
    visit = enter(link(address, "manipulate", "layer=5"))
    visit.wait()
    reach(visit.page, "canvas Attention of layer 5")
    for key in ("ArrowRight", "+", "+"):
        visit.page.keyboard.press(key)
    visit.page.get_by_text("Painted: layer 5, head 0, 1 cell").wait_for()


def test_a_head_is_chosen_by_keys_alone(address, enter):
    visit = enter(link(address, "heads", "layer=2&head=1"))
    visit.wait()
    reach(visit.page, "canvas glance All heads; chosen: Layer 2, head 1")
    visit.page.keyboard.press("ArrowDown")
    visit.page.keyboard.press("ArrowRight")
    visit.page.get_by_role("heading", name="Layer 3, head 2").wait_for()
    visit.page.wait_for_url("**layer=3**head=2**")


def test_the_sources_of_a_token_are_chosen_by_keys_alone(address, enter):
    visit = enter(link(address, "graph"))
    visit.wait()
    show_all = visit.page.get_by_role("button", name="Show all")
    assert show_all.is_disabled()
    reach(visit.page, "canvas graph")
    for key in ("ArrowLeft", "ArrowLeft", "Enter"):
        visit.page.keyboard.press(key)
    assert show_all.is_enabled()
    visit.page.keyboard.press("Escape")
    assert show_all.is_disabled()


def test_a_story_is_told_of_another_model_by_keys_alone(address, enter):
    visit = enter(link(address, "negation"))
    visit.wait()
    reach(visit.page, "input Model")
    visit.page.keyboard.press("ArrowDown")
    visit.page.get_by_role("option").first.wait_for()
    visit.page.keyboard.press("Escape")
    reach(visit.page, "button sensors Compute again, live")


def test_the_tour_is_skipped_by_keys_alone(address, enter):
    visit = enter(link(address, "start"))
    visit.wait()
    visit.page.get_by_text("New here?").wait_for()
    reach(visit.page, "button Skip")
    visit.page.keyboard.press("Enter")
    visit.page.get_by_text("New here?").wait_for(state="hidden")
    assert "tour=off" in visit.page.url
    again = visit.page.context.new_page()  # a later visit of the same browser
    again.goto(link(address, "start"))
    walk.settle(again)
    assert again.get_by_text("New here?").count() == 0
    (kept,) = [one for one in visit.page.context.cookies() if one["name"] == tour.COOKIE]
    assert 20 < (kept["expires"] - time.time()) / 86400 < 31


MARKUP = "<img src=x onerror=window.pwned=1> **bold** $math$ :material/home: :red[red] [link](http://evil.invalid) <b>fat</b>"
RENDERED = """() => {
  const roots = [document], found = [];
  for (const root of roots) for (const one of root.querySelectorAll('*')) {
    if (one.shadowRoot) roots.push(one.shadowRoot);
    const own = one.textContent.trim();
    if (one.matches('img[src="x"], a[href^="http://evil.invalid"], .katex')) found.push(one.outerHTML);
    if (one.matches('strong, em, b') && ['bold', 'fat'].includes(own)) found.push(one.outerHTML);
    if (one.matches('[data-testid=stIconMaterial], [role=img][aria-label="home icon"]') && own === 'home') found.push(one.outerHTML);
    if (one.matches('span[style*=color]') && own === 'red') found.push(one.outerHTML);
  }
  return [...found, ...(window.pwned ? ['a script was run'] : [])];
}"""


@pytest.mark.parametrize("said", ["texts", "model"])
@pytest.mark.parametrize("name", [entry.name for entry in PAGES])
def test_what_a_visitor_says_is_never_markup(name, said, address, enter):
    """Texts, names of edits, of targets and of models, given by the address."""
    edit = {"edit": {"op": "scale", "factor": 2.0, "where": {"layers": [0]}}, "name": MARKUP[:80]}
    named = {"model": MARKUP, "of": MARKUP, "text": "A film."}
    texts = {
        "text": MARKUP,
        "second": MARKUP,
        "target": MARKUP,
        "rather": MARKUP,
        "w": MARKUP,
        "e": links.pack([edit]),
    }
    visit = enter(link(address, name, urlencode(texts if said == "texts" else named)))
    visit.wait()
    assert visit.page.evaluate(RENDERED) == []
    assert visit.page.locator("[data-testid=stException]").count() == 0
    assert not visit.outside
