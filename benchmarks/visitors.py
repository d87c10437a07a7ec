"""A hundred visitors, one after the other and twenty at once: `python -m benchmarks.visitors` prints what they cost the server.

Each opens a page, types a sentence of its own, waits until all is computed, checks the answer against the library's, and leaves.
Memory is read once the server has forgotten those who left. It also remembers results, up to a bound (ATTNLAB_RESULTS_GB);
here the bound is so low that it is reached within the first visitors, so that what still grows would be a leak.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks._visitor import Visitor
from benchmarks.serving import serving

PAGES = ("", "compare", "manipulate", "heads")
FORGOTTEN = 35.0
"""Seconds after which a visitor who left is forgotten: the server's disconnectedSessionTTL, and some."""
TIDIED = 22.0
"""Seconds after which the server tidies up again: what `pages.ui.tidying` says, and some."""
NAMES = "film play book song story scene opera novel comedy concert".split()
WORDS = "dull warm bright long awful strange lovely brave cold clever".split()


def sentence(number: int) -> str:
    """One sentence a visitor, all different, about equally long."""
    tens, ones = divmod(number, 10)
    return f"This {NAMES[tens % 10]} is {WORDS[ones]}, said visitor number {number}."


def visit(address: str, number: int, page: str | None = None) -> tuple[str, str, float]:
    """One visit: the sentence, the answer that was shown, and the seconds until it was."""
    text, where = sentence(number), PAGES[number % len(PAGES)] if page is None else page
    with Visitor(address, where) as one:
        one.settle()
        started = time.perf_counter()
        one.type(text)
        shown, took = one.verdict(), time.perf_counter() - started
        one.settle()
        if one.failures():
            raise RuntimeError(f"Visitor {number} on {where or 'start'!r} was shown: {one.failures()[0]}")
        return text, shown, took


def resident(pid: int, readings: int = 5) -> float:
    """Megabytes of memory that the server holds: the least of some readings within two seconds."""
    found = []
    for _ in range(readings):
        time.sleep(0.4)
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
        found.append(int(status.partition("VmRSS:")[2].split()[0]) / 1024)
    return min(found)


def expected(texts: Sequence[str]) -> dict[str, str]:
    """What the library answers, in the words of a page."""
    import attnlab_core as al
    from attnlab_core import charts

    lab, found = al.load("sst2"), {}
    for text in texts:
        chances = lab.run(text).probabilities
        best = max(chances, key=lambda label: chances[label])
        found[text] = f"{best} {charts.percent(chances[best])}"
    return found


def in_turn(
    address: str,
    pid: int,
    marks: Sequence[int],
    pages: Sequence[str] = PAGES,
    waits: Sequence[float] = (FORGOTTEN, TIDIED),
) -> dict[int, float]:
    """Megabytes of the server after so many visitors, one after the other, those counted who come for a reading."""
    found, number = {}, 0
    for done, mark in enumerate(marks, 1):
        while number < mark:
            visit(address, number, pages[number % len(pages)])
            number += 1
        for k, wait in enumerate(waits):  # one leaves and the server forgets; the next asks and it tidies up
            time.sleep(wait)
            visit(address, 1000 + len(waits) * done + k, "")
        found[mark + len(waits) * done] = resident(pid)
    return found


def at_once(address: str, count: int, page: str = "") -> list[tuple[str, str, float]]:
    """What so many visitors see who come at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda number: visit(address, number, page), range(count)))


def slope(found: dict[int, float]) -> float:
    """Megabytes a visitor: the median over every two readings but the first.

    Until the first one the server grows to its working size, and a median forgets single readings that are far off.
    """
    later = sorted(found.items())[1:]
    return median((high - low) / (to - of) for (of, low), (to, high) in itertools.combinations(later, 2))


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--marks",
        type=int,
        nargs="+",
        default=[10, 50, 100],
        help="memory is read after so many visitors, three times at least",
    )
    parser.add_argument("--at-once", type=int, default=20, help="visitors at the same time")
    parser.add_argument("--pages", nargs="+", default=PAGES, help="pages that are visited in turn")
    parser.add_argument(
        "--results",
        type=float,
        default=4,
        help="megabytes of results that the server remembers; few, so that it is soon full",
    )
    parser.add_argument("--json", action="store_true", help="one object instead of lines")
    asked = parser.parse_args()
    os.environ["ATTNLAB_RESULTS_GB"] = str(asked.results / 1024)
    with serving() as (address, pid):
        memory = in_turn(address, pid, asked.marks, asked.pages)
        seen = at_once(address, asked.at_once)
    right = expected([text for text, _, _ in seen])
    seconds = sorted(took for _, _, took in seen)
    said = {
        "pages": list(asked.pages),
        "results_megabytes": asked.results,
        "megabytes": {str(mark): round(value, 1) for mark, value in memory.items()},
        "megabytes_a_visitor": round(slope(memory), 3),
        "at_once": len(seen),
        "right": sum(shown == right[text] for text, shown, _ in seen),
        "median_seconds": round(seconds[len(seconds) // 2], 2),
        "slowest_seconds": round(seconds[-1], 2),
    }
    if asked.json:
        print(json.dumps(said))
        return
    for mark, value in memory.items():
        print(f"after {mark:4d} visitors: {value:7.1f} MB")
    print(f"{said['megabytes_a_visitor']:+.3f} MB a visitor from the second reading on")
    print(
        f"{said['right']} of {said['at_once']} at once saw the library's answer to their own sentence; ",
        end="",
    )
    print(f"median {said['median_seconds']} s, slowest {said['slowest_seconds']} s")


if __name__ == "__main__":
    main()
