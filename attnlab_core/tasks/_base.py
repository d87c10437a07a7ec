"""What every data set is: a frozen value that gives rows, measures one answer, and says how measurements are pooled.

A row is a prompt with its right answer. A model reads it (`Task.readings`), maybe under edits, and `Task.measure` turns
what it said into numbers; a `Score` pools the numbers of many rows. So a score can be computed again for any choice
of rows, as a bootstrap does, also where it is a ratio or a perplexity.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attnlab_core.catalog import pick
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.knobs import knobs, title
from attnlab_core.prompt import Prompt
from attnlab_core.targets import Target
from attnlab_core.tasks._reading import Source, Table

if TYPE_CHECKING:
    from attnlab_core.edits import Edit
    from attnlab_core.lab import Lab
    from attnlab_core.pictures import Picture
    from attnlab_core.prompt import Encoding
    from attnlab_core.targets import Asked

FOLDER = "attnlab_core.tasks"
MASK = "[MASK]"
"""Stands in a row's text where a word is to be filled in; given a lab, its tokenizer's own mask stands there."""


@dataclass(frozen=True)
class Stretch:
    """A piece of a prompt: characters `start` to before `end` of the text (segment 0) or of the second text (1)."""

    segment: int
    start: int
    end: int


@dataclass(frozen=True)
class Region:
    """A piece of a picture: where `mask`, of the same shape, is white. A patch is in it where half of it is."""

    mask: Picture


@dataclass(frozen=True)
class Row:
    """One prompt and its right answer.

    Attributes:
        id: Unlike any other row's.
        prompt: What is asked.
        gold: The right answers; the first is the one to explain. Any of them counts as right.
        wrong: An answer that the right one is held against, where there is one.
        rationale: What a person would point at; None where nobody did.
        kind: For results by kind, coarse to fine: "1 attractor/object relative".
        group: Rows of one group depend on each other (questions on one paragraph); empty: the row stands alone.
        cut: How many tokens were left out so that the model can read it.
    """

    id: str
    prompt: Prompt
    gold: tuple[str, ...] = ()
    wrong: str | None = None
    rationale: tuple[Stretch | Region, ...] | None = None
    kind: str = ""
    group: str = ""
    cut: int = 0

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """What of the rationale are pieces of text."""
        return tuple(one for one in self.rationale or () if isinstance(one, Stretch))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind it is of, from coarse to fine.

        >>> Row("1", Prompt("Yes."), kind="type1/pro").kinds
        ('type1', 'type1/pro')
        """
        parts = self.kind.split("/") if self.kind else []
        return tuple("/".join(parts[: k + 1]) for k in range(len(parts)))


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number for many rows: the sum of `of` over all rows, divided by the sum of `over`, or by their count.

    Attributes:
        name: In records and on the command line.
        label: For people.
        caption: What it says, in a phrase.
        better: Which way is better; "neither" where a middle is.
        of: What `Task.measure` calls the numbers that are added.
        over: What it calls those that they are divided by; None counts rows.
        then: "exp" takes the exponential of the quotient.
    """

    name: str
    label: str
    caption: str
    better: Literal["higher", "lower", "neither"]
    of: str
    over: str | None = None
    then: Literal["mean", "exp"] = "mean"

    def pool(self, rows: Sequence[Mapping[str, float]]) -> float:
        """The score of these rows; those whose number is NaN are left out, and NaN comes back where none is left.

        >>> score = Score(name="p", label="", caption="", better="lower", of="nll", over="tokens", then="exp")
        >>> round(score.pool([{"nll": 2.0, "tokens": 1}, {"nll": 4.0, "tokens": 5}]), 3)  # exp(6 / 6)
        2.718
        """
        kept = [row for row in rows if not math.isnan(row[self.of])]
        below = len(kept) if self.over is None else math.fsum(row[self.over] for row in kept)
        if not below:
            return math.nan
        value = math.fsum(row[self.of] for row in kept) / below
        return math.exp(value) if self.then == "exp" else value


def by_name(*scores: Score) -> Mapping[str, Score]:
    """Scores by their names; the first is the main one."""
    return {score.name: score for score in scores}


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set. Subclasses are frozen dataclasses whose fields are knobs, with a `row` and a `measure`."""

    asks: ClassVar[tuple[str, ...]]
    """The tasks of the labs that can answer it."""
    scores: ClassVar[Mapping[str, Score]]
    source: ClassVar[Source] = Source()
    """Where it is found: its usual id on the Hub, and what its files look like."""
    pictures: ClassVar[bool] = False
    """Whether its prompts are pictures."""

    def __post_init__(self) -> None:
        """Check every field as the knob it is."""
        for knob in knobs(type(self)):
            object.__setattr__(self, knob.name, knob.check(getattr(self, knob.name)))

    @property
    def name(self) -> str:
        """The name in JSON and in the catalogue."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def main(self) -> Score:
        """The score that is quoted where there is room for one."""
        return next(iter(self.scores.values()))

    def rows(
        self,
        data: Path | str | None = None,
        *,
        lab: Lab | None = None,
        limit: int | None = None,
        seed: int = 0,
    ) -> Iterator[Row]:
        """Rows one by one, the same for the same arguments.

        Args:
            data: A file or folder with the data set, or a folder that holds such a folder; None takes it from the
                Hub, or makes it up where it is made up.
            lab: Who is to answer: rows then carry its labels and its mask, and are cut to what it reads.
            limit: How many at most; all, in the order of the data, where it is None. Otherwise the first so many of
                all rows in an order shuffled by `seed`, so that fewer rows are always among more.
            seed: Of that order, and of rows that are made up.

        Raises:
            BadInput: The data are not there or not as they should be, or the lab has another task.
        """
        if lab is not None and lab.task not in self.asks:
            raise BadInput(
                f"{title(type(self))} asks a model for {' or '.join(self.asks)}; {lab.name} is for {lab.task}. "
                "Choose another model."
            )
        if lab is not None and lab.pictures != self.pictures:
            mine, theirs = ("pictures", "text")[:: 1 if self.pictures else -1]
            raise BadInput(
                f"{title(type(self))} is made of {mine}; {lab.name} reads {theirs}. Choose another model."
            )
        if limit is not None and limit < 1:
            raise BadInput(f"limit is the number of rows, at least 1, not {limit!r}.")
        table = self.table(None if data is None else Path(data), lab=lab, seed=seed)
        if not len(table):
            raise BadInput(f"{title(type(self))}: there are no rows in {data or self.source.hub}.")
        order = list(range(len(table)))
        if limit is not None:
            random.Random(f"rows {seed}").shuffle(order)
        made = (self.row(table[number], number, lab) for number in order)
        kept = (row if lab is None else self.fitted(row, lab) for row in made if row is not None)
        return itertools.islice(kept, limit)

    def table(self, data: Path | None, *, lab: Lab | None, seed: int) -> Table:
        """The records that `row` makes rows of; most tasks read them from where `source` says."""
        del lab, seed
        return self.source.load(self.name, data, getattr(self, "split", None))

    def row(self, record: Any, number: int, lab: Lab | None) -> Row | None:
        """One record as a row; None where it is no use to this lab."""
        raise NotImplementedError

    def fitted(self, row: Row, lab: Lab) -> Row:
        """A row with the lab's mask, its longer text cut at its end to what the lab reads."""
        row = with_mask(row, lab.tokenizer.mask_token) if lab.task == "masked" else row
        prompt, cut = lab.fit(row.prompt)
        if not cut:
            return row
        lengths = (len(prompt.text), len(prompt.second or ""))
        left = [replace(s, end=min(s.end, lengths[s.segment])) for s in row.stretches]
        return replace(
            row, prompt=prompt, cut=cut, rationale=tuple(s for s in left if s.start < s.end) or None
        )

    def readings(self, row: Row, lab: Lab) -> tuple[Encoding, ...]:
        """What the lab is to read for one row: the prompt first, then what some answers need besides."""
        return (lab.encode(row.prompt),)

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """The numbers of one row, by the names that `scores` knows them by.

        Args:
            row: As `rows` gave it for this lab.
            asked: The first reading with its logits, as `Lab.asked` gives it.
            more: The other readings, in any order.
        """
        raise NotImplementedError

    def ask(self, row: Row, lab: Lab, edits: Sequence[Edit] = ()) -> dict[str, float]:
        """Read one row under edits, and measure it; who has many rows reads them in batches."""
        asked = []
        for encoding in self.readings(row, lab):
            types = None if encoding.types is None else [list(encoding.types)]
            settled = lab.settle(encoding, edits)
            logits, _ = lab.forward([list(encoding.ids)], types=types, rows=[settled])
            asked.append(lab.asked(encoding, logits[0].float().cpu()))
        return self.measure(row, *asked)

    def target(self, row: Row) -> Target | None:
        """The right answer, to explain or to search for; None where a row has none.

        It cannot be settled where it was cut off with the end of a long text (`Row.cut`).
        """
        return Target(row.gold[0]) if row.gold else None

    def target_wrong(self, row: Row) -> Target | None:
        """The answer that the right one is held against, where there is one."""
        return None if row.wrong is None else Target(row.wrong)

    def to_json(self) -> dict[str, Any]:
        """`{"task": "squad", "split": "train"}`; values at their defaults stay out."""
        fields = ((f, getattr(self, f.name)) for f in dataclasses.fields(self))
        return {"task": self.name} | {f.name: value for f, value in fields if value != f.default}


