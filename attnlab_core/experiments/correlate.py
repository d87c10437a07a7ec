"""Whether raw attention, rollout and flow rank tokens as blank-out and gradients do, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy.stats import spearmanr

from attnlab_core.errors import BadInput, UnknownName
from attnlab_core.experiments import _explain_correlate
from attnlab_core.experiments._base import Table
from attnlab_core.experiments._explain import Explaining, Which
from attnlab_core.experiments._groups import head
from attnlab_core.knobs import check
from attnlab_core.methods import attribute
from attnlab_core.methods._graph import flow, rollout, to_shares
from attnlab_core.methods._inputs import form, gradient
from attnlab_core.methods._rows import choose, refuse_cross_attention
from attnlab_core.methods.attention_flow import attention_flow
from attnlab_core.metrics._deletions import ROUND

if TYPE_CHECKING:
    from attnlab_core.experiments._engine import Measured
    from attnlab_core.lab import Lab
    from attnlab_core.run import Run
    from attnlab_core.targets import Goal, Target
    from attnlab_core.tasks import Row

Readout = Literal["first", "max"]
METHODS = {"raw_attention": "raw attention", "attention_rollout": "rollout", "attention_flow": "flow"}
LONGEST = check(attention_flow, {}, "attention_flow")["max_tokens"]
"""Tokens of a text whose flow from one row is still found."""


@dataclass(frozen=True, kw_only=True)
class Correlate(Explaining):
    """Spearman's correlation of attention with the importance of tokens, as in the paper on rollout and flow.

    Importance is the change of the answer's probability when a token is blanked out, without its sign; or the gradient of
    that probability at the token's word embedding, as its length and as the absolute sum over its width.

    Attributes:
        methods: Of `raw_attention`, `attention_rollout` and `attention_flow`; empty is all three.
        readout: "first" reads the rows where the model reads its answer ([CLS] of a BERT), their mean where there are
            several; "max" takes the largest over all rows, as the paper's script for SST-2 did.
        specials: Over all tokens, as in the paper; without them, over the tokens of words only.
    """

    target: Which = "gold"
    methods: tuple[str, ...] = ()
    readout: Readout = "first"
    specials: bool = True

    def __post_init__(self) -> None:
        """Refuse settings that are none."""
        super().__post_init__()
        if self.readout not in get_args(Readout):
            raise BadInput(f'The readout is "first" or "max", not {self.readout!r}.')
        for name in self.methods:
            if name not in METHODS:
                raise UnknownName(name, METHODS, "method that is correlated")
        if self.params:
            raise BadInput("Correlations have no knobs of methods: leave params out.")

    def measure(self, lab: Lab, rows: Sequence[Row], budget: int) -> list[Measured]:
        """All correlations of each row, one row after the other."""
        return [self._measured(lab, row) for row in rows]

    def _measured(self, lab: Lab, row: Row) -> Measured:
        try:
            run, target = self.asked(lab, row)
            refuse_cross_attention(run, "A correlation with rollout or flow")
        except BadInput as error:
            return head(row) | {"why": str(error)}
        goal = run.goal(target)
        whole = run.with_continuation(goal)
        over = np.ones(len(whole.tokens), dtype=bool) if self.specials else ~form(whole).numpy()
        importance, said = self._importance(run, whole, goal, target)
        found, left = self._attention(whole, goal)
        values = {
            kind: {
                name: [spearman(one[over], weights[over]) for one in by_layer]
                for name, by_layer in found.items()
            }
            for kind, weights in importance.items()
        }
        right = {"right": run.prediction.lower() in map(str.lower, row.gold)} if row.gold else {}
        return head(row) | right | said | {"tokens": int(over.sum()), "values": values, "left": left}

    def _importance(
        self, run: Run, whole: Run, goal: Goal, target: Target
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """How much each token matters, in three ways, and what is to be said with it."""
        blanked = attribute(
            run,
            "occlusion",
            target,
            replace="unk",
            absolute=True,
            specials=self.specials,
            quantity="probability",
        )
        _, slope = gradient(whole, goal, "probability")
        summed, size = slope.sum(-1).abs().cpu().numpy(), slope.norm(dim=-1).cpu().numpy()
        total = float(slope.abs().sum())
        found = {
            "blank-out": np.round(blanked.scores.numpy() / ROUND) * ROUND,
            "gradient norm": size,
            "summed gradient": summed,
        }
        said = {
            "blank": " ".join((blanked.aggregation, *blanked.notes)),
            "ratio": float(summed.sum()) / total if total else None,
            "noise": spearman(summed, size),
        }
        return found, said

    def _attention(self, run: Run, goal: Goal) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Method → Float64 [layer, token], and why a method is missing."""
        wanted, found, left = self.methods or tuple(METHODS), {}, {}
        rows = choose(run, goal, None, None, None)
        shares, n = to_shares(rows.weights), len(run.tokens)
        queries = list(rows.queries) if self.readout == "first" else list(range(n))

        def read(tables: np.ndarray) -> np.ndarray:  # [..., query, token]
            return tables.mean(-2) if self.readout == "first" else tables.max(-2)

        if "raw_attention" in wanted:
            found["raw attention"] = read(rows.weights[:, queries])
        if "attention_rollout" in wanted:
            found["rollout"] = read(rollout(shares)[:, queries])
        if "attention_flow" in wanted and len(queries) * n**3 > LONGEST**3:
            left["flow"] = f"Attention flow from {len(queries)} rows over {n} tokens would take minutes."
        elif "attention_flow" in wanted:
            layers = [[flow(shares, query, at).values for query in queries] for at in range(len(shares))]
            found["flow"] = read(np.array(layers))
        return {name: np.round(table, 9) for name, table in found.items()}, left

    def tables(self, lab: Lab, measured: Sequence[Measured]) -> dict[str, Table]:
        """`correlations`: a row an importance, method and layer; `gradients`: what the summed gradient is made of."""
        return _explain_correlate.tables(self, lab, measured)

    def notes(self, lab: Lab, measured: Sequence[Measured]) -> list[str]:
        """How importance was measured, what is left out, and what the published figures are of."""
        return _explain_correlate.notes(self, lab, measured)


def spearman(one: np.ndarray, two: np.ndarray) -> float | None:
    """Spearman's correlation with average ranks for ties; None where there is nothing to rank.

    >>> round(spearman(np.array([0, 0, 0, 0, 1]), np.array([1, 0, 0, 0, 0])), 9)
    -0.25
    """
    if len(one) < 2 or not np.ptp(one) or not np.ptp(two):
        return None
    found: Any = spearmanr(one, two)
    return float(found.statistic)
