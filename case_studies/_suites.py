"""The sentences of the studies as data sets for experiments, so that these need no network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from attnlab_core.errors import UnknownName
from attnlab_core.prompt import Prompt
from attnlab_core.tasks import Row, Stretch
from attnlab_core.tasks.custom import write


@dataclass(frozen=True)
class Suite:
    """A set of rows that a study makes.

    Attributes:
        title: For menus.
        asks: The task of the models that can answer it.
        rows: Makes them, from a seed.
        labels: What a classifier's labels must be called, in lower case.
    """

    title: str
    asks: str
    rows: Callable[[int], list[Row]]
    labels: frozenset[str] = frozenset()


def negation(seed: int = 0) -> list[Row]:
    """Sentences of the negation study, each with and without its negation; the negation is the rationale."""
    from case_studies._negation_data import pairs

    found: list[Row] = []
    for number, pair in enumerate(pairs(40, seed=seed)):
        word = (Stretch(0, pair.start, pair.start + len(pair.word)),) if pair.word else None
        other = {"positive": "negative", "negative": "positive"}
        group = f"pair-{number}"
        for side, text, gold, marked in (
            ("plain", pair.plain, pair.plain_gold, None),
            ("negated", pair.text, pair.gold, word),
        ):
            kind = f"{pair.kind}/{side}"
            found.append(Row(f"{group}-{side}", Prompt(text), (gold,), other[gold], marked, kind, group))
    return found


def two_hops(seed: int = 0) -> list[Row]:
    """Questions of the multi-hop study over two hops; the two sentences that answer them are the rationale."""
    from case_studies.multi_hop import make

    found = []
    for number, item in enumerate(make(200, seed=1000 + seed)):
        marked = []
        for sentence in item.supporting:
            start = sum(len(text) + 1 for text in item.sentences[:sentence])
            marked.append(Stretch(1, start, start + len(item.sentences[sentence])))
        prompt = Prompt(item.question, item.context)
        found.append(
            Row(f"question-{number}", prompt, (item.answer,), rationale=tuple(marked), kind=item.kind)
        )
    return found


SUITES = {
    "negation": Suite("Negation pairs", "classification", negation, frozenset({"positive", "negative"})),
    "multi_hop": Suite("Two-hop questions", "answering", two_hops),
}


def to_file(name: str, file: Path, seed: int = 0) -> int:
    """Write a suite in the format of the task `custom`; how many rows it has."""
    if name not in SUITES:
        raise UnknownName(name, SUITES, "study with sentences to write")
    rows = SUITES[name].rows(seed)
    write(rows, file)
    return len(rows)
