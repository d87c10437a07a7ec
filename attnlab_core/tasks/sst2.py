"""SST-2: Socher et al., Recursive Deep Models for Semantic Compositionality, EMNLP 2013, as GLUE has it (ICLR 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from attnlab_core.errors import BadInput
from attnlab_core.knobs import labelled
from attnlab_core.prompt import Prompt
from attnlab_core.tasks._base import Row, Task, by_name
from attnlab_core.tasks._measuring import ACCURACY, SURPRISAL, label_number, of_label
from attnlab_core.tasks._reading import Source

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.targets import Asked

CLASSES = (("negative", "neg"), ("positive", "pos"))


@labelled("SST-2")
@dataclass(frozen=True, kw_only=True)
class Sst2(Task):
    """Sentences from film reviews, positive or negative.

    Columns: sentence, label (0 negative, 1 positive). The space at a sentence's end is taken off; quotation marks in a
    table with tabs are part of the text. A model's labels are found by their names, or where these are only numbers by
    their order; the likeliest of all its labels counts.

    Attributes:
        split: The training set, or the one for measuring. GLUE keeps the labels of its test set to itself.
    """

    split: Literal["train", "validation"] = "validation"

    asks = ("classification",)
    scores = by_name(ACCURACY, SURPRISAL)
    source = Source("nyu-mll/glue", "sst2", columns=("sentence", "label"), quoted=False)

    def row(self, record: Mapping[str, Any], number: int, lab: Lab | None) -> Row:
        """The sentence; its label's name, or the lab's name for that."""
        label = str(record["label"])
        if label not in ("0", "1"):
            raise BadInput(
                f"Row {number + 1} has the label {label!r}; SST-2's are 0 and 1. Choose a split with labels."
            )
        right, wrong = CLASSES[int(label)][0], CLASSES[1 - int(label)][0]
        row = Row(str(number), Prompt(record["sentence"].strip()), (right,), wrong, kind=right)
        if lab is None:
            return row
        right, wrong = (lab.labels[label_number(name, lab.labels, CLASSES)] for name in (right, wrong))
        return replace(row, gold=(right,), wrong=wrong)

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """Whether the likeliest label is the right one."""
        return of_label(asked, label_number(row.gold[0], asked.labels, CLASSES))
