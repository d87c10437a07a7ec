"""Which heads to steer: emphasise words in one head at a time, see what that does to the answer, keep the heads that help.

Head profiling as in PASTA (Zhang et al., Tell Your Model Where to Attend: Post-hoc Attention Steering for LLMs, ICLR 2024):
in a steered head the attention on all keys but the chosen words is multiplied by α and each row is brought back to its sum.
That is to multiply the odds of the chosen words by 1/α, so the edit is `scale`. The paper ranks heads by a task's score and
keeps those that are among the best of several tasks (`shared`); here they are ranked by the answer's log-probability.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnlab_core.edits import Part, Where
from attnlab_core.edits.scale import Scale
from attnlab_core.errors import BadInput
from attnlab_core.knobs import Range, check
from attnlab_core.progress import step, unheard
from attnlab_core.run import Run
from attnlab_core.targets import Answer, Goal, Quantity, Target

if TYPE_CHECKING:
    import pandas as pd

Places = Iterable[int | str] | int | str
"""Words that occur in a text, or positions."""
Head = tuple[int, int]
"""A layer and a head in it."""


@dataclass(frozen=True, eq=False)
class Case:
    """A text to profile on.

    Attributes:
        run: The text as the model reads it.
        words: What is emphasised.
        target: The answer that this should make likelier; `None` is the run's own.
    """

    run: Run
    words: Places
    target: Target | Answer | None = None


@dataclass(frozen=True, eq=False)
class Profile:
    """What emphasis in each head does to the answers of some cases.

    Attributes:
        effects: How much the target rose when the words were emphasised in that head alone; CPU, fp32.
        alpha: What all other keys were multiplied by.
        quantity: What the effects are differences of: log-probabilities (nats), probabilities or logits.
        part: The part of the model whose heads these are.
    """

    effects: Float[Tensor, "case layer head"]
    alpha: float
    quantity: Quantity
    part: Part | None = None

    @property
    def mean(self) -> Float[Tensor, "layer head"]:
        """The effect of each head, averaged over the cases."""
        return self.effects.mean(0)

    def heads(self, k: int) -> tuple[Head, ...]:
        """The k heads of the largest mean effect, the largest first; `BadInput` where there are not as many."""
        width, count = self.effects.shape[2], self.mean.numel()
        if not 1 <= k <= count:
            raise BadInput(f"k is {k}: ask for 1 to {count} heads.")
        order = self.mean.flatten().argsort(descending=True, stable=True)[:k].tolist()
        return tuple((place // width, place % width) for place in order)

    def edits(self, words: Places, k: int) -> tuple[Scale, ...]:
        """The edits that emphasise words in the k best heads, one a layer that has any."""
        return emphasise(words, self.heads(k), alpha=self.alpha, part=self.part)

    def to_frame(self) -> pd.DataFrame:
        """One row a head, the best first: layer, head, mean effect, and the share of cases in which the target rose."""
        import pandas as pd

        order = self.heads(self.mean.numel())
        risen = (self.effects > 0).float().mean(0)
        rows = [
            (layer, head, float(self.mean[layer, head]), float(risen[layer, head])) for layer, head in order
        ]
        return pd.DataFrame(rows, columns=["layer", "head", "effect", "risen"])


def emphasise(
    words: Places, heads: Iterable[Head], *, alpha: float = 0.01, part: Part | None = None
) -> tuple[Scale, ...]:
    """The edits that emphasise words in these heads and no others, one a layer.

    Args:
        words: words that occur in the text, or positions.
        heads: pairs of layer and head.
        alpha: what the attention on all other keys is multiplied by, before each row is brought back to its sum.
        part: of the model; `None` is every part whose keys are the text's tokens.

    Raises:
        BadInput: there is no head, or alpha is out of range.
    """
    alpha = check(profile, {"alpha": alpha}, "profile")["alpha"]
    by_layer: dict[int, list[int]] = {}
    for layer, head in sorted(heads):
        by_layer.setdefault(layer, []).append(head)
    if not by_layer:
        raise BadInput(
            "There is no head to steer. Profile on other cases, or take more heads of each profile."
        )
    named: Any = (words,) if isinstance(words, int | str) else tuple(words)
    return tuple(
        Scale(factor=1 / alpha, where=Where(layers=(layer,), heads=tuple(chosen), keys=named, part=part))
        for layer, chosen in by_layer.items()
    )


def profile(
    cases: Sequence[Case],
    *,
    alpha: Annotated[float, Range(0.001, 1)] = 0.01,
    quantity: Quantity = "log_probability",
) -> Profile:
    """Emphasise each case's words in every head alone, and measure what that does to its target.

    Every head is run for every case; nothing is estimated. Progress is told case by case.

    Args:
        cases: runs of one model, plain or edited; emphasis acts after the edits they have.
        alpha: what the attention on all other keys is multiplied by, before each row is brought back to its sum.
        quantity: what is compared, with the emphasis and without.

    Raises:
        BadInput: there is no case, the cases are of several models, or a word or a target does not fit its text.
    """
    values = check(profile, {"alpha": alpha, "quantity": quantity}, "profile")
    if not cases:
        raise BadInput("There is no case to profile on. Give at least one Case(run, words, target).")
    lab = cases[0].run.lab
    if any(case.run.lab is not lab for case in cases):
        raise BadInput("The cases are of several models. Profile the heads of one model at a time.")
    part: Any = cases[0].run.pattern.part
    heads = [(layer, head) for layer in range(lab.layers) for head in range(lab.heads)]
    found = []
    for number, case in enumerate(cases):
        rows = [emphasise(case.words, (one,), alpha=values["alpha"], part=part) for one in heads]
        with unheard():  # the steps of this loop are the ones to tell of
            after = _measured(case, [(), *rows], values["quantity"])
        found.append((after[1:] - after[0]).view(lab.layers, lab.heads))
        step(number + 1, len(cases))
    return Profile(torch.stack(found), values["alpha"], values["quantity"], part)


def shared(profiles: Sequence[Profile], k: int) -> tuple[Head, ...]:
    """The heads that are among the k best of every profile, by their mean effect over the profiles; there may be none.

    Raises:
        BadInput: there is no profile, the profiles are of models of different shapes, or k is out of range.
    """
    if len({one.mean.shape for one in profiles}) != 1:
        raise BadInput("Give profiles of one model, at least one.")
    best = [one.heads(k) for one in profiles]
    mean = torch.stack([one.mean for one in profiles]).mean(0)
    common = [head for head in best[0] if all(head in others for others in best)]
    return tuple(sorted(common, key=lambda head: -float(mean[head])))


def _measured(case: Case, rows: Sequence[Sequence[Scale]], quantity: Quantity) -> Float[Tensor, " row"]:
    """A case's target under each row of edits."""
    goal = case.run.goal(case.target)
    found = _values(case.run, goal, rows, quantity)
    return found if goal.against is None else found - _values(case.run, goal.against, rows, quantity)


def _values(
    run: Run, goal: Goal, rows: Sequence[Sequence[Scale]], quantity: Quantity
) -> Float[Tensor, " row"]:
    """One goal under each row of edits, a batch at a time, so that no more than one batch's logits are held."""
    whole, size = run.with_continuation(goal), run.lab.batch_size
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    return torch.cat([goal.value(whole.evaluate(rows=some, goal=goal), quantity).cpu() for some in batches])
