"""How soon the verdict follows the hand: the time from a painted cell to another verdict on the page, in a real browser.

    python -m benchmarks.painting [--model sst2] [--strokes 30] [--pause 1.0] [--share N] [--chromium /usr/bin/chromium]

Starts the app on a free port by itself, opens Manipulate in headless Chromium through Playwright, and paints one cell after
the other with a strength of 1 in the row that reaches the answer, `pause` seconds apart, for a text of 12 and one of 30
tokens. Timed in the page, from the pointer going down on the cell to the first change of the verdict's text. Cells that move
the verdict by less than the 0.1 % that it shows are waited for in vain; they are counted as `unmoved` and left out.
`drag_updates_per_second` is how often the probabilities changed while the pointer was drawn over a row for a second and a half.

Prints one JSON object with the machine and its load. What else runs on the machine belongs to the figures: where that is
much, `--share -15` gives server and browser precedence (the nice value of their autogroups; Linux, as root).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.figures import machine
from benchmarks.serving import serving

TEXTS = {
    "12 tokens": "The movie was not as bad as I expected.",
    "30 tokens": "The movie was not as bad as I expected, said my brother on the way home, although he did not remember much "
    "of it.",
}
PATIENCE = 3.0
"""Seconds after which a verdict counts as unmoved."""
WATCH = """() => {
  const seen = () => document.querySelector('.al-verdict')?.innerText ?? '';
  const bars = () => [...document.querySelectorAll('.al-bars')].map((bar) => bar.innerHTML).join();
  const lab = (window.paintingBench = { began: 0, verdict: [], bars: [] });
  let [verdict, likely] = [seen(), bars()];
  document.addEventListener('pointerdown', () => { lab.began = performance.now(); }, true);
  new MutationObserver(() => {
    const now = performance.now() - lab.began;
    if (seen() && seen() !== verdict) { verdict = seen(); lab.verdict.push(now); }
    if (bars() && bars() !== likely) { likely = bars(); lab.bars.push(now); }
  }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def spots(page: Any) -> Callable[[int, int], tuple[float, float]]:
    """Where a cell of the painter is on the screen, by query and key."""
    canvas = page.locator("canvas[data-geometry]")
    place, box = json.loads(canvas.get_attribute("data-geometry")), canvas.bounding_box()
    left, top, cell = box["x"] + place["left"], box["y"] + place["top"], place["cell"]
    return lambda query, key: (left + (key + 0.5) * cell, top + (query + 0.5) * cell)


def processor(pid: int) -> float:
    """Seconds that a process has computed so far; 0 where the system does not say."""
    with suppress(OSError):
        said = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(said[11]) + int(said[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def prefer(nice: int) -> None:
    """Give this process and all that it started a share of the processor: the nice value of their autogroups."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    for pid in ours:
        with suppress(OSError):  # one write in a while is refused to all but root
            Path(f"/proc/{pid}/autogroup").write_text(str(nice))


def painted(page: Any, tokens: int, strokes: int, pause: float, pid: int) -> dict[str, Any]:
    """Paint cell after cell, raised and restored by turns, and time the verdict."""
    times, began = [], processor(pid)
    for stroke in range(strokes):
        turn, key = divmod(stroke, tokens - 1)
        page.get_by_role("button", name=("Raise", "Restore")[turn % 2]).click()
        page.evaluate("paintingBench.verdict = []")
        page.mouse.move(*spots(page)(0, key + 1))
        page.mouse.down()
        page.mouse.up()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and not page.evaluate("paintingBench.verdict.length"):
            page.wait_for_timeout(20)
        times += page.evaluate("paintingBench.verdict.slice(0, 1)")
        page.wait_for_timeout(1000 * pause)
    if len(times) < 2:
        raise SystemExit("The verdict did not move; choose another model or text.")
    times.sort()
    return {
        "strokes": strokes,
        "unmoved": strokes - len(times),
        "median_ms": round(statistics.median(times)),
        "p95_ms": round(times[min(len(times) - 1, int(0.95 * len(times)))]),
        "worst_ms": round(times[-1]),
        "server_cpu_ms_per_stroke": round(1000 * (processor(pid) - began) / strokes),
    }


def dragged(page: Any, tokens: int, seconds: float = 1.5) -> float:
    """How often the probabilities change in a second of drawing over the first row."""
    place = spots(page)
    if page.get_by_role("button", name="Reset").is_enabled():
        page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Raise").click()
    page.wait_for_timeout(3000)
    page.evaluate("paintingBench.bars = []")
    page.mouse.move(*place(0, 1))
    page.mouse.down()
    steps = round(seconds / 0.03)
    for step in range(steps):
        at = 1 + step * (tokens - 2) / steps
        page.mouse.move(*place(0, at))  # type: ignore[arg-type]
        page.wait_for_timeout(30)
    page.mouse.up()
    took = page.evaluate("performance.now() - paintingBench.began")
    count = page.evaluate("paintingBench.bars.length")
    return round(1000 * count / took, 1)


def measure(
    model: str, text: str, strokes: int, pause: float, share: int | None, chromium: str | None
) -> dict[str, Any]:
    """One text on a fresh server, in a fresh browser."""
    from playwright.sync_api import sync_playwright

    before = os.getloadavg()
    with serving() as (address, pid), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1440, "height": 1300})
        page.set_default_timeout(120_000)
        asked = urlencode({"model": model, "text": text, "layer": 5, "head": 0})
        page.goto(f"{address}manipulate?{asked}")
        page.locator("canvas[data-geometry]").wait_for()
        page.wait_for_timeout(1000)
        if share is not None:
            prefer(share)
        page.wait_for_timeout(3000)
        page.evaluate(WATCH)
        page.get_by_label("Strength").evaluate(
            "(slider) => { slider.value = 1; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
        )
        page.locator("canvas[data-geometry]").scroll_into_view_if_needed()
        names = page.locator("canvas[data-geometry]").get_attribute("data-geometry")
        tokens = json.loads(names or "{}").get("tokens", 0)
        found = painted(page, tokens, strokes, pause, pid)
        found["drag_updates_per_second"] = dragged(page, tokens)
        browser.close()
    return {"tokens": tokens, **found, "load": [round(v, 1) for v in (before[0], os.getloadavg()[0])]}


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="sst2")
    parser.add_argument("--strokes", type=int, default=30)
    parser.add_argument("--pause", type=float, default=1.0)
    parser.add_argument("--share", type=int)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    args = parser.parse_args()
    found = {
        name: measure(args.model, text, args.strokes, args.pause, args.share, args.chromium)
        for name, text in TEXTS.items()
    }
    print(
        json.dumps(
            {"machine": machine(), "model": args.model, "share": args.share, "paint_to_verdict": found},
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
