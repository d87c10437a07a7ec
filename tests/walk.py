"""Walking through the app in a browser whose network is cut: what a visit does wrong, in words."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app import PAGES
from pages.ui import links

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60_000
"""Milliseconds; a busy machine imports slowly, and speed is measured elsewhere."""
SIZES = {"wide": (1440, 900), "phone": (390, 844)}
UNUSED = (
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),  # two pages behind every window's address bar
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "MediaRouter", "PaintHolding", "OptimizationHints"),
    *("NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
)
"""Parts of Chromium that no test needs: a quarter of a visit's work; all but the first two are Playwright's own choice."""
ARGUMENTS = [
    *("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
    *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--disable-features={','.join(UNUSED)}"),
]
"""Chromium without any host but this one."""
OWN = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|file:")
_NAMES = "|".join(entry.name for entry in PAGES[1:])
ASKED_IN_VAIN = re.compile(rf"404 .*\(http://127\.0\.0\.1:\d+/({_NAMES})/_stcore/(health|host-config)\)$")
"""What Streamlit's script asks on a deep link, once each: whether the whole app is served below this address, as it could be with
`server.baseUrlPath`; then it asks one level up. No setting of a server says where it is beforehand."""
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
    "images": "picture=one+heart&view=Brush&lowered=34.35.44&raised=12",
    "experiments": "measure=Explanations",
    "leaderboard": "track=Edit&split=Public&row=12",
}
"""A page's state in which something is set, as its address says it."""
WATCH = """() => {
  window.lastChange = performance.now();
  if (window.watching) return;
  window.watching = new MutationObserver(() => { window.lastChange = performance.now(); });
  window.watching.observe(document.documentElement, {subtree: true, childList: true, attributes: true, characterData: true});
}"""
SETTLED = """still => {
  const busy = ['[data-testid=stApp][data-test-script-state=running]', '[data-testid=stSkeleton]', '[data-testid=stProgress]'];
  const there = !!document.querySelector('h1') && !busy.some((one) => document.querySelector(one));
  return there && performance.now() - window.lastChange >= still;
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
    vain: set[str] = field(default_factory=set)

    def hear(self, said: Any) -> None:
        """Note an error of the console; of what is asked in vain on arrival, what is asked again."""
        text = f"{said.text} ({said.location.get('url', '')})"
        if said.type != "error":
            return
        if ASKED_IN_VAIN.search(text) and text not in self.vain:
            self.vain.add(text)
        else:
            self.errors.append(text)

    def wait(self) -> None:
        settle(self.page)

    def resize(self, size: str) -> None:
        wide, high = SIZES[size]
        self.page.set_viewport_size({"width": wide, "height": high})

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


def settle(page: Any, still: int = 400) -> None:
    """Until nothing is computed any more and what was drawn has not changed for so many milliseconds."""
    page.evaluate(WATCH)
    page.wait_for_function(SETTLED, arg=still, polling=50, timeout=PATIENCE)


def at_rest(page: Any, read: Callable[[], Any]) -> Any:
    """What is read from a page, once it reads the same twice in a row."""
    until, last = time.monotonic() + PATIENCE / 1000, read()
    while time.monotonic() < until:
        page.wait_for_timeout(100)
        if (now := read()) == last:
            return now
        last = now
    raise TimeoutError(f"still moving: {last}")


def enter(browser: Any, url: str, **settings: Any) -> Visit:
    """Open a page as a new visitor; Chromium is started so that no other host answers."""
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
    visit = Visit(context.new_page())
    context.on("request", lambda one: OWN.match(one.url) or visit.outside.append(one.url))
    visit.page.set_default_timeout(PATIENCE)
    visit.page.on("console", visit.hear)
    visit.page.on("pageerror", lambda error: visit.errors.append(str(error)))
    visit.page.on("websocket", lambda one: OWN.match(one.url) or visit.outside.append(one.url))
    visit.page.goto(url)
    return visit


def unfold(page: Any) -> int:
    """Open everything that can be unfolded, also what is in there; how many there were."""
    folded = page.locator("details:not([open]) > summary").filter(visible=True)
    found = 0
    while folded.count() and found < 100:
        folded.first.click()
        found += 1
        settle(page)
    return found


def popovers(page: Any) -> Iterator[str]:
    """Open every popover of the page, one after the other; each is open, and unfolded, while its name is looked at."""
    buttons = page.locator("[data-testid=stPopoverButton]").filter(visible=True)
    for number in range(buttons.count()):
        button = buttons.nth(number)
        if button.is_disabled():
            continue
        name = button.locator("p").inner_text()
        button.click()
        body = page.locator("[data-testid=stPopoverBody]").filter(visible=True)
        body.first.wait_for()
        settle(page)
        unfold(page)
        yield name
        page.keyboard.press("Escape")
        body.first.wait_for(state="hidden")
        settle(page)


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
