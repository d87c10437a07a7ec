"""What the rows of the speed table share: what a row says, and two sides timed by turns."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from attnlab_core.lab import Lab

Side = Callable[[], Any]
Rule = Literal["ours over theirs, at most", "theirs over ours, at least", "ours, at most"]
WORDS = (
    "the movie was not as bad as I expected , said my brother on the way home , although he did not remember much of it and "
    "he was asleep when the good part began ."
).split()


@dataclass(frozen=True)
class Plan:
    """How much time a run of the benchmark may take.

    Attributes:
        seconds: For each comparison, beside the warm-up and the three turns that are always taken.
        least: Turns that are always taken.
        quick: Leave out what takes minutes.
        big: Also measure memory with models of up to 1.5 billion parameters.
        sentences: How many sentences are scored for faithfulness.
        chromium: The browser of the first screen.
        model: The classifier that is measured.
        decoder: The language model that is measured.
    """

    seconds: float = 6.0
    least: int = 3
    quick: bool = False
    big: bool = False
    sentences: int = 6
    chromium: str = "/usr/bin/chromium"
    model: str = "sst2"
    decoder: str = "gpt2-mini"

    def lab(self, name: str) -> Lab:
        """A model by its name; names that begin with "tiny " are made in memory."""
        if not name.startswith("tiny "):
            from attnlab_core.models import load

            return load(name)
        from attnlab_core.testing import tiny_lab

        kind = name.removeprefix("tiny ")
        return tiny_lab("classification" if kind == "bert" else "causal", kind)


@dataclass(frozen=True)
class Bar:
    """What a row is to reach."""

    rule: Rule
    value: float

    def said(self, unit: str) -> str:
        """In a cell of the table."""
        mark = "≥" if self.rule == "theirs over ours, at least" else "≤"
        return f"{mark} {self.value:g}{f' {unit}' if self.rule == 'ours, at most' else '×'}"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: What was measured.
        ours: The median of our times, or what else the unit says.
        unit: "ms", or "MiB".
        against: What it was measured against.
        theirs: The median of theirs.
        ratio: Ours over theirs where small is wanted, else theirs over ours; the median over turns.
        bar: What is to be reached; None where the issue sets none.
        checked: How the two results were compared, with the largest difference.
        note: What a reader must know.
        turns: How often both sides were run.
    """

    name: str
    ours: float | None
    unit: str = "ms"
    against: str = ""
    theirs: float | None = None
    ratio: float | None = None
    bar: Bar | None = None
    checked: str = ""
    note: str = ""
    turns: int = 0

    @property
    def reached(self) -> bool | None:
        """Whether the bar is reached; None without a bar or a measurement."""
        if self.bar is None:
            return None
        value = self.ours if self.bar.rule == "ours, at most" else self.ratio
        if value is None:
            return None
        return (
            value >= self.bar.value
            if self.bar.rule == "theirs over ours, at least"
            else value <= self.bar.value
        )

    def to_json(self) -> dict[str, Any]:
        """All of it, with whether the bar is reached."""
        said = asdict(self) | {"reached": self.reached}
        return said | {"bar": self.bar.said(self.unit) if self.bar else None}


@dataclass(frozen=True)
class Times:
    """The seconds of some sides, each of which was run once a turn."""

    taken: Sequence[Sequence[float]] = field(default_factory=list)

    def ms(self, side: int) -> float:
        """The median of a side in milliseconds."""
        return 1000 * statistics.median(self.taken[side])

    def ratio(self, one: int, two: int) -> float:
        """The median over turns of one side's time over another's."""
        return statistics.median(a / b for a, b in zip(self.taken[one], self.taken[two], strict=True))


def alternate(sides: Sequence[Side], plan: Plan, warm: int = 2, most: int = 200) -> Times:
    """Run the sides by turns, forwards and backwards, until the time is up."""
    for _ in range(warm):
        for side in sides:
            side()
    taken: list[list[float]] = [[] for _ in sides]
    until = time.perf_counter() + plan.seconds
    while len(taken[0]) < plan.least or (time.perf_counter() < until and len(taken[0]) < most):
        order = range(len(sides)) if len(taken[0]) % 2 == 0 else reversed(range(len(sides)))
        for k in order:
            began = time.perf_counter()
            sides[k]()
            taken[k].append(time.perf_counter() - began)
    return Times(taken)


