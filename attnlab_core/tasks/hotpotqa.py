"""HotpotQA: Yang et al., HotpotQA: A Dataset for Diverse, Explainable Multi-hop Question Answering, EMNLP 2018."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from attnlab_core.knobs import labelled
from attnlab_core.prompt import Prompt
from attnlab_core.tasks._base import Row, Stretch, Task
from attnlab_core.tasks._measuring import SPANS, of_span
from attnlab_core.tasks._reading import Source

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.targets import Asked

Paragraph = tuple[str, Sequence[str]]
"""A title and sentences."""


@labelled("HotpotQA")
@dataclass(frozen=True, kw_only=True)
class Hotpotqa(Task):
    """Questions that need two paragraphs of Wikipedia, among eight others (the distractor setting).

    Every paragraph is a line: its title, a colon, its sentences. Where the model cannot read all ten, paragraphs are
    left out from the end on until the rest fits, those with a supporting sentence last of all and the order kept; a
    row's `cut` says how many tokens that cost. The rationale are the supporting sentences. The score is for answers
    alone, not for supporting sentences.

    Attributes:
        split: The training set, or the one for measuring. The set keeps its test set to itself.
        yes_no: Keep questions whose answer is yes or no, too: no span answers these, so they count as wrong.
    """

    split: Literal["train", "validation"] = "validation"
    yes_no: bool = False

    asks = ("answering",)
    scores = SPANS
    source = Source(
        "hotpotqa/hotpot_qa",
        "distractor",
        folders=("hotpot_qa", "hotpot"),
        endings=(".parquet", ".json", ".jsonl"),
        columns=("question", "answer", "context", "supporting_facts"),
    )

    def row(self, record: Mapping[str, Any], number: int, lab: Lab | None) -> Row | None:
        """The question, and the paragraphs as second text."""
        if record["answer"] in ("yes", "no") and not self.yes_no:
            return None
        paragraphs, facts = _paragraphs(record["context"]), _facts(record["supporting_facts"])
        question = record["question"].strip()
        kept, cut = list(range(len(paragraphs))), 0
        if lab is not None and lab.max_tokens is not None:
            kept, cut = _fitting(question, paragraphs, facts, lab)
        context, rationale = _joined([paragraphs[k] for k in kept], facts)
        name = record.get("id") or record.get("_id") or number
        prompt = Prompt(question, context)
        return Row(
            str(name), prompt, (record["answer"],), None, rationale, str(record.get("type") or ""), cut=cut
        )

    def fitted(self, row: Row, lab: Lab) -> Row:
        """What still is too long without its other paragraphs is cut at its end."""
        found = super().fitted(row, lab)
        return found if found is row else replace(found, cut=row.cut + found.cut)

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """F1 and exact match of the likeliest span."""
        return of_span(asked, row.gold)


def _paragraphs(given: Any) -> list[Paragraph]:
    """The Hub has lists by column, the set's own files a list of pairs."""
    if isinstance(given, Mapping):
        return list(zip(given["title"], given["sentences"], strict=True))
    return [(title, sentences) for title, sentences in given]


def _facts(given: Any) -> set[tuple[str, int]]:
    if isinstance(given, Mapping):
        return set(zip(given["title"], map(int, given["sent_id"]), strict=True))
    return {(title, int(number)) for title, number in given}


def _joined(
    paragraphs: Sequence[Paragraph], facts: set[tuple[str, int]]
) -> tuple[str, tuple[Stretch, ...] | None]:
    """The paragraphs as one text, and where the supporting sentences are in it."""
    text, found = "", []
    for title, sentences in paragraphs:
        text += f"\n{title}:" if text else f"{title}:"
        for number, sentence in enumerate(sentences):
            if not sentence.strip():
                continue
            text += " "
            if (title, number) in facts:
                found.append(Stretch(1, len(text), len(text) + len(sentence.strip())))
            text += sentence.strip()
    return text, tuple(found) or None


def _fitting(
    question: str, paragraphs: Sequence[Paragraph], facts: set[tuple[str, int]], lab: Lab
) -> tuple[list[int], int]:
    """The numbers of the paragraphs that the lab can read with the question, and how many tokens the others had."""

    def tokens(numbers: Sequence[int]) -> int:
        context, _ = _joined([paragraphs[k] for k in numbers], facts)
        return len(lab.encode(Prompt(question, context)).ids)

    titles = {title for title, _ in facts}
    kept = list(range(len(paragraphs)))
    spare = [k for k in kept if paragraphs[k][0] not in titles]
    whole = length = tokens(kept)
    while spare and length > (lab.max_tokens or length):
        kept.remove(spare.pop())
        length = tokens(kept)
    return kept, whole - length
