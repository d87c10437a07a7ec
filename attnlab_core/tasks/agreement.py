"""Subject-verb agreement: Linzen et al., Assessing the Ability of LSTMs to Learn Syntax-Sensitive Dependencies, TACL 2016."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range
from attnlab_core.prompt import Prompt
from attnlab_core.tasks._agreement_items import MOST, make
from attnlab_core.tasks._base import MASK, Row, Task, by_name
from attnlab_core.tasks._measuring import (
    ACCURACY,
    SURPRISAL,
    label_number,
    of_label,
    of_pair,
    one_token_each,
    with_answers,
)
from attnlab_core.tasks._reading import Source, Table
from attnlab_core.tasks._text import joined

if TYPE_CHECKING:
    from attnlab_core.lab import Lab
    from attnlab_core.prompt import Encoding
    from attnlab_core.targets import Asked

CLASSES = (("singular", "sing", "sg"), ("plural", "plur", "pl"))
_KEY = ("pattern", "constr_id", "sent_id", "type", "prefix")


@dataclass(frozen=True, kw_only=True)
class Agreement(Task):
    """Does the verb suit its subject, also where a noun of the other number stands between them?

    A model that goes on with a text, or fills in a mask, is right where the verb's right form is likelier than its other
    form; all tokens of a form count, and for masks rows whose forms are not single tokens are left out. A classifier is
    asked for singular or plural. Without data the beginnings are made up here from words and templates of this project,
    as many singular as plural. With data, they are those of Gulordava et al. (Colorless Green Recurrent Networks Dream
    Hierarchically, NAACL 2018): a table with tabs and the columns of their generated.tab.

    Attributes:
        items: How many to make up for each number of attractors.
        attractors: Nouns of the other number between subject and verb; None makes up some without and some with one.
        split: Nouns that the shipped models have not seen in made-up beginnings (test), or those that they have.
    """

    items: Annotated[int, Range(1)] = 1000
    attractors: Annotated[int | None, Range(0, MOST)] = None
    split: Literal["train", "test"] = "test"

    asks = ("causal", "classification", "masked")
    scores = by_name(
        replace(ACCURACY, caption="Share of rows where the right form (or number) is the likelier one."),
        SURPRISAL,
    )
    source = Source(
        endings=(".tab", ".tsv"), columns=(*_KEY, "class", "form", "sent", "len_prefix", "correct_number")
    )

    def table(self, data: Path | None, *, lab: Lab | None, seed: int) -> Table:
        """Items as mappings, made up or read."""
        if data is not None:
            return _pairs(self.source.load(self.name, data, None))
        counts = (0, 1) if self.attractors is None else (self.attractors,)
        return [
            asdict(item)
            | {"id": f"{seed}-{count}-{k}", "after": ".", "group": item.prefix}
            | {"kind": f"{count} attractor{'s' * (count != 1)}/{item.kind}"}
            for count in counts
            for k, item in enumerate(make(self.items, seed=seed, attractors=(count,), split=self.split))
        ]

    def row(self, record: Mapping[str, Any], number: int, lab: Lab | None) -> Row | None:
        """The beginning; what is asked depends on the lab's task, a form of the verb where there is no lab."""
        asked = "causal" if lab is None else lab.task
        text, forms = record["prefix"], (record["right"], record["wrong"])
        if asked == "masked":
            text = f"{text} {MASK}{'' if record['after'][:1] in '.,;:?!' else ' '}{record['after']}"
        if lab is not None and asked == "classification":
            order = ("singular", "plural") if record["number"] == "singular" else ("plural", "singular")
            one, two = (lab.labels[label_number(name, lab.labels, CLASSES)] for name in order)
            forms = (one, two)
        row = Row(record["id"], Prompt(text), forms[:1], forms[1], None, record["kind"], record["group"])
        return None if lab and asked == "masked" and not one_token_each(self.fitted(row, lab), lab) else row

    def readings(self, row: Row, lab: Lab) -> tuple[Encoding, ...]:
        """The beginning, and with forms of several tokens the beginning with each form."""
        return with_answers(row, lab, (*row.gold, row.wrong or ""))

    def measure(self, row: Row, asked: Asked, *more: Asked) -> dict[str, float]:
        """Whether the right form, or number, is the likelier one."""
        if asked.task == "classification":
            return of_label(asked, label_number(row.gold[0], asked.labels, CLASSES))
        return of_pair(row.gold[0], row.wrong or "", asked, more)


def _pairs(table: Table) -> Table:
    """The two lines of an item together: a sentence up to its verb, the right form and the wrong one."""
    both: dict[tuple[str, ...], dict[str, Mapping[str, str]]] = {}
    for line in table:
        both.setdefault(tuple(line[name] for name in _KEY), {})[line["class"]] = line
    found = []
    for number, forms in enumerate(pair for pair in both.values() if pair.keys() == {"correct", "wrong"}):
        one = forms["correct"]
        try:
            words, at = one["sent"].replace("<eos>", " ").split(), int(one["len_prefix"])
        except ValueError:
            raise BadInput(
                f"len_prefix is the number of words before the verb, not {one['len_prefix']!r}."
            ) from None
        count = one.get("n_attr") or "0"
        found.append(
            {
                "id": str(number),
                "prefix": joined(" ".join(words[:at])),
                "after": joined(" ".join(words[at + 1 :])),
                "right": one["form"],
                "wrong": forms["wrong"]["form"],
                "number": "singular" if one["correct_number"].startswith("sing") else "plural",
                "kind": f"{one['type']}/{count} attractor{'s' * (count != '1')}",
                "group": f"{one['pattern']}-{one['constr_id']}",
            }
        )
    return found