def versus(
    name: str,
    ours: Side,
    theirs: Side,
    plan: Plan,
    *,
    against: str,
    bar: Bar | None = None,
    checked: str = "",
    note: str = "",
) -> Row:
    """A row of two sides."""
    times = alternate([ours, theirs], plan)
    turned = bar is not None and bar.rule == "ours over theirs, at most"
    ratio = times.ratio(0, 1) if turned else times.ratio(1, 0)
    turns = len(times.taken[0])
    return Row(name, times.ms(0), "ms", against, times.ms(1), ratio, bar, checked, note, turns)


def alone(
    name: str, ours: Side, plan: Plan, *, bar: Bar | None = None, checked: str = "", note: str = ""
) -> Row:
    """A row of one side; it may take no longer than so many milliseconds."""
    times = alternate([ours], plan, warm=1)
    return Row(name, times.ms(0), bar=bar, checked=checked, note=note, turns=len(times.taken[0]))


def at_most(value: float) -> Bar:
    """Ours may take so many times as long as theirs."""
    return Bar("ours over theirs, at most", value)


def at_least(value: float) -> Bar:
    """Theirs takes so many times as long as ours."""
    return Bar("theirs over ours, at least", value)


def within(value: float) -> Bar:
    """Ours takes at most so much, in the row's unit."""
    return Bar("ours, at most", value)


def agree(what: str, gap: float, most: float) -> str:
    """Assert that two results agree, and say how well.

    Raises:
        SystemExit: They do not; a time for a wrong result is worth nothing.
    """
    if not gap <= most:
        raise SystemExit(f"{what}: the results differ by {gap:.3g}, and {most:.3g} is allowed.")
    return f"max difference {gap:.1e}"


def installed(*names: str) -> bool:
    """Whether peers are there; the benchmark leaves out the rows of those that are not."""
    return all(find_spec(name) is not None for name in names)


def missing(name: str, peer: str) -> Row:
    """A row that says that a peer is not installed."""
    return Row(name, None, against=peer, note=f"{peer} is not installed (benchmarks/requirements-peers.txt)")


def text_of(lab: Lab, tokens: int) -> str:
    """A text of so many tokens, special ones included."""
    words: list[str] = []
    while len(lab.encode(" ".join([*words, WORDS[len(words) % len(WORDS)]])).ids) <= tokens:
        words.append(WORDS[len(words) % len(WORDS)])
    found = " ".join(words)
    while len(lab.encode(found).ids) < tokens:  # a word of several tokens did not fit
        found += "."
    return found


def threads() -> int:
    """How many threads torch computes with."""
    import torch

    return torch.get_num_threads()


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    head = ("what", "ours", "against", "theirs", "ratio", "bar", "reached", "checked", "note")
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        cells = (
            row.name, _number(row.ours, row.unit), row.against or "–", _number(row.theirs, row.unit),
            "–" if row.ratio is None else f"{row.ratio:.3g}×" if row.ratio < 100 else f"{row.ratio:,.0f}×",
            row.bar.said(row.unit) if row.bar else "–",
            {None: "–", True: "yes", False: "**no**"}[row.reached], row.checked or "–", row.note or "–",
        )  # fmt: skip
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def side_by_side(charts: Sequence[Any]) -> str:
    """Charts side by side on white, as SVG."""
    import altair as alt

    from attnlab_core.charts import svg

    made = alt.hconcat(*charts).configure(font="Helvetica, Arial, Liberation Sans, DejaVu Sans, sans-serif")
    return svg(made.configure_view(stroke=None).properties(background="white", padding=12))


def load() -> float:
    """How busy the machine is: the load average of the last minute; 0 where the system does not say."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0