def task_from_json(given: str | Mapping[str, Any]) -> Task:
    """Read a task from its name, JSON text or a mapping.

    >>> task_from_json('{"task": "sst2", "split": "train"}').split
    'train'
    """
    said: Any = given
    if isinstance(given, str):
        try:
            said = json.loads(given) if given.lstrip().startswith("{") else {"task": given}
        except ValueError:
            said = None
    if not isinstance(said, Mapping) or "task" not in said:
        raise BadInput(f'A task is a name, or JSON such as {{"task": "sst2"}}, not {given!r}.')
    fields = dict(said)
    kind = pick(FOLDER, str(fields.pop("task")), "task")
    known = [f.name for f in dataclasses.fields(kind)]
    for name in fields:
        if name not in known:
            raise UnknownName(name, known, f"setting of the task {said['task']}")
    return kind(**fields)


def with_mask(row: Row, mask: str) -> Row:
    """A row with another mask where `MASK` stands; its rationale moves along."""
    texts = (row.prompt.text, row.prompt.second or "")

    def moved(segment: int, place: int) -> int:
        return place + (len(mask) - len(MASK)) * texts[segment].count(MASK, 0, place)

    text, second = (text.replace(MASK, mask) for text in texts)
    prompt = Prompt(text, None if row.prompt.second is None else second)
    if row.rationale is None:
        return replace(row, prompt=prompt)
    places = (Stretch(s.segment, moved(s.segment, s.start), moved(s.segment, s.end)) for s in row.stretches)
    return replace(row, prompt=prompt, rationale=tuple(places))
