"""What every case study is: data that it makes itself, a record of figures, and a story told from that record alone.

A study is one file with `NAME`, `TITLE`, `QUESTION`, `MODEL` (the shipped model it asks), `study(lab, *, seed, …)`, which gives
the figures as plain types, and `story(record)`, which gives the steps. Every number in a step is read off the record when the
step is made, so a story cannot say what was not measured.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import pkgutil
import platform
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from attnlab_core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    import pandas as pd

    from attnlab_core.lab import Lab

SCHEMA = 1
"""Of the record; grows by one when a field changes its meaning."""
RECORDED = Path(__file__).parent / "recorded"
Record = Mapping[str, Any]
_CODE = re.compile(r"(`[^`]*`)")
_MINUS = re.compile(r"(?<![\w.)\]-])-(?=\.?\d)")
_PERCENT = re.compile(r"(?<=\d) %")


def typeset(text: str) -> str:
    r"""A text for people: a true minus sign before numbers, and no line that begins with a percent sign; code stays as it is.

    >>> typeset("by -0.2 (-3 to 5) on sst-2, 12.8 % of `--seed -1`")
    'by −0.2 (−3 to 5) on sst-2, 12.8\xa0% of `--seed -1`'
    """
    parts = _CODE.split(text)
    parts[::2] = [_PERCENT.sub("\u00a0%", _MINUS.sub("−", part)) for part in parts[::2]]
    return "".join(parts)


@dataclass(frozen=True)
class Try:
    """A state of Compare or Manipulate that a step opens.

    Attributes:
        page: "compare" or "manipulate".
        text: What is asked.
        second: The second text of a pair.
        edits: As JSON, for Manipulate.
        label: What the link says.
        model: Its name, where a story is about several; empty is the story's.
    """

    page: Literal["compare", "manipulate"]
    text: str
    second: str | None = None
    edits: tuple[Mapping[str, Any], ...] = ()
    label: str = "Try it"
    model: str = ""


@dataclass(frozen=True)
class Figure:
    """A table and how it is drawn.

    Attributes:
        kind: "bars" (label, value, and low and high of an interval), "lines" (x, value, low, high, series), "dots" (x,
            value, label, series), "heads" (layer, head, value), "table" (as it stands), or "graph" (layer, source, target,
            weight, series: what a source after a layer, counted from 1, gets from a target before it; one graph a
            series).
        frame: The rows.
        caption: What is seen, in one sentence; the alternative text, too.
        axes: The titles of x and y.
        level: A value that a line marks: chance, or no change.
    """

    kind: Literal["bars", "lines", "dots", "heads", "table", "graph"]
    frame: pd.DataFrame
    caption: str
    axes: tuple[str, str] = ("", "")
    level: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "caption", typeset(self.caption))


@dataclass(frozen=True)
class Step:
    """One step of a story.

    Attributes:
        title: A few words.
        text: Markdown, with the numbers written in from the record.
        figure: What is shown.
        tries: What it opens.
    """

    title: str
    text: str
    figure: Figure | None = None
    tries: tuple[Try, ...] = ()

    def __post_init__(self) -> None:
        for name in ("title", "text"):
            object.__setattr__(self, name, typeset(getattr(self, name)))


@dataclass(frozen=True)
class Closing:
    """The end of a story: what was found, what was not, and how sure one is. Markdown, one line each."""

    found: tuple[str, ...]
    not_found: tuple[str, ...]
    sure: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("found", "not_found", "sure"):
            object.__setattr__(self, name, tuple(map(typeset, getattr(self, name))))


class Study(Protocol):
    """The file of a case study."""

    NAME: str
    TITLE: str
    QUESTION: str
    MODEL: str

    def study(self, lab: Lab, *, seed: int = 0) -> dict[str, Any]:
        """The figures, in plain types; tells `attnlab_core.progress.watching` how far it is."""
        ...

    def story(self, record: Record) -> tuple[list[Step], Closing]:
        """The steps and the end, from a record that `run` made."""
        ...


@cache
def studies() -> dict[str, Any]:
    """The case studies by name: the modules here that tell a story."""
    import case_studies

    names = [m.name for m in pkgutil.iter_modules(case_studies.__path__) if not m.name.startswith("_")]
    found = [importlib.import_module(f"case_studies.{name}") for name in sorted(names)]
    return {module.NAME: module for module in found if hasattr(module, "story")}


def find(name: str) -> Any:
    """A study by its name; raises `UnknownName`."""
    if name not in studies():
        raise UnknownName(name, list(studies()), "case study")
    return studies()[name]


def run(name: str, lab: Lab, *, seed: int = 0, **options: Any) -> dict[str, Any]:
    """Make a study's record: what was asked of which model in which revision, when, and the figures.

    Args:
        name: Of the study.
        lab: The model.
        seed: Of all that is drawn.
        options: What this study's `study` takes besides.

    Raises:
        BadInput: the model is for another task than the study's.
    """
    module = find(name)
    return {
        "schema": "attentionlab.study",
        "schema_version": SCHEMA,
        "study": name,
        "question": module.QUESTION,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {part: version(part) for part in ("torch", "transformers")}
        | {"python": platform.python_version()},
        "model": lab.summary() | {"digest": digest(lab.name)},
        "seed": seed,
        "figures": module.study(lab, seed=seed, **options),
    }


def digest(model: str) -> str | None:
    """The first twelve letters of the SHA-256 of a shipped model's weights; None for any other."""
    from attnlab_core.models import shipped

    if model not in shipped():
        return None
    return hashlib.sha256((shipped()[model].folder / "model.safetensors").read_bytes()).hexdigest()[:12]


def recorded(name: str) -> dict[str, Any] | None:
    """The record that comes with a study, made by `python -m case_studies NAME --record`; None where there is none."""
    try:
        said = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if said.get("schema_version") == SCHEMA else None


def keep(record: Record) -> Path:
    """Store a record as the one that comes with its study."""
    RECORDED.mkdir(exist_ok=True)
    file = RECORDED / f"{record['study']}.json"
    file.write_text(json.dumps(record, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return file


def needs(lab: Lab, task: str, why: str) -> None:
    """Refuse a model for another task."""
    if lab.task != task:
        raise BadInput(f"This study needs a model for {task}, not for {lab.task}: {why}")


def plain_types(value: Any, digits: int = 5) -> Any:
    """The same as JSON takes it: floats rounded to so many digits after the point, what is no number as None."""
    if isinstance(value, Mapping):
        return {str(key): plain_types(one, digits) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain_types(one, digits) for one in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, Integral):
        return int(value)
    return round(float(value), digits) if math.isfinite(value) else None


def frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a frame."""
    import pandas as pd

    return pd.DataFrame(list(rows))


def percent(share: float) -> str:
    """A share for people, with one digit after the point: "12.8 %"."""
    return f"{100 * share:.1f} %"


def listed(parts: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
