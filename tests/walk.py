"""Walking through the app in a browser whose network is cut: what a visit does wrong, in words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pages.ui import links

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60_000
"""Milliseconds; a busy machine imports slowly, and speed is measured elsewhere."""
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
OWN = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:")
ASKED_IN_VAIN = re.compile(r"404 .*\(http://127\.0\.0\.1:\d+/\w+/_stcore/(health|host-config)\)$")
"""On a deep link Streamlit's own script first looks for its server below the page's address, in every app there is."""
HEAVY = ("serious", "critical")
SCALED = links.pack([{"op": "scale", "factor": 4.0, "where": {"keys": ["nothing"]}}])
WORKED = {
    "start": "w=dislike&x=%C3%974",
    "compare": "by=tokens&specials=true&first=false",
    "side_by_side": "",
    "manipulate": f"e={SCALED}&layer=2&head=1",
    "heads": f"e={SCALED}&layer=2&head=1&view=lines&side=change",
    "graph": f"e={SCALED}&edges=rollout",
    "next_tokens": "text=The+doctor+said+that+she",
    "experiments": "measure=Explanations",
}
"""A page's state in which something is set, as its address says it."""
SETTLED = """() => {
  const busy = ['[data-testid=stApp][data-test-script-state=running]', '[data-testid=stSkeleton]', '[data-testid=stProgress]'];
  return !!document.querySelector('h1') && !busy.some((one) => document.querySelector(one));
}"""
WIDTHS = """() => {
  const main = document.querySelector('[data-testid=stMain]');
  return Math.max(main.scrollWidth - main.clientWidth, document.documentElement.scrollWidth - window.innerWidth);
}"""


@dataclass
class Visit:
    """One visitor's page, and what went wrong so far."""

    page: Any
    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def hear(self, said: Any) -> None:
        """Note an error of the console."""
        text = f"{said.text} ({said.location.get('url', '')})"
        if said.type == "error" and not ASKED_IN_VAIN.search(text):
            self.errors.append(text)

    def wait(self) -> None:
        """Until nothing is computed any more and what was drawn stays for a moment."""
        for _ in range(2):
            self.page.wait_for_function(SETTLED, timeout=PATIENCE)
            self.page.wait_for_timeout(400)

    def resize(self, size: str) -> None:
        wide, high = SIZES[size]
        self.page.set_viewport_size({"width": wide, "height": high})
        self.page.wait_for_timeout(500)

    def keep(self, path: Path) -> None:
        """A picture of all of the page, not only of what fits on the screen."""
        wide = self.page.viewport_size["width"]
        high = self.page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        before = self.page.viewport_size
        self.page.set_viewport_size({"width": wide, "height": max(before["height"], min(high, 6000))})
        self.page.wait_for_timeout(200)
        self.page.screenshot(path=str(path))
        self.page.set_viewport_size(before)

    def wrong(self) -> list[str]:
        """Everything that is wrong with what is shown now, one line each."""
        found = [f"console: {text}" for text in self.errors] + [f"outside: {url}" for url in self.outside]
        broken = self.page.locator("[data-testid=stException]")
        found += [f"traceback: {text[:200]}" for text in broken.all_inner_texts()]
        too_wide = self.page.evaluate(WIDTHS)
        found += [f"scrolls sideways by {too_wide} px"] if too_wide > 0 else []
        return found + barriers(self.page)


def enter(browser: Any, url: str, **settings: Any) -> Visit:
    """Open a page as a new visitor from whom every other host is cut off."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
    visit = Visit(context.new_page())

    def route(found: Any) -> None:
        if OWN.match(found.request.url):
            found.continue_()
        else:
            visit.outside.append(found.request.url)
            found.abort()

    context.route("**/*", route)
    visit.page.set_default_timeout(PATIENCE)
    visit.page.on("console", visit.hear)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("websocket", lambda one: OWN.match(one.url) or visit.outside.append(one.url))
    visit.page.goto(url)
    return visit


def barriers(page: Any) -> list[str]:
    """What axe finds in a page that keeps people out: violations that are serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"axe {one['id']} ({one['impact']}): {node['html'][:200]} :: {node['failureSummary'].splitlines()[1].strip()[:200]}"
        for one in found
        if one["impact"] in HEAVY
        for node in one["nodes"][:4]
    ]
