"""Walks through the app in a real browser: every page by its link on a fresh server, and every link of every story."""

from __future__ import annotations

import pytest

from benchmarks.serving import serving
from tests.test_browser import STUDIES
from tests.walk import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize(
    "name",
    [
        "start",
        "compare",
        "manipulate",
        "heads",
        "graph",
        "next_tokens",
        "images",
        *STUDIES,
        "redundancy",
        "experiments",
        "leaderboard",
        "models",
    ],
)
def test_every_page_opens_by_its_link_on_a_fresh_server(name, visitor):
    with serving() as (fresh, _):
        page = visitor(fresh + ("" if name == "start" else name))
        page.get_by_role("heading", level=1).wait_for()
        page.get_by_role("link", name="Manipulate").first.wait_for()
        if name not in (
            "heads",
            "graph",
            "next_tokens",
            "experiments",
            "leaderboard",
            "models",
            "redundancy",
            *STUDIES,
        ):
            page.wait_for_selector(".al-verdict")
        assert page.locator("[data-testid=stException]").count() == 0
        assert "AttentionLab" in page.title()


@pytest.mark.parametrize("name", STUDIES)
def test_every_try_of_a_story_opens_its_state(name, address, visitor):
    """Each link of a case study opens the page it names with its text, and an answer is shown there."""
    from urllib.parse import parse_qs, urljoin, urlsplit

    from playwright.sync_api import expect

    page = visitor(f"{address}{name}")
    page.get_by_role("button", name="Download the record").wait_for()
    links = page.locator("[data-testid=stMain] [data-testid=stPageLink] a")
    found = [links.nth(k).get_attribute("href") for k in range(links.count())]
    assert len(found) >= 5
    for link in found:
        asked = parse_qs(urlsplit(link).query)
        page.goto(urljoin(address, link))
        page.wait_for_selector(".al-verdict, .al-p")
        expect(page.get_by_label("Text", exact=True)).to_have_value(asked["text"][0], timeout=PATIENCE)
        if "e" in asked:
            page.get_by_text("attention calls were edited").wait_for()
        assert page.locator("[data-testid=stException]").count() == 0
