"""Beginning: the import, the first screen in a browser, and a second worker."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks._speed_base import Plan, Row, agree, at_least, installed, missing, within
from benchmarks.serving import ROOT, serving

IMPORT = (
    "import sys, time; began = time.perf_counter(); import attnlab_core; took = time.perf_counter() - began; "
    "assert 'torch' not in sys.modules; print(took)"
)
TIMES = 7
ROWS = 960
LIVE = re.compile(r"\bLive$")


def start(plan: Plan) -> Iterator[Row]:
    """Import, and the first screen cold and warm."""
    taken = [float(subprocess.check_output([sys.executable, "-c", IMPORT], cwd=ROOT)) for _ in range(TIMES)]
    yield Row(
        "import attnlab_core", 1000 * statistics.median(taken), bar=within(300), checked="torch is not imported",
        turns=TIMES,
    )  # fmt: skip
    if not installed("playwright") or not Path(plan.chromium).exists():
        yield missing("first screen", "Chromium with Playwright")
        return
    cold, warm = screens(plan.chromium, 1 if plan.quick else 3)
    for name, times, most in (("cold", cold, 10_000), ("warm", warm, 3_000)):
        shown, live = (statistics.median(one[k] for one in times) for k in (0, 1))
        note = f"the model's own answer, live, after {live:,.0f} ms"
        note += "; server start included" if name == "cold" else "; a second visitor of the same server"
        yield Row(f"first screen, {name}", shown, bar=within(most), note=note, turns=len(times))


def screens(chromium: str, times: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Milliseconds to the first explanation on the first page, and to the live one; on fresh servers, and again."""
    from playwright.sync_api import sync_playwright

    cold, warm = [], []
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for _ in range(times):
            began = time.perf_counter()
            with serving() as (address, _):
                cold.append(visit(browser, address, began))
                warm.append(visit(browser, address, time.perf_counter()))
        browser.close()
    return cold, warm


def visit(browser: Any, address: str, began: float) -> tuple[float, float]:
    """One visitor with an empty cache: milliseconds since `began` to the first result, and to the live one."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(address, wait_until="commit")
    page.locator(".al-verdict").first.wait_for()
    shown = 1000 * (time.perf_counter() - began)
    page.get_by_text(LIVE).first.wait_for()
    live = 1000 * (time.perf_counter() - began)
    context.close()
    return shown, live


def two_workers(plan: Plan) -> Iterator[Row]:
    """An evaluation on two of Ray's workers beside one; Ray is started beforehand, workers load the model themselves."""
    name = f"evaluation of {ROWS} rows, two workers"
    if not installed("ray"):
        yield missing(name, "ray")
        return
    import ray

    from attnlab_core.experiments import Report, run
    from attnlab_core.experiments._conditions import usual
    from attnlab_core.experiments.evaluate import Evaluate
    from attnlab_core.tasks import task_from_json

    lab = plan.lab("agreement")
    wanted = Evaluate(
        task=task_from_json("agreement"), limit=ROWS, conditions=usual(lab, search=False, donors=())
    )

    def work(workers: int) -> tuple[float, Report]:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            found = run(wanted, lab, engine="ray", workers=workers, folder=Path(folder))
            return time.perf_counter() - began, found

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
    )
    try:
        taken = [(work(2), work(1)) for _ in range(1 if plan.quick else 3)]
    finally:
        ray.shutdown()
    same = all(two[1].tables == one[1].tables for two, one in taken)
    agree("two workers and one", 0.0 if same else 1.0, 0.0)
    ours, theirs = ([1000 * turn[k][0] for turn in taken] for k in (0, 1))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    yield Row(
        name, statistics.median(ours), "ms", "one worker", statistics.median(theirs), ratio, at_least(1.7),
        "all tables are the same", "each worker on one thread; loading the model counts", len(taken),
    )  # fmt: skip
