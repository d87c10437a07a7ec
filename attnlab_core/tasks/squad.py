"""SQuAD 1.1: Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of Text, EMNLP 2016."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attnlab_core.knobs import labelled
from attnlab_core.prompt import Prompt
from attnlab_core.targets import NO_ANSWER
from attnlab_core.tasks._base import Row, Stretch, Task
from attnlab_core.tasks._measuring import SPANS, of_span
from attnlab_core.tasks._reading import Source, Table, with_columns

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.targets import Asked


@labelled("SQuAD")
@dataclass(frozen=True, kw_only=True)
class Squad(Task):
    """Questions whose answer is a stretch of a paragraph of Wikipedia.

    Read are SQuAD's own JSON (that of XQuAD is the same), or rows with id, question, context and answers. The answer
    that counts is the likeliest span of at most 30 tokens. A paragraph that the model cannot read whole is cut at its
    end; a question whose answer went with it still counts. A question without answers, as SQuAD 2.0 has them, is
    answered right by "no answer". The rationale is the first right answer at its place.

    Attributes:
        split: The training set, or the one for measuring. SQuAD keeps its test set to itself.
    """

    split: Literal["train", "validation"] = "validation"

    asks = ("answering",)
    scores = SPANS
    source = Source("rajpurkar/squad", folders=("xquad",), endings=(".parquet", ".json", ".jsonl"))

    def table(self, data: Path | None, *, lab: Lab | None, seed: int) -> Table:
        """Questions one by one; articles are taken apart."""
        table = flat(super().table(data, lab=lab, seed=seed))
        return with_columns(
            table, ("id", "question", "context", "answers"), self.name, data or self.source.hub
        )

    def row(self, record: Mapping[str, Any], number: int, lab: Lab | None) -> Row:
        """The question, and the paragraph as second text."""
        context, answers = record["context"], record["answers"]
        gold = tuple(dict.fromkeys(answers["text"])) or (NO_ANSWER,)
        rationale = None
        if answers["text"]:
            start, text = int(answers["answer_start"][0]), answers["text"][0]
            if context[start : start + len(text)] == text:
                rationale = (Stretch(1, start, start + len(text)),)
        return Row(
            str(record["id"]),
            Prompt(record["question"].strip(), context),
            gold,
            rationale=rationale,
            group=sha1(context.encode(), usedforsecurity=False).hexdigest()[:12],
        )

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """F1 and exact match of the likeliest span."""
        return of_span(asked, row.gold)


def flat(table: Sequence[Mapping[str, Any]]) -> Table:
    """SQuAD's articles as rows such as the Hub has; rows stay as they are."""
    if not len(table) or "paragraphs" not in table[0]:
        return table
    return [
        {
            "id": entry["id"],
            "question": entry["question"],
            "context": part["context"],
            "answers": {
                key: [answer[key] for answer in entry.get("answers", ())] for key in ("text", "answer_start")
            },
        }
        for article in table
        for part in article["paragraphs"]
        for entry in part["qas"]
    ]
