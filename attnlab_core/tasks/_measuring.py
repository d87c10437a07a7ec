"""What several tasks measure alike: the label of a classifier, a span of a text, and one answer against another."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from attnlab_core.errors import BadInput
from attnlab_core.targets import NO_ANSWER, Asked, Goal, Target, best_spans, settle, span_text
from attnlab_core.tasks._base import Row, Score, by_name
from attnlab_core.tasks._squad_score import exact, f1

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding

ACCURACY = Score(
    name="accuracy",
    label="Accuracy",
    caption="Share of rows that are answered right.",
    better="higher",
    of="correct",
)
SURPRISAL = Score(
    name="surprisal",
    label="Surprisal",
    caption="Mean of −ln P(right answer), in nats: 0 is sure and right.",
    better="lower",
    of="surprisal",
)
SPANS = by_name(
    Score(
        name="f1",
        label="F1",
        caption="Words that the answer shares with a right one: harmonic mean of precision and recall, over rows.",
        better="higher",
        of="f1",
    ),
    Score(
        name="exact",
        label="Exact match",
        caption="Share of answers that equal a right one, but for case, punctuation and articles.",
        better="higher",
        of="exact",
    ),
)


def label_number(wanted: str, labels: Sequence[str], classes: Sequence[Sequence[str]]) -> int:
    """Which of a model's labels means what a data set calls by one of several spellings.

    A label is found by its name, whatever its case. Where the model's labels are only numbers (LABEL_0, LABEL_1), they
    are taken in the order of the data set's classes.

    Args:
        wanted: A label of the model, or a spelling of a class.
        labels: The model's, in order.
        classes: The spellings of every class, in the data set's order.

    Raises:
        BadInput: The model's labels are others.

    >>> label_number("positive", ["POS", "NEG"], [("negative", "neg"), ("positive", "pos")])
    0
    >>> label_number("positive", ["LABEL_0", "LABEL_1"], [("negative", "neg"), ("positive", "pos")])
    1
    """
    if wanted in labels:
        return labels.index(wanted)
    number = next(k for k, spellings in enumerate(classes) if wanted in spellings)
    names = [label.lower() for label in labels]
    found = [next((k for k, name in enumerate(names) if name in one), None) for one in classes]
    if None not in found:
        return found[number] or 0
    if len(names) == len(classes) and all(re.fullmatch(r"(label_)?\d+", name) for name in names):
        return number
    raise BadInput(
        f"The model's labels ({', '.join(labels)}) are not {' and '.join(one[0] for one in classes)}. "
        "Choose a model that answers with these."
    )


def of_label(asked: Asked, right: int) -> dict[str, float]:
    """Whether a classifier's likeliest label is the right one, and its surprisal."""
    logs = asked.logits[0].double().log_softmax(-1)
    return {"correct": float(int(logs.argmax()) == right), "surprisal": -float(logs[right])}


def of_span(asked: Asked, gold: Sequence[str]) -> dict[str, float]:
    """The likeliest answer's exact match and F1, as SQuAD counts them; "no answer" counts as the empty answer."""
    start, end, _ = best_spans(asked, 1)[0]
    said = span_text(asked.encoding, start, end)
    said, *right = ("" if text == NO_ANSWER else text for text in (said, *gold))
    return {"f1": f1(said, right), "exact": exact(said, right)}


def with_answers(row: Row, lab: Lab, answers: Sequence[str]) -> tuple[Encoding, ...]:
    """The prompt, and for a model that goes on with it, the prompt with each answer that has several tokens."""
    first = lab.encode(row.prompt)
    if lab.task != "causal":
        return (first,)
    found = {first.ids: first}
    for answer in answers:
        goal = settle(Target(answer), lab.asked(first, torch.zeros(1, 1)))
        if goal.extra:
            texts = [lab.tokenizer.decode([number]) for number in goal.extra]
            found[first.ids + goal.extra] = first.extended(goal.extra, texts)
    return tuple(found.values())


def read_for(answer: str, asked: Asked, more: Sequence[Asked]) -> tuple[Goal, Asked]:
    """An answer's logits and the reading that holds them; `BadInput` where the model cannot give this answer."""
    goal = settle(Target(answer), asked)
    ids = asked.encoding.ids + goal.extra
    return goal, next(one for one in (asked, *more) if one.encoding.ids == ids)


def log_probability(answer: str, asked: Asked, more: Sequence[Asked]) -> float:
    """The log-probability of an answer, all its tokens together, in nats."""
    goal, reading = read_for(answer, asked, more)
    return float(goal.value(reading.logits[None].double()))


def of_pair(right: str, wrong: str, asked: Asked, more: Sequence[Asked]) -> dict[str, float]:
    """Whether the right answer is likelier than the wrong one, by how much, and its surprisal.

    `probability` is that of the right answer when only these two are to choose from.
    """
    one, two = (log_probability(answer, asked, more) for answer in (right, wrong))
    return {
        "correct": float(one > two),
        "surprisal": -one,
        "probability": 1 / (1 + math.exp(min(two - one, 700.0))),
    }


def one_token_each(row: Row, lab: Lab) -> bool:
    """Whether a masked language model has each of a row's two answers as one token."""
    asked = lab.asked(lab.encode(row.prompt), torch.zeros(1, 1))
    try:
        for answer in (*row.gold[:1], row.wrong):
            settle(Target(answer), asked)
    except BadInput:
        return False
    return True
