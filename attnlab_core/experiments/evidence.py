"""How well explanations find the tokens and sentences that a person marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from torch import Tensor

from attnlab_core.catalog import pick
from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.experiments import _explain_evidence
from attnlab_core.experiments._base import Table
from attnlab_core.experiments._explain import Explaining, Which, explained
from attnlab_core.experiments._explain_evidence import average_precision, chance, recall, units_of
from attnlab_core.experiments._groups import head
from attnlab_core.knobs import check
from attnlab_core.methods import FOLDER, attribute, methods
from attnlab_core.metrics import judged_tokens, marked_tokens

if TYPE_CHECKING:
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.lab import Lab
    from attnlab_core.tasks import Row

Sign = Literal["positive", "square"]
Way = tuple[str, dict[str, Any]]
"""A method of the catalogue, and its knobs."""
FORMS: Mapping[str, Way] = {
    "atman": ("atman", {}),
    "atman_correlated": ("atman", {"similarity": 0.7}),
    "atman_sentences": ("atman", {"unit": "sentence"}),
}
"""AtMan by token, with the tokens like each one (κ = 0.7), and by sentence."""
USUAL = (
    *FORMS,
    "integrated_gradients",
    "input_x_gradient",
    "attention_rollout",
    "attention_flow",
    "attention_x_gradient",
    "raw_attention",
    "random",
)
DRAWS = 20
"""Random explanations of a row, whose figures are averaged, so that luck counts less."""


@dataclass(frozen=True, kw_only=True)
class Evidence(Explaining):
    """Average precision and recall of explanations against marked tokens, token by token and sentence by sentence.

    What is marked is a row's rationale: the answer's place in SQuAD, the supporting sentences in HotpotQA. Ranked are the
    tokens of the context, or its sentences: a sentence is marked where one of its tokens is, and its score is the sum
    of its tokens' scores. For AtMan by sentence that sum is the effect of suppressing the whole sentence at once. Of pictures,
    ranked are the patches, and the words read with them.

    Attributes:
        methods: Names of the catalogue, and `atman_correlated` and `atman_sentences`; empty is the usual ones.
        sign: "positive" counts only what speaks for the answer, and all else as 0; "square" squares every score.
    """

    target: Which = "gold"
    methods: tuple[str, ...] = ()
    sign: Sign = "positive"

    def __post_init__(self) -> None:
        """Refuse names and knobs that are in no catalogue."""
        super().__post_init__()
        if self.sign not in get_args(Sign):
            raise BadInput(f'The sign is "positive" or "square", not {self.sign!r}.')
        for name in (*self.methods, *self.knobs):
            if name not in FORMS and name not in methods():
                raise UnknownName(name, {*FORMS, *methods()}, "method")
        for method, knobs in self.ways.values():
            check(pick(FOLDER, method, "method"), knobs, f"the method {method}")

    @property
    def ways(self) -> dict[str, Way]:
        """What is compared: name → method and its knobs."""
        names = self.methods or [name for name in USUAL if name in FORMS or name in methods()]
        own = self.knobs
        found = {}
        for name in names:
            method, knobs = FORMS.get(name, (name, {}))
            found[name] = (method, {**knobs, **own.get(name, {})})
        return found

    def measure(self, lab: Lab, rows: Sequence[Row], budget: int) -> list[Measured]:
        """Average precision and recall of each row's explanations, one row after the other."""
        return [self._measured(lab, row) for row in rows]

    def _measured(self, lab: Lab, row: Row) -> Measured:
        if row.rationale is None:
            return head(row) | {"why": "Nothing is marked in the row."}
        try:
            run, target = self.asked(lab, row)
        except BadInput as error:
            return head(row) | {"why": str(error)}
        judged = judged_tokens(run)
        gold = (marked_tokens(run, row.rationale) & judged).numpy()
        if not gold.any():
            return head(row) | {"why": "No token of the context is marked."}
        units = units_of(run, judged)
        marked = {unit: np.array([gold[list(one)].any() for one in places]) for unit, places in units.items()}
        ways = self.ways
        absent = {"random", *(() if "sentence" in units else ("atman_sentences",))}
        alone = {name: way for name, way in ways.items() if name not in absent}
        found, left = explained(run, target, alone)
        made = {name: [one.scores] for name, one in found.items()}
        if "random" in ways:
            seeds = [self.draw(row, number) for number in range(DRAWS)]
            made["random"] = [attribute(run, "random", target, seed=seed).scores for seed in seeds]
        values: dict[str, dict[str, list[float]]] = {unit: {} for unit in units}
        for unit, places in units.items():
            for name, some in made.items():
                if not marked[unit].all() and (unit == "sentence" or name != "atman_sentences"):
                    pairs = [self._found(scores, places, marked[unit]) for scores in some]
                    values[unit][name] = [float(value) for value in np.mean(pairs, axis=0)]
        return head(row) | {
            "units": {unit: len(places) for unit, places in units.items()},
            "marked": {unit: int(one.sum()) for unit, one in marked.items()},
            "values": values,
            "chance": {unit: list(chance(len(one), int(one.sum()))) for unit, one in marked.items()},
            "left": left,
        }

    def _found(
        self, scores: Tensor, places: Sequence[tuple[int, ...]], marked: np.ndarray
    ) -> tuple[float, float]:
        """Average precision and recall of tokens' scores, summed by unit."""
        sums = np.array([float(scores[list(some)].sum()) for some in places])
        kept = sums.clip(min=0) if self.sign == "positive" else sums**2
        return average_precision(kept, marked), recall(kept, marked)

    def tables(self, lab: Lab, measured: Sequence[Measured]) -> dict[str, Table]:
        """`evidence`: a row a unit and method."""
        return {"evidence": _explain_evidence.table(self, measured)}

    def notes(self, lab: Lab, measured: Sequence[Measured]) -> list[str]:
        """What the figures are, what is left out, and what they are not."""
        return _explain_evidence.notes(self, lab, measured)
